"""One chart of a page, as plotly's JSON. Colours are names of the page's own, so that it may be light or dark."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

SERIES, SECOND, FADED, INK = "var(--series-1)", "var(--series-2)", "var(--faded)", "var(--ink)"


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        name: unique on the page.
        group: the part of the page where it stands.
        title: for the user.
        says: the same in words, for who cannot see it.
        data: plotly's traces.
        layout: plotly's layout, as far as it is this chart's own.
        height_px: of the chart.
    """

    name: str
    group: str
    title: str
    says: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    height_px: int = 280


def upright(at: float, dash: str = "solid", colour: str = SECOND) -> dict[str, Any]:
    """Return a line across the chart at one x."""
    line = {"color": colour, "width": 2, "dash": dash}
    return {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def level(at: float, dash: str = "dash") -> dict[str, Any]:
    """Return a line across the chart at one y."""
    line = {"color": SECOND, "width": 2, "dash": dash}
    return {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": at, "y1": at, "line": line}


def safe(names: Iterable[str]) -> list[str]:
    """Return names as plotly shows them letter by letter: it takes some HTML in texts for what it means."""
    return [escape(name, quote=False) for name in names]
