"""Comparison of picks with known particles, and with the image they are said to belong to."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryoglean.evaluate.curve import CurvePoint, PrecisionRecallCurve, best_threshold, precision_recall_curve
    from cryoglean.evaluate.evaluation import Evaluation, MicrographCounts, evaluate_picks
    from cryoglean.evaluate.matching import Matching, match
    from cryoglean.evaluate.metrics import Counts, Protocol, count_all, count_micrograph, share_within
    from cryoglean.evaluate.orientation import Hypothesis, Orientation, OrientationChoice
    from cryoglean.evaluate.placement import PlacementCheck, Sample, Verdict, check_placement

__all__ = [
    "Counts",
    "CurvePoint",
    "Evaluation",
    "Hypothesis",
    "Matching",
    "MicrographCounts",
    "Orientation",
    "OrientationChoice",
    "PlacementCheck",
    "PrecisionRecallCurve",
    "Protocol",
    "Sample",
    "Verdict",
    "best_threshold",
    "check_placement",
    "count_all",
    "count_micrograph",
    "evaluate_picks",
    "match",
    "precision_recall_curve",
    "share_within",
]

_NAMES = {
    "curve": ("CurvePoint", "PrecisionRecallCurve", "best_threshold", "precision_recall_curve"),
    "evaluation": ("Evaluation", "MicrographCounts", "evaluate_picks"),
    "matching": ("Matching", "match"),
    "metrics": ("Counts", "Protocol", "count_all", "count_micrograph", "share_within"),
    "orientation": ("Hypothesis", "Orientation", "OrientationChoice"),
    "placement": ("PlacementCheck", "Sample", "Verdict", "check_placement"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a name when it is first asked for: an orientation costs no optimiser, a score no torch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
