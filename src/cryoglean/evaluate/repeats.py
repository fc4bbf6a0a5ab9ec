"""Particles that stand in a table twice: centres so near each other that they can only be the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

from cryoglean.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.picks import Picks

REPEAT_DIAMETERS = 0.1
"""Distance in particle diameters up to which two centres are the same particle. Chosen by hand: what two programs, or
two alignments, differ by; two particles are not nearer than a quarter even where they overlap in projection."""


_SAME_PX = 0.01
"""Distance in pixels up to which two centres are equal. Derived: above what programs round to."""


@dataclass(frozen=True)
class Repeats:
    """Numbers of particles that stand in tables twice, which can be added.

    Attributes:
        same: with equal coordinates.
        near: with coordinates that are nearer to each other than two particles can be.
    """

    same: int = 0
    near: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.same + self.near

    def __add__(self, other: Repeats) -> Repeats:
        return Repeats(self.same + other.same, self.near + other.near)

    def line(self) -> str:
        """Say it to the user."""
        near = f", {self.near:,} of them up to {REPEAT_DIAMETERS:g} diameters off" if self.near else ""
        return f"{counted(self.total, 'row')} repeat particles{near}"


def count_repeats(picks: Picks, distance_px: float) -> Repeats:
    """Count the picks that `repeated` finds in one micrograph."""
    total = int(repeated(picks, distance_px).sum())
    same = int(repeated(picks, min(_SAME_PX, distance_px)).sum())
    return Repeats(same, max(total - same, 0))


def repeated(picks: Picks, distance_px: float) -> NDArray[np.bool_]:
    """Return (n,) whether a pick is within a distance of one that scores more, or as much and stands before it.

    Args:
        picks: of one micrograph.
        distance_px: largest distance of two that are the same.
    """
    is_repeated = np.zeros(len(picks), dtype=np.bool_)
    if len(picks) < 2:
        return is_repeated
    pairs = KDTree(picks.xy).query_pairs(distance_px, output_type="ndarray")
    rank = np.empty(len(picks), np.intp)
    rank[np.argsort(-picks.score, kind="stable")] = np.arange(len(picks))
    first = np.where(rank[pairs[:, 0]] < rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    second = pairs.sum(axis=1) - first
    for place in np.lexsort((rank[second], rank[first])):
        if not is_repeated[first[place]]:
            is_repeated[second[place]] = True
    return is_repeated
