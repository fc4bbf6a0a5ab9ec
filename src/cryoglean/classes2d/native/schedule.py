"""Schedule from coarse to fine: the rings and shifts of each iteration."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.classes2d.settings import ClassifySettings

FIRST_ELEMENTS = 2.75
"""Resolved elements across a diameter with which the search begins; on these even aligned noise stands out. Chosen by
hand: fewer tell no views apart, and more lock in early mistakes."""

MIN_RINGS_BEYOND = 2
"""Rings beyond the first that are needed to see whether a class is more than aligned noise. Chosen by hand: one alone
may stand out by chance."""

_GLOBAL_ELEMENTS = 5.5
"""Resolved elements across a diameter up to which all shifts are searched. Chosen by hand: finer rings need finer
steps, and by then most particles have been found."""

_RINGS_PER_ITERATION = 3
"""Rings by which an iteration may look finer than the one before. Chosen by hand: more lock in early mistakes, fewer
need more iterations."""

_SPARE_RINGS = 4
"""Rings averaged beyond those compared. Chosen by hand: one more than an iteration may add, so that it can be seen
whether there is more."""

_MASK_DIAMETERS, _EDGE_DIAMETERS = 1.05, 0.15
"""Diameter of the mask, and width of its soft edge. Chosen by hand: wide enough for particles a little off centre;
more lets in neighbours and noise."""

_SPLITTING_SHARE = 0.8
"""Share of the iterations in which classes may be split. Chosen by hand: what is new needs time to settle."""

_FIRST_IMAGES_PER_CLASS, _FIRST_IMAGES, _MORE_IMAGES = 100, 20_000, 3
"""Images for each class, and of all classes at least, with which the first iterations do; and how many times as many
the later ones have, until all are compared. Published: 100 is the batch size of each class in cryoSPARC's 2D
classification (its guide). 20,000 is a matter of resources: fewer take minutes anyway."""

_FIRST_SUBSETS_SHARE, _SUBSETS_SHARE = 0.5, 0.8
"""Shares of the iterations that have the first subset, and any. Chosen by hand, near RELION's `--fast_subsets`, of
which the last 5 of 25 iterations see all images."""

_MORE_CLASSES, _IMAGES_OF_FIRST_CLASSES = 2.0, 20
"""How many times as many classes as wanted there are at first, as long as each has so many images. Chosen on
simulated sets (benchmarks/README.md, 2D classes): 3 and 4 make averages sharper still, and leave fewer classes for
junk. The images were not varied: averages of fewer than 20 would be mostly noise."""

_JOINING_SHARES = (0.2, 0.6)
"""Shares of the iterations between which classes that are alike are joined, until there are as many as wanted. Chosen
on the same sets: up to 0.8 there is too little time to sort anew what was joined."""

_SETTLING_SHARE = 0.1
"""Share of the iterations, at the start, in which no rings are added. Chosen by hand: averages of images at random say
nothing yet of what is there."""

_GLOBAL_SHARE = 0.5
"""Share of the iterations in which all shifts are searched at most. Chosen by hand: the rest are for refinement."""


@dataclass(frozen=True)
class Geometry:
    """Sizes in pixels.

    Attributes:
        box_px: side of an image.
        diameter_px: of the particle.
        max_shift_px: of a particle from the middle.
        max_rings: that are ever compared.
    """

    box_px: int
    diameter_px: float
    max_shift_px: float
    max_rings: int

    @classmethod
    def of(cls, box_px: int, pixel_size_angstrom: float, settings: ClassifySettings) -> Geometry:
        """Return the sizes for images and settings.

        Raises:
            SettingsError: if the limit of resolution leaves nothing by which a class can be told from aligned noise.
        """
        diameter = settings.diameter_angstrom / pixel_size_angstrom
        width, limit, most = box_px * pixel_size_angstrom, settings.resolution_limit_angstrom, box_px // 2 - 1
        sizes = cls(box_px, diameter, settings.max_shift_diameters * diameter, most)
        if not limit:
            return sizes
        limited = replace(sizes, max_rings=min(most, int(width / limit)))
        finest = width / min(sizes.first_rings + MIN_RINGS_BEYOND, most)
        if limited.max_rings < most and limit > finest:
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

    def ring_of(self, elements: float) -> int:
        """Return the ring that resolves so many elements across a diameter, 2 at least."""
        return min(max(round(elements * self.box_px / self.diameter_px), 2), self.max_rings)

    @property
    def first_rings(self) -> int:
        """Rings looked at first."""
        return self.ring_of(FIRST_ELEMENTS)

    @property
    def global_rings(self) -> int:
        """The most rings with which all shifts are searched."""
        return self.ring_of(_GLOBAL_ELEMENTS)


@dataclass
class Progression:
    """State of the schedule at one iteration.

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
        return min(self.geometry.max_rings, self.rings + _SPARE_RINGS)

    @property
    def recentres(self) -> bool:
        """Whether images are masked again where their particles were found."""
        return self.number in {self.iterations // 3, 2 * self.iterations // 3} and self.number > 0

    @property
    def may_split(self) -> bool:
        """Whether classes may be split: what is new needs time to settle."""
        return self.number < math.floor(_SPLITTING_SHARE * self.iterations)

    def first_classes(self, count: int, classes: int) -> int:
        """Return how many classes a classification begins with.

        Args:
            count: images.
            classes: how many are wanted.
        """
        fitting = self.images_of(0, count, classes) // _IMAGES_OF_FIRST_CLASSES
        return max(min(round(_MORE_CLASSES * classes), fitting), classes)

    def classes_after(self, count: int, classes: int) -> int:
        """Return how many classes are left after this iteration: as many as at first, fewer by equal ratios, as wanted.

        Args:
            count: images.
            classes: how many are wanted.
        """
        begin, end = (math.floor(share * self.iterations) for share in _JOINING_SHARES)
        joined = min(max(self.number + 2 - begin, 0) / (end - begin + 1), 1.0)
        return round(classes * math.pow(self.first_classes(count, classes) / classes, 1 - joined))

    def chosen(self, count: int, classes: int, random: torch.Generator) -> Tensor:
        """Return the images that are compared, in their order; which of them is drawn.

        Args:
            count: images.
            classes: how many.
            random: draws them.
        """
        some = self.images_of(self.number, count, classes)
        return torch.arange(count) if some == count else torch.randperm(count, generator=random)[:some].sort().values

    def images_of(self, number: int, count: int, classes: int) -> int:
        """Return how many images an iteration compares: of a very large set some, and all in the end.

        Blurred averages need few images. RELION's `--fast_subsets` does so in three steps; cryoSPARC takes 100 images
        for each class in all iterations but the last.

        Args:
            number: of the iteration, from 0.
            count: images.
            classes: how many.
        """
        if number >= _SUBSETS_SHARE * self.iterations:
            return count
        more = _MORE_IMAGES if number >= _FIRST_SUBSETS_SHARE * self.iterations else 1
        return min(more * max(_FIRST_IMAGES_PER_CLASS * classes, _FIRST_IMAGES), count)

    def shifts(self, *, is_global: bool) -> Tensor:
        """Return the shifts to try, `(s, 2)` y and x in pixels: a grid within a disc, no shift first among them.

        Args:
            is_global: whether over all of the reach, or only around where an image was found before.
        """
        reach, finest = self.geometry.max_shift_px, self.geometry.box_px / self.rings
        if reach <= 0:
            return torch.zeros(1, 2)
        if is_global:
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
        settling = self.number < _SETTLING_SHARE * self.iterations or self.number >= self.iterations - 1
        if not settling:
            # The mask carries agreement, also that of aligned noise, one ring further.
            most = min(supported_rings - 1, self.rings + _RINGS_PER_ITERATION)
            self.rings = min(max(self.rings, most), max(self.geometry.max_rings - 2, self.rings))
        self.is_global = (
            self.is_global
            and self.number < _GLOBAL_SHARE * self.iterations
            and self.rings <= self.geometry.global_rings
        )
