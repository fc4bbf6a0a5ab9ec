"""Picture of all class averages side by side, best first, with their numbers and the decisions on them."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from cryoglean.io.atomic import write_atomic_bytes
from cryoglean.report.footer import BACKGROUND, FAINT, INK, MIN_WIDTH_PX, fitted, font, footer
from cryoglean.words import counted

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classes
    from cryoglean.classes2d.selection import Selection

_LAYOUTS = ((12, 210, 6), (35, 180, 7), (80, 150, 9), (math.inf, 124, 14))
"""Up to how many classes, width of a tile in pixels, and tiles in a row. Resource: the sheet fits on a screen."""

_TEXT_PX, _LINE_PX, _FRAME_PX, _GAP_PX = 12, 15, 3, 8
"""Letters, lines, frames, and space between tiles. Resource: they can be read and told apart on a screen."""

_KEPT, _REJECTED, _UNDECIDED = (86, 196, 120), (172, 84, 84), (70, 74, 82)
"""RGB of frames. Chosen by hand: green and red of different brightness, so that they differ not only in colour."""

_CIRCLE, _CIRCLE_OPACITY = (120, 170, 255), 0.35
"""RGB and opacity of the particle's circle. Chosen by hand: it can be seen and hides nothing."""

_PERCENTILES = (0.5, 99.5)
"""Grey values inside the circle that become black and white. Chosen by hand: outliers take no contrast."""

_FULL_CIRCLE = 0.9
"""Diameter of the circle over the box where that of the particle is not known. Chosen by hand: most of the box."""


@dataclass(frozen=True)
class _Tile:
    """Class average with its text.

    Attributes:
        average: (box, box).
        lines: of text below it.
        frame: RGB of its frame.
        is_empty: whether there is nothing to show.
    """

    average: NDArray[np.float32]
    lines: tuple[str, ...]
    frame: tuple[int, int, int]
    is_empty: bool


def draw_gallery(
    path: str | os.PathLike[str],
    classes: Classes,
    pixel_size_angstrom: float,
    selection: Selection | None = None,
    title: str = "",
    *,
    diameter_angstrom: float | None = None,
) -> None:
    """Draw all class averages as PNG: kept ones first and framed green, rejected ones framed red with the reason.

    Below each: its number (counted from 1, as `rlnClassNumber`), its particles, their share of all, its resolution, and
    %/Res, the share in per cent over the resolution. Grey values run from the darkest to the brightest inside the
    particle's circle, each class on its own.

    Args:
        path: the picture; written whole or not at all.
        classes: one or more.
        pixel_size_angstrom: of the averages.
        selection: decisions on the classes; without it the largest class comes first.
        title: of the picture.
        diameter_angstrom: of the particle, whose circle is drawn; None draws none.

    Raises:
        OSError: if the file cannot be written.
    """
    box = classes.averages.shape[-1]
    share = circle_share(box, pixel_size_angstrom, diameter_angstrom)
    order = np.argsort(-classes.counts, kind="stable") if selection is None else selection.best_first()
    tiles = [_tile(classes, selection, int(k)) for k in order]
    side, columns = next((side, columns) for maximum, side, columns in _LAYOUTS if len(tiles) <= maximum)
    drawn = [_drawn(tile, side, share, diameter_angstrom is not None) for tile in tiles]
    sheet = _sheet(drawn, min(len(drawn), columns))
    remark = _remark(classes, selection, diameter_angstrom)
    strip = footer(sheet.shape[1], title, remark, angstrom_per_px=pixel_size_angstrom * box / _inner(side))
    encoded = io.BytesIO()
    Image.fromarray(np.concatenate([sheet, strip])).save(encoded, format="PNG")
    write_atomic_bytes(path, encoded.getvalue())


def circle_share(box: int, pixel_size_angstrom: float, diameter_angstrom: float | None) -> float:
    """Return the diameter of the particle's circle over the box; most of the box where the diameter is not known."""
    return _FULL_CIRCLE if diameter_angstrom is None else min(diameter_angstrom / pixel_size_angstrom / box, 1.0)


