"""Which classes hold particles: rules that decide, each with a reason and a score by which classes are ranked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.classes2d.criteria import class_tests
from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classes, Classification


class Rule(StrEnum):
    """How classes are selected: by what their averages show, by the published %/Res, or by that made comparable."""

    automatic = "automatic"
    literal = "literal"
    normalised = "normalised"


PAPER_PERCENT_PER_RESOLUTION = 0.1
"""McSweeney et al., IUCrJ 7, 719, 2020, section 2.4: classes with %/Res above this are kept."""

NORMALISED_THRESHOLD = 0.1
"""In 1/angstrom: a class of average size is kept if it is resolved to better than 10 angstrom."""

_STEEPNESS = 4.0
_CLEAR = 1.5  # passing a test by more than this says no more


@dataclass(frozen=True)
class Selection:
    """What is decided of each class.

    Attributes:
        kept: (k,) bool.
        score: (k,) in [0, 1], the rank of the class and the quality of its particles; 0.5 is the rule's threshold.
        reasons: k lines, "kept: 14.2 A, 12 %" or "dropped: " and why.
    """

    kept: NDArray[np.bool_]
    score: NDArray[np.float64]
    reasons: tuple[str, ...]

    def best_first(self) -> NDArray[np.int64]:
        """Return (k,) the classes, kept before dropped, then by falling score, then by number."""
        order = np.lexsort((np.arange(len(self.score)), -self.score, ~self.kept))
        return order.astype(np.int64)


def select(
    classification: Classification,
    rule: Rule = Rule.automatic,
    *,
    diameter_angstrom: float | None = None,
    threshold: float | None = None,
) -> Selection:
    """Select classes.

    Args:
        classification: what to select from.
        rule: how.
        diameter_angstrom: of the particle; `automatic` needs it.
        threshold: of %/Res or its like; that of the rule by default. `automatic` has none.

    Raises:
        SettingsError: if the rule has no threshold and one is given, or needs a diameter and there is none.
    """
    if threshold is not None and not (math.isfinite(threshold) and threshold > 0):
        raise SettingsError(f"--threshold {threshold:g}: must be above 0")
    if rule is Rule.automatic:
        if threshold is not None:
            raise SettingsError("--threshold has no effect with --rule automatic: give --rule literal or normalised")
        if diameter_angstrom is None:
            raise SettingsError("the particle's diameter is unknown: give --diameter, or --rule literal")
        return automatic(classification, diameter_angstrom)
    if rule is Rule.literal:
        return literal(classification, PAPER_PERCENT_PER_RESOLUTION if threshold is None else threshold)
    return normalised(classification, NORMALISED_THRESHOLD if threshold is None else threshold)


def literal(classification: Classification, threshold: float = PAPER_PERCENT_PER_RESOLUTION) -> Selection:
    """Keep classes with %/Res above a threshold (McSweeney et al., 2020): per cent of the particles per angstrom.

    It depends on the number of classes: with one for 200 particles, 0.1 means 20 angstrom for an average class of
    10,000 particles and 2 angstrom of 100,000. Classes without a resolution have 0.
    """
    return _by_ratio(classification.classes, classification.classes.percent_per_resolution, threshold, "%/Res")


def normalised(classification: Classification, threshold: float = NORMALISED_THRESHOLD) -> Selection:
    """Keep classes whose particles, in units of the average class, over resolution in angstrom exceed a threshold."""
    classes = classification.classes
    ratio = classes.percent_per_resolution / 100 * len(classes)
    return _by_ratio(classes, ratio, threshold, "share of an average class per angstrom")


def _by_ratio(classes: Classes, ratio: NDArray[np.float64], threshold: float, name: str) -> Selection:
    kept = ratio > threshold
    reasons = [
        _kept(classes, k)
        if kept[k]
        else _unusable(classes, k) or f"dropped: {name} {ratio[k]:.3g}, not above {threshold:g}"
        for k in range(len(classes))
    ]
    return Selection(kept, ratio / (ratio + threshold), tuple(reasons))


def automatic(classification: Classification, diameter_angstrom: float) -> Selection:
    """Keep classes that show a particle: there is more than aligned noise, centred, whole, and with detail in it.

    Nothing is compared between classes, so a small class of a rare view is kept like a large one, and all classes may
    be kept or dropped. The score of a class is that of the test it passes least; of those that pass all clearly, the
    one with more evidence has more.

    Args:
        classification: what to select from.
        diameter_angstrom: of the particle.
    """
    classes = classification.classes
    tests = class_tests(classification, diameter_angstrom)
    margins = np.stack([test.margin for test in tests])
    weakest = np.argmin(margins, axis=0)
    least = np.where(classes.counts > 0, margins.min(axis=0), 0)
    kept = least >= 1
    sureness = tests[0].margin / (1 + tests[0].margin)
    powered = np.where(kept, 1 + (np.minimum(least, _CLEAR) - 1) * sureness, least) ** _STEEPNESS
    reasons = [
        _kept(classes, k) if kept[k] else _unusable(classes, k) or f"dropped: {tests[weakest[k]].complaint(k)}"
        for k in range(len(classes))
    ]
    return Selection(kept, powered / (1 + powered), tuple(reasons))


def _kept(classes: Classes, k: int) -> str:
    return f"kept: {classes.resolution_angstrom[k]:.1f} A, {100 * classes.share[k]:.2g} %"


def _unusable(classes: Classes, k: int) -> str | None:
    """Say what is wrong with a class that no rule can keep."""
    if classes.counts[k] == 0:
        return "dropped: no particles"
    resolution = classes.resolution_angstrom[k]
    if not (math.isfinite(resolution) and resolution > 0):
        return "dropped: does not reproduce between halves"
    return None


def selected_particles(classification: Classification, selection: Selection) -> NDArray[np.bool_]:
    """Return (n,) which particles are in kept classes."""
    kept: NDArray[np.bool_] = selection.kept[classification.particles.class_index]
    return kept


def particle_scores(classification: Classification, selection: Selection) -> NDArray[np.float64]:
    """Return (n,) the scores of the particles' classes."""
    score: NDArray[np.float64] = selection.score[classification.particles.class_index]
    return score
