"""Localpicker: shape-based picking that finds the particle's scale, profile and threshold in the micrographs.

The idea is that of McSweeney et al. (IUCrJ 7, 719, 2020): local contrast, then blobs of the particle's size. Here shape
and threshold are not given but found, in two steps: `fit_localpicker` learns from a few micrographs of a set,
`Localpicker` picks each of them with what was learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from cryoglean.calibration.height_model import HeightModel
from cryoglean.calibration.peak_heights import EDGE_DIAMETERS, fit_peak_heights
from cryoglean.detect.contrast import ParticleContrast
from cryoglean.detect.emptiness import emptiness, threshold_for_micrograph
from cryoglean.detect.mixture import HeightMixture
from cryoglean.detect.peaks import Peaks, inside
from cryoglean.detect.responses import (
    PEAK_DISTANCE_DIAMETERS,
    FilteredMicrograph,
    peaks_off_slopes,
    standardised_response,
)
from cryoglean.detect.signal import Signal, is_skewed, signal_of
from cryoglean.detect.skewness import Skewness, field_skewness
from cryoglean.detect.surrogates import peak_deviations
from cryoglean.pickers.localpicker.template_search import (
    DISC_DIAMETERS,
    PROFILE_VALUES,
    Template,
    search_template,
)
from cryoglean.pickers.protocol import ScoringPicker
from cryoglean.pickers.settings import ProbabilitySettings
from cryoglean.picks import Picks
from cryoglean.preprocess.left_out import clean_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.micrograph import Micrograph
    from cryoglean.preprocess.working import WorkingImage


_DOUBTFUL = 0.01
"""Probability of being empty from which a micrograph's peaks are compared with those of noise. Resource: below it the
threshold is that of the set, and the comparison takes a second or two."""


class LocalpickerSettings(ProbabilitySettings):
    """Settings of Localpicker, those of `ProbabilitySettings`."""

    method: Literal["localpicker"] = "localpicker"


class LocalpickerModel(BaseModel):
    """Localpicker's fit to a set of micrographs: all that picking one of them needs.

    Attributes:
        diameter_angstrom: the diameter it was made for.
        disc_diameters: diameter of the best disc, in units of the particle's diameter.
        profile: radial template at multiples of `template_search.PROFILE_STEP_DIAMETERS`; None where no learned
            profile was better than the disc.
        skewness: typical skewness of the response in tiles of the micrographs.
        skewness_error: its standard error, were the response nothing but noise.
        heights: the densities of peak heights, in robust standard deviations of the response.
        threshold: minimum height of a particle.
        contrast: of the picks.
        stand_out: whether some peaks are higher than noise reaches.
        micrographs: the micrographs it was learned from.
        hidden_share: share of all particles that dirt or others hide.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    diameter_angstrom: Annotated[float, Field(gt=0)]
    disc_diameters: Annotated[float, Field(gt=0, le=DISC_DIAMETERS[-1])]
    profile: Annotated[tuple[float, ...], Field(max_length=PROFILE_VALUES)] | None
    skewness: float
    skewness_error: float
    heights: HeightModel
    threshold: float
    contrast: ParticleContrast
    stand_out: bool
    micrographs: tuple[str, ...]
    hidden_share: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def found_particles(self) -> bool:
        """Whether anything like particles was found: the response is skewed beyond doubt, or some peaks stand out."""
        return self.stand_out or is_skewed(self.skewness, self.skewness_error)

    @property
    def signal(self) -> Signal:
        """Whether anything like particles was found, and how sure that is."""
        return Signal.found if self.stand_out else signal_of(self.skewness, self.skewness_error)

    def summary(self) -> str:
        """Return in one line what was found."""
        skewness = f"skewness of the response {self.skewness:.3f} ± {self.skewness_error:.3f}"
        if not self.found_particles:
            return f"no particle signal found ({skewness}, not clearly above 0{self.signal.remark})"
        if not is_skewed(self.skewness, self.skewness_error):
            skewness = "some peaks are higher than noise is, too few for skewness"
        shape = "learned radial profile" if self.profile else "disc minus ring"
        return (
            f"particle signal found ({skewness}{self.signal.remark}); template: {shape}, "
            f"best disc {self.disc_diameters:g} diameters; threshold {self.threshold:.2f} standard deviations"
        )

    @property
    def template(self) -> Template:
        """The template to correlate with."""
        return Template(self.disc_diameters, None if self.profile is None else np.asarray(self.profile))


