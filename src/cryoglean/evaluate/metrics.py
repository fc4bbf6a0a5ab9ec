"""Recall, precision, F1 and mean IoU of picks, over all micrographs and for each.

Counts are summed over all micrographs before anything is divided. Centres nearer than a margin to the border of the
micrograph are left out on both sides, neither right nor wrong; a pair counts when either of its two centres is inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

from cryoglean.errors import SettingsError
from cryoglean.evaluate.matching import MIN_IOU, match
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Protocol:
    """Criterion of a hit, and the area that is compared.

    Attributes:
        diameter_px: particle diameter in pixels, the side of the boxes that are compared.
        margin_px: centres nearer than this to the border are ignored.
        size_px: height and width of the micrographs in pixels; needed by a margin.

    Raises:
        SettingsError: if a length is not usable, or a margin has no size.
    """

    diameter_px: float
    margin_px: float = 0.0
    size_px: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.diameter_px) and self.diameter_px > 0):
            raise SettingsError(f"diameter must be above 0 px, got {self.diameter_px:g}")
        if not (np.isfinite(self.margin_px) and self.margin_px >= 0):
            raise SettingsError(f"margin must be 0 px or more, got {self.margin_px:g}")
        if self.margin_px and self.size_px is None:
            raise SettingsError(f"a margin of {self.margin_px:g} px needs the size of the micrographs: --size HxW")

    def inside(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (n,) whether each of (n, 2) centres is inside the margin, the border line included."""
        if self.size_px is None or not self.margin_px:
            return np.ones(len(xy), dtype=np.bool_)
        height, width = self.size_px
        far = np.array([width, height]) - self.margin_px
        return np.asarray(((xy >= self.margin_px) & (xy <= far)).all(axis=1))


@dataclass(frozen=True)
class Counts:
    """Counts of one or more micrographs, which can be added.

    Attributes:
        n_truth: true particles that count.
        n_picks: picks that count.
        n_hits: pairs of the two whose IoU is `MIN_IOU` or more.
        iou_sum: sum over the true particles of the IoU of their pick, 0 where there is none.
    """

    n_truth: int = 0
    n_picks: int = 0
    n_hits: int = 0
    iou_sum: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.n_truth + other.n_truth,
            self.n_picks + other.n_picks,
            self.n_hits + other.n_hits,
            self.iou_sum + other.iou_sum,
        )

    @property
    def recall(self) -> float:
        """Share of the true particles that were found."""
        return self.n_hits / max(self.n_truth, 1)

    @property
    def precision(self) -> float:
        """Share of the picks that are true particles."""
        return self.n_hits / max(self.n_picks, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision."""
        return 2 * self.recall * self.precision / max(self.recall + self.precision, 1e-12)

    @property
    def mean_iou(self) -> float:
        """Mean over the true particles of the IoU of their pick, 0 where there is none."""
        return self.iou_sum / max(self.n_truth, 1)


def count_micrograph(truth: Picks, picks: Picks, protocol: Protocol, threshold: float = -np.inf) -> Counts:
    """Compare the picks of one micrograph that score `threshold` or more with its true centres."""
    picks = picks.at_least(threshold)
    truth_in, picks_in = protocol.inside(truth.xy), protocol.inside(picks.xy)
    pairs = match(truth.xy, picks.xy, protocol.diameter_px)
    best = np.zeros(len(truth))
    best[pairs.truth] = pairs.iou
    t, p = pairs.truth[pairs.iou >= MIN_IOU], pairs.picks[pairs.iou >= MIN_IOU]
    hits = truth_in[t] | picks_in[p]
    # a pick just outside the margin, on a particle just inside, is not wrong: both of a counted pair count
    truth_in[t[hits]] = True
    picks_in[p[hits]] = True
    return Counts(int(truth_in.sum()), int(picks_in.sum()), int(hits.sum()), float(best[truth_in].sum()))


def count_all(
    truth: Mapping[str, Picks], picks: Mapping[str, Picks], protocol: Protocol, threshold: float = -np.inf
) -> Counts:
    """Sum `count_micrograph` over the micrographs of `truth`; one without picks counts as empty."""
    nothing = Picks.empty()
    return sum((count_micrograph(t, picks.get(s, nothing), protocol, threshold) for s, t in truth.items()), Counts())


def share_within(
    truth: Mapping[str, Picks], picks: Mapping[str, Picks], protocol: Protocol, distances_px: tuple[float, ...]
) -> tuple[float, ...]:
    """Return for each distance the share of true particles, inside the margin, with a pick no farther than that.

    Distances are Euclidean from centre to centre, in pixels; one pick may serve several particles.
    """
    nearest = [_nearest(t.xy[protocol.inside(t.xy)], picks.get(stem, Picks.empty()).xy) for stem, t in truth.items()]
    distance = np.concatenate(nearest) if nearest else np.zeros(0)
    return tuple(float((distance <= d).mean()) if len(distance) else 0.0 for d in distances_px)


def _nearest(truth_xy: NDArray[np.float64], picks_xy: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(picks_xy):
        return np.full(len(truth_xy), np.inf)
    return np.asarray(KDTree(picks_xy).query(truth_xy)[0], dtype=np.float64).reshape(-1)
