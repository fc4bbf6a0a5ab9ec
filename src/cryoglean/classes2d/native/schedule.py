"""From coarse to fine: which rings and which shifts an iteration looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.classes2d.settings import ClassifySettings

SHARED_DETAILS = 2.75
"""Detail of a diameter over this is shared by the halves, so that their classes correspond: with less they drift apart,
and more says too much of how a particle looks."""

LEAST_RINGS_BEYOND = 2
"""Rings beyond the shared ones that are needed to see whether halves agree."""

_FIRST_DETAILS = SHARED_DETAILS
_GLOBAL_DETAILS = 5.5
_RINGS_PER_ITERATION = 3
_SPARE_RINGS = 4
_MASK_DIAMETERS = 1.05
_EDGE_DIAMETERS = 0.15


@dataclass(frozen=True)
class Geometry:
    """Sizes in pixels.

    Attributes:
        box_px: side of an image.
        diameter_px: of the particle.
        max_shift_px: of a particle from the middle.
        most_rings: that are ever looked at.
    """

    box_px: int
    diameter_px: float
    max_shift_px: float
    most_rings: int

    @classmethod
    def of(cls, box_px: int, pixel_size_angstrom: float, settings: ClassifySettings) -> Geometry:
        """Return the sizes for images and settings.

        Raises:
            SettingsError: if the limit of resolution leaves nothing by which the halves of a class can be compared.
        """
        diameter = settings.diameter_angstrom / pixel_size_angstrom
        width, limit, most = box_px * pixel_size_angstrom, settings.resolution_limit_angstrom, box_px // 2 - 1
        sizes = cls(box_px, diameter, settings.max_shift_diameters * diameter, most)
        if not limit:
            return sizes
        limited = replace(sizes, most_rings=min(most, int(width / limit)))
        finest = width / min(sizes.shared_rings + LEAST_RINGS_BEYOND, most)
        if limited.most_rings < most and limit > finest:
            raise SettingsError(
                f"--resolution-limit {limit:g}: too coarse to tell classes of a particle of "
                f"{settings.diameter_angstrom:g} A apart; {finest:.1f} A or finer"
            )
        return limited

    @property
    def edge_px(self) -> float:
        """Width of the mask's soft edge."""
        return _EDGE_DIAMETERS * self.diameter_px

    @property
    def radius_px(self) -> float:
        """Radius of the mask up to its edge, within the box."""
        return min(_MASK_DIAMETERS * self.diameter_px / 2, self.box_px / 2 - self.edge_px)

    def ring_of(self, details: float) -> int:
        """Return the ring of detail of a diameter over `details`, 2 at least."""
        return min(max(round(details * self.box_px / self.diameter_px), 2), self.most_rings)

    @property
    def first_rings(self) -> int:
        """Rings looked at first."""
        return self.ring_of(_FIRST_DETAILS)

    @property
    def shared_rings(self) -> int:
        """Rings on which the halves have the same averages."""
        return self.ring_of(SHARED_DETAILS)

    @property
    def global_rings(self) -> int:
        """The most rings with which all shifts are searched."""
        return self.ring_of(_GLOBAL_DETAILS)


@dataclass
class Progression:
    """Where an iteration stands between coarse and fine.

    Attributes:
        geometry: sizes.
        iterations: in all.
        number: of this iteration, from 0.
        rings: compared.
        is_global: whether all shifts are searched, and not only those around the last one.
    """

    geometry: Geometry
    iterations: int
    number: int = 0
    rings: int = 0
    is_global: bool = True

    def __post_init__(self) -> None:
        self.rings = self.geometry.first_rings

    @property
    def kept_rings(self) -> int:
        """Rings that are averaged: some beyond those compared, so that one sees whether there is more."""
        return min(self.geometry.most_rings, self.rings + _SPARE_RINGS)

    @property
    def centres_anew(self) -> bool:
        """Whether images are masked anew where their particles were found."""
        return self.number in {self.iterations // 3, 2 * self.iterations // 3} and self.number > 0

    @property
    def may_split(self) -> bool:
        """Whether classes may be split: what is new needs time to settle."""
        return self.number < math.floor(0.8 * self.iterations)

    def shifts(self) -> Tensor:
        """Return the shifts to try, `(s, 2)` y and x in pixels: a grid within a disc, no shift first among them."""
        reach, finest = self.geometry.max_shift_px, self.geometry.box_px / self.rings
        if reach <= 0:
            return torch.zeros(1, 2)
        if self.is_global:
            step = max(min(finest / 4, reach / 2), reach / 3)
        else:
            step = min(finest / 6, 1.0)
            reach = step
        steps = torch.arange(-math.floor(reach / step), math.floor(reach / step) + 1) * step
        grid = torch.cartesian_prod(steps, steps)
        return grid[grid.square().sum(1) <= 1.001 * reach**2]

    def advance(self, supported_rings: int) -> None:
        """Go on to the next iteration.

        Args:
            supported_rings: of the best class.
        """
        self.number += 1
        settling = self.number < 0.1 * self.iterations or self.number >= self.iterations - 1
        if not settling:
            # The mask carries agreement, also that of aligned noise, one ring further.
            most = min(supported_rings - 1, self.rings + _RINGS_PER_ITERATION)
            self.rings = min(max(self.rings, most), max(self.geometry.most_rings - 2, self.rings))
        self.is_global = (
            self.is_global and self.number < self.iterations / 2 and self.rings <= self.geometry.global_rings
        )
