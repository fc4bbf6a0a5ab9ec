"""Auto: Localpicker's search with class averages of its own picks, where these tell particles better.

A round template knows neither views nor shapes. Averages of the surest picks do; so they are searched for at every
place and in all turns (references as in Roseman, Ultramicroscopy 94, 225, 2003), with a threshold found beside decoys.
Each half of the micrographs is searched with the averages of the other: averages of noise fit the noise that they are
made of, and would seem better than they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial import cKDTree
from scipy.special import expit

from cryoglean.calibration.height_model import HeightModel
from cryoglean.detect.contrast import ParticleContrast
from cryoglean.detect.emptiness import threshold_for_micrograph
from cryoglean.detect.responses import standardised_response
from cryoglean.pickers.auto.template_bank import AveragesResponse
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerModel, particle_like_peaks
from cryoglean.pickers.protocol import ScoringPicker
from cryoglean.pickers.settings import ShapeSettings
from cryoglean.picks import Picks
from cryoglean.words import counted

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from cryoglean.detect.peaks import Peaks
    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.localpicker.picker import PeakCandidates
    from cryoglean.pickers.matcher.class_averages import ClassAverages

_SAME_PARTICLE_DIAMETERS = 0.5
"""Peaks of both templates nearer than this are of one particle. Derived: a particle's radius."""

_MIN_AGREEMENT = 0.7
"""Share of picks in common below which class averages are not believed. Chosen on simulated sets, seeds 1 to 3 of the
hard suite among them: 0.3 to 0.68 where averages are of noise, which they find anywhere, and sometimes alike; 0.74 and
more elsewhere."""

_MIN_GAIN = 1.01
"""Ratio of agreements from which class averages are better. Chosen by hand: what is as good stays as it was."""


class AutoSettings(ShapeSettings):
    """Settings of Auto, those of `ShapeSettings`."""

    method: Literal["auto"] = "auto"


class MatchedHeights(BaseModel):
    """Heights of the response to class averages.

    Attributes:
        heights: their densities, in robust standard deviations of the response.
        threshold: minimum height of a particle.
        contrast: of the picks.
        averages: number of class averages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    heights: HeightModel
    threshold: float
    contrast: ParticleContrast
    averages: Annotated[int, Field(ge=1)]


class Trial(BaseModel):
    """One round of class averages, judged by which picks have more in common.

    Averages of two halves of the micrographs err mostly independently of each other, and of what was searched with
    before. So their picks have more in common with each other than with the former ones where they are better: of three
    who err independently, each one's error follows from how pairs differ (the three-cornered hat of clocks; Gray and
    Allan, Proc. 28th Freq. Control Symp., 243, 1974). What all take alike, as dirt, it does not see.

    Attributes:
        agreement: share of the picks that averages of both halves have in common.
        with_former: share that those of one half have in common with the former picks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    agreement: float
    with_former: float

    @property
    def is_better(self) -> bool:
        """Whether averages find particles better than what was before."""
        return self.agreement > max(_MIN_GAIN * self.with_former, _MIN_AGREEMENT)


class AutoModel(BaseModel):
    """Facts of a fit to a set, besides the averages.

    Attributes:
        localpicker: what Localpicker has learned of the set.
        trials: rounds of class averages; empty of one micrograph, or where there were too few sure picks.
        matched: heights of the response to class averages; None where the round template stands.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    localpicker: LocalpickerModel
    trials: tuple[Trial, ...] = ()
    matched: MatchedHeights | None = None

    @property
    def found_particles(self) -> bool:
        """Whether anything like particles was found."""
        return self.localpicker.found_particles

    @property
    def micrographs(self) -> tuple[str, ...]:
        """Names of the micrographs that it was learned from."""
        return self.localpicker.micrographs

    def summary(self) -> str:
        """Return in one line what was found."""
        return f"{self.localpicker.summary()}; {self.judgement}" if self.found_particles else self.localpicker.summary()

    @property
    def judgement(self) -> str:
        """What is matched with, and why."""
        if not self.trials:
            return "too few micrographs or sure picks for class averages of two halves, so the template stays"
        trial = self.trials[0]
        shares = f"{trial.agreement:.0%} of their picks in common, {trial.with_former:.0%} with those of the template"
        end = "so the template stays"
        if self.matched is not None:
            end = f"so {counted(self.matched.averages, 'class average')} in all turns take its place"
        return f"class averages of two halves of the micrographs have {shares}, {end}"


class Auto(ScoringPicker):
    """Pick by class averages or by the round template, whichever tells particles better."""

    def __init__(
        self,
        settings: AutoSettings,
        model: AutoModel,
        averages: ClassAverages | None,
        device: torch.device | None = None,
    ) -> None:
        self.settings, self.model = settings, model
        self._localpicker = Localpicker(settings, model.localpicker, device)
        self._response = None if averages is None else AveragesResponse(averages, settings.diameter_angstrom)

    @property
    def threshold(self) -> float:
        """Minimum score of a pick."""
        return self.settings.threshold

    def pick_down_to(self, micrograph: Micrograph, min_score: float) -> Picks:
        """Find the places of one micrograph that have a score, as `pick` does."""
        matched, settings = self.model.matched, self.settings
        if self._response is None or matched is None or not self.model.found_particles:
            return self._localpicker.pick_down_to(micrograph, min_score)
        seen = self._localpicker.find_candidates(micrograph)
        heights = standardised_response(seen.field, self._response)
        distance, edge = settings.min_distance_diameters, settings.edge_distance_diameters
        peaks = particle_like_peaks(seen.field, heights, distance, edge, matched.contrast)
        threshold = threshold_for_micrograph(matched.threshold, seen.emptiness, seen.field.capacity)
        above = np.minimum(peaks.height - threshold, self._most_above(seen, peaks))
        order = np.argsort(-above, kind="stable")
        score = expit(above[order])
        kept = score >= min_score
        return Picks(*seen._replace(peaks=peaks).stored(order[kept]), score[kept])

    def _most_above(self, seen: PeakCandidates, peaks: Peaks) -> NDArray[np.float64]:
        """Return how far above the threshold each peak may be: noise is like class averages, too.

        In a micrograph that seems empty, a peak is no surer than the round template is there.
        """
        if seen.threshold <= self.model.localpicker.threshold:
            return np.full(len(peaks.x), np.inf)
        if len(seen.peaks.x) == 0:
            return np.full(len(peaks.x), -np.inf)
        away, nearest = cKDTree(seen.peaks.xy).query(peaks.xy)
        is_same = away <= _SAME_PARTICLE_DIAMETERS * seen.field.working.diameter_px
        return np.where(is_same, seen.peaks.height[nearest] - seen.threshold, -np.inf)