class PeakCandidates(NamedTuple):
    """Peaks of the response in a micrograph, and the threshold that holds there.

    Attributes:
        field: the micrograph, prepared.
        response: `(h, w)` to the template, in robust standard deviations.
        peaks: of the response, weak ones too, highest first.
        threshold: minimum height of a particle; above that of the model where the micrograph seems empty.
        emptiness: probability that the micrograph is empty.
    """

    field: FilteredMicrograph
    response: Tensor
    peaks: Peaks
    threshold: float
    emptiness: float

    def stored(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and y of some of the peaks, in pixels of the micrograph as stored."""
        x, y = (torch.from_numpy(v[which]) for v in (self.peaks.x, self.peaks.y))
        return tuple(v.numpy() for v in self.field.working.to_stored(x, y))  # type: ignore[return-value]


class Localpicker(ScoringPicker):
    """Pick particles by the shape that was learned from the set."""

    def __init__(
        self, settings: ProbabilitySettings, model: LocalpickerModel, device: torch.device | None = None
    ) -> None:
        self.settings, self.model, self.device = settings, model, device

    @property
    def threshold(self) -> float:
        """Minimum probability of a pick."""
        return min_probability(self.settings, self.model.heights, self.model.threshold)

    def pick_down_to(self, micrograph: Micrograph, min_score: float) -> Picks:
        """Find the places of one micrograph that have a score, as `pick` does."""
        if not self.model.found_particles:
            return Picks.empty("probability")
        return self.picks_in(self.prepared(micrograph), min_score)

    def prepared(self, micrograph: Micrograph) -> WorkingImage:
        """Return a micrograph as it is searched."""
        return clean_image(micrograph, self.settings.diameter_angstrom, self.device)

    def picks_in(self, working: WorkingImage, min_score: float) -> Picks:
        """Do what `pick_down_to` does in a micrograph that is prepared already."""
        seen = self.candidates_in(working)
        score = self.probability(seen)
        kept = score >= min_score
        return Picks(*seen.stored(kept), score[kept], "probability")

    def probability(self, seen: PeakCandidates) -> NDArray[np.float64]:
        """Return the probability that each peak is a particle; lower in a micrograph that seems empty."""
        return self.model.heights.score(seen.peaks.height - (seen.threshold - self.model.threshold))

    def find_candidates(self, micrograph: Micrograph, distance_diameters: float | None = None) -> PeakCandidates:
        """Find all peaks that may be particles, however weak.

        Args:
            micrograph: any size.
            distance_diameters: minimum distance of two peaks in particle diameters; that of the settings by default.
        """
        return self.candidates_in(self.prepared(micrograph), distance_diameters)

    def candidates_in(self, working: WorkingImage, distance_diameters: float | None = None) -> PeakCandidates:
        """Do the same in a micrograph that is prepared already, or in a part of one."""
        field = FilteredMicrograph.of(working)
        response = standardised_response(field, self.model.template)
        if distance_diameters is None:
            distance_diameters = self.settings.min_distance_diameters
        edge, contrast = self.settings.edge_distance_diameters, self.model.contrast
        peaks = particle_like_peaks(field, response, distance_diameters, edge, contrast)
        empty = self._emptiness(field, response, distance_diameters)
        threshold = threshold_for_micrograph(self.model.threshold, empty, field.capacity)
        return PeakCandidates(field, response, peaks, threshold, empty)

    def _emptiness(self, field: FilteredMicrograph, response: Tensor, distance_diameters: float) -> float:
        """Return the probability that a micrograph is empty."""
        working, usual = field.working, self.model.skewness
        skewness = Skewness.of([field_skewness(response, working.diameter_px, working.exposed)])
        empty = emptiness(skewness, usual)
        if empty <= _DOUBTFUL:
            return empty
        peaks = particle_like_peaks(field, response, PEAK_DISTANCE_DIAMETERS, EDGE_DIAMETERS, self.model.contrast)
        for_particles = self.model.heights.log_ratio_to_decoys(peaks.height)
        above_noise = peak_deviations(response, distance_diameters * working.diameter_px)
        return emptiness(skewness, usual, above_noise, for_particles)


def min_probability(settings: ProbabilitySettings, heights: HeightModel, found_height: float) -> float:
    """Return the minimum probability of a pick.

    Args:
        settings: that may choose it.
        heights: of the set's peaks.
        found_height: that the set itself asks for.
    """
    if settings.threshold is not None:
        return settings.threshold
    if settings.recall_first:
        return heights.min_score(heights.height_recall_first())
    return heights.min_score(found_height if settings.fdr is None else heights.height_at_fdr(settings.fdr))


def particle_like_peaks(
    field: FilteredMicrograph,
    heights: Tensor,
    distance_diameters: float,
    edge_diameters: float,
    contrast: ParticleContrast,
) -> Peaks:
    """Find the peaks of a response that may be particles: exposed, and of no carbon's edge, nor thick ice.

    Args:
        field: the micrograph.
        heights: `(h, w)` response in it, in robust standard deviations.
        distance_diameters: minimum distance of two peaks, in particle diameters.
        edge_diameters: minimum distance from the edge.
        contrast: the local contrast of the set's particles.
    """
    working = field.working
    peaks = peaks_off_slopes(field, heights, distance_diameters)
    peaks = peaks.take(inside(peaks, working.image.shape, edge_diameters * working.diameter_px))
    return peaks.take(contrast.matches_particle_contrast(working.contrast_at(peaks.x, peaks.y), peaks.height))


def fit_localpicker(
    micrographs: Iterable[Micrograph],
    diameter_angstrom: float,
    threads: int = 1,
    device: torch.device | None = None,
) -> LocalpickerModel:
    """Find scale, profile and threshold in a few micrographs.

    Args:
        micrographs: the micrographs to learn from, one or more; `FIT_MICROGRAPHS` are plenty. Each is needed only
            until the next is taken.
        diameter_angstrom: particle diameter.
        threads: how many micrographs to work on at a time; the result does not depend on it.
        device: where to compute; the CPU by default.

    Returns:
        The model to pick these and all others of the set with.
    """
    fields, names = [], []
    for micrograph in micrographs:
        fields.append(FilteredMicrograph.of(clean_image(micrograph, diameter_angstrom, device)))
        names.append(micrograph.name)
    return fit_prepared(fields, names, diameter_angstrom, threads)


def fit_prepared(
    fields: Sequence[FilteredMicrograph],
    names: Sequence[str],
    diameter_angstrom: float,
    threads: int = 1,
    discs: Sequence[float] = DISC_DIAMETERS,
) -> LocalpickerModel:
    """Do the same in micrographs that are prepared already.

    Args:
        fields: the micrographs.
        names: of them.
        diameter_angstrom: particle diameter.
        threads: how many micrographs to work on at a time; the result does not depend on it.
        discs: diameters of discs to try, in units of the particle's.
    """
    template, skewness = search_template(fields, threads, discs)
    if not is_skewed(skewness.typical, skewness.noise_error):
        template = template._replace(profile=None)  # it would be that of noise
    found = fit_peak_heights(fields, [template] * len(fields), threads)
    if found is None:
        return _nothing_found(names, diameter_angstrom, template)
    return LocalpickerModel(
        diameter_angstrom=diameter_angstrom,
        disc_diameters=template.disc_diameters,
        profile=None if template.profile is None else tuple(template.profile.tolist()),
        skewness=skewness.typical,
        skewness_error=skewness.noise_error,
        heights=found.model,
        threshold=found.threshold,
        contrast=found.contrast,
        stand_out=found.stand_out,
        hidden_share=found.hidden_share,
        micrographs=tuple(names),
    )


def _nothing_found(names: Sequence[str], diameter_angstrom: float, template: Template) -> LocalpickerModel:
    """Return the model of micrographs that are flat, or hardly larger than a particle: too few peaks to tell."""
    return LocalpickerModel(
        diameter_angstrom=diameter_angstrom,
        disc_diameters=template.disc_diameters,
        profile=None,
        skewness=0.0,
        skewness_error=0.0,
        heights=HeightModel.of_normals(HeightMixture(0.0, 0.0, 1.0, 0.0, 1.0)),
        threshold=0.0,
        contrast=ParticleContrast(0.0, 0.0),
        stand_out=False,
        micrographs=tuple(names),
    )
