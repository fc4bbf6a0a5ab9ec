"""Criteria that tell a class of particles from junk, each of one class on its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.classes2d.features import features_of
from cryoglean.classes2d.verdicts import ClassVerdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classification

ALIGNMENTS = 2_000
"""Alignments, different in effect, that an image is tried in against a class. Derived: 5 by 5 shifts times 72 angles
is 1,800; it counts by its logarithm only."""

MIN_RESOLVED_ELEMENTS = 2.0
"""Diameters over resolution. Chosen by hand: an average resolved to no more than half a diameter shows that something
is there, but not what."""

MAX_OFF_CENTRE = 0.1
"""Distance from the middle of the box in diameters. Chosen by hand: alignment has brought particles to the middle;
what is further off is a neighbour or an edge. More lets half particles pass, less drops particles of uneven density."""

MAX_EDGE_ENERGY = 0.25
"""Share of the energy at one side of the rim. Chosen by hand between an edge through the middle, which has 1, and a
particle that fits its circle, which has nearly 0."""

MAX_COARSENESS = 2 / 3
"""Share of the power in waves longer than half a diameter. Chosen by hand: nine tenths of ice and carbon is coarse,
but of a small particle much, too; so it counts only together with `MAX_AREA_FRACTION`."""

MAX_AREA_FRACTION = 1 / 2
"""Share of the circle that is bright. Chosen by hand: ice takes more; a large particle may fill its circle, too, so
it counts only together with `MAX_COARSENESS`."""

MIN_PARTICLES = 10
"""Chosen by hand: the halves of fewer are of a handful of images, which agree by chance."""

_UNRESOLVED = 0.6
"""Highest margin of a class without a resolution. Chosen by hand, below 1 so that it is dropped; it only ranks such
classes among those that are dropped."""

_SPANS_BOX_MARGIN = 0.4
"""Margin of a class with a line across its box. Chosen by hand, below 1 so that it is dropped; it only ranks."""

_MIN_MEASURE = 1e-9
"""Chosen by hand, far below what counts: keeps a margin finite where a measure is 0."""


@dataclass(frozen=True)
class Criterion:
    """One thing that every class of particles has.

    Attributes:
        margin: (k,) how far it is passed: measured over allowed, or the inverse; 1 or more passes.
        failure_reason: verdict on a class that fails.
        failure_detail: returns the numbers of class k that say how it fails.
    """

    margin: NDArray[np.float64]
    failure_reason: ClassVerdict
    failure_detail: Callable[[int], str]


def class_criteria(classification: Classification, diameter_angstrom: float) -> list[Criterion]:
    """Return what every class of particles passes; the first is that of the signal.

    Args:
        classification: k classes.
        diameter_angstrom: of the particle.
    """
    classes = classification.classes
    shown = features_of(classes, classification.pixel_size_angstrom, diameter_angstrom)
    noise = aligned_noise(len(classes))
    blob = np.maximum(
        MAX_COARSENESS / shown.coarseness.clip(_MIN_MEASURE), MAX_AREA_FRACTION / shown.area_fraction.clip(_MIN_MEASURE)
    )
    criteria = [
        Criterion(
            np.sqrt(shown.snr / noise),
            ClassVerdict.aligned_noise,
            lambda k: f"{shown.snr[k]:.3g} of {noise:.3g} needed",
        ),
        Criterion(
            MAX_OFF_CENTRE / shown.off_centre.clip(_MIN_MEASURE),
            ClassVerdict.off_centre,
            lambda k: f"{shown.off_centre[k]:.2f} diameters",
        ),
        Criterion(
            np.sqrt(MAX_EDGE_ENERGY / shown.edge_energy.clip(_MIN_MEASURE)),
            ClassVerdict.one_sided_edge,
            lambda k: f"{100 * shown.edge_energy[k]:.0f} % of the energy",
        ),
        Criterion(blob, ClassVerdict.featureless_blob, lambda k: f"{100 * shown.area_fraction[k]:.0f} % of the circle"),
        Criterion(np.where(shown.spans_box, _SPANS_BOX_MARGIN, np.inf), ClassVerdict.spans_box, lambda _: ""),
    ]
    # What is not resolved at all is dropped, but still ranked by how its halves agree and what else it passes.
    others = np.min([criterion.margin for criterion in criteria], axis=0).clip(max=1)
    unresolved = _UNRESOLVED * np.minimum(others, shown.frc_mid_band)
    resolved = np.where(shown.resolved_elements > 0, shown.resolved_elements / MIN_RESOLVED_ELEMENTS, unresolved)
    return [
        *criteria,
        Criterion(
            classes.counts / MIN_PARTICLES, ClassVerdict.too_few_particles, lambda k: f"{classes.counts[k]} particles"
        ),
        Criterion(resolved, ClassVerdict.low_resolution, lambda k: f"{classes.resolution_angstrom[k]:.3g} A"),
    ]


def aligned_noise(classes: int) -> float:
    """Return the squared signal over noise below which a class average may be aligned noise: the log of the trials.

    The largest of M squared normal values is near 2 ln M (extreme value theory); M counts angles, shifts and classes.
    Half of it is asked for, as an average shows less than its images have: angles and shifts are not found exactly.
    """
    return math.log(ALIGNMENTS * max(classes, 1))
