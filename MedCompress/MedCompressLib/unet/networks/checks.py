"""Checks that architectures share: parameters come from files, so none is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import MedCompressError

MAX_CHANNELS = 4096
MAX_LEVELS = 10


def wrong(text: str) -> MedCompressError:
    return MedCompressError(f"the description of the network is wrong: {text}; correct the model card")


def whole(value: Any, name: str, low: int, high: int) -> int:
    """`value` as an int of low to high; raises MedCompressError."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise wrong(f"{name} must be a whole number of {low} to {high}, not {value!r}")
    return value


def truth(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(f"{name} must be true or false, not {value!r}")
    return value


def per_level(value: Any, name: str, low: int, high: int, levels: int | None = None) -> list[int]:
    """`value` as a list of whole numbers, one per level; raises MedCompressError."""
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= MAX_LEVELS:
        raise wrong(f"{name} must be a list of 1 to {MAX_LEVELS} numbers, one per level, not {value!r:.200}")
    if levels is not None and len(value) != levels:
        raise wrong(f"{name} has {len(value)} levels, features has {levels}")
    return [whole(item, name, low, high) for item in value]


def per_level_and_axis(value: Any, name: str, low: int, high: int, levels: int, dimension: int) -> list[list[int]]:
    """`value` as one list of `dimension` whole numbers per level; raises MedCompressError."""
    if not isinstance(value, (list, tuple)) or len(value) != levels:
        raise wrong(f"{name} must be a list of {levels} levels, as features has, not {value!r:.200}")
    for level in value:
        if not isinstance(level, (list, tuple)) or len(level) != dimension:
            raise wrong(f"{name} must have {dimension} numbers per level, not {level!r:.200}")
    return [[whole(item, name, low, high) for item in level] for level in value]


def channels(in_channels: int, out_channels: int) -> None:
    whole(in_channels, "the number of input channels", 1, MAX_CHANNELS)
    whole(out_channels, "the number of output channels", 1, 65536)


def only_dimension(architecture: str, dimension: int, expected: int) -> None:
    if dimension != expected:
        raise wrong(f"{architecture} works in {expected} dimensions, the card says {dimension}")


def product(factors: Sequence[Sequence[int]], dimension: int) -> tuple[int, ...]:
    """Per axis the product of all levels' factors."""
    result = [1] * dimension
    for level in factors:
        result = [value * factor for value, factor in zip(result, level, strict=True)]
    return tuple(result)
