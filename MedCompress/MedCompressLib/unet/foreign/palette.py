"""Colors for the labels of models that name none."""

from __future__ import annotations

import colorsys


def color(number: int) -> tuple[float, float, float]:
    """The color of the label `number`, from 0: hues a golden angle apart, so that neighbors differ."""
    red, green, blue = colorsys.hsv_to_rgb((number * 0.61803398875 + 0.08) % 1, 0.55, 0.9)
    return round(red, 3), round(green, 3), round(blue, 3)
