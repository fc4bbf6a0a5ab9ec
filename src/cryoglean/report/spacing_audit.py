"""Distances to the nearest other pick over all micrographs, which show whether particles are picked twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from cryoglean.picks import Picks

MAX_SHOWN_DIAMETERS = 3.0
"""Charts show larger distances as this one, in particle diameters. Chosen by hand: picks made twice, and neighbours in
contact, are far below."""

_ROUNDING_PX = 1e-4
"""Tolerance of distances. Format: coordinate files hold six decimals."""


@dataclass(frozen=True)
class Audit:
    """Distances between picks.

    Attributes:
        nearest_px: (n,) distance of each pick to the nearest other one of its micrograph, if there is one.
        smallest_px: the smallest of these; None where no micrograph has two picks.
        where: the micrograph that has it.
        too_near: number of picks closer to another one than the minimum distance.
        crowded: the micrographs that have such picks.
    """

    nearest_px: NDArray[np.float64]
    smallest_px: float | None
    where: str
    too_near: int
    crowded: tuple[str, ...] = ()


def spacing_audit(picks: Mapping[str, Picks], min_px: float) -> Audit:
    """Measure distances between picks of the same micrograph.

    Args:
        picks: by micrograph.
        min_px: minimum distance between picks.
    """
    nearest = {key: nearest_distances(each.xy) for key, each in picks.items() if len(each) > 1}
    everything = np.concatenate([np.zeros(0), *nearest.values()])
    if not nearest:
        return Audit(everything, None, "", 0)
    where = min(nearest, key=lambda key: float(nearest[key].min()))
    too_near = {key: int(is_too_near(each, min_px).sum()) for key, each in nearest.items()}
    crowded = tuple(key for key, number in too_near.items() if number)
    return Audit(everything, float(nearest[where].min()), where, sum(too_near.values()), crowded)


def is_too_near(nearest_px: ArrayLike, min_px: float) -> NDArray[np.bool_]:
    """Tell of distances whether they are below the minimum distance, by more than rounding in files."""
    return np.asarray(nearest_px) < min_px - _ROUNDING_PX


def smallest_distance_px(picks: Picks) -> float | None:
    """Return the distance of the nearest two picks of a micrograph; None where there are no two."""
    return float(nearest_distances(picks.xy).min()) if len(picks) > 1 else None


def nearest_distances(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) the distance of each of (n, 2) points, two or more, to the nearest other one."""
    distances, _ = cKDTree(xy).query(xy, k=[2])
    return np.asarray(distances, np.float64)[:, 0]
