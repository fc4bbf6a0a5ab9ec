"""Orientation and scale of coordinates against others of the same micrographs, where there is no image to ask."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import KDTree

from cryoglean.evaluate.orientation import AS_IS, RESCALINGS, TURNS, Hypothesis
from cryoglean.limits import SAME_PLACE_DIAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryoglean.picks import Picks

_CERTAIN_DEVIATIONS = 6.0
"""Poisson deviations by which a hypothesis must have more agreements than any other. Chosen by hand: 6 are one in
10^9, and neighbours in crowded fields are not independent."""

_CERTAIN_LEAD = 2.0
"""Ratio of its agreements to those of any other. Chosen by hand: poor picks in crowded fields agree three times as
often as chance, so this leaves them alone."""

_POOR_SHARE = 0.2
"""Share of agreements below which sizes are asked for, so that all orientations can be tried. Chosen by hand: chance
gives 0.1 in crowded fields, and poor pickers 0.3."""


class Agreement(NamedTuple):
    """Which change of some coordinates makes them agree with others.

    Attributes:
        best: the change; none where that is not certain.
        hits: places of the others that have one near then.
        hits_as_is: places that have one near as they are.
        total: places of the others in micrographs that have both.
        is_complete: whether all orientations were tried.
    """

    best: Hypothesis
    hits: int
    hits_as_is: int
    total: int
    is_complete: bool

    @property
    def may_be_turned(self) -> bool:
        """Whether so few agree that an orientation that was not tried may be the right one."""
        return self.hits_as_is < _POOR_SHARE * self.total and self.best == AS_IS and not self.is_complete

    def line(self, moved: str) -> str:
        """Say to the user what is certain of "the picks" or "the truth"."""
        return (
            f"picks and truth agree only when {moved} are {self.best.words()} ({self.hits:,} of {self.total:,} places "
            f"then, {self.hits_as_is:,} as they are)"
        )


def compare_orientations(
    fixed: Mapping[str, Picks],
    moved: Mapping[str, Picks],
    diameter_px: float,
    shapes: Mapping[str, tuple[int, int]],
) -> Agreement:
    """Find in which orientation and at which scale coordinates agree with others.

    Args:
        fixed: centres by stem.
        moved: those that are turned and scaled to agree with them, by stem.
        diameter_px: particle diameter in pixels.
        shapes: height and width of micrographs by stem; without that only what needs none is tried.
    """
    both = [(fixed[s].xy, moved[s].xy, shapes.get(s)) for s in sorted(set(fixed) & set(moved))]
    both = [(f, m, shape) for f, m, shape in both if len(f) and len(m)]
    total = sum(len(f) for f, _, _ in both)
    has_shapes = all(shape is not None for _, _, shape in both)
    tried = [h for h in (*TURNS, *RESCALINGS) if has_shapes or not (h.orientation.flips_x or h.orientation.flips_y)]
    hits = dict.fromkeys(tried, 0)
    for f, m, shape in both:
        tree = KDTree(f)
        for hypothesis in tried:
            hits[hypothesis] += _near(tree, hypothesis.apply(m, shape or (1, 1)), SAME_PLACE_DIAMETERS * diameter_px)
    best = max(tried, key=lambda h: hits[h])
    most = max(n for h, n in hits.items() if h != best)
    is_certain = hits[best] >= max(_CERTAIN_LEAD * most, most + _CERTAIN_DEVIATIONS * math.sqrt(most + 1))
    best = best if is_certain else AS_IS
    return Agreement(best, hits[best], hits[AS_IS], total, has_shapes)


def _near(tree: KDTree, xy: NDArray[np.float64], distance_px: float) -> int:
    """Count the particles of a tree that have one of the coordinates near: coordinates that crowd hit no more."""
    pairs = KDTree(xy).sparse_distance_matrix(tree, distance_px, output_type="ndarray")
    return len(np.unique(pairs["j"]))
