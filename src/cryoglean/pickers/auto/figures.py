"""Figure of what Auto has learned: class averages, the heights of the response to them, and the judgement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryoglean.pickers.figures import BACKGROUND, PARTICLE, Circles, Figure, Image, Note, Panel
from cryoglean.pickers.mixture_panel import mixture_panel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.pickers.auto.picker import AutoModel, FittedAuto

_CONTRAST = 99.5
"""Percentile of the magnitudes that is black or white. Chosen by hand: single pixels do not set the greys."""

_LINE = 34
"""Letters in a line of the judgement. Chosen by hand: the panel's width."""


def fit_figure(fitted: FittedAuto) -> Figure:
    """Return the class averages that are searched for, their heights with the threshold, and the judgement."""
    panels = [*_averages(fitted, "Class average"), _judgement_panel(fitted.model)]
    if fitted.smaller is not None:
        panels += _averages(fitted.smaller, "Smaller species")
    return Figure("", panels, columns=len(panels), size_inches=(4.2 + 2.1 * (len(panels) - 1), 4.2))


def _averages(fitted: FittedAuto, title: str) -> list[Panel]:
    """Return a species' class averages, if it is searched for with some, and the heights of the response to them."""
    averages, matched = fitted.averages, fitted.model.matched
    if averages is None or matched is None:
        return []
    side = averages.images.shape[-1] * averages.pixel_size_angstrom / 2
    shown = [_average_panel(each, side, fitted, f"{title} {k}") for k, each in enumerate(averages.images, 1)]
    return [*shown, mixture_panel(matched.heights, matched.threshold, width=1.7)]


def _average_panel(image: NDArray[np.float32], half_angstrom: float, fitted: FittedAuto, title: str) -> Panel:
    """Return a class average as it would look in a micrograph: protein dark."""
    limit = float(np.percentile(np.abs(image), _CONTRAST)) or 1.0
    extent = (-half_angstrom, half_angstrom, -half_angstrom, half_angstrom)
    return Panel(
        title,
        elements=[
            Image(-image, extent, limits=(-limit, limit)),
            Circles([0], [0], fitted.diameter_angstrom, PARTICLE, is_dashed=True),
        ],
        x_ticks={},
        y_ticks={},
        frame="none",
    )


def _judgement_panel(model: AutoModel) -> Panel:
    is_better = model.matched is not None
    return Panel(
        "Class averages search" if is_better else "The round template searches",
        elements=[Note(model.judgement, wrap=_LINE)],
        x_range=(0, 1),
        y_range=(0, 1),
        x_ticks={},
        y_ticks={},
        frame="none",
        width=1.25,
        title_colour=PARTICLE if is_better else BACKGROUND,
    )
