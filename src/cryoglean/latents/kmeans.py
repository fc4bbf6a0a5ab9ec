"""k-means (Lloyd, IEEE Trans. Inf. Theory 28, 129, 1982) in torch, on whatever device the points are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

STARTS = 3
"""Best of so many starts. Chosen by hand: one start may end in a poor minimum; each takes as long as the first."""

_ITERATIONS = 100
"""Most iterations of a start. Resource: bounds the time."""

_SETTLED_SHARE = 1e-4
"""Share of the points that may still change their cluster when a start counts as settled. Chosen by hand: fewer take
many more iterations."""


class Clusters(NamedTuple):
    """Points around centres.

    Attributes:
        centres: `(k, c)`.
        inertia: sum of the points' squared distances to their centres.
    """

    centres: Tensor
    inertia: float


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Return the number of the nearest of `(k, c)` centres for points `(..., c)`."""
    return (points @ centres.T - 0.5 * centres.square().sum(dim=1)).argmax(dim=-1)


def kmeans(points: Tensor, k: int, seed: int, starts: int = STARTS) -> Clusters:
    """Divide points into clusters.

    Args:
        points: `(n, c)`, n of k or more.
        k: how many clusters.
        seed: of the centres to start from.
        starts: how many times to start; the start that ends with the least inertia counts.

    Returns:
        The clusters, in order of their first coordinate: numbers do not depend on the start.

    Raises:
        ValueError: if there are fewer points than clusters.
    """
    if len(points) < k:
        raise ValueError(f"{len(points)} points cannot make {k} clusters")
    found = (_settled(points, _spread_out(points, k, seed + 1_000_003 * start)) for start in range(starts))
    best = min(found, key=lambda clusters: clusters.inertia)
    return best._replace(centres=best.centres[best.centres[:, 0].argsort()])


def _spread_out(points: Tensor, k: int, seed: int) -> Tensor:
    """Draw points as centres, each by its squared distance to those before (Arthur and Vassilvitskii, SODA 2007)."""
    generator = torch.Generator().manual_seed(seed)
    chosen = [int(torch.randint(len(points), (1,), generator=generator))]
    apart = (points - points[chosen[0]]).square().sum(dim=1)
    while len(chosen) < k:
        upto = apart.double().cumsum(dim=0)
        drawn = torch.rand(1, generator=generator, dtype=torch.float64).to(upto) * upto[-1]
        chosen.append(min(int(torch.searchsorted(upto, drawn)), len(points) - 1))
        apart = torch.minimum(apart, (points - points[chosen[-1]]).square().sum(dim=1))
    return points[chosen]


def _settled(points: Tensor, centres: Tensor) -> Clusters:
    """Move centres to the means of the points around them until they settle; an empty one stays where it is."""
    label = nearest(points, centres)
    for _ in range(_ITERATIONS):
        belongs = functional.one_hot(label, len(centres)).to(points.dtype)
        count = belongs.sum(dim=0)[:, None]
        centres = torch.where(count > 0, belongs.T @ points / count.clamp_min(1), centres)
        before, label = label, nearest(points, centres)
        if int((before != label).sum()) <= _SETTLED_SHARE * len(points):
            break
    return Clusters(centres, float((points - centres[label]).square().sum(dtype=torch.float64)))
