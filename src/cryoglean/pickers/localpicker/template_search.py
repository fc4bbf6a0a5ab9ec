"""Search for the template that fits a set of micrographs, by the skewness of the response to it, without labels.

Particles are few, alike and dark on a background that is as often a little brighter as a little darker. So the
response to a filter is skewed towards them, and most skewed for the filter that fits them best: skewness ranks filters
without any label (a third-order relative of minimum entropy deconvolution; Wiggins, Geoexploration 16, 21, 1978).
First the size of a disc minus its surrounding ring is chosen by it, then the mean radial profile of the strongest
finds takes the template's place for as long as that raises it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryoglean.detect.emptiness import SURE_ERRORS_OF_BEST, certain_height
from cryoglean.detect.mixture import fit_height_mixture
from cryoglean.detect.responses import FilteredMicrograph, field_peaks, standardised_response
from cryoglean.detect.skewness import FieldSkewness, Skewness, field_skewness
from cryoglean.pickers.localpicker.profiles import (
    PROFILE_REACH_DIAMETERS,
    correlate,
    disc_minus_ring,
    mean_radial_profile,
    profile_kernel,
)
from cryoglean.preprocess.fourier import filtered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.detect.peaks import Peaks
    from cryoglean.preprocess.fourier import PaddedSpectrum
    from cryoglean.preprocess.working import WorkingImage

DISC_DIAMETERS = tuple(round(0.4 + 0.05 * i, 2) for i in range(18))
"""Disc diameters that are tried, in units of the diameter that the user gives. Chosen by hand: finer steps
take longer, and the range allows for a diameter that is far off either way."""

_COARSE_DIAMETER_PX = 12
"""A particle is at least this many pixels across while discs are compared. Resource: a quarter of the pixels take a
quarter of the time; discs are as large as particles, and so blind to what is finer."""

PROFILE_STEP_DIAMETERS = 1 / 32
"""Radial spacing of a learned profile. Chosen by hand: about a working pixel; 1/64 to 1/16 move F1 by 0.04 at most on
simulated sets (`benchmarks/constants_flat.py`)."""

_RADII = np.arange(0, PROFILE_REACH_DIAMETERS + PROFILE_STEP_DIAMETERS, PROFILE_STEP_DIAMETERS)
"""Radii of the values of a profile, in diameters. Derived: from its reach and its step."""

PROFILE_VALUES = len(_RADII)
"""Number of values of a profile. Derived: as many as radii."""

_PROFILE_SHARE = 0.25
"""Peaks that are averaged to a profile, over the particles there is room for. Chosen by hand: the strongest are the
surest; fewer are noisier, more let in what is none; an eighth to a half move F1 by 0.04 at most on simulated sets
(`benchmarks/constants_flat.py`)."""

_MIN_PROFILE_PEAKS = 20
"""Fewer peaks make no profile. Chosen by hand: a mean of fewer shows their noise; 10 to 40 change no F1 on simulated
sets (`benchmarks/constants_flat.py`)."""

_MAX_REFINEMENTS = 5
"""Most profiles that are tried. Resource: bounds the time."""

_MIN_GAIN = 1.01
"""Gain of skewness below which the search has settled. Chosen by hand: it saves a search for the last hundredth."""


_CLEARLY_SKEWED = 2 * SURE_ERRORS_OF_BEST
"""Skewness in its standard errors from which a template is chosen by it. Chosen on simulated sets: 5.6 for templates of
noise beside two particles a micrograph, 10.8 and more with many, faint ones among them."""


class Template(NamedTuple):
    """A radial template in units of the particle's diameter.

    Attributes:
        disc_diameters: diameter of the disc (of disc minus ring).
        profile: (n,) values at multiples of `PROFILE_STEP_DIAMETERS`; None while the disc itself is the template.
    """

    disc_diameters: float
    profile: NDArray[np.float64] | None = None

    def __call__(self, source: PaddedSpectrum, diameter_px: float) -> Tensor:
        """Return the `(h, w)` response of an image in which a particle is that many pixels across, as it comes."""
        if self.profile is None:
            return filtered(source, disc_minus_ring(self.disc_diameters * diameter_px))
        reach, step = PROFILE_REACH_DIAMETERS * diameter_px, PROFILE_STEP_DIAMETERS * diameter_px
        return correlate(source, profile_kernel(self.profile, reach, step))


class TemplateFit(NamedTuple):
    """A template and how surely the micrographs' responses to it are skewed."""

    template: Template
    skewness: Skewness


