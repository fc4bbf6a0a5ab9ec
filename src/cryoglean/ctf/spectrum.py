"""The power spectrum of a micrograph, and its Thon rings freed from the background that they stand on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from scipy.fft import next_fast_len

from cryoglean.preprocess.robust import median_and_deviation

if TYPE_CHECKING:
    from torch import Tensor

TILE_PX = 512
"""Side of a tile. Chosen by hand: larger ones resolve the rings of a higher defocus, smaller ones average more."""

FINEST_PIXEL_ANGSTROM = 1.4
"""Tiles of finer pixels are larger, and their transforms cut down to this sampling: rings need frequency resolution.
Chosen by hand: no ring is fitted beyond its Nyquist frequency."""

MIN_TILE_PX = 128
"""Smallest tile, where the image is small. Chosen by hand: a smaller one shows few rings at any defocus."""

COARSEST_ANGSTROM = 30.0
"""Lowest resolution of the fit: below it the particles' own shape rules the spectrum. Format: the default of
CTFFIND."""

FINEST_FIT_ANGSTROM = 3.9
"""Rings are fitted up to here. Derived: short of the ring of crystalline ice at 3.7 angstrom."""

_NYQUIST_SHARE = 0.96
"""Share of the Nyquist frequency up to which the spectrum is used. Chosen by hand: interpolation by the motion
correction and folded-back power spoil the end."""

_BACKGROUND_TERMS = 8
"""Polynomials of the smooth background. Chosen by hand: fewer leave bends, more begin to follow the first rings."""

_CLIP_SIGMAS = 6.0
"""Coefficients beyond this many robust standard deviations count as this much. Chosen by hand: lattices and stripes are
far beyond."""

_AXIS_PX = 1.5
"""Coefficients this near to the axes are left out. Chosen by hand: detectors leave stripes there."""


@dataclass(frozen=True, eq=False)
class PowerSpectrum:
    """Averaged power of the tiles of a micrograph.

    Attributes:
        power: `(size, size // 2 + 1)` float32 on the grid of an rfft, zero frequency first.
        pixel_size_angstrom: sampling that the grid corresponds to.
        tiles: how many tiles were averaged.
    """

    power: Tensor
    pixel_size_angstrom: float
    tiles: int

    def frequencies(self) -> tuple[Tensor, Tensor]:
        """Return `(size, 1)` fy and `(1, size // 2 + 1)` fx in 1/angstrom."""
        size, device = self.power.shape[0], self.power.device
        fy = torch.fft.fftfreq(size, self.pixel_size_angstrom, device=device)[:, None]
        return fy, torch.fft.rfftfreq(size, self.pixel_size_angstrom, device=device)[None, :]


@dataclass(frozen=True, eq=False)
class Rings:
    """A power spectrum without its smooth part: one entry per coefficient in the range.

    Attributes:
        value: `(m,)` power over background, minus what a smooth function of the frequency explains; 0 on average.
        frequency: `(m,)` spatial frequency in 1/angstrom.
        direction: `(m,)` angle in radians, from x towards y.
        smooth: `(m, d)` orthonormal smooth functions: what was taken out of `value`, and must be of any model of it.
        place: `(m,)` flat index of each entry in the spectrum.
    """

    value: Tensor
    frequency: Tensor
    direction: Tensor
    smooth: Tensor
    place: Tensor

    def without_smooth(self, model: Tensor) -> Tensor:
        """Take from a model `(m,)` what was taken from the data."""
        return model - self.smooth @ (self.smooth.T @ model)

    def up_to(self, resolution_angstrom: float) -> Rings:
        """Return the rings at lower frequencies only."""
        near = self.frequency <= 1 / resolution_angstrom
        smooth = torch.linalg.qr(self.smooth[near])[0]
        value = self.value[near]
        value = value - smooth @ (smooth.T @ value)
        return Rings(value, self.frequency[near], self.direction[near], smooth, self.place[near])


def power_spectrum(image: Tensor, pixel_size_angstrom: float) -> PowerSpectrum:
    """Average the power of half-overlapping tiles under a Hann window (Welch, IEEE Trans. Audio 15, 70, 1967).

    Args:
        image: `(h, w)` float32.
        pixel_size_angstrom: size of a pixel.

    Raises:
        ValueError: if the image is too small for tiles that show rings.
    """
    finer = max(1.0, FINEST_PIXEL_ANGSTROM / pixel_size_angstrom)
    wanted = next_fast_len(2 * round(TILE_PX * finer / 2), real=True)
    tile = min(wanted, min(image.shape) // 2 * 2)
    if tile < MIN_TILE_PX * finer:
        raise ValueError(f"{image.shape[1]} x {image.shape[0]} px are too small to see Thon rings in")
    cropped = 2 * round(tile / finer / 2)
    window = torch.hann_window(tile, periodic=True, device=image.device)
    window = window[:, None] * window
    power = torch.zeros((cropped, cropped // 2 + 1), device=image.device)
    starts = [(top, left) for top in _starts(image.shape[0], tile) for left in _starts(image.shape[1], tile)]
    for top, left in starts:
        part = image[top : top + tile, left : left + tile]
        spectrum = torch.fft.rfft2((part - part.mean()) * window)[:, : cropped // 2 + 1]
        half = cropped // 2
        power += torch.cat([spectrum[:half], spectrum[tile - half :]]).abs().square()
    return PowerSpectrum(power / len(starts), pixel_size_angstrom * tile / cropped, len(starts))


def _starts(length: int, tile: int) -> list[int]:
    """Return where tiles start: spread evenly from edge to edge, overlapping by half or a little more."""
    count = max(1, math.ceil((length - tile) / (tile / 2))) + 1 if length > tile else 1
    return [round(i * (length - tile) / max(count - 1, 1)) for i in range(count)]


def rings_of(spectrum: PowerSpectrum) -> Rings:
    """Divide a power spectrum by its smooth background, and take out what is smooth of the rest.

    The noise of a periodogram is proportional to its expectation, so that dividing makes all coefficients equally
    sure. Smooth functions are polynomials of the frequency; a model of the rings loses the same part, so that no
    estimate of the background has to be right.
    """
    fy, fx = spectrum.frequencies()
    frequency, direction = torch.hypot(fy, fx), torch.atan2(fy, fx).expand(spectrum.power.shape)
    nyquist = 0.5 / spectrum.pixel_size_angstrom
    on_axis = _AXIS_PX / (spectrum.power.shape[0] * spectrum.pixel_size_angstrom)
    low, high = 1 / COARSEST_ANGSTROM, _NYQUIST_SHARE * nyquist
    used = (frequency >= low) & (frequency <= high) & (fx > on_axis) & (fy.abs() > on_axis)  # detectors' stripes
    place = torch.nonzero(used.flatten())[:, 0]
    k, power = frequency.flatten()[place].double(), spectrum.power.flatten()[place].double()
    terms = _chebyshev(2 * (k - low) / (high - low) - 1, _BACKGROUND_TERMS)
    basis = torch.linalg.qr(terms)[0]
    log_power = (power + torch.finfo(torch.float32).tiny).log()
    value = (log_power - basis @ (basis.T @ log_power)).exp()
    value = value / value.mean()
    median, spread = median_and_deviation(value)
    value = value.clamp(median - _CLIP_SIGMAS * spread, median + _CLIP_SIGMAS * spread)
    value = value - basis @ (basis.T @ value)
    return Rings(value.float(), k.float(), direction.flatten()[place], basis.float(), place)


def _chebyshev(x: Tensor, count: int) -> Tensor:
    terms = [torch.ones_like(x), x]
    while len(terms) < count:
        terms.append(2 * x * terms[-1] - terms[-2])
    return torch.stack(terms, dim=1)
