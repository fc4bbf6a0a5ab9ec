"""Settings of a 2D classification, the same for every engine."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

PARTICLES_PER_CLASS = 200
"""Published: McSweeney et al., IUCrJ 7, 719 (2020), section 2.4: as many classes as particles over 200."""

MIN_PARTICLES_PER_CLASS = 2
"""Derived: one for each half set."""

MAX_DEFAULT_CLASSES = 100
"""Resource: time and memory grow with the number of classes. A user may ask for more."""

KEEP_SHARE = 0.9
"""Share of a pass above which enough is kept. Published: McSweeney et al., IUCrJ 7, 719 (2020), section 2.4."""

MAX_PASSES = 5
"""Resource: each pass is a whole classification. The paper sets no limit."""


class ClassifySettings(BaseModel):
    """Settings of one classification.

    Attributes:
        diameter_angstrom: of the particle; what lies outside it is masked.
        classes: how many; by default one per 200 particles, 2 at least and `max_classes` at most.
        max_classes: by default; None sets no limit, as published.
        iterations: of expectation and maximisation; 25 as in RELION.
        max_shift_diameters: how far a particle may be from the middle of its box.
        resolution_limit_angstrom: finer detail is not looked at.
        regularisation: the T of RELION (Scheres, J. Struct. Biol. 180, 519, 2012), a factor of the signal's power in
            its regularised likelihood (Scheres, J. Mol. Biol. 415, 406, 2012): how much the signal is trusted.
        seed: of the only random choices, those of the start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    diameter_angstrom: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    classes: Annotated[int, Field(ge=1)] | None = None
    max_classes: Annotated[int, Field(ge=2)] | None = MAX_DEFAULT_CLASSES
    iterations: Annotated[int, Field(ge=1)] = 25
    max_shift_diameters: Annotated[float, Field(ge=0, le=0.5)] = 0.15
    resolution_limit_angstrom: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    regularisation: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    seed: Annotated[int, Field(ge=0)] = 0

    def classes_for(self, particles: int) -> int:
        """Return how many classes so many particles are sorted into."""
        if self.classes is not None:
            return self.classes
        published = self.published_classes(particles)
        return published if self.max_classes is None else min(published, self.max_classes)

    @staticmethod
    def published_classes(particles: int) -> int:
        """Return how many classes the paper sorts so many particles into."""
        return max(particles // PARTICLES_PER_CLASS, 2)

    def recorded(self) -> dict[str, Any]:
        """Return what decides the result, as JSON values."""
        return self.model_dump()
