"""Kpicker's image: the working image, scaled so that every particle is equally many pixels across."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from cryoglean.nets.convolutional import scan_convolutionally
from cryoglean.nets.kpicker_net import WINDOW_PX
from cryoglean.preprocess.fourier import filtered, gaussian_transfer, padded_spectrum
from cryoglean.preprocess.working import WorkingImage, working_image

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.micrograph import Micrograph
    from cryoglean.nets.kpicker_net import KpickerNet

PARTICLE_PX = 32.0
"""A particle is this many pixels across, half a window. Chosen by hand: half a diameter of its surroundings is seen all
round, as a halo and close neighbours need; and the scan's stride of 4 px is an eighth of the particle."""

BLUR_SIGMA_PX = 0.8
"""Standard deviation of a blur, after which a turned or shifted patch has the same noise as one that is not. Chosen by
hand: less leaves noise that interpolation changes, more takes detail."""


@dataclass(frozen=True, eq=False)
class NetImage:
    """A micrograph as the network sees it.

    Attributes:
        image: `(h, w)` float32 of about zero mean and unit variance everywhere, protein bright; all 0 if it is flat.
        working: the image before scaling, which knows the way back to stored pixels.
        scale: pixels of `image` per working pixel.
    """

    image: Tensor
    working: WorkingImage
    scale: float

    def from_stored(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert (n, 2) pixels of the micrograph as stored, x first, to those of the image."""
        return (self.working.from_stored(xy) + 0.5) * self.scale - 0.5

    def to_stored(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert (n, 2) pixels of the image, x first, to those of the micrograph as stored."""
        x, y = torch.from_numpy(((xy + 0.5) / self.scale - 0.5).T)
        return np.stack([v.numpy() for v in self.working.to_stored(x, y)], axis=1)

    def contains(self, xy: NDArray[np.float64], margin_px: float = 0.0) -> NDArray[np.bool_]:
        """Mask of (n, 2) places of the image that are so far inside its edges."""
        last = np.array(self.image.shape[::-1]) - 1
        return np.asarray(((xy >= margin_px) & (xy <= last - margin_px)).all(axis=1))

    def contrast_at(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (n,) local contrast, a logarithm, under (n, 2) places of the image."""
        return self.working.contrast_at(*self._working_px(xy))

    def is_exposed(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (n,) booleans, whether (n, 2) places of the image were exposed."""
        return self.working.is_exposed(*self._working_px(xy))

    def _working_px(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(((xy + 0.5) / self.scale - 0.5).T)


def net_image(micrograph: Micrograph, diameter_angstrom: float, device: torch.device | None = None) -> NetImage:
    """Prepare a micrograph for the network.

    Args:
        micrograph: any size.
        diameter_angstrom: particle diameter.
        device: where to compute; the CPU by default.
    """
    diameter_px = diameter_angstrom / micrograph.pixel_size_angstrom
    working = working_image(micrograph.image, diameter_px, device, micrograph.mask)
    scale = PARTICLE_PX / working.diameter_px
    scaled = functional.interpolate(
        working.image[None, None], scale_factor=scale, mode="bilinear", antialias=True, align_corners=False
    )[0, 0]
    smooth = filtered(padded_spectrum(scaled, 4 * BLUR_SIGMA_PX), gaussian_transfer(BLUR_SIGMA_PX))
    deviation = smooth.square().mean().sqrt()
    flat = not bool(working.image.any())
    return NetImage(torch.zeros_like(smooth) if flat else smooth / deviation, working, scale)


def scan_image(net: KpickerNet, image: Tensor, stride: int) -> Tensor:
    """Judge the places of an image, also those nearer to its edge than half a window.

    Args:
        net: the network.
        image: `(h, w)` float32; it counts as 0 beyond its edges.
        stride: distance of the places, in pixels.

    Returns:
        `(h // stride + 1, w // stride + 1)` log-odds; that at (i, j) is of the window with its centre at
        (i * stride - 0.5, j * stride - 0.5).
    """
    return scan_convolutionally(net, functional.pad(image, (WINDOW_PX // 2,) * 4), stride)
