"""Drawing of figures that are described as panels of elements."""

from __future__ import annotations

import io
import textwrap
from functools import lru_cache, singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure as Canvas
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter

from cryoglean.io.atomic import write_atomic_bytes
from cryoglean.pickers.figures import (
    GUIDE,
    PARTICLE,
    Area,
    Band,
    Bars,
    Circles,
    HorizontalLine,
    Image,
    Interval,
    Line,
    Note,
    Points,
    Remark,
    ScaleBar,
    VerticalLine,
)
from cryoglean.report.footer import round_length
from cryoglean.report.picture_images import image_boxes, with_images

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes

    from cryoglean.pickers.figures import Element, Figure, Panel

_LEGEND_STYLE: dict[str, Any] = {"fontsize": 8, "edgecolor": "none", "framealpha": 0.9}
_LINE_STYLES: dict[str, dict[str, Any]] = {
    "full": {"linewidth": 1.6},
    "dashed": {"linewidth": 1.2, "linestyle": "--"},
    "dotted": {"linewidth": 1.5, "marker": "o", "markersize": 3},
}
_NOTE_STYLES: dict[str, dict[str, Any]] = {
    "top": {"x": 0.04, "y": 0.97, "fontsize": 9, "va": "top", "linespacing": 1.6},
    "middle": {"x": 0.5, "y": 0.5, "ha": "center", "color": GUIDE},
    "bottom": {"x": 0.04, "y": 0.02, "fontsize": 8, "va": "bottom", "linespacing": 1.5, "color": "#666666"},
}
_MARK_COLOUR = "#35e8ff"

_TITLE_POINTS, _LABEL_POINTS = 12.0, 10.0
"""Sizes of letters. Format: the defaults of matplotlib."""

_FEW_TICKS = 4
"""Ticks of an axis without a frame, at most. Chosen by hand: numbers of many digits do not run into each other."""

_FAINT = 0.3
"""Opacity of areas and of scattered points. Chosen by hand: where several overlap, each still shows."""

_CONTOUR_BINS, _CONTOUR_SMOOTHING_BINS = 90, 3.0
"""Grid on which the density of points is estimated, and its smoothing. Chosen by hand: contours of some hundred points
are smooth, and two clouds do not run into one."""

_SCALE_BAR_SHARE = 0.3
"""A scale bar is at most this share of the panel's width. Chosen by hand: it hides little of the image."""

_UNKNOWN_LETTER = "\ufffd"


def draw_figure(path: str | os.PathLike[str], figure: Figure, picture_format: str = "png") -> None:
    """Draw a figure.

    Args:
        path: the picture; written whole or not at all.
        figure: its panels.
        picture_format: as matplotlib names it.

    Raises:
        OSError: if the file cannot be written.
    """
    canvas = Canvas(figsize=figure.size_inches, dpi=figure.dots_per_inch, layout="constrained")
    rows, widths = -(-len(figure.panels) // figure.columns), [panel.width for panel in figure.panels[: figure.columns]]
    grid = canvas.subplots(rows, figure.columns, squeeze=False, width_ratios=widths)
    for panel, axes in zip(figure.panels, grid.flat, strict=False):
        draw_panel(axes, panel)
    for axes in grid.flat[len(figure.panels) :]:
        axes.set_axis_off()
    if figure.title:
        canvas.suptitle(shown_text(figure.title))
    if figure.legend:
        patches = [Patch(color=each.colour, label=shown_text(each.text)) for each in figure.legend]
        canvas.legend(handles=patches, loc="outside lower center", ncols=len(patches), **_LEGEND_STYLE)
    if picture_format == "png":
        data = _png(canvas)
        write_atomic_bytes(path, with_images(data, image_boxes(canvas)))
    else:
        drawn = io.BytesIO()
        canvas.savefig(drawn, format=picture_format)
        write_atomic_bytes(path, drawn.getvalue())


def _png(canvas: Canvas) -> bytes:
    """Draw a canvas once: `savefig` draws it twice, at first for nothing but its layout."""
    surface, encoded = FigureCanvasAgg(canvas), io.BytesIO()
    surface.draw()  # type: ignore[no-untyped-call]
    drawn = np.asarray(surface.buffer_rgba())  # type: ignore[no-untyped-call]
    Pillow.fromarray(drawn).save(encoded, "png", dpi=(canvas.dpi, canvas.dpi))
    return encoded.getvalue()


def draw_panel(axes: Axes, panel: Panel) -> None:
    """Draw a panel on axes."""
    if panel.x_range is not None:
        axes.set_xlim(panel.x_range)
    if panel.y_range is not None:
        axes.set_ylim(panel.y_range)
    for element in panel.elements:
        _draw(element, axes)
    _draw_frame(axes, panel)
    axes.set_title(
        shown_text(panel.title), color=panel.title_colour or "black", fontsize=panel.text_scale * _TITLE_POINTS
    )
    axes.set_xlabel(shown_text(panel.x_label), fontsize=panel.text_scale * _LABEL_POINTS)
    axes.set_ylabel(shown_text(panel.y_label), fontsize=panel.text_scale * _LABEL_POINTS)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc=panel.legend, ncols=panel.legend_columns, **_LEGEND_STYLE)


