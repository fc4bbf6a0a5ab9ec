"""Heights of a set's peaks, and the threshold that parts particles from background, found with decoys.

Decoys need to know where particles are, and particles are known by their heights beside those of decoys: so both are
found in turns. Where they begin decides where they end: particles that are taken away leave lower decoys, beside which
there are more particles. So they begin twice, with what noise cannot reach and with what two normal densities part. The
first end stands where it has far fewer particles and is likelier beyond doubt.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from cryoglean.calibration.background import background_amplitudes, near_places, noise_spectrum
from cryoglean.calibration.height_model import HeightModel, fit_height_model
from cryoglean.calibration.hidden import SeenPlaces, hidden_share
from cryoglean.detect.contrast import ParticleContrast
from cryoglean.detect.emptiness import certain_height
from cryoglean.detect.mixture import MIN_HEIGHTS, fit_height_mixture
from cryoglean.detect.peaks import Peaks, find_peaks, inside, non_maximum_suppression
from cryoglean.detect.responses import PEAK_DISTANCE_DIAMETERS, FilteredMicrograph, exposed_peaks, response_scale
from cryoglean.detect.surrogates import NOISE_HEIGHT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.detect.responses import Response
    from cryoglean.preprocess.working import WorkingImage

_ROUNDS = 4
"""Rounds of decoys and heights. Chosen on simulated sets: what is found settles in two or three, but in faint ones."""

_SETTLED = 0.003
"""Share of the peaks that may change sides when it has settled. Resource: saves rounds that change nothing much."""

_MIN_PEAKS = 50
"""Fewer peaks are parted by two normal densities alone. Chosen by hand: with decoys there are too many ways to fit so
few."""

COVERING_PROBABILITY = 0.2
"""Probability of a particle from which its place tells nothing of the background. Chosen on simulated sets: particles
that stay lift the decoys as much as noise that is covered lowers them; with 0.1 to 0.5 F1 lacks 0.004 to 0.013 of that
at the best threshold (`benchmarks/constants_decoys.py`). Labels of three real sets were watched meanwhile."""

PARTICLE_RADIUS_DIAMETERS = 0.5
"""Radius of what a particle covers. Derived: that of the particle."""

_DIRT_RADIUS_DIAMETERS = 0.75
"""Radius of what dirt covers. Chosen by hand: a drop of ice is larger than a particle."""

EDGE_DIAMETERS = 0.5
"""Peaks nearer to an edge than this are no example of either. Derived: beyond the edge a micrograph goes on by
reflection, so half of a filter sees the same noise twice, and its response is higher than anywhere else."""

_BEYOND_DOUBT = 5.0
"""Logarithm of the Bayes factor from which one of two models is held to be the likelier. Published: as very strong
evidence (Kass and Raftery, J. Am. Stat. Assoc. 90, 773, 1995)."""

_FAR_FEWER = 0.5
"""Share of the particles of one model that another has if it is another model. Chosen on simulated sets: a hundredth or
nothing where many were noise; else nine tenths, and then of thousands of peaks any is likelier."""

_SURE = 0.9
"""Probability from which a peak tells how near others lie. Chosen by hand: of two peaks of one long particle, one is
not as sure."""

_HIDING = 0.5
"""Height of dirt that hides particles, over theirs. Chosen by hand: as of slopes, half of what is hidden. Where they
stand out strongly, what lies between them is a trough of its own, and hides none."""

_MIN_DECOYS = 2000
"""Decoys that are wanted at least. Resource: enough for a smooth density, in a quarter of a second for one small
micrograph."""

_SURROGATES = (1, 8)
"""Fewest and most surrogates of each micrograph. Resource: of large sets one does; small ones take no time."""

_MAX_MICROGRAPHS = 1000
"""Step of seeds from surrogate to surrogate. Derived: no fit has as many micrographs, and no two the same noise."""


class PeakHeights(NamedTuple):
    """What the heights of a set's peaks tell.

    Attributes:
        model: of the heights.
        threshold: minimum height of a particle.
        contrast: of the particles.
        peaks: of each micrograph, those whose contrast is that of particles.
        stand_out: whether some peaks are too high for the decoys of all that noise may reach.
        hidden_share: share of all particles that dirt or others hide.
    """

    model: HeightModel
    threshold: float
    contrast: ParticleContrast
    peaks: tuple[Peaks, ...]
    stand_out: bool
    hidden_share: float


def fit_peak_heights(
    fields: Sequence[FilteredMicrograph], responses: Sequence[Response], threads: int = 1
) -> PeakHeights | None:
    """Find the threshold of a set.

    Args:
        fields: the micrographs.
        responses: of each, the filter that looks for particles in it: most often the same.
        threads: how many micrographs to work on at a time; the result does not depend on it.

    Returns:
        The heights and the threshold; None where there are too few peaks to tell.
    """
    with ThreadPoolExecutor(threads) as pool:
        seen = list(pool.map(lambda i: _Seen.of(i, fields[i], responses[i]), range(len(fields))))
        heights = _heights(seen)
        if len(heights) < MIN_HEIGHTS:
            return None
        capacity = sum(field.capacity for field in fields)
        mixture = fit_height_mixture(heights, capacity)
        model = HeightModel.of_normals(mixture)
        threshold = model.best_height(heights)
        contrast = _contrast_above(threshold, seen)
        alike = list(pool.map(lambda each: each.with_contrast(contrast), seen))
        stand_out = False
        if len(heights) >= _MIN_PEAKS:
            heights = _heights(alike)
            few = _fit_beside_decoys(heights, heights > certain_height(capacity), alike, pool)
            many = _fit_beside_decoys(heights, heights >= threshold, alike, pool)
            model = _likelier(many, few, heights) or model
            stand_out = few is not None and few.particles.share > 0
            threshold = model.best_height(heights)
            contrast = _contrast_above(threshold, seen)
    hidden = hidden_share([each.places(model, threshold) for each in alike])
    return PeakHeights(model, threshold, contrast, tuple(each.peaks for each in alike), stand_out, hidden)


def _likelier(many: HeightModel | None, few: HeightModel | None, heights: NDArray[np.float64]) -> HeightModel | None:
    """Return the model of few if it is another one and likelier: its decoys hold what faint particles leave in them."""
    if many is None or few is None:
        return many or few
    is_likelier = few.evidence(heights) > many.evidence(heights) + _BEYOND_DOUBT
    return few if is_likelier and few.particles.share < _FAR_FEWER * many.particles.share else many


def _fit_beside_decoys(
    heights: NDArray[np.float64], likely: NDArray[np.bool_], seen: Sequence[_Seen], pool: ThreadPoolExecutor
) -> HeightModel | None:
    """Fit heights and find decoys in turns; None where the background has hardly a peak.

    Args:
        heights: (n,) of the peaks of all micrographs.
        likely: (n,) booleans, which are taken for particles at first.
        seen: the micrographs.
        pool: that works on them.
    """
    model = None
    surrogates = int(np.clip(np.ceil(_MIN_DECOYS / len(heights)), *_SURROGATES))
    for _ in range(_ROUNDS):
        before, least = likely, float(heights[likely].min(initial=np.inf))
        decoys = np.concatenate(list(pool.map(_decoys_of(least, surrogates), seen)))
        if len(decoys) < MIN_HEIGHTS:
            break
        model = fit_height_model(heights, decoys)
        likely = model.posterior(heights) >= COVERING_PROBABILITY
        if (likely != before).mean() <= _SETTLED:
            break  # nearly the same decoys again
    return model


class _Seen(NamedTuple):
    """One micrograph: its peaks, and what decoys are made from.

    Attributes:
        number: of the micrograph.
        field: the micrograph.
        response: its filter.
        peaks: of the response.
        dirt: `(h, w)` booleans, what is neither particle nor background.
        obstacles: what the dirt is, with its height or depth.
        median: of the response.
        deviation: of the response, a robust one.
    """

    number: int
    field: FilteredMicrograph
    response: Response
    peaks: Peaks
    dirt: NDArray[np.bool_]
    obstacles: tuple[Peaks, ...]
    median: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, number: int, field: FilteredMicrograph, response: Response) -> _Seen:
        working = field.working
        found = response(field.spectrum, working.diameter_px)
        median, deviation = response_scale(found, working.exposed)
        heights = (found - median) / deviation
        peaks = exposed_peaks(field, heights, PEAK_DISTANCE_DIAMETERS)
        troughs = find_peaks(-heights, PEAK_DISTANCE_DIAMETERS * working.diameter_px)
        on_slope = field.on_slope(peaks)
        obstacles = troughs.take(troughs.height > NOISE_HEIGHT), peaks.take(on_slope)
        dirt = cls._around(obstacles, working)
        if working.exposed is not None:
            dirt |= ~working.exposed.cpu().numpy()
        kept = _off_edges(peaks.take(~on_slope), working)
        return cls(number, field, response, kept, dirt, obstacles, median, deviation)

    def with_contrast(self, contrast: ParticleContrast) -> _Seen:
        """Return it with peaks of other contrast than that of particles among the dirt."""
        working, peaks = self.field.working, self.peaks
        is_alike = contrast.matches_particle_contrast(working.contrast_at(peaks.x, peaks.y), peaks.height)
        others = peaks.take(~is_alike)
        dirt = self.dirt | self._around([others], working)
        return self._replace(peaks=peaks.take(is_alike), dirt=dirt, obstacles=(*self.obstacles, others))

    def places(self, model: HeightModel, threshold: float) -> SeenPlaces:
        """Return what was found off the edges."""
        working, (height, width) = self.field.working, self.dirt.shape
        margin = math.ceil(EDGE_DIAMETERS * working.diameter_px)
        inner = np.s_[margin : height - margin, margin : width - margin]
        exposed = np.ones_like(self.dirt) if working.exposed is None else working.exposed.cpu().numpy()
        least = _HIDING * model.particles.mean
        hiding = self._around([each.take(each.height >= least) for each in self.obstacles], working)
        picks = self.peaks.take(self.peaks.height >= threshold)
        column, row = np.rint(picks.xy).astype(int).T
        return SeenPlaces(
            picks=picks.xy,
            is_sure=model.posterior(picks.height) >= _SURE,
            is_near_dirt=hiding[row.clip(0, height - 1), column.clip(0, width - 1)],
            diameter_px=working.diameter_px,
            area_px=float(exposed[inner].sum()),
            dirty_area_px=float((hiding & exposed)[inner].sum()),
        )

    @property
    def foremost(self) -> Peaks:
        """The highest peaks a diameter apart: those beside them may be side lobes, which have another contrast."""
        diameter_px = self.field.working.diameter_px
        return self.peaks.take(non_maximum_suppression(self.peaks.x, self.peaks.y, diameter_px))

    @staticmethod
    def _around(obstacles: Sequence[Peaks], working: WorkingImage) -> NDArray[np.bool_]:
        xy = np.concatenate([peaks.xy for peaks in obstacles])
        return near_places(_shape(working.image), xy, _DIRT_RADIUS_DIAMETERS * working.diameter_px)

    def decoys(self, least_height: float, surrogates: int) -> NDArray[np.float64]:
        """Return the heights of decoys, if peaks of a least height are those of particles."""
        image, diameter_px = self.field.working.image, self.field.working.diameter_px
        particles = self.peaks.take(self.peaks.height >= least_height)
        covered = self.dirt | near_places(_shape(image), particles.xy, PARTICLE_RADIUS_DIAMETERS * diameter_px)
        amplitudes = background_amplitudes(image, torch.from_numpy(covered).to(image.device))
        heights = []
        for surrogate in range(surrogates):
            noise = noise_spectrum(amplitudes, _shape(image), _MAX_MICROGRAPHS * surrogate + self.number)
            found = (self.response(noise, diameter_px) - self.median) / self.deviation
            decoys = find_peaks(found, PEAK_DISTANCE_DIAMETERS * diameter_px)
            heights.append(_off_edges(decoys, self.field.working).height)
        return np.concatenate(heights)


def _off_edges(peaks: Peaks, working: WorkingImage) -> Peaks:
    return peaks.take(inside(peaks, working.image.shape, EDGE_DIAMETERS * working.diameter_px))


def _shape(image: Tensor) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def _heights(seen: Sequence[_Seen]) -> NDArray[np.float64]:
    return np.concatenate([each.peaks.height for each in seen])


def _decoys_of(least_height: float, surrogates: int) -> Callable[[_Seen], NDArray[np.float64]]:
    return lambda each: each.decoys(least_height, surrogates)


def _contrast_above(threshold: float, seen: Sequence[_Seen]) -> ParticleContrast:
    foremost = [each.foremost for each in seen]
    above = [peaks.take(peaks.height >= threshold) for peaks in foremost]
    contrast = [each.field.working.contrast_at(p.x, p.y) for p, each in zip(above, seen, strict=True)]
    return ParticleContrast.of(np.concatenate(contrast), np.concatenate([p.height for p in above]))
