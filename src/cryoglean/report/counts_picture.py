"""Figure of how many picks each micrograph got."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryoglean.pickers.figures import PARTICLE, Bars, Figure, HorizontalLine, Note, Panel, Points, Remark
from cryoglean.report.figures import draw_figure
from cryoglean.words import counted, shortened

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from cryoglean.pickers.figures import Element

MAX_BARS = 80
"""More micrographs are drawn as points. Chosen by hand: thinner bars run into each other."""


def draw_counts(path: str | os.PathLike[str], counts: Mapping[str, int]) -> None:
    """Draw the number of picks of each micrograph in order, as PNG.

    Args:
        path: the picture; written whole or not at all.
        counts: picks by name of the micrograph, in the order to draw; may be empty.

    Raises:
        OSError: if the file cannot be written.
    """
    panel = _counts_panel(counts) if counts else _panel([Note("no micrographs", "middle")])
    draw_figure(path, Figure("", [panel], columns=1, size_inches=(9.5, 4)))


def _counts_panel(counts: Mapping[str, int]) -> Panel:
    names, values = list(counts), np.array(list(counts.values()), float)
    edges = np.arange(len(values) + 1) + 0.5
    bars = Bars(edges, values, gap=0.2) if len(values) <= MAX_BARS else Points(edges[:-1] + 0.5, values)
    median = float(np.median(values))
    total = f"{counted(int(values.sum()), 'pick')} in {counted(len(values), 'micrograph')}"
    ends = (("fewest", int(values.argmin())), ("most", int(values.argmax())))
    return _panel(
        [
            bars,
            HorizontalLine(median, f"median {median:g}", PARTICLE),
            Remark(total),
            *(Remark(f"{end} {values[which]:.0f}: {shortened(names[which])}") for end, which in ends),
        ],
        x_range=(0.3, len(values) + 0.7),
        y_range=(0, max(float(values.max()) * 1.45, 1)),
    )


def _panel(
    elements: list[Element], x_range: tuple[float, float] | None = None, y_range: tuple[float, float] | None = None
) -> Panel:
    ticks: dict[float, str] | None = None if x_range else {}
    return Panel(
        "Picks per micrograph",
        "micrograph, in the order given",
        "picks",
        elements,
        x_range,
        y_range,
        x_ticks=ticks,
        y_ticks=ticks,
        is_integer=True,
        legend="upper left",
        legend_columns=2,
    )
