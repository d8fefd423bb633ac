"""Which segment of one segmentation is which of the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import MedCompressError
from .segmentation import Segment, Segmentation


@dataclass(frozen=True)
class Match:
    """A pair of segments and what made it: "hand", "name", "terminology", "value", or "none" where one is missing."""

    reference: Segment | None
    test: Segment | None
    by: str

    @property
    def name(self) -> str:
        """Name of the reference's segment, of the test's where the reference has none."""
        return (self.reference or self.test).name


def match_segments(
    reference: Segmentation, test: Segmentation, by_hand: Mapping[str, str] | None = None
) -> list[Match]:
    """Pairs of segments in the reference's order; then what is left of the test.

    by_hand: name in the reference to name in the test; goes before all else.

    Then equal names, names equal but for case and separators, codes that are unique on both sides, and, where a side
    is a label map without names, label values. A segment without counterpart is paired with None.

    Raises MedCompressError when a name given by hand does not exist.
    """
    pairs: dict[Segment, tuple[Segment, str]] = {}

    def left() -> tuple[list[Segment], list[Segment]]:
        taken = {segment for segment, _ in pairs.values()}
        return [s for s in reference.segments if s not in pairs], [s for s in test.segments if s not in taken]

    def pair(key: Callable[[Segment], object], by: str, unique: bool = False) -> None:
        for segment in left()[0]:
            ours, theirs = ([s for s in side if key(s) == key(segment)] for side in left())
            if key(segment) and theirs and (not unique or len(ours) == len(theirs) == 1):
                pairs[segment] = (theirs[0], by)

    for ours, theirs in (by_hand or {}).items():
        segment = _named(reference, ours, "reference")
        pairs[segment] = (_named(test, theirs, "test"), "hand")
    pair(lambda segment: segment.name, "name")
    pair(lambda segment: "".join(filter(str.isalnum, segment.name.casefold())), "name", unique=True)
    pair(lambda segment: segment.terminology, "terminology", unique=True)
    if not all(any(s.named for s in side.segments) for side in (reference, test)):
        pair(lambda segment: segment.value, "value", unique=True)
    found = [Match(s, *pairs.get(s, (None, "none"))) for s in reference.segments]
    return found + [Match(None, segment, "none") for segment in left()[1]]


def _named(segmentation: Segmentation, name: str, side: str) -> Segment:
    for segment in segmentation.segments:
        if segment.name == name:
            return segment
    raise MedCompressError(
        f"the {side} has no segment {name!r}; it has {', '.join(s.name for s in segmentation.segments) or 'none'}"
    )
