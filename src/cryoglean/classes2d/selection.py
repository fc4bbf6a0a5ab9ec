"""Selection of classes that hold particles: rules that decide, with a verdict and a score for each class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.classes2d.criteria import class_criteria
from cryoglean.classes2d.verdicts import ClassVerdict
from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classes, Classification


class Rule(StrEnum):
    """Rule of selection: by what class averages show, by the published %/Res, or by that for any number of classes."""

    automatic = "automatic"
    literal = "literal"
    normalised = "normalised"


PAPER_PERCENT_PER_RESOLUTION = 0.1
"""Per cent of the particles per angstrom above which classes are kept. Published: McSweeney et al., IUCrJ 7, 719
(2020), section 2.4."""

NORMALISED_THRESHOLD = 0.1
"""In 1/angstrom. Chosen by hand: a class of average size is kept if it is resolved to better than 10 angstrom; at
small magnification that is too much to ask."""

_STEEPNESS = 4.0
"""Power of a margin in the score. Chosen by hand: spreads scores between 0 and 1; it moves no decision and no rank
within the kept or the dropped."""

_CLEAR_MARGIN = 1.5
"""Chosen by hand: passing a criterion by more than this says no more. It moves only ranks of kept classes."""


THRESHOLD_SCORE = 0.5
"""Score at which every rule keeps a class. Derived from how scores are made."""

NUMERICAL_SCORE = 0.01
"""A score so near to the threshold may lie on its other side on another processor. Chosen by hand: a margin of the
automatic rule within a hundredth of its limit."""


@dataclass(frozen=True)
class Selection:
    """Verdicts on classes.

    Attributes:
        score: (k,) in [0, 1], the rank of the class and the quality of its particles; 0.5 is the rule's threshold.
        verdicts: k, whether each class is kept, and why.
        details: k, the numbers behind each verdict, as text; some are empty.
    """

    score: NDArray[np.float64]
    verdicts: tuple[ClassVerdict, ...]
    details: tuple[str, ...]

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """(k,) Whether each class is kept."""
        return np.array([verdict.is_kept for verdict in self.verdicts], dtype=bool)

    @property
    def undecided(self) -> NDArray[np.bool_]:
        """(k,) Whether the decision on each class might be another one on another processor."""
        by_rule = np.array([not verdict.is_by_hand for verdict in self.verdicts], dtype=bool)
        near: NDArray[np.bool_] = np.abs(self.score - THRESHOLD_SCORE) <= NUMERICAL_SCORE
        doubtful: NDArray[np.bool_] = near & by_rule
        return doubtful

    @property
    def junk(self) -> NDArray[np.bool_]:
        """(k,) Whether each class shows junk."""
        return np.array([verdict.is_junk for verdict in self.verdicts], dtype=bool)

    @property
    def explanations(self) -> tuple[str, ...]:
        """K lines, as "14.2 A, 12 %" of a kept class or "off centre, 0.23 diameters"; with ", undecided" if so."""
        told = zip(self.verdicts, self.details, self.undecided, strict=True)
        return tuple(v.explained(detail) + (", undecided" if near else "") for v, detail, near in told)

    @property
    def reasons(self) -> tuple[str, ...]:
        """K lines, as "kept: 14.2 A, 12 %" or "dropped: off centre, 0.23 diameters"."""
        pairs = zip(self.verdicts, self.explanations, strict=True)
        return tuple(f"{'kept' if verdict.is_kept else 'dropped'}: {why}" for verdict, why in pairs)

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
    failed = [(ClassVerdict.below_threshold, f"{name} {value:.3g}, threshold {threshold:g}") for value in ratio]
    return _selection(classes, ratio > threshold, ratio / (ratio + threshold), failed)


def _selection(
    classes: Classes, kept: NDArray[np.bool_], score: NDArray[np.float64], failed: Sequence[tuple[ClassVerdict, str]]
) -> Selection:
    """Return a selection.

    Args:
        classes: k classes.
        kept: (k,) whether the rule keeps them.
        score: (k,) in [0, 1].
        failed: k verdicts and details for those that the rule drops; a class that no rule can keep has its own.
    """
    said = [_kept(classes, k) if kept[k] else _unusable(classes, k) or failed[k] for k in range(len(classes))]
    return Selection(score, tuple(verdict for verdict, _ in said), tuple(detail for _, detail in said))


def automatic(classification: Classification, diameter_angstrom: float) -> Selection:
    """Keep classes that show a particle: there is more than aligned noise, centred, whole, and with detail in it.

    Nothing is compared between classes, so a small class of a rare view is kept like a large one, and all classes may
    be kept or dropped. The score of a class is that of the criterion it passes least; of those that pass all clearly,
    the one with more signal has more.

    Args:
        classification: what to select from.
        diameter_angstrom: of the particle.
    """
    classes = classification.classes
    criteria = class_criteria(classification, diameter_angstrom)
    margins = np.stack([criterion.margin for criterion in criteria])
    weakest = [criteria[number] for number in np.argmin(margins, axis=0)]
    margin = np.where(classes.counts > 0, margins.min(axis=0), 0)
    kept = margin >= 1
    sureness = criteria[0].margin / (1 + criteria[0].margin)
    powered = np.where(kept, 1 + (np.minimum(margin, _CLEAR_MARGIN) - 1) * sureness, margin) ** _STEEPNESS
    failed = [(each.failure_reason, each.failure_detail(k)) for k, each in enumerate(weakest)]
    return _selection(classes, kept, powered / (1 + powered), failed)


def _kept(classes: Classes, k: int) -> tuple[ClassVerdict, str]:
    return ClassVerdict.kept, f"{classes.resolution_angstrom[k]:.1f} A, {100 * classes.share[k]:.2g} %"


def _unusable(classes: Classes, k: int) -> tuple[ClassVerdict, str] | None:
    """Return the verdict on a class that no rule can keep; None if it can be kept."""
    if classes.counts[k] == 0:
        return ClassVerdict.empty, ""
    resolution = classes.resolution_angstrom[k]
    is_resolved = math.isfinite(resolution) and resolution > 0
    return None if is_resolved else (ClassVerdict.unresolved, "")


def selected_particles(classification: Classification, selection: Selection) -> NDArray[np.bool_]:
    """Return (n,) which particles are in kept classes."""
    kept: NDArray[np.bool_] = selection.kept[classification.particles.class_index]
    return kept
