"""Principal axes of latents (K. Pearson, Phil. Mag. 2, 559, 1901): the few directions in which they vary most."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Principal(NamedTuple):
    """Axes through a cloud of points.

    Attributes:
        mean: `(c,)` middle of the cloud.
        axes: `(k, c)` orthonormal, the one of most variance first; the largest coordinate of each is positive.
        share: `(k,)` share of the variance along each; zeros where the points do not vary.
    """

    mean: Tensor
    axes: Tensor
    share: Tensor

    def along(self, points: Tensor) -> Tensor:
        """Return `(n, k)` coordinates along the axes of `(n, c)` points."""
        return (points.to(self.mean) - self.mean) @ self.axes.T


def principal_axes(points: Tensor, axes: int = 2) -> Principal:
    """Find the directions in which points vary most.

    Args:
        points: `(n, c)`, n of 1 or more and c of `axes` or more.
        axes: how many directions.

    Returns:
        The axes, float64 on the CPU.
    """
    points = points.double().cpu()
    mean = points.mean(dim=0)
    centred = points - mean
    variance, vectors = torch.linalg.eigh(centred.T @ centred / len(points))
    found = vectors.flip(1)[:, :axes].T
    largest = found.gather(1, found.abs().argmax(dim=1, keepdim=True))
    share = variance.flip(0)[:axes].clamp_min(0) / variance.sum().clamp_min(torch.finfo(variance.dtype).tiny)
    return Principal(mean, found * largest.sign(), share)
