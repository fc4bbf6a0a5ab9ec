"""One-to-one matching of picks with true particles by the overlap of square boxes.

The criterion is that of Zamanos et al. (2025): every centre carries a square box of one particle diameter, the matching
maximises the total intersection over union (IoU), and a pair counts when its IoU is 0.6 or more. That allows a shift of
0.25 diameters along one axis, or of 0.134 along both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_IOU = 0.6
"""Intersection over union from which a pair counts. Published: Zamanos et al. (2025), the criterion of Cryo-EMMAE."""

_PAIRS_AT_ONCE = 100
"""Small groups of overlapping boxes are solved together up to this many pairs. Resource: one small matrix instead of
many calls; the result does not depend on it."""


@dataclass(frozen=True, eq=False)
class Matching:
    """Pairs of one true centre and one pick; no index stands twice in a column.

    Attributes:
        truth: (m,) indices of true centres, rising.
        picks: (m,) indices of the picks they are paired with.
        iou: (m,) IoU of each pair, above 0.
    """

    truth: NDArray[np.intp]
    picks: NDArray[np.intp]
    iou: NDArray[np.float64]


def box_iou(a_xy: NDArray[np.float64], b_xy: NDArray[np.float64], diameter_px: float) -> NDArray[np.float64]:
    """Return the IoU of square boxes of side `diameter_px` around centres of shape (..., 2) in pixels."""
    shared = np.clip(diameter_px - np.abs(a_xy - b_xy), 0, None).prod(axis=-1)
    return np.asarray(shared / (2 * diameter_px**2 - shared))


def match(truth_xy: NDArray[np.float64], picks_xy: NDArray[np.float64], diameter_px: float) -> Matching:
    """Pair true centres with picks one to one, such that the total IoU is as large as can be.

    Only boxes that overlap are compared, and each group of boxes that hang together is solved by itself, so the cost
    follows the crowding of the field and not its size.

    Args:
        truth_xy: (n, 2) true centres in pixels, x first.
        picks_xy: (m, 2) picks in pixels.
        diameter_px: side of the boxes in pixels, above 0.

    Returns:
        The pairs that overlap, also those that overlap too little to count.
    """
    if not (len(truth_xy) and len(picks_xy)):
        return Matching(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))
    near = KDTree(truth_xy).sparse_distance_matrix(KDTree(picks_xy), diameter_px, p=np.inf, output_type="ndarray")
    t, p = near["i"].astype(np.intp), near["j"].astype(np.intp)
    iou = box_iou(truth_xy[t], picks_xy[p], diameter_px)
    kept = [_solve(t[g], p[g], iou[g], g) for g in _groups(t, p, len(truth_xy), len(picks_xy))]
    pairs = np.concatenate(kept) if kept else np.zeros(0, np.intp)
    pairs = pairs[iou[pairs] > 0]
    pairs = pairs[np.argsort(t[pairs])]
    return Matching(t[pairs], p[pairs], iou[pairs])


def _groups(t: NDArray[np.intp], p: NDArray[np.intp], n_truth: int, n_picks: int) -> Iterator[NDArray[np.intp]]:
    """Yield the indices of the pairs of connected parts of the graph of overlaps: small parts together, large alone."""
    if not len(t):
        return
    nodes = n_truth + n_picks
    graph = coo_array((np.ones(len(t), np.int8), (t, n_truth + p)), shape=(nodes, nodes))
    _, label = connected_components(graph, directed=False)
    of_pair = label[t]
    order = np.argsort(of_pair, kind="stable")
    starts = np.flatnonzero(np.diff(of_pair[order])) + 1
    batch = np.concatenate([[0], starts]) // _PAIRS_AT_ONCE
    yield from np.split(order, starts[np.diff(batch) > 0])


def _solve(
    t: NDArray[np.intp], p: NDArray[np.intp], iou: NDArray[np.float64], pairs: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return those of the `pairs` that the best assignment within one group makes."""
    if len(pairs) == 1:
        return pairs
    _, row = np.unique(t, return_inverse=True)
    _, column = np.unique(p, return_inverse=True)
    gain = np.zeros((row.max() + 1, column.max() + 1))
    gain[row, column] = iou
    which = np.full(gain.shape, -1, np.intp)
    which[row, column] = pairs
    chosen: NDArray[np.intp] = which[linear_sum_assignment(gain, maximize=True)]
    return chosen[chosen >= 0]
