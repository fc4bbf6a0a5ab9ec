"""Responses of a micrograph to filters that look for particles, and the peaks in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from cryoglean.detect.mixture import max_particles
from cryoglean.detect.peaks import Peaks, find_peaks
from cryoglean.detect.slopes import is_steep, steepness
from cryoglean.preprocess.fourier import padded_spectrum
from cryoglean.preprocess.robust import median_and_deviation, sampled
from cryoglean.preprocess.working import WorkingImage

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.preprocess.fourier import PaddedSpectrum

PEAK_DISTANCE_DIAMETERS = 0.5
"""Peaks closer than this are one peak while a set is learned. Derived: as `limits.DEFAULT_SPACING_DIAMETERS`, whatever
distance the user sets."""

_FILTER_REACH_DIAMETERS = 1.5
"""How far a micrograph is extended, so that no edge wraps round. Derived: no template reaches farther than the largest
disc with its ring (0.94), a profile (0.75), or a class average (0.79)."""

_FLAT = 1e-6
"""Share of the largest deviation below which the usual one is rounding error. Derived: float32 has seven digits."""


class Response(Protocol):
    """A filter that is high where a particle is."""

    def __call__(self, source: PaddedSpectrum, diameter_px: float) -> Tensor:
        """Return the `(h, w)` response of an image in which a particle is that many pixels across, as it comes."""
        ...


@dataclass(frozen=True, eq=False)
class FilteredMicrograph:
    """A working image with the spectrum that filters are applied to."""

    working: WorkingImage
    spectrum: PaddedSpectrum

    @classmethod
    def of(cls, working: WorkingImage) -> FilteredMicrograph:
        """Transform a working image once for all filters."""
        return cls(working, padded_spectrum(working.image, _FILTER_REACH_DIAMETERS * working.diameter_px))

    @property
    def capacity(self) -> float:
        """Number of particles there is room for."""
        return self.working.exposed_share * max_particles(self.working.image.numel(), self.working.diameter_px)

    @cached_property
    def steepness(self) -> Tensor:
        """`(h, w)` length of the gradient, in robust standard deviations of one of its components."""
        return steepness(self.spectrum, self.working.diameter_px, self.working.exposed)

    def on_slope(self, peaks: Peaks) -> NDArray[np.bool_]:
        """Return (n,) booleans, whether peaks are where it grows darker to one side, as carbon's edge is."""
        steep = self.working.values_at(self.steepness, peaks.x, peaks.y).numpy()
        return np.asarray(is_steep(steep, peaks.height))


def standardised_response(field: FilteredMicrograph, response: Response) -> Tensor:
    """Apply a filter.

    Returns:
        `(h, w)` response in robust standard deviations above its median; float32.
    """
    return robust_z(response(field.spectrum, field.working.diameter_px), field.working.exposed)


def field_peaks(
    field: FilteredMicrograph, response: Response, distance_diameters: float = PEAK_DISTANCE_DIAMETERS
) -> Peaks:
    """Find the peaks of the response to a filter that stand out on all sides, no two closer than a distance."""
    return peaks_off_slopes(field, standardised_response(field, response), distance_diameters)


def exposed_peaks(field: FilteredMicrograph, heights: Tensor, distance_diameters: float) -> Peaks:
    """Find the peaks of a response in a micrograph's exposed part, no two closer than a distance."""
    peaks = find_peaks(heights, distance_diameters * field.working.diameter_px)
    return peaks.take(field.working.is_exposed(peaks.x, peaks.y))


def peaks_off_slopes(field: FilteredMicrograph, heights: Tensor, distance_diameters: float) -> Peaks:
    """Find the peaks of a response in a micrograph's exposed part that stand out on all sides."""
    peaks = exposed_peaks(field, heights, distance_diameters)
    return peaks.take(~field.on_slope(peaks))


def robust_z(response: Tensor, exposed: Tensor | None = None) -> Tensor:
    """Return a response in robust standard deviations above its median, both those of the exposed part; 0 elsewhere."""
    median, deviation = response_scale(response, exposed)
    heights = (response - median) / deviation
    return heights if exposed is None else torch.where(exposed, heights, 0.0)


def response_scale(response: Tensor, exposed: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the median of a response's exposed part, and its robust standard deviation, above 0.

    The deviation is infinite where the response is flat, or more than half of it is one value: that is no noise.
    """
    median, deviation = median_and_deviation(sampled(response, exposed))
    return median, torch.where(deviation > _FLAT * (response - median).abs().amax(), deviation, torch.inf)
