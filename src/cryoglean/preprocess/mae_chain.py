"""Images for the masked autoencoder: the published chain of filters, one tied to the particle's size, or none.

Zamanos et al., Cell Rep. Methods (2025), Micrograph preprocessing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional

from cryoglean.preprocess.clahe import GREYS, equalise_adaptively
from cryoglean.preprocess.exposure import cover_mask
from cryoglean.preprocess.guided import guided_filter
from cryoglean.preprocess.normalise import standardise_in_disc
from cryoglean.preprocess.wiener import gaussian_kernel, wiener_filter
from cryoglean.preprocess.working import CLIP_SIGMAS, as_tensor, exposed_image, standardised_image

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.preprocess.working import WorkingImage

CHAIN_VERSION = 1
"""Format: written beside a network; raised when a chain gives other images for the same settings, as networks trained
on the old ones must be refused."""

PAPER_SIDE_PX = 1024
"""Side of the image, a square whatever the micrograph's shape. Published (Zamanos et al. 2025, Micrograph
preprocessing)."""

_PAPER_SIGMA_PX, _PAPER_KERNEL_PX, _NOISE_TO_SIGNAL = 3.0, 9, 30.0
"""Standard deviation and side of the Wiener filter's Gaussian, and its noise over signal. Published in the authors'
release."""

_CLIP, _PAPER_TILES = 2.0, 16
"""Clip limit of the equalisation, and its tiles along a side. Published in the authors' release."""

_PAPER_RADIUS_PX, _EPSILON = 20, 0.1
"""Radius of the guided filter, and its variance of grey values from 0 to 1. Published in the authors' release."""

_TOP = GREYS - 1.0
"""Brightest grey value. Derived from `GREYS`."""


