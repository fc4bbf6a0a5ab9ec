"""Class averages as templates, in all turns in the plane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


TURNS = 30
"""Steps of 12 degrees. Published: the 2020 paper aligns its classes at them (McSweeney et al., IUCrJ 7, 719, section
2.4)."""

_EDGE_DIAMETERS = 0.08
"""Width of the circle's soft edge. Chosen by hand: about two working pixels."""

_FLAT = 1e-5
"""Share of its norm that a template must keep when its mean is taken away. Derived: what is left of a flat one is
rounding error of float32, far below."""


class ClassAverages(NamedTuple):
    """Class averages to match with.

    Attributes:
        images: (k, box, box) float32, protein bright, the particle at `box // 2`; k of 1 or more.
        pixel_size_angstrom: of the images.
    """

    images: NDArray[np.float32]
    pixel_size_angstrom: float


def contrast_of(averages: ClassAverages, diameter_angstrom: float) -> NDArray[np.float64]:
    """Return (k,) how much brighter the circle of the particle is than the rest, in deviations; 0 without a rest."""
    inside = _radius_px(averages) <= diameter_angstrom / averages.pixel_size_angstrom / 2
    if inside.all():
        return np.zeros(len(averages.images))
    images = averages.images.astype(float)
    above = images[:, inside].mean(1) - images[:, ~inside].mean(1)
    return np.asarray(above / images.std(axis=(1, 2)))


def _radius_px(averages: ClassAverages) -> NDArray[np.float64]:
    place = np.arange(averages.images.shape[-1]) - averages.images.shape[-1] // 2
    return np.asarray(np.hypot(place[:, None], place))


def without_neighbours(averages: ClassAverages, diameter_angstrom: float) -> ClassAverages:
    """Smear what is outside the particle's circle over the turns: its halo stays, a neighbour on one side does not."""
    images, radius_px = averages.images, diameter_angstrom / averages.pixel_size_angstrom / 2
    radius = _radius_px(averages)
    ring = np.rint(radius).astype(np.int64)
    members = np.bincount(ring.ravel())
    means = np.stack([np.bincount(ring.ravel(), each.ravel()) / members for each in images])
    return averages._replace(images=np.where(radius > radius_px, means[:, ring], images).astype(np.float32))


def turned_templates(
    averages: ClassAverages,
    diameter_angstrom: float,
    diameter_px: float,
    reach_diameters: float,
    device: torch.device | None = None,
) -> Tensor:
    """Cut a circle out of each average and turn it all round.

    Args:
        averages: of k classes.
        diameter_angstrom: particle diameter.
        diameter_px: the same in pixels of the image that is to be matched.
        reach_diameters: radius of the circle.
        device: where to compute; the CPU by default.

    Returns:
        `(k * TURNS, side, side)` float32, side odd: of zero mean and unit norm, 0 outside the circle; an average that
        is flat there is 0.
    """
    images, box = torch.from_numpy(averages.images).to(device)[:, None], averages.images.shape[-1]
    radius = reach_diameters + _EDGE_DIAMETERS / 2
    reach = math.ceil(radius * diameter_px)
    place = torch.arange(-reach, reach + 1, device=device, dtype=torch.float32)
    y, x = torch.meshgrid(place, place, indexing="ij")
    circle = ((radius - torch.hypot(y, x) / diameter_px) / _EDGE_DIAMETERS).clamp(0, 1)
    zoom = diameter_angstrom / diameter_px / averages.pixel_size_angstrom
    found = []
    for angle in np.arange(TURNS) * (math.tau / TURNS):
        cosine, sine = math.cos(angle), math.sin(angle)
        at = torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=-1) * zoom + box // 2
        grid = (2 * at / (box - 1) - 1).expand(len(images), -1, -1, -1)
        turned = functional.grid_sample(images, grid, align_corners=True)[:, 0]
        mean = (turned * circle).sum((1, 2), keepdim=True) / circle.sum()
        found.append(_unit((turned - mean) * circle, (turned * circle).norm(dim=(1, 2), keepdim=True)))
    return torch.cat(found)


def _unit(templates: Tensor, before: Tensor) -> Tensor:
    """Scale to unit norm; what is but rounding error, held against the norm with the mean in it, becomes 0."""
    norm = templates.norm(dim=(1, 2), keepdim=True)
    return torch.where(norm > _FLAT * before, templates / norm.clamp_min(1e-30), 0.0)
