"""The maximisation step: class averages, filtered by how far they stand out of the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cryoglean.classes2d.native.rings import smoothed

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.classes2d.native.polar import PolarGrid
    from cryoglean.classes2d.native.search import EStepResult

_MIN_MASS = 1e-3
"""Share of a class's mass below which a ring is not divided by its squared CTF. Chosen by hand: keeps rings at zeros of
the CTF finite, and lowers the others by a thousandth."""

_MIN_SIGNAL_TO_NOISE = 1e-3
"""Chosen by hand, far below what counts: what stands out less is next to nothing, and a ratio is not negative."""

_MIN_NOISE_SHARE = 0.1
"""Share of the images' power that is noise at least. Chosen by hand: averages that explain more are overfitted."""


@dataclass
class Sums:
    """Sums over the expectation steps of one iteration, for each half of the images.

    Attributes:
        numerator: (2, k, rings, harmonics).
        denominator: (2, k, rings).
        mass: (2, k).
        power: (rings,) of the images' mean squared amplitude.
        count: images.
    """

    numerator: Tensor
    denominator: Tensor
    mass: Tensor
    power: Tensor
    count: int = 0

    @classmethod
    def empty(cls, classes: int, polar: PolarGrid) -> Sums:
        """Return sums of nothing."""
        shape = (2, classes, polar.rings)
        return cls(
            torch.zeros(*shape, polar.harmonics_count, dtype=torch.complex64, device=polar.device),
            torch.zeros(shape, device=polar.device),
            torch.zeros(2, classes, device=polar.device),
            torch.zeros(polar.rings, device=polar.device),
        )

    def add(self, found: EStepResult) -> None:
        """Add the sums of some images."""
        self.numerator += found.numerator
        self.denominator += found.denominator
        self.mass += found.mass
        self.power += found.power
        self.count += len(found.alignment.class_index)

    @property
    def images_power(self) -> Tensor:
        """(rings,) Mean over the images."""
        return self.power / max(self.count, 1)


@dataclass(frozen=True)
class Averages:
    """Class averages after an iteration.

    Attributes:
        filtered: (k, rings, harmonics) averages that the images are compared with next.
        signal_to_noise: (k, rings) spectral signal-to-noise ratio of the averages.
        ring_correlation: (k, rings) between the averages of both halves.
    """

    filtered: Tensor
    signal_to_noise: Tensor
    ring_correlation: Tensor


def maximise(polar: PolarGrid, sums: Sums, noise: Tensor, regularisation: float) -> Averages:
    """Make averages of sums.

    The filter is the regularised likelihood's, SSNR / (1 + SSNR) with SSNR multiplied by `regularisation` (Scheres, J.
    Mol. Biol. 415, 406, 2012, eq. 5 to 7). The signal's power is what an average has beyond the power that the noise of
    its images leaves in it.

    Args:
        polar: the grid.
        sums: of both halves.
        noise: (rings,) variance of the images' noise.
        regularisation: RELION's T.
    """
    whole, left = unfiltered(sums.numerator.sum(0), sums.denominator.sum(0), sums.mass.sum(0))
    signal_to_noise = smoothed(power(polar, whole) / (noise * left) - 1).clamp_min(_MIN_SIGNAL_TO_NOISE)
    ratio = regularisation * signal_to_noise
    halves, _ = unfiltered(sums.numerator, sums.denominator, sums.mass)
    correlation = ring_correlation(polar, halves[0], halves[1])
    return Averages(whole * (ratio / (1 + ratio))[..., None], signal_to_noise, correlation)


def unfiltered(numerator: Tensor, denominator: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
    """Return averages `(..., k, rings, harmonics)`, and `(..., k, rings)` the share of the images' noise left in them.

    Args:
        numerator: (..., k, rings, harmonics), as in `Sums`.
        denominator: (..., k, rings).
        mass: (..., k).
    """
    weight = denominator + _MIN_MASS * (mass + 1)[..., None]
    return numerator / weight[..., None], 1 / weight


def ring_correlation(polar: PolarGrid, first: Tensor, second: Tensor) -> Tensor:
    """Return the Fourier ring correlation `(k, rings)` of `(k, rings, harmonics)` averages."""
    cross = ((first * second.conj()).real * polar.twice).sum(-1)
    return cross / torch.sqrt(power(polar, first) * power(polar, second)).clamp_min(1e-20)


def power(polar: PolarGrid, harmonics: Tensor) -> Tensor:
    """Return the mean squared amplitude on each ring, `(..., rings)`."""
    total: Tensor = (harmonics.abs().square() * polar.twice).sum(-1)
    return total


def residual_noise(polar: PolarGrid, sums: Sums, averages: Averages) -> Tensor:
    """Return the noise's variance on each ring: the images' power that the averages do not explain.

    Args:
        polar: the grid.
        sums: of the iteration.
        averages: made of them.
    """
    numerator, denominator = sums.numerator.sum(0), sums.denominator.sum(0)
    cross = ((averages.filtered.conj() * numerator).real * polar.twice).sum(-1)
    explained = (2 * cross - power(polar, averages.filtered) * denominator).sum(0) / max(sums.count, 1)
    return torch.maximum(sums.images_power - explained, _MIN_NOISE_SHARE * sums.images_power)
