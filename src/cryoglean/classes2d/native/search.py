"""The expectation step: where each image may belong, over classes, turns and shifts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cryoglean.classes2d.native.alignment import Alignment
from cryoglean.classes2d.native.sums import sum_rows

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.classes2d.native.polar import PolarGrid
    from cryoglean.classes2d.native.splits import Splits

_KEPT_PER_IMAGE = 16
"""Best pairs of class and shift of an image that are computed again in float32. Resource: more cost time and hold next
to no probability."""

_BLOCK_VALUES, _BLOCK_ROWS = 2**21, (64, 512)
"""Values and images of one block of the search on a CPU. Resource: a block stays in the cache, which made the search
1.7 to 2.4 times as fast as blocks of eight times the size and more; those of fewer images are slower again."""

_MAX_BLOCK_VALUES = 2**25
"""Values of one block on another device. Resource: bounds memory."""

_NEGLIGIBLE_NATS = 8.0
"""Log-likelihood below an image's best at which a pair is left out. Derived: exp(-8) is 3e-4 of the best one."""

_MIN_SHARE = 1e-3
"""Share of an image's probability below which a pair adds nothing to the averages. Resource: saves time."""

_SHIFT_SPREAD = 0.3
"""Standard deviation of the shifts' prior, in maximum shifts. Chosen on sim-low, -mid and -high
(benchmarks/classes2d_ablation.py), where 0.2 to 0.35 are as good: wider, what lies beside a particle is taken for one;
narrower, particles are left where they lie."""


@dataclass(frozen=True)
class References:
    """Class averages that images are compared with.

    Attributes:
        harmonics: (k, rings, harmonics) complex.
        power: (k, rings) mean squared amplitude.
    """

    harmonics: Tensor
    power: Tensor


@dataclass(frozen=True)
class Grid:
    """Shifts that are tried, and the rings that are compared.

    Attributes:
        shifts: (s, 2) y and x in pixels, from where an image stands.
        max_shift: of an image from where it was, in pixels.
        rings: how many, from the first.
        weights: (rings,) Fourier pixels of a ring over the noise's variance.
        dtype: what the full search computes with; its best places are computed again in float32.
    """

    shifts: Tensor
    max_shift: float
    rings: int
    weights: Tensor
    dtype: torch.dtype

    def log_prior(self, stand: Tensor) -> Tensor:
        """Return the logarithm of the probability of shifts, but for a constant: a normal one, cut off.

        Args:
            stand: (n, 2) how far images have been moved already.

        Returns:
            (n, s).
        """
        squared = (stand[:, None] + self.shifts[None]).square().sum(-1)
        spread = max(_SHIFT_SPREAD * self.max_shift, 1e-3)
        return torch.where(squared <= (self.max_shift + 1e-3) ** 2, -squared / (2 * spread**2), -torch.inf)


@dataclass(frozen=True)
class EStepResult:
    """Result of the expectation step for n images.

    Attributes:
        numerator: (2, k, rings, harmonics) sum of CTF times aligned images, by probability, for each half.
        denominator: (2, k, rings) sum of squared CTF, by probability.
        mass: (2, k) sum of probabilities.
        power: (rings,) sum of the images' mean squared amplitude.
        alignment: of the n images; shifts count from where they stood.
    """

    numerator: Tensor
    denominator: Tensor
    mass: Tensor
    power: Tensor
    alignment: Alignment


def expect(
    polar: PolarGrid,
    samples: Tensor,
    stand: Tensor,
    ctf: Tensor,
    references: References,
    grid: Grid,
    splits: Splits,
    half: Tensor,
) -> EStepResult:
    """Compare images with all classes in all places.

    Follows the mixture model of Sigworth, J. Struct. Biol. 122, 328 (1998), and Scheres, J. Mol. Biol. 415, 406 (2012):
    white noise on each ring, its variance known, CTF as ring weights. Unlike there all classes are as likely
    beforehand, whatever their size: shares as a prior draw images to large classes, until small ones vanish (Sorzano
    et al., J. Struct. Biol. 171, 197, 2010). Per harmonic, the products with all classes are one matrix product over
    rings; a transform over harmonics gives all turns. That search is in low precision; the best places of each image
    are computed again, and only those count: the others have next to no probability.

    Args:
        polar: the grid the samples are on.
        samples: (n, rings, angles / 2) images, standing where the search begins.
        stand: (n, 2) how far they have been moved to stand there.
        ctf: (n, rings) CTF.
        references: classes.
        grid: the search.
        splits: which of these images count to another class, and which classes are closed.
        half: (n,) 0 or 1, to which sums an image adds.
    """
    used = grid.rings
    moved = polar.harmonics((samples * ctf[:, :, None])[:, None] * polar.moves(grid.shifts)[None])
    penalty = 0.5 * (ctf[:, :used].square() * grid.weights) @ references.power[:, :used].T
    bias = grid.log_prior(stand)[:, :, None] - penalty[:, None, :]
    bias[:, :, splits.closed] = -torch.inf
    weighted = references.harmonics[:, :used] * grid.weights[:, None]
    best = _best_of_turns(polar, moved[:, :, :used], weighted, grid.dtype)
    image, shift, index = _likely((best + bias).flatten(1), len(references.power))

    there = moved[image, shift]
    product = (there[:, :used] * weighted[index].conj()).sum(1)
    scores = polar.turned(product) + bias[image, shift, index][:, None]
    top = torch.full((len(samples),), -torch.inf, device=samples.device)
    top = top.scatter_reduce(0, image, scores.amax(1), "amax")
    chances = torch.exp(scores - top[image, None])
    total = torch.zeros_like(top).index_add_(0, image, chances.sum(1))
    chances = chances / total[image, None]

    share = chances.sum(1)
    counted = splits.counted(image, index)
    classes = len(references.power)
    of_class = torch.zeros(len(samples), classes, device=samples.device)
    of_class.index_put_((image, counted), share, accumulate=True)
    slot = half[image] * classes + counted
    numerator, denominator = _sums(there, chances, share, ctf[image], slot, 2 * classes)

    best_class = of_class.argmax(1)
    height = scores.amax(1).masked_fill(counted != best_class[image], -torch.inf)
    row = _best_row(height, image, len(samples))
    turn, height = _peak(scores[row])
    power = samples.abs().square().mean(-1)
    energy = power[:, :used] @ grid.weights
    expected = 2 * penalty[image[row], index[row]]
    signal = height - bias[image[row], shift[row], index[row]]
    return EStepResult(
        numerator.reshape(2, classes, *numerator.shape[1:]),
        denominator.reshape(2, classes, -1),
        sum_rows(of_class, half, 2),
        power.sum(0),
        Alignment(
            best_class,
            of_class.amax(1),
            turn * (math.tau / polar.angles),
            grid.shifts[shift[row]],
            top + total.log(),
            signal / torch.sqrt(energy * expected).clamp_min(1e-12),
        ),
    )


