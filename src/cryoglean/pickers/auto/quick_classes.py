"""Class averages of a set's surest picks, cut out of the working images: in seconds, and without a CTF."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from cryoglean.classes2d.centring import moved_to_middle
from cryoglean.classes2d.features import density_centres, edge_energy
from cryoglean.classes2d.native import classify
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.particles.boxes import cut_boxes, normalise_background, scale_boxes
from cryoglean.pickers.matcher.class_averages import ClassAverages, without_neighbours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.detect.peaks import Peaks
    from cryoglean.preprocess.working import WorkingImage

_DIAMETER_PX = 24
"""Pixels of a particle in its box. Derived: those of a working image, at least (`working.WORKING_DIAMETER_PX`)."""

_BOX_PX = 48
"""Side of a box. Derived: two diameters, so that a particle a quarter off its middle is whole, with background."""

_BACKGROUND_DIAMETERS = 0.6
"""Beyond this radius is background. Chosen by hand: particles are a little off the middle."""

_SURE = 0.7
"""Probability from which a pick is averaged. Chosen by hand: junk makes classes of its own, or is outvoted."""

_MAX_PARTICLES = 800
"""Most particles of all micrographs, half as many of each half. Resource: bounds the time to a few seconds; 80 to 160 a
class average out most noise."""

_MIN_PARTICLES = 20
"""Fewer make no class averages. Chosen by hand: a mean of fewer shows their noise."""

_MAX_CLASSES, _PARTICLES_PER_CLASS = 5, 5
"""Most classes, and fewest particles of each. Chosen on simulated sets: rods gain from five in place of three, others
neither gain nor lose; ten and sixteen moved F1 of six sets by 0.05 at most, either way."""

_ITERATIONS = 8
"""Resource: classes of so few pixels settle early; with twelve, F1 of seven simulated sets was lower or the same."""

_MAX_SHIFT_DIAMETERS = 0.4
"""How far particles are from the middle of their boxes at most. Derived: a round template finds an end of a rod, whose
middle is a quarter of its length away, and twice the deviation that the engine expects (0.3 of this) is as far.
With 0.25 rods gain less, and averages of noise took the template's place on real noisy frames."""

_CENTRINGS = 4
"""Times that averages are centred. Chosen by hand: each time more of a particle that was off the middle is in its
circle."""

_MAX_EDGE_ENERGY = 0.1
"""Share of an average's energy at one side of the rim beyond which it shows the end of a particle. Chosen on six
simulated sets of rods, before neighbours were smeared: mean F1 0.85, with 0.15 0.83, with 0.25 0.80."""

_MIN_SHARE = 0.02
"""Share of the particles below which a class is left out. Chosen by hand: it is an average of few."""


class FoundPeaks(NamedTuple):
    """Peaks in one micrograph, with the probability that they are particles.

    Attributes:
        working: the micrograph.
        peaks: n peaks.
        probability: (n,) of each.
    """

    working: WorkingImage
    peaks: Peaks
    probability: NDArray[np.float64]


def quick_averages(
    found: Sequence[FoundPeaks], diameter_angstrom: float, share: float = 1.0, threads: int = 1
) -> ClassAverages | None:
    """Average the surest peaks of some micrographs, sorted by what they look like.

    Args:
        found: the peaks.
        diameter_angstrom: particle diameter.
        share: of the micrographs that these are.
        threads: of the classification; the result does not depend on it.

    Returns:
        Centred averages, protein bright; None where too few peaks are sure.
    """
    boxes = _boxes(found, round(share * _MAX_PARTICLES))
    if len(boxes) < _MIN_PARTICLES:
        return None
    particles = ParticleSet(boxes, diameter_angstrom / _DIAMETER_PX)
    classes = min(_MAX_CLASSES, len(boxes) // _PARTICLES_PER_CLASS)
    settings = ClassifySettings(
        diameter_angstrom=diameter_angstrom,
        classes=classes,
        iterations=_ITERATIONS,
        max_shift_diameters=_MAX_SHIFT_DIAMETERS,
    )
    result = classify(particles, settings, threads=threads).classes
    filled = (result.share >= _MIN_SHARE) & (result.averages.std(axis=(1, 2)) > 0)
    centred = ClassAverages(_centred(result.averages[filled]), particles.pixel_size_angstrom)
    return without_neighbours(centred, diameter_angstrom)


def _centred(averages: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move particles to the middle, and leave out averages of the end of one, unless all are.

    One whose end was in the middle is seen whole only when it has been moved, so this is done several times.
    """
    for _ in range(_CENTRINGS):
        averages = moved_to_middle(averages, density_centres(averages, _DIAMETER_PX))
    rim = edge_energy(averages, _DIAMETER_PX, np.zeros((len(averages), 2)))
    whole: NDArray[np.bool_] = rim <= max(_MAX_EDGE_ENERGY, rim.min())
    return averages[whole]


def _boxes(found: Sequence[FoundPeaks], most: int) -> NDArray[np.float32]:
    """Cut out the surest peaks and scale them, so that the diameter is that of averages, to a hundredth or two."""
    sure = [each.peaks.take(each.probability >= _SURE) for each in found]
    height = np.sort(np.concatenate([np.zeros(0), *(peaks.height for peaks in sure)]))[::-1]
    least = height[:most].min(initial=np.inf)
    best = [peaks.take(peaks.height >= least) for peaks in sure]
    boxes = [_boxes_of(each.working, peaks) for each, peaks in zip(found, best, strict=True) if len(peaks.x)]
    return torch.cat(boxes).cpu().numpy() if boxes else np.zeros((0, _BOX_PX, _BOX_PX), np.float32)


def _boxes_of(working: WorkingImage, peaks: Peaks) -> Tensor:
    side = 2 * round(working.diameter_px)
    places = torch.from_numpy(np.floor(peaks.xy + 0.5)).long().to(working.image.device)
    boxes = scale_boxes(cut_boxes(working.image, places, side), _BOX_PX)
    level = normalise_background(boxes, _BACKGROUND_DIAMETERS * _DIAMETER_PX)
    return level.boxes[level.usable]
