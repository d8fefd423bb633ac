"""Checks of single values of a model card."""

from __future__ import annotations

import json
import math
from collections.abc import Container
from typing import Any

from ..errors import MedCompressError

NORMALIZATIONS: dict[str, tuple[str, ...]] = {
    "zscore": (),
    "window": ("low", "high"),
    "fixed": ("mean", "std"),
    "clipped": ("low", "high", "mean", "std"),
}
"""The kinds of normalization and their parameters."""


class CardError(ValueError, MedCompressError):
    """One value of a card is wrong."""


def text(value: Any, name: str, longest: int, empty: bool = True) -> str:
    if not isinstance(value, str) or len(value) > longest or not (value or empty):
        raise CardError(f"{name} must be a text of {0 if empty else 1} to {longest} characters")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise CardError(f"{name} holds a character that UTF-8 has not") from None
    return value


def whole(value: Any, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise CardError(f"{name} must be a whole number of {low} to {high}, not {value!r:.100}")
    return value


def number(value: Any, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise CardError(f"{name} must be a number of {low:g} to {high:g}, not {value!r:.100}")
    return float(value)


def sequence(value: Any, name: str, lengths: Container[int]) -> list[Any]:
    if not isinstance(value, (list, tuple)) or len(value) not in lengths:
        raise CardError(f"{name} must be a list of a different length, not {value!r:.100}")
    return list(value)


def numbers(value: Any, name: str, lengths: Container[int], low: float, high: float) -> tuple[float, ...]:
    return tuple(number(item, name, low, high) for item in sequence(value, name, lengths))


def free(value: Any, name: str) -> dict[str, Any]:
    """A deep copy of a JSON object with texts as keys and finite numbers."""
    if not isinstance(value, dict):
        raise CardError(f"{name} must be an object, not {value!r:.100}")
    try:
        _plain(value, name, 0)
        copy = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise CardError(f"{name} must hold plain JSON ({str(error)[:200]})") from None
    return copy


def _plain(value: Any, name: str, depth: int) -> None:
    """Raise CardError unless value is JSON of modest depth whose texts are UTF-8."""
    if depth > 20:
        raise CardError(f"{name} is nested too deeply")
    if isinstance(value, str):
        text(value, name, 1 << 20)
    elif isinstance(value, dict):
        for key, item in value.items():
            text(key, f"a key of {name}", 200)
            _plain(item, name, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _plain(item, name, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise CardError(f"{name} holds a number that is not finite")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise CardError(f"{name} holds a whole number of more than 64 bits")


def refuse_constant(name: str) -> Any:
    raise CardError(f"{name} is no number")


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise CardError("a field is there twice")
    return result
