"""Figure of a Localpicker fit: the template, its radial profile, the heights of its peaks, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryoglean.detect.emptiness import SURE_ERRORS_OF_BEST
from cryoglean.pickers.figures import (
    BACKGROUND,
    GUIDE,
    PARTICLE,
    THRESHOLD,
    Band,
    Circles,
    Figure,
    HorizontalLine,
    Image,
    Interval,
    Line,
    Note,
    Panel,
    VerticalLine,
)
from cryoglean.pickers.localpicker.profiles import PROFILE_REACH_DIAMETERS, RING_RATIO
from cryoglean.pickers.localpicker.template_search import PROFILE_STEP_DIAMETERS
from cryoglean.pickers.mixture_panel import mixture_panel
from cryoglean.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.pickers.localpicker.picker import LocalpickerModel

_TEMPLATE_PX = 201
"""Side of the template's image. Resource: about as many pixels as its panel has."""


def fit_figure(model: LocalpickerModel) -> Figure:
    """Return the learned template, the heights of its peaks with the threshold, and whether particles were found."""
    panels = [
        _template_panel(model),
        _profile_panel(model),
        mixture_panel(model.heights, model.threshold, width=1.7),
        _verdict_panel(model),
    ]
    return Figure("", panels, columns=4, size_inches=(13, 4.2))


def radial_template(model: LocalpickerModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the template as a curve over the radius.

    Args:
        model: of the set.

    Returns:
        (n,) radii in angstrom, and (n,) values with protein positive and a largest magnitude of 1.
    """
    if model.profile is not None:
        radii, values = np.arange(len(model.profile)) * PROFILE_STEP_DIAMETERS, np.asarray(model.profile)
    else:
        disc = model.disc_diameters / 2
        ring = disc * RING_RATIO
        radii = np.array([0, disc, disc, ring, ring, max(ring, PROFILE_REACH_DIAMETERS)])
        values = np.array([1, 1, *[-1 / (RING_RATIO**2 - 1)] * 2, 0, 0])
    radii_angstrom = np.asarray(radii * model.diameter_angstrom, np.float64)
    return radii_angstrom, np.asarray(values / np.abs(values).max(), np.float64)


def _template_panel(model: LocalpickerModel) -> Panel:
    """Return the template as it would look in a micrograph: protein dark."""
    radii, values = radial_template(model)
    reach = float(radii[-1])
    grid = np.linspace(-reach, reach, _TEMPLATE_PX)
    radius = np.hypot(*np.meshgrid(grid, grid))
    pixels = np.where(radius <= reach, -np.interp(radius, radii, values, right=0), np.nan)
    return Panel(
        "Learned template",
        f"dashed: given diameter,\n{model.diameter_angstrom:g} Å",
        elements=[
            Image(pixels, (-reach, reach, -reach, reach), limits=(-1, 1)),
            Circles([0], [0], model.diameter_angstrom, PARTICLE, is_dashed=True),
        ],
        x_ticks={},
        y_ticks={},
        frame="none",
    )


def _profile_panel(model: LocalpickerModel) -> Panel:
    radii, values = radial_template(model)
    disc = model.disc_diameters * model.diameter_angstrom / 2
    return Panel(
        "Radial profile",
        "radius (Å)",
        "template (protein up)",
        [
            Band(0, disc, PARTICLE, f"best disc, {2 * disc:.0f} Å across"),
            VerticalLine(model.diameter_angstrom / 2, "given radius", PARTICLE),
            Line(radii, values, THRESHOLD, "disc minus ring" if model.profile is None else "learned profile"),
            HorizontalLine(0, colour=GUIDE, is_dashed=False),
        ],
        x_range=(0, float(radii[-1])),
        y_range=(-1.15, 1.6),
        y_ticks={-1: "\u22121", 0: "0", 1: "1"},
        width=1.5,
    )


def _verdict_panel(model: LocalpickerModel) -> Panel:
    bar = SURE_ERRORS_OF_BEST * model.skewness_error
    ends = min(0.0, model.skewness - bar), max(0.0, model.skewness + bar)
    margin = max(0.15 * (ends[1] - ends[0]), 1e-6)
    colour = PARTICLE if model.found_particles else BACKGROUND
    return Panel(
        "Fit: particles found" if model.found_particles else "Fit: no particle signal found",
        f"skewness of the response\n(bar: {SURE_ERRORS_OF_BEST:g} standard errors of noise)",
        elements=[
            Interval(model.skewness, bar, colour),
            Line([0, 0], [-1, 1.1], GUIDE),
            Note(_summary(model)),
        ],
        x_range=(ends[0] - margin, ends[1] + margin),
        y_range=(-1, 3.2),
        y_ticks={},
        frame="bottom",
        width=1.25,
        title_colour=colour,
    )


def _summary(model: LocalpickerModel) -> str:
    lines = [
        f"skewness {model.skewness:.3f} ± {model.skewness_error:.3f}: "
        + ("clearly above 0" if model.found_particles else "not clearly above 0,\nso nothing is picked"),
        f"learned from {counted(len(model.micrographs), 'micrograph')}",
        "(skewness: how far strong responses\noutnumber weak ones; 0 in noise alone)",
    ]
    return "\n".join(lines)
