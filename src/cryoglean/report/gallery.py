"""All class averages side by side, best first, each with what is known of it and what was decided."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from cryoglean.io.atomic import write_atomic_bytes
from cryoglean.report.footer import BACKGROUND, LEAST_WIDTH_PX, fitted, font, footer

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classes
    from cryoglean.classes2d.selection import Selection

_WIDTHS_PX = ((12, 210), (35, 180), (80, 150), (math.inf, 124))
_COLUMNS = ((12, 6), (35, 7), (80, 9), (math.inf, 14))
_TEXT_PX, _LINE_PX, _FRAME_PX, _GAP_PX = 12, 15, 3, 8
_INK, _FAINT = (238, 238, 238), (160, 164, 170)
_KEPT, _DROPPED, _UNDECIDED = (86, 196, 120), (172, 84, 84), (70, 74, 82)
_CIRCLE, _CIRCLE_OPACITY = (120, 170, 255), 0.35
_PERCENTILES = (0.5, 99.5)
_FULL_CIRCLE = 0.9  # of the box, where the diameter is not known


@dataclass(frozen=True)
class _Tile:
    """One class to be drawn.

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
    """Draw all class averages as PNG: kept ones first and framed green, dropped ones framed red with the reason.

    Under each stand its number (counted from 1, as `rlnClassNumber`), how many particles it has, its share of them, its
    resolution, and %/Res, the share over the resolution. Grey values run from the darkest to the brightest inside the
    particle's circle, each class on its own.

    Args:
        path: the picture; written whole or not at all.
        classes: one or more.
        pixel_size_angstrom: of the averages.
        selection: what was decided; without it the largest class comes first.
        title: what to call the picture.
        diameter_angstrom: of the particle, whose circle is drawn.

    Raises:
        OSError: if the file cannot be written.
    """
    box = classes.averages.shape[-1]
    share = circle_share(box, pixel_size_angstrom, diameter_angstrom)
    order = np.argsort(-classes.counts, kind="stable") if selection is None else selection.best_first()
    tiles = [_tile(classes, selection, int(k)) for k in order]
    side = next(width for most, width in _WIDTHS_PX if len(tiles) <= most)
    columns = min(len(tiles), int(next(n for most, n in _COLUMNS if len(tiles) <= most)))
    sheet = _sheet([_drawn(tile, side, share, diameter_angstrom is not None) for tile in tiles], columns)
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
    said = f"{resolution:.1f} Å" if math.isfinite(resolution) else "no resolution"
    lines = [f"{k + 1}:  {count},  {classes.share[k]:.1%}", f"{said},  %/Res {classes.percent_per_resolution[k]:.2g}"]
    if selection is None:
        return _Tile(classes.averages[k], tuple(lines), _UNDECIDED, count == 0)
    kept = bool(selection.kept[k])
    lines.append(f"kept, score {selection.score[k]:.2f}" if kept else selection.verdicts[k].message)
    return _Tile(classes.averages[k], tuple(lines), _KEPT if kept else _DROPPED, count == 0)


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
        ImageDraw.Draw(picture).text((inner / 2, inner / 2), "empty", _FAINT, font(_TEXT_PX), anchor="mm")
    else:
        grey = Image.fromarray(average_grey(tile.average, circle)).resize((inner, inner), Image.Resampling.BICUBIC)
        picture = grey.convert("RGB")
        if is_circle_drawn:
            picture = _with_circle(picture, circle, tile.average.shape[-1])
    whole.paste(picture, (_FRAME_PX, _FRAME_PX))
    for number, line in enumerate(tile.lines):
        ink = _INK if number == 0 else _FAINT
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
    whole = max(columns * width + _GAP_PX, LEAST_WIDTH_PX)
    left = (whole - columns * width + _GAP_PX) // 2
    sheet = Image.new("RGB", (whole, -(-len(tiles) // columns) * height + _GAP_PX), BACKGROUND)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet.paste(tile, (left + column * width, _GAP_PX + row * height))
    return np.asarray(sheet)


def _remark(classes: Classes, selection: Selection | None, diameter_angstrom: float | None) -> str:
    total = int(classes.counts.sum())
    said = f"{len(classes)} classes, {total} particles"
    if selection is not None:
        kept = int(classes.counts[selection.kept].sum())
        said = f"kept {int(selection.kept.sum())} of {len(classes)} classes, {kept} of {total} particles"
    circles = "" if diameter_angstrom is None else f"; circles of {diameter_angstrom:.4g} Å"
    return f"{said}{circles}"
