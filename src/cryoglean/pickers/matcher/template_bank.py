"""Class averages as templates, searched for at every place and in all turns.

The turned averages are alike, so nearly all of each is a sum of a few common images, the leading singular vectors of
all (Eckart and Young, Psychometrika 1, 211, 1936; for filters, Perona, IEEE Trans. Pattern Anal. 17, 488, 1995). The
micrograph is filtered with these alone, and the responses of all templates are sums of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch

from cryoglean.pickers.matcher.class_averages import turned_templates
from cryoglean.preprocess.fourier import PaddedSpectrum, filtered, kernel_transfer, resampled

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.pickers.matcher.class_averages import ClassAverages

REACH_DIAMETERS = 0.75
"""Radius of the circle that is cut out of an average. Chosen on two simulated sets: the halo tells, too; with 0.5 F1 of
small particles was 0.03 less, that of rods the same."""

_ENERGY = 0.95
"""Share of the templates' energy that the common images hold. Chosen by hand: the rest is mostly noise."""

_DIAMETER_PX = 12.0
"""A particle is this many pixels across while it is searched for. Chosen on two simulated sets, where 12 to 24 find the
same; fewer are quicker, and places are refined below the pixel."""

_MAX_IMAGES = 40
"""Most common images. Resource: bounds the time of a micrograph."""

_PIXELS_AT_A_TIME = 2**11
"""Resource: the responses of all templates to so many stay in the processor's cache, which is five times as fast."""


class TemplateBank(NamedTuple):
    """Templates as sums of common images, for one number of pixels in a particle.

    Attributes:
        images: `(r, side, side)` float32, side odd.
        sums: `(n, r)` float32: how much of each image is in each template; of unit norm.
    """

    images: Tensor
    sums: Tensor

    @classmethod
    def of(cls, averages: ClassAverages, diameter_angstrom: float, diameter_px: float) -> TemplateBank:
        """Turn class averages and find what they have in common."""
        templates = turned_templates(averages, diameter_angstrom, diameter_px, REACH_DIAMETERS)
        parts, size, images = torch.linalg.svd(templates.flatten(1), full_matrices=False)
        held = size.square().cumsum(0) / size.square().sum()
        rank = min(int((held < _ENERGY).sum()) + 1, _MAX_IMAGES)
        sums = parts[:, :rank] * size[:rank]
        unit = sums / sums.norm(dim=1, keepdim=True).clamp_min(torch.finfo(sums.dtype).tiny)
        return cls(images[:rank].reshape(rank, *templates.shape[1:]), unit)

    def response(self, source: PaddedSpectrum) -> Tensor:
        """Return the `(H, W)` correlation of a padded image with the template that is most like it at each place."""
        images, sums = (part.to(source.spectrum.device) for part in self)
        cut = max(images.shape[-1] // 2 - (min(source.padded_shape) - 1) // 2, 0)  # of an image smaller than a particle
        images = images[:, cut : images.shape[-2] - cut, cut : images.shape[-1] - cut]
        spectra = (kernel_transfer(source, image).conj() for image in images)
        each = [torch.fft.irfft2(source.spectrum * k, s=source.padded_shape) for k in spectra]
        parts = torch.split(torch.stack(each).flatten(1), _PIXELS_AT_A_TIME, dim=1)
        return torch.cat([(sums @ part).amax(0) for part in parts]).reshape(source.padded_shape)


@dataclass(frozen=True, eq=False)
class AveragesResponse:
    """Response of a micrograph to class averages: a `detect.responses.Response`.

    Attributes:
        averages: the class averages.
        diameter_angstrom: particle diameter.
        banks: templates made so far, by the particle's pixels.
    """

    averages: ClassAverages
    diameter_angstrom: float
    banks: dict[float, TemplateBank] = field(default_factory=dict)

    def __call__(self, source: PaddedSpectrum, diameter_px: float) -> Tensor:
        """Return the `(h, w)` response of an image in which a particle is that many pixels across, as it comes.

        Averages of so few pixels hold no fine detail, so coarser pixels do.
        """
        zoom = min(1.0, _DIAMETER_PX / diameter_px)
        height, width = source.padded_shape
        coarse_shape = max(2, round(zoom * height)), max(2, round(zoom * width))
        coarse = resampled(source.spectrum, source.padded_shape, coarse_shape)
        if zoom not in self.banks:
            self.banks[zoom] = TemplateBank.of(self.averages, self.diameter_angstrom, zoom * diameter_px)
        best = self.banks[zoom].response(PaddedSpectrum(coarse, coarse_shape, (0, 0), coarse_shape))
        whole = resampled(torch.fft.rfft2(best), coarse_shape, source.padded_shape)
        return filtered(source._replace(spectrum=whole), torch.ones((), device=whole.device))
