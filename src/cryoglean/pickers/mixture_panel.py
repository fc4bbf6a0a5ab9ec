"""Panel of the mixture model of peak heights, with the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryoglean.pickers.figures import BACKGROUND, GUIDE, PARTICLE, Area, Bars, Line, Panel, VerticalLine
from cryoglean.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.calibration.height_model import HeightModel
    from cryoglean.detect.mixture import HeightMixture
    from cryoglean.pickers.figures import Element

PEAK_HEIGHTS = "Filter-response peak heights"
"""Title of the panel."""

_HEIGHT_STEPS = 600
"""Points of a curve. Resource: finer than the picture's pixels."""

_BINS = 60
"""Bars of the histogram. Chosen by hand: a particle's hump shows, and single peaks do not."""

_SHOWN_DEVIATIONS = 3.5
"""The panel reaches this far beyond the means. Derived: a normal density falls below 0.3 % of its top there."""


def mixture_panel(
    mixture: HeightMixture | HeightModel,
    threshold: float,
    heights: NDArray[np.float64] | None = None,
    width: float = 1.0,
) -> Panel:
    """Return both densities, what of them is above the threshold, and how the heights of some peaks are spread.

    Args:
        mixture: of the heights of particles and background.
        threshold: minimum height of a particle.
        heights: (n,) of some peaks; None draws the mixture alone.
        width: of the panel.
    """
    low = mixture.background_mean - _SHOWN_DEVIATIONS * mixture.background_deviation
    particles = mixture.particles
    high = max(particles.mean + _SHOWN_DEVIATIONS * particles.deviation, threshold * 1.1)
    height = np.linspace(low, high, _HEIGHT_STEPS)
    elements: list[Element] = []
    if heights is not None and len(heights):
        count, edges = np.histogram(heights, _BINS, range=(low, high))
        density = count / (len(heights) * np.diff(edges))
        elements.append(Bars(edges, density, f"{GUIDE}59", counted(len(heights), "peak")))
    above = height >= threshold
    for label, colour, share, density in (
        ("not particles", BACKGROUND, 1 - particles.share, mixture.background(height)),
        ("particles", PARTICLE, particles.share, particles.density(height)),
    ):
        elements.append(Line(height, density, colour, f"{label}, {share:.0%} of the peaks"))
        elements.append(Area(height[above], density[above], colour))
    return Panel(
        PEAK_HEIGHTS,
        "height (robust standard deviations)",
        "density",
        [*elements, VerticalLine(threshold, f"threshold {threshold:.2f}")],
        x_range=(low, high),
        y_ticks={},
        headroom=0.45,
        width=width,
    )
