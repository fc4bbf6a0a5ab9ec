"""What tells a class of particles from junk: seven tests, each of one class on its own, with its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.classes2d.features import features_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classification

ALIGNMENTS = 2_000
"""Places and angles, different in effect, at which an image is held against a class: 5 by 5 places, 72 angles."""

LEAST_DETAILS = 2.0
"""Diameters over resolution: an average resolved to no more than half a diameter shows that something is there."""

MOST_OFF_CENTRE = 0.1
"""Diameters: alignment has brought particles to the middle; what is further off is a neighbour or an edge."""

MOST_EDGE_ENERGY = 0.25
"""Share of the energy: an edge through the middle has 1, a particle that fits its circle nearly 0."""

MOST_COARSENESS, MOST_FILLING = 2 / 3, 1 / 2
"""Ice exceeds both: most of its signal is coarser than half a diameter, and it takes more than half of the circle. A
small particle may be a blob, and a large one may fill its circle."""


LEAST_PARTICLES = 10
"""An average of fewer is not judged: its halves are of a handful of images, which agree by chance."""

_UNRESOLVED = 0.6
_RUNS_THROUGH = 0.4


@dataclass(frozen=True)
class Test:
    """One thing that every class of particles has.

    Attributes:
        margin: (k,) how far it is passed: measured over allowed, or the inverse; 1 or more passes.
        complaint: what to say of a class that fails.
    """

    margin: NDArray[np.float64]
    complaint: Callable[[int], str]


def class_tests(classification: Classification, diameter_angstrom: float) -> list[Test]:
    """Return what every class of particles passes; the first is that of the evidence.

    Args:
        classification: k classes.
        diameter_angstrom: of the particle.
    """
    classes = classification.classes
    seen = features_of(classes, classification.pixel_size_angstrom, diameter_angstrom)
    noise = aligned_noise(len(classes))
    tests = [
        Test(
            np.sqrt(seen.evidence / noise),
            lambda k: f"aligned noise, signal {seen.evidence[k]:.3g} of {noise:.3g} needed",
        ),
        Test(MOST_OFF_CENTRE / seen.off_centre.clip(1e-9), lambda k: f"{seen.off_centre[k]:.2f} diameters off centre"),
        Test(
            np.sqrt(MOST_EDGE_ENERGY / seen.edge_energy.clip(1e-9)),
            lambda k: f"unlike on opposite sides, {100 * seen.edge_energy[k]:.0f} % of the energy",
        ),
        Test(
            np.maximum(MOST_COARSENESS / seen.coarseness.clip(1e-9), MOST_FILLING / seen.filling.clip(1e-9)),
            lambda k: f"fills the circle without detail, {100 * seen.filling[k]:.0f} % of it",
        ),
        Test(np.where(seen.runs_through, _RUNS_THROUGH, np.inf), lambda _: "a line or an edge right through the box"),
    ]
    # What is not resolved at all is dropped, but still ranked by how its halves agree and it passes the other tests.
    others = np.min([test.margin for test in tests], axis=0).clip(max=1)
    unresolved = _UNRESOLVED * np.minimum(others, seen.agreement)
    resolved = np.where(seen.details > 0, seen.details / LEAST_DETAILS, unresolved)
    few = Test(classes.counts / LEAST_PARTICLES, lambda k: f"{classes.counts[k]} particles only, too few to judge")
    return [*tests, few, Test(resolved, lambda k: f"resolved to {classes.resolution_angstrom[k]:.3g} A only")]


def aligned_noise(classes: int) -> float:
    """Return the squared signal over noise below which a class average may be aligned noise: the log of the trials.

    The largest of M squared normal values is near 2 ln M (extreme value theory); M counts angles, places and classes.
    Half of it is asked for, as an average shows less than its images have: angles and places are not found exactly.
    """
    return math.log(ALIGNMENTS * max(classes, 1))
