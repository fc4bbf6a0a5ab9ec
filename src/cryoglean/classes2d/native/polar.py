"""Images on rings in Fourier space, and their angular harmonics, in which a turn is a phase."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_SPARE_HARMONICS = 3
"""Harmonics kept beyond 2 pi r k / box. Derived: Bessel functions J_m(x) fall within a few orders
above x, not at once."""


def soft_disc(box_px: int, radius_px: float, edge_px: float, device: torch.device) -> Tensor:
    """Return a disc of 1 that falls to 0 as a raised cosine, `(box, box)`, centred at box // 2."""
    grid = torch.arange(box_px, device=device, dtype=torch.float32) - box_px // 2
    distance = torch.hypot(grid[:, None], grid[None, :])
    return 0.5 + 0.5 * torch.cos(math.pi * ((distance - radius_px) / edge_px).clamp(0, 1))


class PolarGrid:
    """Samples of masked images' Fourier transforms on rings 1 to `rings`; ring k is at k / box cycles a pixel.

    A real image's transform at the opposite point is its conjugate, so half a circle is kept. The transform is exact:
    sums over the pixels within the mask, as matrix products, with opposite pixels taken together.

    Args:
        box_px: side of the images.
        rings: how many.
        radius_px: of the mask.
        edge_px: width of the mask's soft edge.
        device: where.
    """

    def __init__(self, box_px: int, rings: int, radius_px: float, edge_px: float, device: torch.device) -> None:
        self.box_px, self.rings, self.device = box_px, rings, device
        reach = radius_px + edge_px / 2
        self.angles = _even_length(2 * (math.tau * rings * reach / box_px + _SPARE_HARMONICS))
        self.harmonics_count = self.angles // 2
        mask = soft_disc(box_px, radius_px, edge_px, device)
        self.freedom = float(mask.square().mean())
        self._weigh_pixels(mask)
        order = torch.arange(self.harmonics_count, device=device)
        ring = torch.arange(1, rings + 1, device=device, dtype=torch.float32)
        # An image within a disc of radius r has no harmonics above 2 pi r k / box on ring k (Bessel functions vanish).
        self.band = (order <= math.tau * ring[:, None] * reach / box_px + 2).float()
        self.twice = torch.where(order == 0, 1.0, 2.0)
        self.members = math.tau * ring * self.freedom
        self._transform = self._transform_to_harmonics()

    def _weigh_pixels(self, mask: Tensor) -> None:
        half, box = self.angles // 2, self.box_px
        grid = torch.arange(box, device=self.device, dtype=torch.float32) - box // 2
        y, x = torch.meshgrid(grid, grid, indexing="ij")
        # A pixel whose opposite lies outside the box (first row or column of an even box) is left out.
        inside = (mask > 0) & (y.abs() <= (box - 1) // 2) & (x.abs() <= (box - 1) // 2)
        self._row, self._column = torch.nonzero(inside & ((y > 0) | ((y == 0) & (x >= 0))), as_tuple=True)
        self._opposite_row, self._opposite_column = 2 * (box // 2) - self._row, 2 * (box // 2) - self._column
        y, x = y[self._row, self._column], x[self._row, self._column]
        ring = torch.arange(1, self.rings + 1, device=self.device, dtype=torch.float32)
        angle = math.tau / self.angles * torch.arange(half, device=self.device)
        self._kx = (ring[:, None] * torch.cos(angle)).flatten()
        self._ky = (ring[:, None] * torch.sin(angle)).flatten()
        phase = math.tau / box * (y[:, None] * self._ky + x[:, None] * self._kx)
        weight = mask[self._row, self._column][:, None]
        self._middle = torch.where((y == 0) & (x == 0), 0.5, 1.0)[:, None]
        self._cos, self._sin = torch.cos(phase) * weight, -torch.sin(phase) * weight

    def samples(self, images: Tensor) -> Tensor:
        """Transform `(n, box, box)` images to `(n, rings, angles / 2)` complex samples."""
        here = images[:, self._row, self._column]
        there = images[:, self._opposite_row, self._opposite_column]
        real, imaginary = (here + there) @ (self._cos * self._middle), (here - there) @ self._sin
        return torch.complex(real, imaginary).reshape(len(images), self.rings, -1)

    def harmonics(self, samples: Tensor) -> Tensor:
        """Transform `(..., rings, angles / 2)` samples along the circle to `(..., rings, angles / 2)` harmonics m >= 0.

        Those with m < 0 follow: minus m has the conjugate, with the sign of (-1)^m.
        """
        flat = torch.view_as_real(samples).flatten(-2)
        transformed = (flat @ self._transform).reshape(*samples.shape[:-1], self.harmonics_count, 2)
        return torch.view_as_complex(transformed) * self.band

    def _transform_to_harmonics(self) -> Tensor:
        """Return the transform along a circle of which half is known, as a real matrix.

        With conjugates on the other half, even harmonics come from real parts and odd ones from imaginary parts.
        """
        place, order = torch.arange(self.angles // 2), torch.arange(self.harmonics_count)
        phase = math.tau / self.angles * place[:, None] * order
        is_even = (order % 2 == 0).float()
        cos, sin = 2 / self.angles * torch.cos(phase), 2 / self.angles * torch.sin(phase)
        of_real = torch.stack([cos * is_even, -sin * is_even], -1)
        of_imaginary = torch.stack([sin * (1 - is_even), cos * (1 - is_even)], -1)
        matrix = torch.stack([of_real, of_imaginary], 1).reshape(2 * len(place), 2 * len(order))
        return matrix.to(self.device)

    def moves(self, shifts: Tensor) -> Tensor:
        """Return the phases `(n, rings, angles / 2)` that move images by `(n, 2)` shifts (y, x) in pixels."""
        phase = (-math.tau / self.box_px) * (shifts[:, :1] * self._ky + shifts[:, 1:] * self._kx)
        return torch.polar(torch.ones_like(phase), phase).reshape(len(shifts), self.rings, -1)

    def turned(self, harmonics: Tensor) -> Tensor:
        """Sum `(..., angles / 2)` harmonics to a function of the angle, `(..., angles)` real."""
        values: Tensor = torch.fft.irfft(torch.nn.functional.pad(harmonics, (0, 1)), n=self.angles, dim=-1)
        return values * self.angles

    def fitted(self, harmonics: Tensor) -> Tensor:
        """Cut or fill with zeros `(..., rings, harmonics)` of another grid so that they fit this one."""
        rings, orders = harmonics.shape[-2:]
        padding = (0, max(self.harmonics_count - orders, 0), 0, max(self.rings - rings, 0))
        filled = torch.nn.functional.pad(harmonics, padding)
        return filled[..., : self.rings, : self.harmonics_count]


def _even_length(minimum: float) -> int:
    """Return the next multiple of 8: no Fourier transform is slow there, and matrix products are fast."""
    return 8 * math.ceil(minimum / 8)