def _tile(classes: Classes, selection: Selection | None, k: int) -> _Tile:
    count, resolution = int(classes.counts[k]), float(classes.resolution_angstrom[k])
    limit = f"{resolution:.1f} Å" if math.isfinite(resolution) else "no resolution"
    lines = [
        f"{k + 1}:  {count},  {classes.share[k]:.1%}",
        f"{limit},  %/Res {classes.percent_per_resolution[k]:.2g}",
    ]
    if selection is None:
        return _Tile(classes.averages[k], tuple(lines), _UNDECIDED, count == 0)
    kept = bool(selection.kept[k])
    lines.append(f"kept, score {selection.score[k]:.2f}" if kept else selection.verdicts[k].message)
    return _Tile(classes.averages[k], tuple(lines), _KEPT if kept else _REJECTED, count == 0)


def _inner(side_px: int) -> int:
    return side_px - 2 * _FRAME_PX


def _drawn(tile: _Tile, side_px: int, circle: float, is_circle_drawn: bool) -> Image.Image:
    lines = 3
    whole = Image.new("RGB", (side_px, side_px + lines * _LINE_PX + 4), BACKGROUND)
    draw = ImageDraw.Draw(whole)
    draw.rectangle((0, 0, side_px - 1, side_px - 1), tile.frame)
    inner = _inner(side_px)
    picture = Image.new("RGB", (inner, inner), BACKGROUND)
    if tile.is_empty:
        ImageDraw.Draw(picture).text((inner / 2, inner / 2), "empty", FAINT, font(_TEXT_PX), anchor="mm")
    else:
        grey = Image.fromarray(average_grey(tile.average, circle)).resize((inner, inner), Image.Resampling.BICUBIC)
        picture = grey.convert("RGB")
        if is_circle_drawn:
            picture = _with_circle(picture, circle, tile.average.shape[-1])
    whole.paste(picture, (_FRAME_PX, _FRAME_PX))
    for number, line in enumerate(tile.lines):
        ink = INK if number == 0 else FAINT
        place = (_FRAME_PX, side_px + 2 + number * _LINE_PX)
        draw.text(place, fitted(draw, line, font(_TEXT_PX), side_px - _FRAME_PX), ink, font(_TEXT_PX))
    return whole


def average_grey(average: NDArray[np.float32], circle: float) -> NDArray[np.uint8]:
    """Turn an average into grey values, as far apart as those inside the circle allow.

    Args:
        average: (box, box).
        circle: diameter of the circle over the box.
    """
    steps = np.arange(average.shape[-1]) - average.shape[-1] // 2
    inside = average[np.hypot(steps[:, None], steps) <= circle * average.shape[-1] / 2]
    dark, bright = np.percentile(inside, _PERCENTILES)
    span = bright - dark if bright > dark else 1.0
    return np.asarray(np.clip((average - dark) / span, 0, 1) * 255, np.uint8)


def _with_circle(picture: Image.Image, circle: float, box: int) -> Image.Image:
    side = picture.width
    middle = (box // 2 + 0.5) / box * side
    radius = circle * side / 2
    ringed = picture.copy()
    corners = (middle - radius, middle - radius, middle + radius, middle + radius)
    ImageDraw.Draw(ringed).ellipse(corners, outline=_CIRCLE)
    return Image.blend(picture, ringed, _CIRCLE_OPACITY)


def _sheet(tiles: list[Image.Image], columns: int) -> NDArray[np.uint8]:
    """Lay tiles out in rows, in the middle of a picture that is wide enough for the strip below."""
    width, height = tiles[0].width + _GAP_PX, tiles[0].height + _GAP_PX
    whole = max(columns * width + _GAP_PX, MIN_WIDTH_PX)
    left = (whole - columns * width + _GAP_PX) // 2
    sheet = Image.new("RGB", (whole, -(-len(tiles) // columns) * height + _GAP_PX), BACKGROUND)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet.paste(tile, (left + column * width, _GAP_PX + row * height))
    return np.asarray(sheet)


def _remark(classes: Classes, selection: Selection | None, diameter_angstrom: float | None) -> str:
    total = int(classes.counts.sum())
    all_classes, all_particles = counted(len(classes), "class", "classes"), counted(total, "particle")
    summary = f"{all_classes}, {all_particles}"
    if selection is not None:
        kept = int(classes.counts[selection.kept].sum())
        summary = f"kept {int(selection.kept.sum())} of {all_classes}, {kept:,} of {all_particles}"
    circles = "" if diameter_angstrom is None else f"; circles of {diameter_angstrom:.4g} Å"
    return f"{summary}{circles}"
