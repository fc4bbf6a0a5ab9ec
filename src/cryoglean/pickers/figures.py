"""Figures of what a picker has learned, as data: panels of curves, bars, points and images, which `report` draws.

Text may hold any letters; none of it is mathematics. Colours are hexadecimal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

PARTICLE, BACKGROUND, THRESHOLD, GUIDE = "#d95f02", "#4c6a92", "#222222", "#8a8a8a"
"""Colours of what is particle, of what is not, of the threshold between them, and of what guides the eye."""


@dataclass(frozen=True, eq=False)
class Line:
    """Curve.

    Attributes:
        x: (n,) abscissae.
        y: (n,) ordinates.
        colour: of the curve.
        label: in the legend; none where it is empty.
        style: full, dashed, or full with a dot at each point.
    """

    x: ArrayLike
    y: ArrayLike
    colour: str = BACKGROUND
    label: str = ""
    style: Literal["full", "dashed", "dotted"] = "full"


@dataclass(frozen=True, eq=False)
class Area:
    """Area between a curve and zero, faint."""

    x: ArrayLike
    y: ArrayLike
    colour: str


@dataclass(frozen=True)
class Band:
    """Range of x over the whole height of the panel, faint."""

    low: float
    high: float
    colour: str
    label: str = ""


@dataclass(frozen=True, eq=False)
class Bars:
    """Histogram.

    Attributes:
        edges: (n + 1,) edges of the bars.
        heights: (n,) their heights.
        colour: of the bars.
        label: in the legend; none where it is empty.
        gap: share of a bar's width that is left free.
        texts: above the bars; empty for none.
        accent: index of the bar in the particles' colour, if there is one.
    """

    edges: ArrayLike
    heights: ArrayLike
    colour: str = BACKGROUND
    label: str = ""
    gap: float = 0.0
    texts: Sequence[str] = ()
    accent: int | None = None


@dataclass(frozen=True, eq=False)
class Points:
    """Scattered points.

    Attributes:
        x: (n,) abscissae.
        y: (n,) ordinates.
        colour: of the points.
        label: in the legend; none where it is empty.
        contours: shares of the points that lines of equal density hold; the panel must have ranges.
    """

    x: ArrayLike
    y: ArrayLike
    colour: str = BACKGROUND
    label: str = ""
    contours: Sequence[float] = ()


@dataclass(frozen=True)
class Interval:
    """Value with its uncertainty along x, in the lower part of the panel."""

    middle: float
    half_width: float
    colour: str


@dataclass(frozen=True)
class VerticalLine:
    """Line over the whole height of the panel, dashed by default."""

    x: float
    label: str = ""
    colour: str = THRESHOLD
    is_dashed: bool = True


@dataclass(frozen=True)
class HorizontalLine:
    """Line over the whole width of the panel, dashed by default."""

    y: float
    label: str = ""
    colour: str = THRESHOLD
    is_dashed: bool = True


@dataclass(frozen=True, eq=False)
class Image:
    """Image; its pixels are square on the panel's axes only if the extent makes them so.

    Attributes:
        pixels: (h, w) values or (h, w, 3) RGB; NaN is left free.
        extent: left, right, bottom and top of the whole, in the panel's axes.
        colours: of values from lowest to highest.
        limits: values of the lowest and the highest colour.
        mark: value that a colour bar marks; None leaves the bar out.
    """

    pixels: NDArray[Any]
    extent: tuple[float, float, float, float]
    colours: Literal["gray", "magma"] = "gray"
    limits: tuple[float, float] = (0.0, 1.0)
    mark: float | None = None


@dataclass(frozen=True, eq=False)
class Circles:
    """Circles in the panel's axes, whose two units must be of one length.

    Attributes:
        x: (n,) of the centres.
        y: (n,) of the centres.
        diameter: of all of them.
        colour: of the lines.
        is_dashed: whether the lines are.
    """

    x: ArrayLike
    y: ArrayLike
    diameter: float
    colour: str
    is_dashed: bool = False


@dataclass(frozen=True)
class ScaleBar:
    """Scale bar of a round length, in a corner of an image."""

    angstrom_per_unit: float


@dataclass(frozen=True)
class Note:
    """Text in a panel: at its top, in its middle, or small at its bottom."""

    text: str
    place: Literal["top", "middle", "bottom"] = "top"
    wrap: int | None = None


@dataclass(frozen=True)
class Remark:
    """Line of the legend that belongs to no curve; the square before it, if any, has the colour."""

    text: str
    colour: str | None = None


Element = (
    Line
    | Area
    | Band
    | Bars
    | Points
    | Interval
    | VerticalLine
    | HorizontalLine
    | Image
    | Circles
    | ScaleBar
    | Note
    | Remark
)
"""Part of a panel."""


@dataclass(frozen=True, eq=False)
class Panel:
    """Axes with what is drawn on them, in order.

    Attributes:
        title: above.
        x_label: below.
        y_label: at the left.
        elements: what is drawn.
        x_range: left and right end; None fits what is drawn.
        y_range: lower and upper end; None fits what is drawn.
        x_ticks: texts by place; None chooses some, an empty mapping leaves them out.
        y_ticks: as `x_ticks`.
        headroom: share of the height to be added above what is drawn, for the legend.
        is_log: whether the ordinate is logarithmic.
        is_integer: whether ticks are whole numbers.
        frame: which of the four sides are drawn.
        legend: place of the legend.
        legend_columns: of the legend.
        width: relative to the other panels of the figure.
        title_colour: of the title; None is black.
        text_scale: of title and labels, of their usual size.
    """

    title: str = ""
    x_label: str = ""
    y_label: str = ""
    elements: Sequence[Element] = ()
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_ticks: Mapping[float, str] | None = None
    y_ticks: Mapping[float, str] | None = None
    headroom: float = 0.0
    is_log: bool = False
    is_integer: bool = False
    frame: Literal["full", "bottom", "none"] = "full"
    legend: Literal["upper left", "upper right", "lower left", "best"] = "upper right"
    legend_columns: int = 1
    width: float = 1.0
    title_colour: str | None = None
    text_scale: float = 1.0


@dataclass(frozen=True, eq=False)
class Figure:
    """Panels in rows.

    Attributes:
        title: above all.
        panels: row by row.
        columns: panels in a row.
        size_inches: width and height of the whole.
        legend: below all.
        dots_per_inch: of the picture.
    """

    title: str
    panels: Sequence[Panel]
    columns: int
    size_inches: tuple[float, float]
    legend: Sequence[Remark] = ()
    dots_per_inch: int = 130
