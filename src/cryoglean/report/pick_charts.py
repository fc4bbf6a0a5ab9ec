"""Charts of picks: per micrograph, against defocus, by score, and by distance to the nearest other pick."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from cryoglean.ctf.model import ANGSTROM_PER_MICROMETRE
from cryoglean.report.chart import FADED, SECOND, SERIES, Chart, nothing_to_draw, safe, upright, whole_numbers
from cryoglean.report.counts_picture import MAX_BARS
from cryoglean.report.score_steps import all_scores, own_threshold, steps_for
from cryoglean.report.spacing_audit import MAX_SHOWN_DIAMETERS
from cryoglean.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.report.page_facts import PageFacts
    from cryoglean.report.spacing_audit import Audit

_SCORE_BINS, _DISTANCE_BINS = 50, 60
"""Bars of the histograms. Chosen by hand: their shapes show already for some hundred picks."""

_BAR_WIDTH, _FULL_BARS = 0.8, 12
"""Width of a micrograph's bar, and number from which bars have it. Chosen by hand: a single bar is no wall."""

_MAX_NUMBERED = 24
"""Micrographs that each have a tick. Chosen by hand: more numbers would stand too close."""


def pick_charts(facts: PageFacts, audit: Audit) -> list[Chart]:
    """Return the charts of picks, or why one is not drawn; none against defocus where it is not known."""
    found = [_counts(facts), _defocus(facts), _scores(facts), _distances(facts, audit)]
    return [chart for chart in found if chart is not None]


def _counts(facts: PageFacts) -> Chart:
    counts, title = facts.counts, "Picks per micrograph"
    if not any(counts.values()):
        reason = (
            f"No picks in {counted(len(counts), 'micrograph')}." if counts else "No micrograph has been picked yet."
        )
        return nothing_to_draw("counts", "counts", title, f"{reason} The top of this page says what may be wrong.")
    order, values = list(range(1, len(counts) + 1)), list(counts.values())
    middle = median(values)
    trace = {"x": order, "y": values, "text": safe(counts), "hovertemplate": "%{text}<br>%{y} picks<extra></extra>"}
    style: dict[str, Any] = {"type": "bar", "marker": {"color": SERIES}, "textposition": "none"}
    style |= {"width": min(_BAR_WIDTH, len(counts) / _FULL_BARS)}
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
        "xaxis": _order_axis(len(counts)),
        "yaxis": whole_numbers(max(values), title={"text": "picks"}),
        "showlegend": False,
    }
    order_text = f"{counted(len(counts), 'micrograph')} in the order given (line: running median)"
    says = f"{order_text}: median {middle:g}, {min(values)} to {max(values)}."
    return Chart("counts", "counts", title, says, [trace | style, running], layout)


def _order_axis(count: int) -> dict[str, Any]:
    every = {"dtick": 1, "tick0": 1} if count <= _MAX_NUMBERED else {"tickformat": ",d"}
    return {"title": {"text": "micrograph, in the order given"}, "range": [0.3, count + 0.7], **every}


def _running_median(values: list[int]) -> list[float]:
    """Return the median of each value and its neighbours, so that drift can be seen."""
    half = max(2, len(values) // 20)
    return [float(median(values[max(0, i - half) : i + half + 1])) for i in range(len(values))]


def _defocus(facts: PageFacts) -> Chart | None:
    defocus, counts = facts.defocus, facts.counts
    if not defocus or not any(counts.values()):
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
        "yaxis": whole_numbers(max(counts.values()), title={"text": "picks"}),
    }
    says = f"Picks against defocus of {counted(len(defocus), 'micrograph')} with known CTF."
    return Chart("defocus", "counts", "Picks against defocus", says, [trace], layout)


def _scores(facts: PageFacts) -> Chart:
    scores, below, title = all_scores(facts.picks), all_scores(facts.candidates), "Scores of all picks"
    if not len(scores):
        return nothing_to_draw("scores", "scores", title, "There are no picks, so there are no scores.")
    steps = steps_for(facts.places)
    own = own_threshold(facts)
    ends = min(own, float(np.concatenate([scores, below]).min())), steps.high
    found = [("pick", scores, SERIES), ("candidate", below, FADED)]
    traces = [_scores_of(f"{noun}s", each, ends, colour) for noun, each, colour in found if len(each)]
    layout = {
        "xaxis": {"title": {"text": "score"}, "range": list(ends)},
        "yaxis": whole_numbers(max(max(trace["y"]) for trace in traces), title={"text": "picks"}),
        "bargap": 0.04,
        "barmode": "stack",
        "showlegend": len(traces) > 1,
        "shapes": [upright(own)],
    }
    says = f"Scores of {counted(len(scores), 'pick')}, from {scores.min():.3f} to {scores.max():.3f}"
    says += f", and of {counted(len(below), 'candidate')} below them" if len(below) else ""
    return Chart("scores", "scores", title, f"{says}. Line: the threshold above.", traces, layout)


def _scores_of(name: str, scores: NDArray[np.float64], ends: tuple[float, float], colour: str) -> dict[str, Any]:
    counts, edges = np.histogram(scores, _SCORE_BINS, ends)
    return _histogram(counts, edges, f"score %{{x:.3f}}: %{{y}} {name}") | {"name": name, "marker": {"color": colour}}


def _distances(facts: PageFacts, audit: Audit) -> Chart:
    name, group, title = "distances", "scores", "Distance to the nearest other pick"
    if not len(audit.nearest_px):
        return nothing_to_draw(name, group, title, "No micrograph has two picks.")
    if facts.pixel_size_angstrom is None:
        reason = "The micrographs have no pixel size, or not all the same, so distances in diameters are not known."
        return nothing_to_draw(name, group, title, reason)
    diameters = audit.nearest_px * facts.pixel_size_angstrom / facts.diameter_angstrom
    counts, edges = np.histogram(np.minimum(diameters, MAX_SHOWN_DIAMETERS), _DISTANCE_BINS, (0, MAX_SHOWN_DIAMETERS))
    minimum = facts.min_distance_angstrom / facts.diameter_angstrom
    layout = {
        "xaxis": {
            "title": {"text": "distance (diameters)"},
            "dtick": 0.5,
            "range": [0, MAX_SHOWN_DIAMETERS],
        },
        "yaxis": whole_numbers(int(counts.max()), title={"text": "picks"}),
        "bargap": 0.04,
        "shapes": [upright(minimum, dash="dash")],
    }
    says = f"The nearest two picks are {diameters.min():.2f} diameters apart; the minimum is {minimum:.2f} (line)."
    trace = _histogram(counts, edges, "%{x:.2f} diameters: %{y} picks")
    return Chart(name, group, title, says, [trace], layout)


def _histogram(counts: NDArray[np.int64], edges: NDArray[np.float64], hover: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": np.round((edges[:-1] + edges[1:]) / 2, 5).tolist(),
        "y": counts.tolist(),
        "width": np.diff(edges).tolist(),
        "marker": {"color": SERIES},
        "hovertemplate": f"{hover}<extra></extra>",
    }
