"""Purification: classes are made, junk is dropped, the rest is centred, until nearly all that goes in is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from cryoglean.classes2d.centring import centre_offsets, shifted, subset
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.classes2d.selection import Rule, select, selected_particles
from cryoglean.classes2d.settings import KEEP_SHARE, MAX_PASSES, MIN_PARTICLES_PER_CLASS, ClassifySettings
from cryoglean.errors import NothingKeptError, SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classification
    from cryoglean.classes2d.selection import Selection


class Reextracted(NamedTuple):
    """Particles extracted again at new centres.

    Attributes:
        particles: their images.
        which: (m,) which of the particles asked for these are, as a few may now lie at a border.
    """

    particles: ParticleSet
    which: NDArray[np.int64]


Classifier = Callable[[ParticleSet, ClassifySettings], "Classification"]
Reextract = Callable[["NDArray[np.int64]", "NDArray[np.float64]"], Reextracted]
"""From (m,) particles of the first set and (m, 2) how far their centres moved since, angstrom, to their images."""


class PurifySettings(BaseModel):
    """Settings of a purification.

    Attributes:
        rule: by which classes are kept.
        threshold: of the rule, if not its own.
        keep_share: more than this share of what goes into a pass must be kept to be done.
        max_passes: after so many it ends anyway.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule = Rule.automatic
    threshold: float | None = None
    keep_share: Annotated[float, Field(ge=0, lt=1)] = KEEP_SHARE
    max_passes: Annotated[int, Field(ge=1)] = MAX_PASSES


@dataclass(frozen=True)
class Pass:
    """One classification and what was kept of it.

    Attributes:
        which: (n,) its particles, as numbers in the first set.
        moved_angstrom: (n, 2) how far their images' centres were from those of the first set, x first.
        classification: what was found.
        selection: what was decided.
    """

    which: NDArray[np.int64]
    moved_angstrom: NDArray[np.float64]
    classification: Classification
    selection: Selection

    @property
    def kept(self) -> NDArray[np.int64]:
        """(m,) The kept particles, as numbers in the first set."""
        return self.which[selected_particles(self.classification, self.selection)]

    @property
    def best_resolution_angstrom(self) -> float:
        """Of all kept classes; infinite if none is."""
        kept = self.classification.classes.resolution_angstrom[self.selection.kept]
        return float(kept.min()) if len(kept) else float("inf")

    def __str__(self) -> str:
        classes = self.selection.kept
        return (
            f"{len(self.kept)} of {len(self.which)} particles kept, in {classes.sum()} of {len(classes)} classes, "
            f"the best at {self.best_resolution_angstrom:.1f} A"
        )


@dataclass(frozen=True)
class Purification:
    """Result of a purification.

    Attributes:
        passes: one or more, in order.
        notes: what did not go as asked, a line each.
    """

    passes: tuple[Pass, ...]
    notes: tuple[str, ...] = ()

    @property
    def kept(self) -> NDArray[np.int64]:
        """(m,) The particles kept in the end, as numbers in the first set."""
        return self.passes[-1].kept


def purify(
    particles: ParticleSet,
    settings: ClassifySettings,
    engine: Classifier,
    how: PurifySettings | None = None,
    *,
    first: Classification | None = None,
    reextract: Reextract | None = None,
    on_pass: Callable[[Pass], None] | None = None,
) -> Purification:
    """Classify and select until nearly all is kept.

    Between passes every particle is centred: by where it lies in its class, and by where the class average lies in its
    box.

    Args:
        particles: the first set.
        settings: of every pass; the number of classes follows the particles left, unless it is fixed.
        engine: classifies; not needed for the first pass if its result is given.
        how: rule and end.
        first: classification of the first set, where there is one already.
        reextract: extracts particles again at their new centres; without it images are shifted.
        on_pass: called after each pass.

    Returns:
        The passes, the last of which has the particles kept.

    Raises:
        SettingsError: if there are too few particles for two classes.
        NothingKeptError: if all classes are dropped.
    """
    how = how or PurifySettings()
    which, moved = np.arange(len(particles)), np.zeros((len(particles), 2))
    current, passes = particles, list[Pass]()
    while True:
        _refuse_too_few(len(which), len(passes))
        found = engine(current, _settings_of(settings, len(which))) if first is None or passes else first
        chosen = select(found, how.rule, diameter_angstrom=settings.diameter_angstrom, threshold=how.threshold)
        done = Pass(which, moved, found, chosen)
        passes.append(done)
        if on_pass is not None:
            on_pass(done)
        kept = selected_particles(found, chosen)
        _refuse_nothing(done)
        if kept.sum() > how.keep_share * len(which):
            return Purification(tuple(passes))
        if len(passes) >= how.max_passes:
            return Purification(tuple(passes), (_stopped(passes, how),))
        steps = centre_offsets(found, settings.diameter_angstrom)[kept]
        which, moved = which[kept], moved[kept] + steps
        if reextract is None:
            current = shifted(subset(current, np.flatnonzero(kept)), steps)
        else:
            current, left = reextract(which, moved)
            which, moved = which[left], moved[left]


def _settings_of(settings: ClassifySettings, particles: int) -> ClassifySettings:
    """Return settings whose number of classes, if it is fixed, is not more than the particles left can fill."""
    if settings.classes is None:
        return settings
    return settings.model_copy(update={"classes": min(settings.classes, particles // MIN_PARTICLES_PER_CLASS)})


def _refuse_too_few(particles: int, passes: int) -> None:
    needed = 2 * MIN_PARTICLES_PER_CLASS
    if particles < needed:
        after = f" left after {passes} passes" if passes else ""
        raise SettingsError(
            f"{particles} particles{after} are too few for two classes, which take {needed}: "
            "give more particles, or select by hand (--selection)"
        )


def _refuse_nothing(done: Pass) -> None:
    if not done.selection.kept.any():
        commonest = done.selection.reasons[int(np.argmax(done.classification.classes.counts))]
        raise NothingKeptError(
            f"no class of {len(done.selection.kept)} is kept (the largest {commonest}): look at the gallery; try "
            "another --diameter, other --classes, --rule normalised, or select by hand (--selection)"
        )


def _stopped(passes: list[Pass], how: PurifySettings) -> str:
    last = passes[-1]
    share = len(last.kept) / len(last.which)
    return f"after {len(passes)} passes {share:.0%} are kept, not more than {how.keep_share:.0%}: went on with these"