def search_template(
    fields: Sequence[FilteredMicrograph], threads: int = 1, discs: Sequence[float] = DISC_DIAMETERS
) -> TemplateFit:
    """Find the template that fits a set of micrographs best.

    Args:
        fields: the micrographs; not empty.
        threads: how many of them to work on at a time; the result does not depend on it.
        discs: diameters of discs to try, in units of the particle's.

    Returns:
        The best template, and the skewness of the responses to it.
    """
    with ThreadPoolExecutor(threads) as pool:
        coarse = list(pool.map(_coarse_field, fields))
        tried = [evaluate_template(coarse, Template(disc), pool) for disc in discs]
        best = max(tried, key=lambda fit: fit.skewness.at_least).template
        found = refine_template(fields, evaluate_template(fields, best, pool), pool)
        if found.skewness.typical > _CLEARLY_SKEWED * found.skewness.noise_error:
            return found
        # Where particles are few, the profile may be that of noise, and the disc that is most skewed any.
        either = [found.template, *(fit.template for fit in tried)]
        clearest = max(either, key=lambda each: _standing_out(coarse, each, pool))
        return found if clearest is found.template else evaluate_template(fields, clearest, pool)


def evaluate_discs(prepared: Iterable[WorkingImage], threads: int = 1) -> list[TemplateFit]:
    """Measure how skewed the responses of all micrographs to the discs of `DISC_DIAMETERS` are."""
    coarse = [FilteredMicrograph.of(_coarse(each)) for each in prepared]
    with ThreadPoolExecutor(threads) as pool:
        return [evaluate_template(coarse, Template(disc), pool) for disc in DISC_DIAMETERS]


def _standing_out(fields: Sequence[FilteredMicrograph], template: Template, pool: ThreadPoolExecutor) -> float:
    """Return how far peaks are above what noise reaches, all together: it shows particles too few for skewness."""
    least = certain_height(sum(field.capacity for field in fields))
    peaks = pool.map(lambda field: field_peaks(field, template).height, fields)
    return sum(float(np.maximum(height - least, 0).sum()) for height in peaks)


def _coarse(working: WorkingImage) -> WorkingImage:
    """Halve a micrograph if its particles are large enough to tell discs apart thereafter."""
    return working.halved() if working.diameter_px >= 2 * _COARSE_DIAMETER_PX else working


def _coarse_field(field: FilteredMicrograph) -> FilteredMicrograph:
    coarse = _coarse(field.working)
    return field if coarse is field.working else FilteredMicrograph.of(coarse)


def refine_template(fields: Sequence[FilteredMicrograph], fit: TemplateFit, pool: ThreadPoolExecutor) -> TemplateFit:
    """Let the mean radial profile of the strongest finds take a template's place for as long as it is better."""
    for _ in range(_MAX_REFINEMENTS):
        refined = _refine(fields, fit, pool)
        if refined is None or refined.skewness.at_least <= fit.skewness.at_least:
            break
        settled = refined.skewness.at_least < _MIN_GAIN * fit.skewness.at_least
        fit = refined
        if settled:
            break
    return fit


def evaluate_template(
    fields: Sequence[FilteredMicrograph], template: Template, pool: ThreadPoolExecutor
) -> TemplateFit:
    """Measure how skewed the responses of all micrographs to a template are."""

    def skewness(field: FilteredMicrograph) -> FieldSkewness:
        return field_skewness(standardised_response(field, template), field.working.diameter_px, field.working.exposed)

    return TemplateFit(template, Skewness.of(list(pool.map(skewness, fields))))


def _refine(fields: Sequence[FilteredMicrograph], fit: TemplateFit, pool: ThreadPoolExecutor) -> TemplateFit | None:
    """Evaluate the mean radial profile of the strongest peaks; None where there are too few to average."""
    peaks = list(pool.map(lambda field: field_peaks(field, fit.template), fields))
    heights = np.sort(np.concatenate([p.height for p in peaks]))[::-1]
    if len(heights) < _MIN_PROFILE_PEAKS:
        return None
    capacity = sum(field.capacity for field in fields)
    likely = (fit_height_mixture(heights, capacity).posterior(heights) > 0.5).sum()
    wanted = max(min(int(_PROFILE_SHARE * capacity), int(likely)), _MIN_PROFILE_PEAKS)
    least = heights[min(wanted, len(heights)) - 1]
    profile_of = _profile_above(float(least))
    profile = np.sum(list(pool.map(profile_of, fields, peaks)), axis=0)
    norm = np.linalg.norm(profile)
    return evaluate_template(fields, fit.template._replace(profile=profile / norm), pool) if norm > 0 else None


def _profile_above(min_height: float) -> Callable[[FilteredMicrograph, Peaks], NDArray[np.float64]]:
    """Return the function that sums, over peaks of a minimum height, the radial profile in units of the diameter."""

    def profile_of(field: FilteredMicrograph, peaks: Peaks) -> NDArray[np.float64]:
        strong, diameter = peaks.take(peaks.height >= min_height), field.working.diameter_px
        in_pixels = mean_radial_profile(field.working.image, strong, PROFILE_REACH_DIAMETERS * diameter)
        return len(strong.x) * np.interp(_RADII * diameter, np.arange(len(in_pixels)), in_pixels)

    return profile_of
