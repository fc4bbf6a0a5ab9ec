"""The class averages that people see: whole boxes, turned and moved onto one another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cryoglean.classes2d.native.polar import soft_disc
from cryoglean.classes2d.native.sums import add_rows

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.classes2d.particle_set import Images

_BATCH_PIXELS = 2**21
"""Pixels of the images turned at a time. Resource: bounds memory."""


@dataclass(frozen=True)
class AlignedSums:
    """Sums over the images of each class and half, on the grid of an rfft.

    Attributes:
        weighted: (2, k, box, box // 2 + 1) complex, images times CTF.
        squared_ctf: (2, k, box, box // 2 + 1) sums of squared CTF.
        plain: (k, box, box) sums of images.
        counts: (2, k) images.
    """

    weighted: Tensor
    squared_ctf: Tensor
    plain: Tensor
    counts: Tensor


def aligned(images: Tensor, shift: Tensor, angle: Tensor) -> Tensor:
    """Move images by shifts and turn them back, so that particles lie as their class average does.

    Args:
        images: (n, box, box).
        shift: (n, 2) pixels, y and x, by which an image's content is moved.
        angle: (n,) radians, from x towards y, by which the average is turned in the image.

    Returns:
        (n, box, box), bicubic between pixels; what comes from outside repeats the border.
    """
    box = images.shape[-1]
    grid = torch.arange(box, device=images.device, dtype=torch.float32) - box // 2
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    there_x = cos * x - sin * y - shift[:, 1, None, None] + box // 2
    there_y = sin * x + cos * y - shift[:, 0, None, None] + box // 2
    places = torch.stack([there_x, there_y], -1) * (2 / (box - 1)) - 1
    sampled = torch.nn.functional.grid_sample(
        images[:, None], places, mode="bicubic", padding_mode="border", align_corners=True
    )
    return sampled[:, 0]


def add_up(
    images: Images, ctf: Tensor, shift: Tensor, angle: Tensor, index: Tensor, half: Tensor, classes: int
) -> AlignedSums:
    """Add up aligned images by class and half.

    Args:
        images: (n, box, box), some read at a time.
        ctf: (n, rings) CTF on rings 1 to `rings`.
        shift: (n, 2), as in `aligned`.
        angle: (n,), as in `aligned`.
        index: (n,) classes.
        half: (n,) 0 or 1.
        classes: how many.
    """
    box, device = int(images.shape[-1]), index.device
    ring = rings_of(box, device)
    weighted = torch.zeros(2 * classes, box, box // 2 + 1, dtype=torch.complex64, device=device)
    of_ring = torch.zeros(2 * classes, int(ring.max()) + 1, device=device)
    plain = torch.zeros(2 * classes, box, box, device=device)
    slot = half * classes + index
    # Ring 0 and the corners beyond the last ring take the value of the nearest ring.
    nearest = (ring - 1).clamp(0, ctf.shape[1] - 1)
    every = (torch.arange(of_ring.shape[1], device=device) - 1).clamp(0, ctf.shape[1] - 1)
    batch = max(_BATCH_PIXELS // box**2, 1)
    for rows in (slice(start, start + batch) for start in range(0, len(index), batch)):
        turned = aligned(torch.from_numpy(images[rows]).to(device), shift[rows], angle[rows])
        add_rows(plain, turned, slot[rows])
        add_rows(weighted, torch.fft.rfft2(turned) * ctf[rows][:, nearest], slot[rows])
        add_rows(of_ring, ctf[rows][:, every].square(), slot[rows])
    shape = (2, classes, box, box // 2 + 1)
    counts = torch.bincount(slot, minlength=2 * classes).reshape(2, classes)
    return AlignedSums(
        weighted.reshape(shape), of_ring[:, ring].reshape(shape), plain.reshape(2, classes, box, box).sum(0), counts
    )


def rings_of(box: int, device: torch.device) -> Tensor:
    """Return the nearest Fourier ring of each place of an rfft, `(box, box // 2 + 1)` integers."""
    fy, fx = torch.fft.fftfreq(box, 1 / box), torch.fft.rfftfreq(box, 1 / box)
    return torch.hypot(fy[:, None], fx[None, :]).round().long().to(device)


def half_correlation(sums: AlignedSums, radius_px: float, edge_px: float) -> Tensor:
    """Return the Fourier ring correlation `(k, box // 2 + 1)` of the halves' averages within a soft disc."""
    box = sums.plain.shape[-1]
    disc = soft_disc(box, radius_px, edge_px, sums.plain.device)
    floor = 1e-3 * (sums.counts + 1)[..., None, None]
    halves = torch.fft.irfft2(sums.weighted / (sums.squared_ctf + floor), s=(box, box))
    # Without the mean within the disc, whose edge would correlate with itself.
    mean = (halves * disc).sum((-2, -1), keepdim=True) / disc.sum()
    first, second = torch.fft.rfft2((halves - mean) * disc)
    cross = ring_sums((first * second.conj()).real)
    energy = ring_sums(first.abs().square()) * ring_sums(second.abs().square())
    return cross / energy.sqrt().clamp_min(1e-20)


def ring_sums(values: Tensor) -> Tensor:
    """Sum `(k, box, box // 2 + 1)` values of an rfft over rings 0 to box // 2, each place for itself and its mate."""
    box, rings = values.shape[-2], values.shape[-1]
    ring = rings_of(box, values.device).flatten()
    mates = torch.full((rings,), 2.0, device=values.device)
    mates[0] = 1.0
    if box % 2 == 0:
        mates[-1] = 1.0
    flat = (values * mates).flatten(1)
    sums = torch.zeros(len(values), int(ring.max()) + 1, device=values.device).index_add_(1, ring, flat)
    return sums[:, :rings]


def corrected(sums: AlignedSums, signal_to_noise: Tensor) -> Tensor:
    """Return averages corrected for the CTF by a Wiener filter, `(k, box, box)`.

    Args:
        sums: over the images.
        signal_to_noise: (k, box // 2 + 1) spectral signal-to-noise ratio of the averages.
    """
    box = sums.plain.shape[-1]
    ring = rings_of(box, sums.plain.device).clamp_max(signal_to_noise.shape[1] - 1)
    ratio = signal_to_noise[:, ring].clamp_min(1e-6)
    total = sums.squared_ctf.sum(0)
    mean = ring_sums(total) / ring_sums(torch.ones_like(total)).clamp_min(1)
    noise = mean[:, ring] / ratio + 1e-6
    averages: Tensor = torch.fft.irfft2(sums.weighted.sum(0) / (total + noise), s=(box, box))
    return averages


def plain(sums: AlignedSums) -> Tensor:
    """Return the means of the aligned images, `(k, box, box)`; 0 for a class without images."""
    return sums.plain / sums.counts.sum(0).clamp_min(1)[:, None, None]


def degrees(angle: Tensor) -> Tensor:
    """Return `rlnAnglePsi` of angles by which averages are turned from x towards y: RELION turns the other way."""
    return (-angle * (180 / math.pi) + 180) % 360 - 180
