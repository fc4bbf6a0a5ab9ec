"""Matcher: Localpicker's places, scored anew by how well they match class averages.

Localpicker's template is round, and so knows nothing of views and shapes; class averages of its own picks do. This is
picking by references (Roseman, Ultramicroscopy 94, 225, 2003), held to the places that stand out anyway. Both scores
are put in units of the deviation of the background's peaks, and their mean is what is cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit

from cryoglean.detect.mixture import MIN_HEIGHTS, HeightMixture, best_threshold, fit_height_mixture
from cryoglean.detect.peaks import non_maximum_suppression
from cryoglean.detect.responses import PEAK_DISTANCE_DIAMETERS
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerModel
from cryoglean.pickers.matcher.class_averages import ClassAverages, match, turned_templates
from cryoglean.pickers.protocol import ScoringPicker
from cryoglean.pickers.settings import ShapeSettings
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from numpy.typing import NDArray

    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.localpicker.picker import PeakCandidates


class MatcherSettings(ShapeSettings):
    """Settings of Matcher, those of `ShapeSettings`."""

    method: Literal["matcher"] = "matcher"


class MatcherFit(BaseModel):
    """Facts of a fit, besides the averages.

    Attributes:
        diameter_angstrom: the diameter it was made for.
        localpicker: what Localpicker has learned of the set.
        background: mean and deviation of the matches of background peaks.
        mixture: of the joint scores of all peaks.
        threshold: minimum joint score of a particle; None where there were too few peaks to tell.
        expected_f1: F1 that the mixture expects at the threshold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    diameter_angstrom: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    localpicker: LocalpickerModel
    background: tuple[float, Annotated[float, Field(gt=0)]] = (0.0, 1.0)
    mixture: HeightMixture | None = None
    threshold: float | None = None
    expected_f1: float = 0.0

    def joint(self, height: NDArray[np.float64], matches: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of both scores of (n,) peaks, each in deviations above the background's mean."""
        shape, (mean, deviation) = self.localpicker.heights, self.background
        return (((height - shape.background_mean) / shape.background_deviation) + (matches - mean) / deviation) / 2


class Matched(NamedTuple):
    """The peaks of a micrograph, and how well each matches the best class average.

    Attributes:
        seen: n peaks.
        matches: (n,) correlations.
    """

    seen: PeakCandidates
    matches: NDArray[np.float64]


class Matcher(ScoringPicker):
    """Pick by the shape that was learned from the set, and by class averages."""

    def __init__(
        self,
        settings: MatcherSettings,
        facts: MatcherFit,
        averages: ClassAverages,
        device: torch.device | None = None,
    ) -> None:
        self.settings, self.facts, self.averages, self.device = settings, facts, averages, device
        self._localpicker = Localpicker(settings, facts.localpicker, device)

    @property
    def threshold(self) -> float:
        """Minimum score of a pick."""
        return self.settings.threshold

    def pick_down_to(self, micrograph: Micrograph, min_score: float) -> Picks:
        """Find the places of one micrograph that have a score, as `pick` does."""
        facts, settings = self.facts, self.settings
        if facts.threshold is None or not facts.localpicker.found_particles:
            return Picks.empty()
        seen, matches = self.find_candidates(micrograph)
        above = facts.joint(seen.peaks.height, matches) - facts.threshold
        if seen.threshold > facts.localpicker.threshold:  # it seems empty: noise matches class averages well, too
            above = np.minimum(above, seen.peaks.height - seen.threshold)
        score = expit(above)
        order = np.argsort(-score, kind="stable")
        order = order[score[order] >= min_score]
        x, y = seen.stored(order)
        apart = non_maximum_suppression(x, y, settings.min_distance_px(micrograph))
        return Picks(x[apart], y[apart], score[order][apart])

    def find_candidates(self, micrograph: Micrograph) -> Matched:
        """Find all peaks that may be particles, however weak, and how they match."""
        seen = self._localpicker.find_candidates(micrograph, PEAK_DISTANCE_DIAMETERS)
        diameter, working = self.settings.diameter_angstrom, seen.field.working
        templates = turned_templates(self.averages, diameter, working.diameter_px, self.device)
        return Matched(seen, match(working, seen.peaks, templates))


def fit_matcher(
    micrographs: Iterable[Micrograph],
    localpicker: LocalpickerModel,
    averages: ClassAverages,
    device: torch.device | None = None,
) -> MatcherFit:
    """Find the threshold of the joint score in a few micrographs.

    Args:
        micrographs: the micrographs to learn from; each is needed only until the next is taken.
        localpicker: what Localpicker has learned of the set.
        averages: class averages of particles.
        device: where to compute; the CPU by default.
    """
    diameter = localpicker.diameter_angstrom
    facts = MatcherFit(diameter_angstrom=diameter, localpicker=localpicker)
    matcher = Matcher(MatcherSettings(diameter_angstrom=diameter), facts, averages, device)
    found = [matcher.find_candidates(micrograph) for micrograph in micrographs]
    height = np.concatenate([np.zeros(0), *(each.seen.peaks.height for each in found)])
    matches = np.concatenate([np.zeros(0), *(each.matches for each in found)])
    if len(height) < MIN_HEIGHTS:
        return facts
    capacity = sum(each.seen.field.capacity for each in found)
    alone = fit_height_mixture(matches, capacity)
    facts = facts.model_copy(update={"background": (alone.background_mean, alone.background_deviation)})
    joint = facts.joint(height, matches)
    mixture = fit_height_mixture(joint, capacity)
    threshold, expected_f1 = best_threshold(joint, mixture.posterior(joint))
    return facts.model_copy(update={"mixture": mixture, "threshold": threshold, "expected_f1": expected_f1})
