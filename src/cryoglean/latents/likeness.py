"""How unlike the particles a place is, whatever the direction: gold, ice and the edge of carbon stand out, too.

A discriminant tells particles from background and is blind to what is neither. The Mahalanobis distance from the
particles' own centre is not (P. C. Mahalanobis, Proc. Natl. Inst. Sci. India 2, 49, 1936).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cryoglean.latents.discriminant import SHRINKAGE
from cryoglean.preprocess.normalise import MAD_TO_SIGMA


class Likeness(NamedTuple):
    """What particles are like.

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

        Args:
            particles: `(n, d)`, n and d of 2 or more; some that are none do little harm.
        """
        points = particles.double().cpu()
        scatter = torch.cov(points.T)
        floor = SHRINKAGE * scatter.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
        precision = torch.linalg.inv(scatter + floor * torch.eye(len(scatter), dtype=scatter.dtype))
        known = cls(points.median(dim=0).values.float(), precision.float(), torch.zeros(2))
        distance = known._distance(particles.cpu().float())
        median = distance.median()
        deviation = MAD_TO_SIGMA * (distance - median).abs().median()
        return known._replace(usual=torch.stack([median, deviation.clamp_min(torch.finfo(torch.float32).eps)]))

    def unlikeness(self, points: Tensor) -> Tensor:
        """Return how much farther from the centre points are than particles usually are.

        Args:
            points: `(n, d)`.

        Returns:
            `(n,)` on the CPU, in robust standard deviations.
        """
        return (self._distance(points.cpu().float()) - self.usual[0]) / self.usual[1]

    def _distance(self, points: Tensor) -> Tensor:
        off = points - self.centre
        return ((off @ self.precision) * off).sum(dim=1).clamp_min(torch.finfo(torch.float32).tiny).log()
