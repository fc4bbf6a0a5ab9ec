"""Evaluation of a set of picks, in one call and one result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cryoglean.errors import SettingsError
from cryoglean.evaluate.curve import CurvePoint, PrecisionRecallCurve, best_threshold, precision_recall_curve
from cryoglean.evaluate.metrics import Counts, Protocol, count_micrograph, share_within
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class MicrographCounts:
    """Counts of one micrograph."""

    stem: str
    counts: Counts
    has_picks: bool


@dataclass(frozen=True)
class Evaluation:
    """Comparison of picks with the truth.

    Attributes:
        overall: counts of all micrographs together, at the given threshold.
        threshold: minimum score of the picks that counted; None for all picks.
        micrographs: the same for each micrograph, by stem.
        curve: all thresholds of the score, whatever the given one.
        within: (distance in pixels, share of true particles with a pick at most so far) at the given threshold.
        best: the best threshold, if asked for: chosen with the truth in hand, an oracle.
        without_picks: stems of the micrographs for which there is no table of picks.
        without_truth: stems that have picks and no truth; they are not counted.
        score_kinds: what the scores mean, as `Picks.score_kind`; more than one if the tables differ.
    """

    overall: Counts
    threshold: float | None
    micrographs: tuple[MicrographCounts, ...]
    curve: PrecisionRecallCurve
    within: tuple[tuple[float, float], ...]
    best: CurvePoint | None
    without_picks: tuple[str, ...]
    without_truth: tuple[str, ...]
    score_kinds: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        best = self.best and {**_scores(self.best.counts), "threshold": self.best.threshold, "oracle": True}
        return {
            "overall": {**_scores(self.overall), "threshold": self.threshold},
            "average_precision": self.curve.average_precision,
            "best_threshold": best,
            "within": [{"distance_px": d, "share": share} for d, share in self.within],
            "micrographs": [{"stem": m.stem, **_scores(m.counts), "has_picks": m.has_picks} for m in self.micrographs],
            "without_picks": list(self.without_picks),
            "without_truth": list(self.without_truth),
            "score_kinds": list(self.score_kinds),
        }


def evaluate_picks(
    truth: Mapping[str, Picks],
    picks: Mapping[str, Picks],
    protocol: Protocol,
    *,
    threshold: float | None = None,
    within_px: tuple[float, ...] = (),
    find_best: bool = False,
    only_with_picks: bool = False,
) -> Evaluation:
    """Compare picks with true centres, micrograph by micrograph and over all.

    Args:
        truth: true centres by stem (`read_picks_folder`); their scores are ignored.
        picks: picks by stem.
        protocol: diameter, margin and size, in pixels.
        threshold: minimum score of a pick that counts; None for all picks.
        within_px: distances in pixels, for the shares of true particles with a pick at most so far.
        find_best: find the best threshold, too.
        only_with_picks: leave out micrographs without a table of picks, which otherwise count as empty.

    Raises:
        SettingsError: if there is no truth, or no micrograph has both truth and picks.
    """
    _refuse_nothing_to_compare(truth, picks)
    without_picks = tuple(sorted(set(truth) - set(picks)))
    without_truth = tuple(sorted(set(picks) - set(truth)))
    if only_with_picks:
        truth = {stem: t for stem, t in truth.items() if stem in picks}
    min_score = -np.inf if threshold is None else threshold
    kept = {stem: p.at_least(min_score) for stem, p in picks.items()}
    each = tuple(
        MicrographCounts(stem, count_micrograph(t, kept.get(stem, Picks.empty()), protocol), stem in picks)
        for stem, t in sorted(truth.items())
    )
    return Evaluation(
        overall=sum((m.counts for m in each), Counts()),
        threshold=threshold,
        micrographs=each,
        curve=precision_recall_curve(truth, picks, protocol),
        within=tuple(zip(within_px, share_within(truth, kept, protocol, within_px), strict=True)),
        best=best_threshold(truth, picks, protocol) if find_best else None,
        without_picks=without_picks,
        without_truth=without_truth,
        score_kinds=tuple(sorted({p.score_kind for p in picks.values()})),
    )


def _refuse_nothing_to_compare(truth: Mapping[str, Picks], picks: Mapping[str, Picks]) -> None:
    if not truth:
        raise SettingsError("no true centres: found no table with columns x and y")
    if not picks:
        raise SettingsError("no picks: found no table with coordinates")
    if not set(truth) & set(picks):
        found, wanted = min(picks), min(truth)
        raise SettingsError(
            f"no micrograph has both picks and truth: picks are for {found}, ..., truth for {wanted}, ..."
        )


def _scores(counts: Counts) -> dict[str, float | int]:
    names = ("recall", "precision", "f1", "mean_iou", "n_truth", "n_picks", "n_hits")
    return {name: getattr(counts, name) for name in names}
