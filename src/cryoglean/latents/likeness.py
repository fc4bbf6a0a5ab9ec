"""Mahalanobis distance of places from the particles, in any direction: gold, ice and carbon's edge stand out, too.

A discriminant tells particles from background and is blind to what is neither. The Mahalanobis distance from the
particles' own centre is not (P. C. Mahalanobis, Proc. Natl. Inst. Sci. India 2, 49, 1936).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cryoglean.latents.discriminant import SHRINKAGE
from cryoglean.preprocess.robust import median_and_deviation


class Likeness(NamedTuple):
    """Centre and scatter of particles.

    Attributes:
        centre: `(d,)` median of particles.
        precision: `(d, d)` inverse of the scatter round it.
        usual: `(2,)` median and robust standard deviation, over the particles, of the logarithm of their squared
            distances.
    """

    centre: Tensor
    precision: Tensor
    usual: Tensor

    @classmethod
    def of(cls, particles: Tensor) -> Likeness:
        """Learn it.

        What is usual is told by each half of the particles with the centre and scatter of the other: their own would
        put few particles in many dimensions too near.

        Args:
            particles: `(n, d)`, n of 4 or more and d of 2 or more; some that are none do little harm.
        """
        points = particles.double().cpu()
        halves = points[::2], points[1::2]
        distance = torch.cat([_distance(a, *_centre_and_precision(b)) for a, b in (halves, halves[::-1])])
        median, deviation = median_and_deviation(distance)
        usual = torch.stack([median, deviation.clamp_min(torch.finfo(torch.float32).eps)])
        return cls(*(tensor.float() for tensor in (*_centre_and_precision(points), usual)))

    def mahalanobis_distance(self, points: Tensor) -> Tensor:
        """Return the distance of points from the particles' centre, held against that of particles.

        Args:
            points: `(n, d)`.

        Returns:
            `(n,)` on the CPU: log squared distances, in robust standard deviations above the median particle's.
        """
        distance = _distance(points.cpu().float(), self.centre, self.precision)
        return (distance - self.usual[0]) / self.usual[1]


def _centre_and_precision(points: Tensor) -> tuple[Tensor, Tensor]:
    scatter = torch.cov(points.T)
    floor = SHRINKAGE * scatter.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
    return points.median(dim=0).values, torch.linalg.inv(scatter + floor * torch.eye(len(scatter), dtype=scatter.dtype))


def _distance(points: Tensor, centre: Tensor, precision: Tensor) -> Tensor:
    """Return `(n,)` logarithms of squared Mahalanobis distances."""
    off = points - centre
    return ((off @ precision) * off).sum(dim=1).clamp_min(torch.finfo(torch.float32).tiny).log()
