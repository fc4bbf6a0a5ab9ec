"""Radial templates in latent space: a weight for each latent at each distance from a particle's centre.

A particle is several patches wide, and what its middle says is not what its rim says. Means over rings about a place
keep that and forget the direction, which views of particles do not have.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

RADII = (0.0, 0.2, 0.4, 0.6)
"""Radii of the rings in particle diameters: the particle and a little of what surrounds it. Chosen by hand, while F1 on
the labelled sets of `benchmarks/README.md` was watched."""

FINER = 2
"""Places of a response per patch along a side. Chosen by hand: one, a sixth of a particle, is too coarse for
centres."""

_STEP = RADII[1] - RADII[0]
"""Distance of neighbouring rings. Derived from `RADII`."""

_PLACES_AT_A_TIME = 512
"""Resource: bounds memory; no result depends on it."""


def ring_means(latents: Tensor, x: Tensor, y: Tensor, diameter: float) -> Tensor:
    """Average latents over rings about places; neighbouring rings share what lies between them.

    Args:
        latents: `(h, w, c)`; beyond the edges they go on as at the edges.
        x: `(n,)` places, in patches.
        y: `(n,)` places.
        diameter: of a particle, in patches.

    Returns:
        `(n, rings, c)`.
    """
    height, width, _ = latents.shape
    radius = _reach(diameter)
    line = torch.arange(-radius, radius + 1, device=latents.device)
    dy, dx = torch.meshgrid(line, line, indexing="ij")
    found = []
    for some_x, some_y in zip(torch.split(x, _PLACES_AT_A_TIME), torch.split(y, _PLACES_AT_A_TIME), strict=True):
        column, row = (v.round().long()[:, None, None] for v in (some_x, some_y))
        off = torch.hypot(dx + column - some_x[:, None, None], dy + row - some_y[:, None, None])
        weight = _ring_weights(off, diameter).to(latents.dtype)
        around = latents[(row + dy).clamp(0, height - 1), (column + dx).clamp(0, width - 1)]
        found.append(torch.einsum("nryx,nyxc->nrc", weight, around))
    return torch.cat(found)


def ring_response(latents: Tensor, template: Tensor, diameter: float) -> Tensor:
    """Correlate latents with a radial template.

    Args:
        latents: `(h, w, c)`.
        template: `(rings, c)`.
        diameter: of a particle, in patches.

    Returns:
        `(FINER * h, FINER * w)` at places as those of an image that is enlarged so many times.
    """
    weighed = (latents @ template.T.to(latents)).permute(2, 0, 1)[None]
    fine = functional.interpolate(weighed, scale_factor=FINER, mode="bilinear", align_corners=False)
    radius = _reach(FINER * diameter)
    line = torch.arange(-radius, radius + 1, device=latents.device)
    off = torch.hypot(line[:, None].float(), line[None, :].float())
    kernel = _ring_weights(off[None], FINER * diameter)
    extended = functional.pad(fine, (radius,) * 4, mode="replicate")
    response: Tensor = functional.conv2d(extended, kernel.to(latents))[0, 0]
    return response


def _ring_weights(distance: Tensor, diameter: float) -> Tensor:
    """Return `(n, rings, ...)` weights of `(n, ...)` distances; each ring's sum is 1."""
    radii = diameter * torch.tensor(RADII, device=distance.device).view(1, -1, *[1] * (distance.ndim - 1))
    weight = (1 - (distance[:, None] - radii).abs() / _width(diameter)).clamp_min(0)
    return weight / weight.sum(dim=(-2, -1), keepdim=True)


def _width(diameter: float) -> float:
    """Return how far a ring reaches in and out: to its neighbours, and so far that no ring is empty."""
    return max(_STEP * diameter, 1.0)


def _reach(diameter: float) -> int:
    return math.ceil(RADII[-1] * diameter + _width(diameter))
