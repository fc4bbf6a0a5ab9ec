"""The heights of a response's peaks as a mixture of what are particles and what are not, with the cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from cryoglean.detect.mixture import HeightMixture

PARTICLE, NOISE, CUT, GUIDE = "#d95f02", "#4c6a92", "#222222", "#8a8a8a"
"""Colours of pictures of what was learned."""

LEGEND_STYLE: dict[str, Any] = {"fontsize": 8, "edgecolor": "none", "framealpha": 0.9}

_HEIGHT_STEPS = 600
_BINS = 60


def draw_mixture(axes: Axes, mixture: HeightMixture, cut: float, heights: NDArray[np.float64] | None = None) -> None:
    """Draw both densities with what of them is above the cut, and how the heights of some peaks are spread.

    Args:
        axes: where.
        mixture: of the heights.
        cut: least height of a particle.
        heights: (n,) of some peaks; None draws the mixture alone.
    """
    low = mixture.background_mean - 3.5 * mixture.background_deviation
    high = max(mixture.particle_mean + 3.5 * mixture.particle_deviation, cut * 1.1)
    height = np.linspace(low, high, _HEIGHT_STEPS)
    if heights is not None and len(heights):
        count, edge = np.histogram(heights, _BINS, range=(low, high))
        density = count / (len(heights) * np.diff(edge))
        axes.stairs(density, edge, fill=True, color=GUIDE, alpha=0.35, linewidth=0, label=f"{len(heights)} peaks")
    parts = (
        ("not particles", NOISE, 1 - mixture.particle_share, mixture.background_mean, mixture.background_deviation),
        ("particles", PARTICLE, mixture.particle_share, mixture.particle_mean, mixture.particle_deviation),
    )
    for label, colour, share, mean, deviation in parts:
        density = share * norm.pdf(height, mean, deviation)
        axes.plot(height, density, color=colour, linewidth=1.6, label=f"{label}, {share:.0%} of the peaks")
        axes.fill_between(height, density, where=height >= cut, color=colour, alpha=0.3, linewidth=0)
    axes.axvline(cut, color=CUT, linestyle="--", linewidth=1.2, label=f"cut at {cut:.2f}")
    axes.set(title="heights of the response's peaks", xlabel="height (robust standard deviations)", ylabel="density")
    axes.set(xlim=(low, high), yticks=[])
    axes.set_ylim(0, 1.45 * axes.get_ylim()[1])
    axes.legend(loc="upper right", **LEGEND_STYLE)
