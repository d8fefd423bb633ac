"""What a user can ask of a lossy or lossless encoding, one small type each."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from .errors import MedCompressError


@dataclass(frozen=True)
class Lossless:
    """Every sample comes back bit for bit."""

    def __str__(self) -> str:
        return "lossless"


@dataclass(frozen=True)
class Ratio:
    """Size of the source samples divided by the size of the whole written file."""

    value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 1):
            raise MedCompressError(f"ratio {self.value:g} makes no file smaller: ask for a number of at least 1")

    def __str__(self) -> str:
        return f"{self.value:g}:1"


@dataclass(frozen=True)
class Psnr:
    """Peak signal-to-noise ratio of the whole volume in dB; the peak is chosen from the modality unless given."""

    value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and 0 < self.value <= 200):
            raise MedCompressError(f"PSNR {self.value:g} dB is out of reach: ask for a number between 0 and 200 dB")

    def __str__(self) -> str:
        return f"{self.value:g} dB"


@dataclass(frozen=True)
class MaxError:
    """No sample moves by more than this, in the units of the samples; for floating-point types roundings included."""

    value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise MedCompressError(
                f"a maximum error of {self.value:g} is no bound: ask for a number above 0, or for lossless"
            )

    def __str__(self) -> str:
        return f"error of at most {self.value:g}"


@dataclass(frozen=True)
class Quality:
    """A value on the codec's own scale, such as HEVC's QP; see `codecs.interface.Scale`."""

    value: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise MedCompressError(f"the quality {self.value} is no number: give one on the scale of the codec")

    def __str__(self) -> str:
        return f"quality {self.value:g}"


Target = Lossless | Ratio | Psnr | MaxError | Quality
_KINDS = {"lossless": Lossless, "ratio": Ratio, "psnr": Psnr, "max_error": MaxError, "quality": Quality}


def target_as_dict(target: Target) -> dict:
    """JSON form: {"kind": "ratio", "value": 10.0}."""
    kind = next(name for name, cls in _KINDS.items() if isinstance(target, cls))
    return {"kind": kind, **asdict(target)}


def target_from_dict(document: dict) -> Target:
    """Inverse of `target_as_dict`; raises MedCompressError for an unknown kind or missing value."""
    fields = dict(document)
    kind = _KINDS.get(fields.pop("kind", None))
    try:
        return kind(**fields)
    except TypeError:
        raise MedCompressError(f"unknown target {document!r}: a newer version of MedCompress may know it") from None