def _draw_frame(axes: Axes, panel: Panel) -> None:
    """Set scales, ranges, ticks and sides, after all is drawn."""
    if panel.is_log:
        axes.set_yscale("log")
    if panel.x_range is not None:
        axes.set_xlim(panel.x_range)
    if panel.y_range is not None:
        axes.set_ylim(panel.y_range)
    if panel.headroom:
        axes.set_ylim(0, (1 + panel.headroom) * axes.get_ylim()[1])
    for axis, ticks in ((axes.xaxis, panel.x_ticks), (axes.yaxis, panel.y_ticks)):
        if ticks is not None:
            axis.set_ticks(list(ticks), [shown_text(text) for text in ticks.values()])
        elif panel.is_integer:
            axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        elif panel.frame == "bottom":
            axis.set_major_locator(MaxNLocator(_FEW_TICKS))
    if panel.frame != "full":
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.spines["bottom"].set_visible(panel.frame == "bottom")


def shown_text(text: str) -> str:
    """Return text as matplotlib takes it: dollars are no mathematics, letters that its font lacks are marked."""
    known = "".join(letter if letter == "\n" or ord(letter) in _letters() else _UNKNOWN_LETTER for letter in text)
    return known.replace("$", r"\$")


@lru_cache
def _letters() -> frozenset[int]:
    """Return the code points that matplotlib's own font has."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return frozenset(FT2Font(str(path)).get_charmap())


def _label(text: str) -> str | None:
    return shown_text(text) or None


@singledispatch
def _draw(element: Element, axes: Axes) -> None:  # noqa: ARG001 (the elements below need them)
    raise TypeError(f"{element!r} cannot be drawn")


@_draw.register(Line)
def _(line: Line, axes: Axes) -> None:
    axes.plot(line.x, line.y, color=line.colour, label=_label(line.label), **_LINE_STYLES[line.style])


@_draw.register(Area)
def _(area: Area, axes: Axes) -> None:
    axes.fill_between(area.x, area.y, color=area.colour, alpha=_FAINT, linewidth=0)


@_draw.register(Band)
def _(band: Band, axes: Axes) -> None:
    axes.axvspan(band.low, band.high, color=band.colour, alpha=0.12, linewidth=0, label=_label(band.label))


@_draw.register(Bars)
def _(bars: Bars, axes: Axes) -> None:
    edges = np.asarray(bars.edges, float)
    colours = [PARTICLE if number == bars.accent else bars.colour for number in range(len(edges) - 1)]
    widths = (1 - bars.gap) * np.diff(edges)
    middle = (edges[1:] + edges[:-1]) / 2
    drawn = axes.bar(middle, bars.heights, widths, color=colours, linewidth=0, label=_label(bars.label))
    if bars.texts:
        axes.bar_label(drawn, [shown_text(text) for text in bars.texts], fontsize=9)


@_draw.register(Points)
def _(points: Points, axes: Axes) -> None:
    x, y = np.asarray(points.x, float), np.asarray(points.y, float)
    if len(x):
        if points.contours:
            axes.plot(x, y, ".", color=points.colour, markersize=3.5, alpha=_FAINT, markeredgewidth=0)
            _draw_contours(axes, points, x, y)
        else:
            axes.plot(x, y, "o", color=points.colour, markersize=3)
        if points.label:
            axes.plot([], [], "o", color=points.colour, markersize=5, label=shown_text(points.label))


def _draw_contours(axes: Axes, points: Points, x: Any, y: Any) -> None:  # noqa: ANN401 (arrays)
    """Draw lines of equal density that hold shares of the points."""
    count, *edges = np.histogram2d(x, y, bins=_CONTOUR_BINS, range=[axes.get_xlim(), axes.get_ylim()])
    density = gaussian_filter(count, _CONTOUR_SMOOTHING_BINS)
    falling = np.sort(density.ravel())[::-1]
    held = falling.cumsum() / max(falling.sum(), 1e-9)
    levels = sorted({float(falling[np.searchsorted(held, share)]) for share in points.contours})
    if levels[0] > 0:
        middle = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
        widths = [1.2, 1.8][-len(levels) :]
        axes.contour(*middle, density.T, levels=levels, colors=points.colour, linewidths=widths)


@_draw.register(Interval)
def _(interval: Interval, axes: Axes) -> None:
    style: dict[str, Any] = {"fmt": "o", "capsize": 4, "linewidth": 1.6}
    axes.errorbar([interval.middle], [0], xerr=[interval.half_width], color=interval.colour, **style)


@_draw.register(VerticalLine)
def _(line: VerticalLine, axes: Axes) -> None:
    style = _LINE_STYLES["dashed"] if line.is_dashed else {"linewidth": 0.8}
    axes.axvline(line.x, color=line.colour, label=_label(line.label), **style)


@_draw.register(HorizontalLine)
def _(line: HorizontalLine, axes: Axes) -> None:
    style = _LINE_STYLES["dashed"] if line.is_dashed else {"linewidth": 0.8}
    axes.axhline(line.y, color=line.colour, label=_label(line.label), **style)


@_draw.register(Image)
def _(image: Image, axes: Axes) -> None:
    low, high = image.limits
    style: dict[str, Any] = {"cmap": image.colours, "vmin": low, "vmax": high, "interpolation": "nearest"}
    shown = axes.imshow(image.pixels, extent=image.extent, **style)
    if image.mark is not None:
        bar = axes.figure.colorbar(shown, ax=axes, shrink=0.75, pad=0.02, aspect=30)
        bar.ax.tick_params(labelsize=7)
        bar.ax.axhline(image.mark, color=_MARK_COLOUR, linewidth=1.5)


@_draw.register(Circles)
def _(circles: Circles, axes: Axes) -> None:
    centres = np.column_stack([circles.x, circles.y])
    size = np.full(len(centres), circles.diameter)
    drawn = EllipseCollection(size, size, 0 * size, units="xy", offsets=centres, offset_transform=axes.transData)
    drawn.set(facecolor="none", edgecolor=circles.colour, linewidth=1.1)
    drawn.set_linestyle("--" if circles.is_dashed else "-")
    axes.add_collection(drawn)


@_draw.register(ScaleBar)
def _(scale_bar: ScaleBar, axes: Axes) -> None:
    left, right = axes.get_xlim()
    length = round_length(_SCALE_BAR_SHARE * (right - left) * scale_bar.angstrom_per_unit)
    style: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": "white"}
    start = left + 0.04 * (right - left)
    end = start + length / scale_bar.angstrom_per_unit
    box = {"facecolor": "black", "alpha": 0.55, "linewidth": 0, "pad": 3}
    axes.text((start + end) / 2, 0.065, f"{length:g} Å", ha="center", fontsize=8, bbox=box, **style)
    axes.plot([start, end], [0.04, 0.04], linewidth=4, solid_capstyle="butt", **style)


@_draw.register(Note)
def _(note: Note, axes: Axes) -> None:
    text = note.text if note.wrap is None else textwrap.fill(note.text, note.wrap)
    axes.text(s=shown_text(text), transform=axes.transAxes, **_NOTE_STYLES[note.place])


@_draw.register(Remark)
def _(remark: Remark, axes: Axes) -> None:
    style: dict[str, Any] = {"linestyle": "", "marker": "" if remark.colour is None else "s", "color": remark.colour}
    axes.plot([], [], label=shown_text(remark.text), **style)
