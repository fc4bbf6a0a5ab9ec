"""Charts of picks: per micrograph, against defocus, by score, and by distance to the nearest other pick."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from cryoglean.ctf.model import ANGSTROM_PER_MICROMETRE
from cryoglean.report.chart import SECOND, SERIES, Chart, safe, upright
from cryoglean.report.counts_picture import MAX_BARS
from cryoglean.report.score_steps import all_scores, steps_for
from cryoglean.report.spacing_audit import MAX_SHOWN_DIAMETERS
from cryoglean.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.report.page_facts import PageFacts
    from cryoglean.report.spacing_audit import Audit

_SCORE_BINS, _DISTANCE_BINS = 50, 60
"""Bars of the histograms. Chosen by hand: their shapes show already for some hundred picks."""


def pick_charts(facts: PageFacts, audit: Audit) -> list[Chart]:
    """Return the charts of picks for which there are data."""
    found = [_counts(facts), _defocus(facts), _scores(facts), _distances(facts, audit)]
    return [chart for chart in found if chart is not None]


def _counts(facts: PageFacts) -> Chart | None:
    counts = facts.counts
    if not counts:
        return None
    order, values = list(range(1, len(counts) + 1)), list(counts.values())
    middle = median(values)
    trace = {"x": order, "y": values, "text": safe(counts), "hovertemplate": "%{text}<br>%{y} picks<extra></extra>"}
    style: dict[str, Any] = {"type": "bar", "marker": {"color": SERIES}, "textposition": "none"}
    if len(counts) > MAX_BARS:
        style = {"type": "scatter", "mode": "markers", "marker": {"color": SERIES, "size": 4}}
    running = {
        "x": order,
        "y": _running_median(values),
        "type": "scatter",
        "mode": "lines",
        "name": "running median",
        "line": {"color": SECOND, "width": 2},
        "hoverinfo": "skip",
    }
    layout = {
        "xaxis": {"title": {"text": "micrograph, in the order given"}, "range": [0.3, len(counts) + 0.7]},
        "yaxis": {"title": {"text": "picks"}, "rangemode": "tozero"},
        "showlegend": False,
    }
    order_text = f"{counted(len(counts), 'micrograph')} in the order given (line: running median)"
    says = f"{order_text}: median {middle:g}, {min(values)} to {max(values)}."
    return Chart("counts", "counts", "Picks per micrograph", says, [trace | style, running], layout)


def _running_median(values: list[int]) -> list[float]:
    """Return the median of each value and its neighbours, so that drift can be seen."""
    half = max(2, len(values) // 20)
    return [float(median(values[max(0, i - half) : i + half + 1])) for i in range(len(values))]


def _defocus(facts: PageFacts) -> Chart | None:
    defocus, counts = facts.defocus, facts.counts
    if not defocus:
        return None
    micrometres = [round(value / ANGSTROM_PER_MICROMETRE, 4) for value in defocus.values()]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": micrometres,
        "y": [counts[key] for key in defocus],
        "text": safe(defocus),
        "marker": {"color": SERIES, "size": 7, "opacity": 0.8},
        "hovertemplate": "%{text}<br>%{x:.2f} µm, %{y} picks<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "defocus (µm)"}},
        "yaxis": {"title": {"text": "picks"}, "rangemode": "tozero"},
    }
    says = f"Picks against defocus of {counted(len(defocus), 'micrograph')} with known CTF."
    return Chart("defocus", "counts", "Picks against defocus", says, [trace], layout)


def _scores(facts: PageFacts) -> Chart | None:
    scores = all_scores(facts.picks)
    if not len(scores):
        return None
    steps = steps_for(facts.picks)
    low = steps.thresholds[int(steps.of(scores).min())]
    counts, edges = np.histogram(scores, _SCORE_BINS, (min(float(low), float(scores.min())), steps.high))
    trace = _histogram(counts, edges, "score %{x:.3f}: %{y} picks")
    layout = {
        "xaxis": {"title": {"text": "score"}},
        "yaxis": {"title": {"text": "picks"}},
        "bargap": 0.04,
        "shapes": [upright(float(low))],
    }
    ends = f"from {scores.min():.3f} to {scores.max():.3f}"
    says = f"Scores of {counted(len(scores), 'pick')}, {ends}. Line: the threshold above."
    return Chart("scores", "scores", "Scores of all picks", says, [trace], layout)


def _distances(facts: PageFacts, audit: Audit) -> Chart | None:
    if not len(audit.nearest_px) or facts.pixel_size_angstrom is None:
        return None
    diameters = audit.nearest_px * facts.pixel_size_angstrom / facts.diameter_angstrom
    counts, edges = np.histogram(np.minimum(diameters, MAX_SHOWN_DIAMETERS), _DISTANCE_BINS, (0, MAX_SHOWN_DIAMETERS))
    minimum = facts.min_distance_angstrom / facts.diameter_angstrom
    layout = {
        "xaxis": {"title": {"text": "distance to the nearest other pick (diameters)"}},
        "yaxis": {"title": {"text": "picks"}},
        "bargap": 0.04,
        "shapes": [upright(minimum, dash="dash")],
    }
    says = f"The nearest two picks are {diameters.min():.2f} diameters apart; the minimum is {minimum:.2f} (line)."
    trace = _histogram(counts, edges, "%{x:.2f} diameters: %{y} picks")
    return Chart("distances", "scores", "Distance to the nearest other pick", says, [trace], layout)


def _histogram(counts: NDArray[np.int64], edges: NDArray[np.float64], hover: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": np.round((edges[:-1] + edges[1:]) / 2, 5).tolist(),
        "y": counts.tolist(),
        "width": np.diff(edges).tolist(),
        "marker": {"color": SERIES},
        "hovertemplate": f"{hover}<extra></extra>",
    }
