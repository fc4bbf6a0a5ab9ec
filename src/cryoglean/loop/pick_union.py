"""Union of the picks of two rounds, so that the same classes evaluate both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from cryoglean.limits import SAME_PLACE_DIAMETERS
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PickUnion:
    """Picks of one micrograph, of two rounds, each place once.

    Attributes:
        picks: (n,) places; where both rounds have one, that of the reference.
        of_reference: (n,) whether the reference has it.
        of_new: (n,) whether the new round has it.
        is_best_reference: (n,) whether it is among the reference's best, at equal numbers of picks.
        is_best_new: (n,) the same of the new round.
    """

    picks: Picks
    of_reference: NDArray[np.bool_]
    of_new: NDArray[np.bool_]
    is_best_reference: NDArray[np.bool_]
    is_best_new: NDArray[np.bool_]

    def take(self, which: NDArray[np.bool_]) -> PickUnion:
        """Return the places of a mask."""
        columns = (self.of_reference, self.of_new, self.is_best_reference, self.is_best_new)
        return PickUnion(self.picks.take(which), *(column[which] for column in columns))


def merge_rounds(
    reference: Mapping[str, Picks], new: Mapping[str, Picks], diameters_px: Mapping[str, float]
) -> dict[str, PickUnion]:
    """Merge the picks of two rounds.

    Args:
        reference: picks by micrograph.
        new: those of the round to be evaluated; the same micrographs.
        diameters_px: particle diameter in each.
    """
    count = min(sum(map(len, reference.values())), sum(map(len, new.values())))
    min_reference, min_new = _min_score(reference, count), _min_score(new, count)
    return {
        key: _union(reference[key], new[key], SAME_PLACE_DIAMETERS * diameters_px[key], min_reference, min_new)
        for key in new
    }


def from_single_round(new: Mapping[str, Picks]) -> dict[str, PickUnion]:
    """Return the union of a first round, which has nothing to be compared with."""
    return {key: _of_one(picks) for key, picks in new.items()}


def draw_sample(unions: Mapping[str, PickUnion], count: int, seed: int) -> dict[str, PickUnion]:
    """Draw a random sample of all picks.

    Args:
        unions: by micrograph.
        count: how many; of no more than these all are taken, and of 0 as well.
        seed: of the generator.
    """
    total = count_places(unions)
    if not count or total <= count:
        return dict(unions)
    chosen = np.zeros(total, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(total)[:count]] = True
    ends = np.cumsum([len(union.picks) for union in unions.values()])[:-1]
    return {key: unions[key].take(part) for key, part in zip(unions, np.split(chosen, ends), strict=True)}


def count_places(unions: Mapping[str, PickUnion]) -> int:
    """Return the number of places in all micrographs."""
    return sum(len(union.picks) for union in unions.values())


def _of_one(picks: Picks) -> PickUnion:
    yes, no = np.ones(len(picks), dtype=bool), np.zeros(len(picks), dtype=bool)
    return PickUnion(picks, no, yes, no, yes)


def _min_score(picks: Mapping[str, Picks], count: int) -> float:
    scores = np.sort(np.concatenate([np.zeros(0), *(p.score for p in picks.values())]))[::-1]
    return float(scores[count - 1]) if count else np.inf


def _union(reference: Picks, new: Picks, reach_px: float, min_reference: float, min_new: float) -> PickUnion:
    """Match the nearest first, one to one."""
    partner = _partners(reference, new, reach_px)
    matched, rest = partner >= 0, np.setdiff1d(np.arange(len(new)), partner)
    partner_score = np.where(matched, new.score[partner] if len(new) else 0.0, -np.inf)
    xy = np.concatenate([reference.xy, new.xy[rest]])
    score = np.concatenate([reference.score, new.score[rest]])
    off = np.zeros(len(rest), dtype=bool)
    return PickUnion(
        Picks(xy[:, 0], xy[:, 1], score),
        np.concatenate([np.ones(len(reference), dtype=bool), off]),
        np.concatenate([matched, ~off]),
        np.concatenate([reference.score >= min_reference, off]),
        np.concatenate([partner_score >= min_new, new.score[rest] >= min_new]),
    )


def _partners(reference: Picks, new: Picks, reach_px: float) -> NDArray[np.int64]:
    """Return (n,) the new pick at each pick of the reference, or -1."""
    partner = np.full(len(reference), -1, dtype=np.int64)
    if not len(reference) or not len(new):
        return partner
    near = cKDTree(reference.xy).sparse_distance_matrix(cKDTree(new.xy), reach_px, output_type="coo_matrix")
    taken = np.zeros(len(new), dtype=bool)
    for k in np.lexsort((near.col, near.row, near.data)):
        i, j = int(near.row[k]), int(near.col[k])
        if partner[i] < 0 and not taken[j]:
            partner[i], taken[j] = j, True
    return partner
