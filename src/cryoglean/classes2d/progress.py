"""Progress of a classification."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Iteration:
    """Summary of one finished iteration.

    Attributes:
        number: counted from 1.
        total: how many there will be.
        resolution_angstrom: finest detail of the averages that the images are aligned to next; infinite if none.
        changed: share of the particles whose class is another than after the iteration before; 1 after the first.
        empty: classes without a particle.
        likelihood: logarithm of the likelihood of the images compared, or None where the engine does not know it.
        images: compared in it, or None where the engine does not say it.
        images_left: that the iterations to come compare, all together, or None.
        classes: how many there are after it, where that is more than wanted; None otherwise.
    """

    number: int
    total: int
    resolution_angstrom: float
    changed: float
    empty: int
    likelihood: float | None = None
    images: int | None = None
    images_left: int | None = None
    classes: int | None = None