class MaePreprocess(BaseModel):
    """Settings of the preparation of micrographs for the network.

    Attributes:
        chain: `paper` is the published chain with its sizes in stored pixels; `default` has the same filters with sizes
            in particle diameters; `none` scales and nothing else, for images that are filtered already.
        diameter_px: width of a particle in the prepared image; not for `paper`.
        sigma_diameters: standard deviation of the Wiener filter's Gaussian; `default` only, as all below.
        tile_diameters: side of a tile of the equalisation.
        clip: its clip limit.
        radius_diameters: radius of the guided filter.
        epsilon: its variance, of grey values from 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chain: Literal["paper", "default", "none"] = "default"
    diameter_px: Annotated[float, Field(ge=8, le=64)] = 24.0
    sigma_diameters: Annotated[float, Field(gt=0, le=1)] = 0.04
    tile_diameters: Annotated[float, Field(gt=0.5, le=100)] = 4.0
    clip: Annotated[float, Field(ge=1, le=GREYS)] = _CLIP
    radius_diameters: Annotated[float, Field(ge=0, le=2)] = 0.1
    epsilon: Annotated[float, Field(gt=0, le=1)] = 0.01


@dataclass(frozen=True, eq=False)
class MaeImage:
    """A prepared micrograph.

    Attributes:
        image: `(h, w)` float32; protein bright, but dark as recorded after the published chain.
        working: what it was made of; None after the published chain.
        scale_x: pixels of `image` per stored pixel, along a row.
        scale_y: the same, along a column; another than `scale_x` only after the published chain.
        left: first stored column of what `image` shows.
        top: first stored row of it.
    """

    image: Tensor
    working: WorkingImage | None
    scale_x: float
    scale_y: float
    left: int = 0
    top: int = 0

    @property
    def is_flat(self) -> bool:
        """Whether it shows nothing: all chains make a flat micrograph 0."""
        return not bool(self.image.any())

    def from_stored(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert (n, 2) pixels of the micrograph as stored, x first, to those of the image."""
        return np.asarray((xy - (self.left, self.top) + 0.5) * (self.scale_x, self.scale_y) - 0.5)

    def to_stored(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert (n, 2) pixels of the image, x first, to those of the micrograph as stored."""
        return np.asarray((xy + 0.5) / (self.scale_x, self.scale_y) - 0.5 + (self.left, self.top))


def mae_image(
    image: NDArray[np.float32],
    diameter_px: float,
    how: MaePreprocess,
    device: torch.device | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> MaeImage:
    """Prepare a micrograph.

    Args:
        image: (h, w) micrograph as stored, protein dark.
        diameter_px: particle diameter in stored pixels.
        how: which chain.
        device: where to compute; the CPU by default.
        mask: (h, w) booleans, what counts as not exposed; None leaves nothing out.
    """
    if how.chain == "paper":
        return _published(as_tensor(cover_mask(image, mask)).to(device or "cpu"), diameter_px)
    exposed = exposed_image(image, diameter_px, device, mask=mask)
    working = standardised_image(exposed, diameter_px)
    scale = how.diameter_px / working.diameter_px
    level = -_scaled(exposed.image, scale) if how.chain == "none" else _filtered(_scaled(working.image, scale), how)
    per_stored = scale / working.bin_factor
    return MaeImage(_standardised(level), working, per_stored, per_stored, working.left, working.top)


def _filtered(image: Tensor, how: MaePreprocess) -> Tensor:
    """Filter a locally standardised image; grey values from 0 to 1."""
    diameter = how.diameter_px
    sigma = how.sigma_diameters * diameter
    kernel = gaussian_kernel(sigma, 2 * math.ceil(3 * sigma) + 1, image.device)
    greys = ((image + CLIP_SIGMAS) / (2 * CLIP_SIGMAS)).clamp(0, 1)
    guide = wiener_filter(greys, kernel, _NOISE_TO_SIGNAL)
    tiles = tuple(max(1, round(n / (how.tile_diameters * diameter))) for n in image.shape)
    equal = equalise_adaptively(_TOP * guide.clamp(0, 1), how.clip, (tiles[0], tiles[1])) / _TOP
    return guided_filter(equal, guide, round(how.radius_diameters * diameter), how.epsilon)


def _published(image: Tensor, diameter_px: float) -> MaeImage:
    """Prepare a micrograph as published: sizes in stored pixels, a square at the end, grey values of 8 bits."""
    height, width = image.shape
    kernel = gaussian_kernel(_PAPER_SIGMA_PX, _PAPER_KERNEL_PX, image.device)
    guide = _eight_bits(wiener_filter(_eight_bits(standardise_in_disc(image, diameter_px)), kernel, _NOISE_TO_SIGNAL))
    tiles = (min(_PAPER_TILES, height // 2), min(_PAPER_TILES, width // 2))  # fewer only where a side is below 32 px
    equal = equalise_adaptively(guide, _CLIP, tiles).round()
    smooth = guided_filter(equal / _TOP, guide / _TOP, _PAPER_RADIUS_PX, _EPSILON)
    square = functional.interpolate(
        smooth[None, None], (PAPER_SIDE_PX, PAPER_SIDE_PX), mode="bilinear", antialias=True, align_corners=False
    )[0, 0]
    return MaeImage(_eight_bits(square), None, PAPER_SIDE_PX / width, PAPER_SIDE_PX / height)


def _scaled(image: Tensor, scale: float) -> Tensor:
    return functional.interpolate(
        image[None, None], scale_factor=scale, mode="bilinear", antialias=True, align_corners=False
    )[0, 0]


def _standardised(image: Tensor) -> Tensor:
    """Give an image mean 0 and variance 1; a flat one becomes 0."""
    deviation = image - image.mean()
    spread = deviation.square().mean().sqrt()
    is_flat = bool(spread <= 4 * torch.finfo(image.dtype).eps * image.abs().max())
    return torch.zeros_like(image) if is_flat else deviation / spread


def _eight_bits(image: Tensor) -> Tensor:
    """Scale grey values to whole numbers from 0 to 255; a flat image becomes 0."""
    dark, bright = image.aminmax()
    span = bright - dark
    return (_TOP * (image - dark) / span).round() if bool(span > 0) else torch.zeros_like(image)
