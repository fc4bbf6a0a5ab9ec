"""Charts of a page as plotly's JSON, in colours that the page names, as it may be light or dark."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

SERIES, SECOND, FADED, INK = "var(--series-1)", "var(--series-2)", "var(--faded)", "var(--ink)"

_FEW = 5
"""Counts up to which every whole number has a tick. Chosen by hand: more would stand too close."""


@dataclass(frozen=True)
class Chart:
    """Chart of a page.

    Attributes:
        name: unique on the page.
        group: part of the page that it belongs to.
        title: for the user.
        says: description below it, also for screen readers.
        data: plotly's traces.
        layout: plotly's layout, as far as it is this chart's own.
        height_px: of the chart.
        nothing: why there is nothing to draw, in place of the chart.
    """

    name: str
    group: str
    title: str
    says: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    height_px: int = 280
    nothing: str = ""


def nothing_to_draw(name: str, group: str, title: str, reason: str) -> Chart:
    """Return what stands in place of a chart that would have empty axes."""
    return Chart(name, group, title, "", [], {}, nothing=reason)


def whole_numbers(highest: float, **more: Any) -> dict[str, Any]:  # noqa: ANN401 (values of plotly)
    """Return an axis from 0 for counts up to the highest: no ticks between whole numbers."""
    ticks = {"dtick": 1} if highest <= _FEW else {}
    return {"rangemode": "tozero", "tickformat": ",d", **ticks, **more}


def upright(at: float, dash: str = "solid", colour: str = SECOND) -> dict[str, Any]:
    """Return a vertical line across the chart."""
    line = {"color": colour, "width": 2, "dash": dash}
    return {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def level(at: float, dash: str = "dash") -> dict[str, Any]:
    """Return a horizontal line across the chart."""
    line = {"color": SECOND, "width": 2, "dash": dash}
    return {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": at, "y1": at, "line": line}


def safe(names: Iterable[str]) -> list[str]:
    """Escape names for plotly, which takes some HTML in texts for markup."""
    return [escape(name, quote=False) for name in names]
