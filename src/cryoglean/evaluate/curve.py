"""Precision-recall curve over the score, the area under it, and the best threshold (which only an oracle knows)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.evaluate.metrics import Counts, Protocol, count_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryoglean.picks import Picks

_MAX_SCORES = 100
"""Number of different scores up to which each is a threshold of the curve. Chosen by hand: a smooth picture, and each
threshold costs a matching of all micrographs."""

_QUANTILES = 50
"""Number of quantiles of the score that are tried for the best threshold, and again between them for the curve. Chosen
by hand: steps of 2% of the picks."""


@dataclass(frozen=True)
class CurvePoint:
    """Counts of the picks that score `threshold` or more."""

    threshold: float
    counts: Counts


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Points by falling threshold: from few sure picks to all of them."""

    points: tuple[CurvePoint, ...]

    @property
    def average_precision(self) -> float:
        """Area under precision over recall, in steps.

        Each point adds its precision times the recall that it gains over all points above it. Where the picks carry no
        scores there is one point, and the area is recall times precision.
        """
        area = reached = 0.0
        for point in self.points:
            area += max(point.counts.recall - reached, 0.0) * point.counts.precision
            reached = max(reached, point.counts.recall)
        return area

    def csv_text(self) -> str:
        """Return the curve as CSV: threshold, recall, precision, f1, mean_iou, n_picks, n_hits."""
        lines = ["threshold,recall,precision,f1,mean_iou,n_picks,n_hits"]
        for point in self.points:
            c = point.counts
            values = ",".join(f"{v:.6f}" for v in (c.recall, c.precision, c.f1, c.mean_iou))
            lines.append(f"{point.threshold:.9g},{values},{c.n_picks},{c.n_hits}")
        return "\n".join(lines) + "\n"


def precision_recall_curve(
    truth: Mapping[str, Picks], picks: Mapping[str, Picks], protocol: Protocol
) -> PrecisionRecallCurve:
    """Compare at up to 100 thresholds of the score: all scores where they are few, their percentiles otherwise.

    Picks are matched again at each threshold, so that a point of the curve is what `count_all` gives there. (A matching
    that only grows as the threshold falls would be quicker, and at most points something else.)

    Args:
        truth: true centres by stem.
        picks: picks by stem; those of other micrographs are ignored.
        protocol: criterion of a hit.

    Returns:
        The curve; without points if there are no picks.
    """
    scores = _scores(truth, picks)
    levels = np.unique(scores)
    if len(levels) > _MAX_SCORES:
        between = np.quantile(scores, np.linspace(0.01, 0.99, _QUANTILES))
        levels = np.unique([*_quantiles(scores), *between, scores.max()])
    return PrecisionRecallCurve(_points(truth, picks, protocol, levels[::-1]))


def best_threshold(truth: Mapping[str, Picks], picks: Mapping[str, Picks], protocol: Protocol) -> CurvePoint | None:
    """Return the threshold of the highest F1 among 50 quantiles of the score, or None if there are no picks.

    It is chosen by looking at the truth: an upper bound for any threshold, never a result.
    """
    scores = _scores(truth, picks)
    points = _points(truth, picks, protocol, np.unique(_quantiles(scores))) if len(scores) else ()
    return max(points, key=lambda point: point.counts.f1, default=None)


def _points(
    truth: Mapping[str, Picks], picks: Mapping[str, Picks], protocol: Protocol, levels: NDArray[np.float64]
) -> tuple[CurvePoint, ...]:
    return tuple(CurvePoint(float(v), count_all(truth, picks, protocol, float(v))) for v in levels)


def _scores(truth: Mapping[str, Picks], picks: Mapping[str, Picks]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *(picks[stem].score for stem in truth if stem in picks)])


def _quantiles(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.quantile(scores, np.linspace(0, 0.98, _QUANTILES)), dtype=np.float64)
