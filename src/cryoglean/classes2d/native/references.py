"""The maximisation step: class averages, filtered by how far they reproduce between two halves of the images."""

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

_CORRELATION_RANGE = 1e-3, 0.999
"""Bounds of a ring correlation before it is turned into a signal-to-noise ratio. Chosen by hand: keep it finite."""

_MIN_NOISE_SHARE = 0.1
"""Share of the images' power that is noise at least. Chosen by hand: averages that explain more are overfitted."""


@dataclass
class Sums:
    """Sums over the expectation steps of one iteration, for each half of the images.

    Attributes:
        numerator: (2, k, rings, harmonics).
        denominator: (2, k, rings).
        mass: (2, k).
    """

    numerator: Tensor
    denominator: Tensor
    mass: Tensor

    @classmethod
    def empty(cls, classes: int, polar: PolarGrid) -> Sums:
        """Return sums of nothing."""
        shape = (2, classes, polar.rings)
        return cls(
            torch.zeros(*shape, polar.harmonics_count, dtype=torch.complex64, device=polar.device),
            torch.zeros(shape, device=polar.device),
            torch.zeros(2, classes, device=polar.device),
        )

    def add(self, half: int, found: EStepResult) -> None:
        """Add the sums of some images of a half."""
        self.numerator[half] += found.numerator
        self.denominator[half] += found.denominator
        self.mass[half] += found.mass


@dataclass(frozen=True)
class Averages:
    """Class averages after an iteration.

    Attributes:
        halves: (2, k, rings, harmonics) filtered averages that the images of each half are compared with next.
        ring_correlation: (k, rings) between the halves.
    """

    halves: Tensor
    ring_correlation: Tensor


def maximise(polar: PolarGrid, sums: Sums, shared_rings: int, regularisation: float) -> Averages:
    """Make averages of sums.

    The filter is the regularised likelihood's, SSNR / (1 + SSNR) with SSNR multiplied by `regularisation` (Scheres, J.
    Mol. Biol. 415, 406, 2012, eq. 5 to 7), the SSNR taken from the halves' correlation. Beyond the shared rings the
    halves never see each other: there, noise that has been aligned does not correlate (Henderson, PNAS 110, 18037,
    2013).

    Args:
        polar: the grid.
        sums: of both halves.
        shared_rings: rings from the first on which both halves have the same average, so that classes correspond.
        regularisation: RELION's T.
    """
    halves = unfiltered(sums, 0)
    correlation = ring_correlation(polar, halves[0], halves[1])
    sure = smoothed(correlation).clamp(*_CORRELATION_RANGE)
    ratio = regularisation * sure / (1 - sure)
    is_shared = torch.arange(polar.rings, device=polar.device) < shared_rings
    ratio = torch.where(is_shared, 2 * ratio, ratio)
    return Averages(unfiltered(sums, shared_rings) * (ratio / (1 + ratio))[..., None], correlation)


def unfiltered(sums: Sums, shared_rings: int) -> Tensor:
    """Return the averages `(2, k, rings, harmonics)` of each half, on the first rings those of both together."""
    floor = _MIN_MASS * (sums.mass + 1)
    halves = sums.numerator / (sums.denominator + floor[..., None])[..., None]
    whole = sums.numerator.sum(0) / (sums.denominator.sum(0) + floor.sum(0)[:, None])[..., None]
    halves[:, :, :shared_rings] = whole[:, :shared_rings]
    return halves


def ring_correlation(polar: PolarGrid, first: Tensor, second: Tensor) -> Tensor:
    """Return the Fourier ring correlation `(k, rings)` of `(k, rings, harmonics)` averages."""
    cross = ((first * second.conj()).real * polar.twice).sum(-1)
    return cross / torch.sqrt(power(polar, first) * power(polar, second)).clamp_min(1e-20)


def power(polar: PolarGrid, harmonics: Tensor) -> Tensor:
    """Return the mean squared amplitude on each ring, `(..., rings)`."""
    total: Tensor = (harmonics.abs().square() * polar.twice).sum(-1)
    return total


def residual_noise(polar: PolarGrid, images_power: Tensor, sums: Sums, averages: Averages, count: int) -> Tensor:
    """Return the noise's variance on each ring: the images' power that the averages do not explain.

    Args:
        polar: the grid.
        images_power: (rings,) mean over the images.
        sums: of the iteration.
        averages: made of them.
        count: images.
    """
    cross = ((averages.halves.conj() * sums.numerator).real * polar.twice).sum(-1)
    explained = (2 * cross - power(polar, averages.halves) * sums.denominator).sum((0, 1)) / count
    return torch.maximum(images_power - explained, _MIN_NOISE_SHARE * images_power)
