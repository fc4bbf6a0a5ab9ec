"""Patches of particles, as published: clusters of a set, then clusters of each micrograph, more each time.

Zamanos et al., Cell Rep. Methods (2025), Inference, Algorithms 1 and 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from cryoglean.latents.kmeans import kmeans, nearest

if TYPE_CHECKING:
    from torch import Tensor

SET_CLUSTERS = 4
"""Clusters of a set. Published (Zamanos et al. 2025, Algorithm 1)."""

MICROGRAPH_CLUSTERS = (3, 4, 5)
"""Clusters of a micrograph, step by step. Published (Zamanos et al. 2025, Algorithm 2)."""

_CANDIDATES = 2
"""Clusters with the largest overlaps, of which the one with the larger share of itself inside is taken. Published in
the authors' release; the paper takes the largest overlap."""


def smoothed(latents: Tensor, window: int) -> Tensor:
    """Average latents over squares of patches.

    Args:
        latents: `(h, w, c)`; beyond the edges they go on as at the edges.
        window: side of the squares; an even one reaches one patch farther down and right than up and left.

    Returns:
        `(h, w, c)`.
    """
    before, after = (window - 1) // 2, window // 2
    channels_first = latents.permute(2, 0, 1)[None]
    extended = functional.pad(channels_first, (before, after, before, after), mode="replicate")
    return functional.avg_pool2d(extended, window, stride=1)[0].permute(1, 2, 0)


def most_alike(label: Tensor, mask: Tensor, clusters: int) -> int:
    """Return the cluster that a mask is about.

    Of the two clusters that hold most of the mask, it is the one of which the larger share lies inside.

    Args:
        label: `(...)` cluster of each patch.
        mask: `(...)` booleans.
        clusters: how many clusters there are.
    """
    size = torch.bincount(label.flatten(), minlength=clusters)
    inside = torch.bincount(label[mask].flatten(), minlength=clusters)
    largest = inside.argsort(descending=True, stable=True)[:_CANDIDATES]
    share = inside[largest] / size[largest].clamp_min(1)
    return int(largest[share.argmax()])


def particle_patches(latents: Tensor, set_centres: Tensor, particle: int, seed: int) -> Tensor:
    """Tell the patches of particles, by clusters of the micrograph's own.

    Args:
        latents: `(h, w, c)`, smoothed, with as many patches as the last step has clusters, or more.
        set_centres: `(k, c)` centres of the set's clusters.
        particle: the number of the particles' one.
        seed: of the centres to start from.

    Returns:
        `(h, w)` booleans; none where no patch is of the particles' cluster of the set.
    """
    mask = nearest(latents, set_centres) == particle
    if not bool(mask.any()):
        return mask  # no cluster is about an empty mask
    points = latents.flatten(0, 1)
    for clusters in MICROGRAPH_CLUSTERS:
        label = nearest(latents, kmeans(points, clusters, seed, starts=1).centres)
        mask = label == most_alike(label, mask, clusters)
    return mask