def _best_of_turns(polar: PolarGrid, images: Tensor, references: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the highest correlation over all turns, `(n, s, k)`, in low precision.

    Args:
        polar: the grid.
        images: (n, s, rings, harmonics).
        references: (k, rings, harmonics).
        dtype: to compute with.
    """
    n, s, rings, orders = images.shape
    averages = references.permute(2, 1, 0)
    real = torch.cat([averages.real, averages.imag], 1).to(dtype)
    imaginary = torch.cat([-averages.imag, averages.real], 1).to(dtype)
    turning = _turning(polar, dtype)

    def of_rows(some: Tensor) -> Tensor:
        parts = torch.view_as_real(some).to(dtype).permute(2, 0, 3, 1).reshape(orders, len(some), 2 * rings)
        products = torch.empty(2, orders, len(some), len(references), dtype=dtype, device=some.device)
        torch.bmm(parts, real, out=products[0])
        torch.bmm(parts, imaginary, out=products[1])
        return torch.mm(turning, products.reshape(2 * orders, -1)).amax(0).reshape(len(some), -1)

    blocks = torch.split(
        images.reshape(n * s, rings, orders), _block_rows(images.device, len(references) * polar.angles)
    )
    return torch.cat([of_rows(block) for block in blocks]).reshape(n, s, -1).float()


def _block_rows(device: torch.device, values: int) -> int:
    """Return how many images are searched at once, of which each takes so many values."""
    if device.type != "cpu":
        return _MAX_BLOCK_VALUES // values + 1
    return min(max(_BLOCK_VALUES // values, _BLOCK_ROWS[0]), _BLOCK_ROWS[1])


def _turning(polar: PolarGrid, dtype: torch.dtype) -> Tensor:
    """Return the matrix from real and imaginary parts of harmonics to all turns."""
    turns = torch.arange(polar.angles, device=polar.device)[:, None]
    phase = math.tau * turns * torch.arange(polar.harmonics_count, device=polar.device) / polar.angles
    return torch.cat([torch.cos(phase) * polar.twice, -torch.sin(phase) * polar.twice], 1).to(dtype)


def _likely(scores: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return image, shift and class of all places that may hold some of an image's probability.

    Args:
        scores: (n, shifts * classes) highest log-likelihood over turns.
        classes: how many.
    """
    height, place = scores.topk(min(_KEPT_PER_IMAGE, scores.shape[1]), 1)
    image, rank = torch.nonzero(height > height[:, :1] - _NEGLIGIBLE_NATS, as_tuple=True)
    place = place[image, rank]
    return image, place // classes, place % classes


def _best_row(height: Tensor, image: Tensor, images: int) -> Tensor:
    """Return for each image the row of its highest value; the first of equals."""
    order = torch.argsort(height, stable=True, descending=True)
    order = order[torch.argsort(image[order], stable=True)]
    counts = torch.bincount(image, minlength=images)
    return order[counts.cumsum(0) - counts]


def _peak(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return the place of each row's highest value along the circle, by a parabola, and that value."""
    top = scores.argmax(1)
    row = torch.arange(len(scores), device=scores.device)
    length = scores.shape[1]
    before, here, after = scores[row, (top - 1) % length], scores[row, top], scores[row, (top + 1) % length]
    bend = (before - 2 * here + after).clamp_max(-1e-12)
    return top + (0.5 * (before - after) / bend).clamp(-0.5, 0.5), here


def _sums(
    moved: Tensor, chances: Tensor, share: Tensor, ctf: Tensor, index: Tensor, classes: int
) -> tuple[Tensor, Tensor]:
    """Add up images times CTF, turned back onto their classes, and squared CTF, both by probability."""
    rows = torch.nonzero(share > _MIN_SHARE).flatten()
    moved, chances, share, ctf, index = moved[rows], chances[rows], share[rows], ctf[rows], index[rows]
    back = torch.fft.rfft(chances, dim=-1)[:, : moved.shape[2]].conj()
    return sum_rows(moved * back[:, None, :], index, classes), sum_rows(share[:, None] * ctf.square(), index, classes)
