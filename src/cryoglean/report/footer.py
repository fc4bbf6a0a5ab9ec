"""Strip under a picture: caption, scale bar and legend of its colours."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEIGHT_PX, MIN_WIDTH_PX = 58, 720
"""Size of the strip; narrower pictures are padded. Chosen by hand: two lines of text and a legend fit."""

BACKGROUND, INK, FAINT = (22, 24, 28), (238, 238, 238), (160, 164, 170)
"""RGB of the strip, and of its first and second line. Chosen by hand: dark as the micrographs above it."""

_TEXT_PX, _SMALL_PX = 16, 13
"""Heights of the letters. Resource: they can be read on a screen."""

_MARGIN_PX, _GAP_PX = 14, 26
"""Space at the ends and between parts. Chosen by hand: parts can be told apart."""

_BAR_WIDTH_PX, _BAR_HEIGHT_PX, _BAR_TOP_PX, _LABEL_TOP_PX = 150, 10, 18, 34
"""The colour bar, and its labels below. Derived from the height of the strip."""

_SCALE_BAR_SHARE = 0.15
"""A scale bar is at most this share of the picture's width. Chosen by hand: it leaves room for the caption."""

_ROUND_LENGTHS = (1, 2, 5)
"""Round numbers, up to a power of ten. Chosen by hand, as scale bars usually are."""


class Legend(NamedTuple):
    """Colour bar.

    Attributes:
        colours: (n, 3) uint8 RGB, lowest value first.
        low: text at its left end.
        title: text in its middle.
        high: text at its right end.
    """

    colours: NDArray[np.uint8]
    low: str
    title: str
    high: str


def footer(
    width_px: int, caption: str, remark: str, *, angstrom_per_px: float | None = None, legend: Legend | None = None
) -> NDArray[np.uint8]:
    """Draw the strip.

    Args:
        width_px: its width, `MIN_WIDTH_PX` or more.
        caption: first line, shortened in its middle if it is too long.
        remark: second line, smaller.
        angstrom_per_px: scale of the picture above; no scale bar where it is None.
        legend: colour bar, if there is one.

    Returns:
        (HEIGHT_PX, width_px, 3) uint8 RGB.
    """
    strip = Image.new("RGB", (width_px, HEIGHT_PX), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    right = width_px - _MARGIN_PX
    if legend is not None:
        right = _draw_legend(strip, draw, right, legend) - _GAP_PX
    if angstrom_per_px is not None:
        right = _draw_scale_bar(draw, right, width_px, angstrom_per_px) - _GAP_PX
    room = right - _MARGIN_PX
    draw.text((_MARGIN_PX, 8), fitted(draw, caption, font(_TEXT_PX), room), INK, font(_TEXT_PX))
    draw.text((_MARGIN_PX, 33), fitted(draw, remark, font(_SMALL_PX), room), FAINT, font(_SMALL_PX))
    return np.asarray(strip)


def round_length(longest: float) -> float:
    """Return the longest of 1, 2, 5, 10, 20, 50, ... (and 0.5, 0.2, ...) that is not longer than `longest`."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(step for step in _ROUND_LENGTHS if step * power <= longest * (1 + 1e-9)) * power)


@lru_cache
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """Return the font of all pictures."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size_px)


def fitted(draw: ImageDraw.ImageDraw, text: str, letters: ImageFont.FreeTypeFont, room_px: float) -> str:
    """Cut letters from the middle, where names of micrographs differ least, until the text fits."""
    shown, kept = text, len(text)
    while kept > 2 and draw.textlength(shown, letters) > room_px:
        kept -= 1
        shown = f"{text[: kept // 3]}…{text[len(text) - (kept - kept // 3) :]}"
    return shown


def _draw_legend(strip: Image.Image, draw: ImageDraw.ImageDraw, right: int, legend: Legend) -> int:
    """Draw the colour bar up to the column `right` and return its left end."""
    left = right - _BAR_WIDTH_PX
    ramp = Image.fromarray(legend.colours[None]).resize((_BAR_WIDTH_PX, _BAR_HEIGHT_PX), Image.Resampling.BILINEAR)
    strip.paste(ramp, (left, _BAR_TOP_PX))
    for text, x, anchor in (
        (legend.low, left, "la"),
        (legend.title, left + _BAR_WIDTH_PX / 2, "ma"),
        (legend.high, right, "ra"),
    ):
        draw.text((x, _LABEL_TOP_PX), text, INK, font(_SMALL_PX), anchor=anchor)
    return left


def _draw_scale_bar(draw: ImageDraw.ImageDraw, right: int, width_px: int, angstrom_per_px: float) -> int:
    """Draw a scale bar of a round length up to the column `right` and return its left end."""
    length = round_length(_SCALE_BAR_SHARE * width_px * angstrom_per_px)
    left = right - round(length / angstrom_per_px)
    draw.rectangle((left, _BAR_TOP_PX + 2, right, _BAR_TOP_PX + 6), INK)
    draw.text(((left + right) / 2, _LABEL_TOP_PX), f"{length:g} Å", INK, font(_SMALL_PX), anchor="ma")
    return min(left, (left + right) // 2 - 30)
