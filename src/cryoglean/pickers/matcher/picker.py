"""Matcher: a search for class averages, at every place and in all turns.

Localpicker's template is round, and so knows nothing of views and shapes; class averages do. This is picking by
references (Roseman, Ultramicroscopy 94, 225, 2003), with a threshold found beside decoys that are searched in the same
way. Of Localpicker it keeps how a micrograph is seen, and whether it seems empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial import cKDTree

from cryoglean.calibration.height_model import HeightModel
from cryoglean.calibration.peak_heights import fit_peak_heights
from cryoglean.detect.contrast import ParticleContrast
from cryoglean.detect.emptiness import threshold_for_micrograph
from cryoglean.detect.responses import standardised_response
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerModel, min_probability, particle_like_peaks
from cryoglean.pickers.matcher.side_lobes import are_side_lobes
from cryoglean.pickers.matcher.template_bank import AveragesResponse
from cryoglean.pickers.protocol import ScoringPicker
from cryoglean.pickers.settings import ProbabilitySettings
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from numpy.typing import NDArray

    from cryoglean.calibration.peak_heights import PeakHeights
    from cryoglean.detect.peaks import Peaks
    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.localpicker.picker import PeakCandidates
    from cryoglean.pickers.matcher.class_averages import ClassAverages
    from cryoglean.preprocess.working import WorkingImage

_SAME_PARTICLE_DIAMETERS = 0.5
"""Peaks of both templates nearer than this are of one particle. Derived: a particle's radius."""


class MatcherSettings(ProbabilitySettings):
    """Settings of Matcher, those of `ProbabilitySettings`."""

    method: Literal["matcher"] = "matcher"


class MatchedHeights(BaseModel):
    """Heights of the response to class averages.

    Attributes:
        heights: their densities, in robust standard deviations of the response.
        threshold: minimum height of a particle.
        contrast: of the picks.
        averages: number of class averages.
        hidden_share: share of all particles that dirt or others hide.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    heights: HeightModel
    threshold: float
    contrast: ParticleContrast
    averages: Annotated[int, Field(ge=1)]
    hidden_share: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @classmethod
    def of(cls, found: PeakHeights, averages: ClassAverages) -> MatchedHeights:
        """Return what is needed of heights to pick by them."""
        return cls(
            heights=found.model,
            threshold=found.threshold,
            contrast=found.contrast,
            averages=len(averages.images),
            hidden_share=found.hidden_share,
        )


class MatcherFit(BaseModel):
    """Facts of a fit, besides the averages.

    Attributes:
        localpicker: what Localpicker has learned of the set.
        matched: heights of the response to class averages; None where there were too few peaks to tell, or nothing
            like particles.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    localpicker: LocalpickerModel
    matched: MatchedHeights | None = None


class Matcher(ScoringPicker):
    """Pick by class averages.

    Args:
        settings: of Matcher, or of another picker that searches with class averages.
        localpicker: what Localpicker has learned of the set.
        matched: heights of the response to the averages; None picks nothing.
        averages: class averages.
        device: where to compute; the CPU by default.
    """

    def __init__(
        self,
        settings: ProbabilitySettings,
        localpicker: LocalpickerModel,
        matched: MatchedHeights | None,
        averages: ClassAverages,
        device: torch.device | None = None,
    ) -> None:
        self.settings, self.matched = settings, matched
        self._localpicker = Localpicker(settings, localpicker, device)
        self._response = AveragesResponse(averages, settings.diameter_angstrom)

    @property
    def threshold(self) -> float:
        """Minimum probability of a pick; any, where nothing was found."""
        matched = self.matched
        return 0.0 if matched is None else min_probability(self.settings, matched.heights, matched.threshold)

    def pick_down_to(self, micrograph: Micrograph, min_score: float) -> Picks:
        """Find the places of one micrograph that have a score, as `pick` does."""
        return self.picks_in(self.prepared(micrograph), min_score)

    def prepared(self, micrograph: Micrograph) -> WorkingImage:
        """Return a micrograph as it is searched."""
        return self._localpicker.prepared(micrograph)

    def picks_in(self, working: WorkingImage, min_score: float) -> Picks:
        """Do what `pick_down_to` does in a micrograph that is prepared already."""
        matched, settings = self.matched, self.settings
        if matched is None or not self._localpicker.model.found_particles:
            return Picks.empty("probability")
        seen = self._localpicker.candidates_in(working)
        heights = standardised_response(seen.field, self._response)
        distance, edge = settings.min_distance_diameters, settings.edge_distance_diameters
        peaks = particle_like_peaks(seen.field, heights, distance, edge, matched.contrast)
        round_heights = working.values_at(seen.response, peaks.x, peaks.y).double().numpy()
        peaks = peaks.take(~are_side_lobes(peaks, round_heights, working.diameter_px))
        threshold = threshold_for_micrograph(matched.threshold, seen.emptiness, seen.field.capacity)
        by_averages = matched.heights.score(peaks.height - (threshold - matched.threshold))
        score = np.minimum(by_averages, self._most_probable(seen, peaks))
        order = np.argsort(-score, kind="stable")
        order = order[score[order] >= min_score]
        return Picks(*seen._replace(peaks=peaks).stored(order), score[order], "probability")

    def _most_probable(self, seen: PeakCandidates, peaks: Peaks) -> NDArray[np.float64]:
        """Return how probable each peak may be: noise is like class averages, too.

        In a micrograph that seems empty, a peak is no surer than the round template is there.
        """
        if seen.threshold <= self._localpicker.model.threshold:
            return np.ones(len(peaks.x))
        if len(seen.peaks.x) == 0:
            return np.zeros(len(peaks.x))
        away, nearest = cKDTree(seen.peaks.xy).query(peaks.xy)
        is_same = away <= _SAME_PARTICLE_DIAMETERS * seen.field.working.diameter_px
        return np.where(is_same, self._localpicker.probability(seen)[nearest], 0.0)


def fit_matcher(
    micrographs: Iterable[Micrograph],
    localpicker: LocalpickerModel,
    averages: ClassAverages,
    threads: int = 1,
    device: torch.device | None = None,
) -> MatcherFit:
    """Find the threshold of the response to class averages in a few micrographs.

    Args:
        micrographs: the micrographs to learn from; each is needed only until the next is taken.
        localpicker: what Localpicker has learned of the set.
        averages: class averages of particles.
        threads: how many micrographs to work on at a time; the result does not depend on it.
        device: where to compute; the CPU by default.
    """
    facts = MatcherFit(localpicker=localpicker)
    if not localpicker.found_particles:
        return facts
    diameter = localpicker.diameter_angstrom
    picker = Localpicker(MatcherSettings(diameter_angstrom=diameter), localpicker, device)
    fields = [picker.find_candidates(micrograph).field for micrograph in micrographs]
    found = fit_peak_heights(fields, [AveragesResponse(averages, diameter)] * len(fields), threads)
    return facts if found is None else facts.model_copy(update={"matched": MatchedHeights.of(found, averages)})
