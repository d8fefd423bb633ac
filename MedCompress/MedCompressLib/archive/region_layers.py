"""What the manifest of an archive with regions says beyond that of others: Docs/mcz-format.md, section 12."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .manifest import Layer

_ORDER = ("region", "box", "base", "restore")
REGION_CODEC = "region"


def region_fields(entry: dict[str, Any], shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    """The fields error, fill, name and box of a layer's entry, checked; raises ValueError."""
    limits = np.iinfo(dtype)
    fields: dict[str, Any] = {}
    if entry["role"] == "region":
        fields = {
            "error": _whole(entry["error"], 0, 1 << 16),
            "fill": _whole(entry["fill"], int(limits.min), int(limits.max)),
            "name": entry["name"],
        }
        if not isinstance(fields["name"], str) or entry["codec"] != REGION_CODEC:
            raise ValueError("a region has no name, or a codec that is not its own")
    if entry["role"] == "box":
        pairs = [(_whole(first, 0, count), _whole(end, 0, count)) for (first, end), count in _zip(entry["box"], shape)]
        if any(first >= end for first, end in pairs):
            raise ValueError("a box is empty")
        fields = {"box": tuple(pairs), "fill": _whole(entry["fill"], int(limits.min), int(limits.max))}
    return fields


def check_region_layers(layers: tuple[Layer, ...]) -> None:
    """Raises ValueError unless the roles stand in their order: regions, at most one box, base and restore."""
    places = [_ORDER.index(layer.role) for layer in layers]
    if not places or places != sorted(places) or any(places.count(place) > 1 for place in (1, 2, 3)):
        raise ValueError("the layers are not regions, a box, a base and a restoring layer in this order")
    if places == [2]:
        raise ValueError("an archive with a base alone has version 1")


def _zip(box: object, shape: tuple[int, ...]):
    if not isinstance(box, list) or len(box) != 3 or any(not isinstance(pair, list) or len(pair) != 2 for pair in box):
        raise ValueError("a box is not three pairs")
    return zip(box, shape, strict=True)


def _whole(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is not a whole number from {least} to {most}")
    return value
