"""The precision-recall curve over the score, the area under it, and the best cut (which only an oracle knows)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.evaluate.metrics import Counts, Protocol, count_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryoglean.picks import Picks


@dataclass(frozen=True)
class Cut:
    """What is found among the picks that score `threshold` or more."""

    threshold: float
    counts: Counts


@dataclass(frozen=True)
class Curve:
    """Cuts by falling threshold: from few sure picks to all of them."""

    cuts: tuple[Cut, ...]

    @property
    def average_precision(self) -> float:
        """Area under precision over recall, in steps.

        Each cut adds its precision times the recall that it gains over all cuts above it. Where the picks carry no
        scores there is one cut, and the area is recall times precision.
        """
        area = reached = 0.0
        for cut in self.cuts:
            area += max(cut.counts.recall - reached, 0.0) * cut.counts.precision
            reached = max(reached, cut.counts.recall)
        return area

    def csv_text(self) -> str:
        """Return the curve as CSV: threshold, recall, precision, f1, mean_iou, n_picks, n_hits."""
        lines = ["threshold,recall,precision,f1,mean_iou,n_picks,n_hits"]
        for cut in self.cuts:
            c = cut.counts
            values = ",".join(f"{v:.6f}" for v in (c.recall, c.precision, c.f1, c.mean_iou))
            lines.append(f"{cut.threshold:.9g},{values},{c.n_picks},{c.n_hits}")
        return "\n".join(lines) + "\n"


def precision_recall_curve(truth: Mapping[str, Picks], picks: Mapping[str, Picks], protocol: Protocol) -> Curve:
    """Compare at up to 100 cuts of the score: all scores where they are few, their percentiles otherwise.

    Everything is matched anew at each cut, so that a point of the curve is what `count_all` gives at that threshold. (A
    matching that only grows as the threshold falls would be quicker, and at most points something else.)

    Args:
        truth: true centres by stem.
        picks: picks by stem; those of other micrographs are ignored.
        protocol: what counts as found.

    Returns:
        The curve; without cuts if there are no picks.
    """
    scores = _scores(truth, picks)
    levels = np.unique(scores)
    if len(levels) > 100:
        odd_percents = np.quantile(scores, np.linspace(0.01, 0.99, 50))
        levels = np.unique([*_oracle_levels(scores), *odd_percents, scores.max()])
    return Curve(tuple(Cut(float(v), count_all(truth, picks, protocol, float(v))) for v in levels[::-1]))


def best_cut(truth: Mapping[str, Picks], picks: Mapping[str, Picks], protocol: Protocol) -> Cut | None:
    """Return the cut of the highest F1 among 50 quantiles of the score, or None if there are no picks.

    It is chosen by looking at the truth: an upper bound for any threshold, never a result.
    """
    scores = _scores(truth, picks)
    if not len(scores):
        return None
    cuts = [Cut(float(v), count_all(truth, picks, protocol, float(v))) for v in np.unique(_oracle_levels(scores))]
    return max(cuts, key=lambda cut: cut.counts.f1)


def _scores(truth: Mapping[str, Picks], picks: Mapping[str, Picks]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *(picks[stem].score for stem in truth if stem in picks)])


def _oracle_levels(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.quantile(scores, np.linspace(0, 0.98, 50)), dtype=np.float64)
