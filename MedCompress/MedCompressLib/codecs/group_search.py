"""Any setting for one group: what a codec does not take natively is sought on its own quality scale."""

from __future__ import annotations

import math

import numpy as np

from .interface import Budget, Codec, Distortion, Knob, SampleFormat, Setting
from .trend import Trend

_TRIALS = 8
_SIZE_TOLERANCE = 0.02
_MSE_TOLERANCE = 0.01
_LEAST_MSE = 1e-9


def encode_to(codec: Codec, group: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
    """The chunk of a group; for a size or an error that the codec cannot control, the nearest of some trials."""
    scale = codec.capabilities.scale
    if type(setting) in codec.capabilities.settings or scale is None or not isinstance(setting, Budget | Distortion):
        return codec.encode(group, sample_format, setting)
    by_size = isinstance(setting, Budget)
    goal = -math.log(max(1, setting.size)) if by_size else math.log(max(_LEAST_MSE, setting.mse))
    tolerance = _SIZE_TOLERANCE if by_size else _MSE_TOLERANCE
    trend, position, best = Trend(10.0 if by_size else 16.0), 0.4, (math.inf, b"")
    for _ in range(_TRIALS):
        chunk = codec.encode(group, sample_format, Knob(scale.at(position)))
        value = -math.log(max(1, len(chunk))) if by_size else _log_mse(codec, chunk, group, sample_format)
        trend.add(position, value)
        best = min(best, (abs(value - goal), chunk))
        following = trend.find(goal)
        if best[0] <= tolerance or following == position:
            break
        position = following
    return best[1]


def _log_mse(codec: Codec, chunk: bytes, group: np.ndarray, sample_format: SampleFormat) -> float:
    difference = codec.decode(chunk, group.shape, sample_format).astype(np.float64) - group
    return math.log(max(_LEAST_MSE, float(np.mean(difference**2))))
