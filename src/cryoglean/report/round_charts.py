"""Charts of rounds: how they converged, how their networks were trained, and how long it took."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cryoglean.report.chart import FADED, INK, SECOND, SERIES, Chart, level, safe, upright

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryoglean.nets.training import Check
    from cryoglean.report.run_facts import RoundNews, RunFacts

_ROUND_PX, _TRAINING_PX = 230, 260
_ROW_PX, _MARGIN_PX = 24, 90
_Column = tuple[str, str, "Sequence[float | None]", str, str, dict[str, Any]]
_ROUNDS = {"type": "category", "title": {"text": "round"}}


def run_charts(facts: RunFacts) -> list[Chart]:
    """Return what is known of rounds, training and time; what is not known has no chart."""
    return [*round_charts(facts), *training_charts(facts), *time_charts(facts)]


def round_charts(facts: RunFacts) -> list[Chart]:
    """Return what is known of each round: picks, kept share, resolution, contest."""
    rounds = [each for each in facts.rounds if each.number >= 0]
    shares, plain = _shares(facts.converged_share), dict[str, Any]()
    columns: list[_Column] = [
        ("picks", "Picks", [r.picks for r in rounds], ",d", "", plain),
        ("kept", "In kept classes", [r.kept_share for r in rounds], ".1%", "", shares),
        ("resolution", "Best class, lower is better", _resolutions(rounds), ".1f", " Å", plain),
    ]
    return [chart for column in columns for chart in _by_round(column, rounds, facts.best)] + _contests(rounds)


def _resolutions(rounds: Sequence[RoundNews]) -> list[float | None]:
    return [each.best_resolution_angstrom for each in rounds]


def _shares(line_at: float | None = None) -> dict[str, Any]:
    shapes = [] if line_at is None else [level(line_at)]
    return {"yaxis": {"range": [0, 1.05], "tickformat": ".0%"}, "shapes": shapes}


def _by_round(column: _Column, rounds: Sequence[RoundNews], best: int) -> list[Chart]:
    """Draw one bar a round, that of the round whose picks stand in full colour."""
    name, title, values, form, unit, layout = column
    known = {each.number: value for each, value in zip(rounds, values, strict=True) if value is not None}
    trace = {
        "type": "bar",
        "x": [str(number) for number in known],
        "y": list(known.values()),
        "marker": {"color": [SERIES if number == best else FADED for number in known]},
        "hovertemplate": f"round %{{x}}: %{{y:{form}}}{unit}<extra></extra>",
    }
    said = "; ".join(f"round {number}: {value:{form}}{unit}" for number, value in known.items())
    axes = {"xaxis": _ROUNDS, "yaxis": {"rangemode": "tozero", "ticksuffix": unit} | layout.get("yaxis", {})}
    chart = Chart(f"round-{name}", "rounds", title, f"{said[:1].upper()}{said[1:]}.", [trace], layout | axes, _ROUND_PX)
    return [chart] if known else []


def _contests(rounds: Sequence[RoundNews]) -> list[Chart]:
    """Draw the kept share of what only the round before has, and of what only this one has, with standard errors."""
    known = {each.number: each.contest for each in rounds if each.contest is not None}
    if not known:
        return []
    sides = ((0, "only what stood", FADED), (1, "only this round", SERIES))
    data = [_contest({n: both[side] for n, both in known.items()}, name, colour) for side, name, colour in sides]
    said = [f"round {n}: {b[1]} of {b[0]} before, {a[1]} of {a[0]} new" for n, (b, a) in known.items()]
    layout = _shares() | {"xaxis": _ROUNDS, "barmode": "group", "showlegend": True}
    title = "The judge: kept, of what only one has"
    return [Chart("round-contest", "rounds", title, f"In kept classes: {'; '.join(said)}.", data, layout, _ROUND_PX)]


def _contest(known: Mapping[int, tuple[int, int]], name: str, colour: str) -> dict[str, Any]:
    errors = [_standard_error(kept, total) for total, kept in known.values()]
    return {
        "type": "bar",
        "name": name,
        "x": [str(number) for number in known],
        "y": [kept / total if total else None for total, kept in known.values()],
        "error_y": {"type": "data", "array": errors, "color": INK, "thickness": 1},
        "text": [f"{kept} of {total}" for total, kept in known.values()],
        "textposition": "none",
        "marker": {"color": colour},
        "hovertemplate": f"round %{{x}}, {name}: %{{text}} kept<extra></extra>",
    }


def _standard_error(kept: int, total: int) -> float:
    share = kept / total if total else 0.0
    return math.sqrt(share * (1 - share) / total) if total else 0.0


def training_charts(facts: RunFacts) -> list[Chart]:
    """Return the loss over the steps of each round's training."""
    return [_training(each) for each in facts.rounds if each.checks]


def _training(each: RoundNews) -> Chart:
    data = [_curve(each.checks, "loss", "trained on", SERIES)]
    held_out = [check for check in each.checks if math.isfinite(check.held_out_loss)]
    says, shapes = f"Loss over {each.checks[-1].step} steps", []
    if held_out:
        data.append(_curve(held_out, "held_out_loss", "held out", SECOND))
        best = min(held_out, key=lambda check: check.held_out_loss)
        says += f"; of what is held out {best.held_out_loss:.3g} at best, at step {best.step}, whose weights are kept"
        shapes = [upright(best.step, "dot", INK)]
    layout = {
        "xaxis": {"title": {"text": "step"}},
        "yaxis": {"title": {"text": "loss"}, "type": "log", "dtick": 1},
        "shapes": shapes,
        "showlegend": True,
    }
    title = f"Training of {each.title.lower()}"
    return Chart(f"training-{each.number}", "training", title, f"{says}.", data, layout, _TRAINING_PX)


def _curve(checks: Sequence[Check], column: str, name: str, colour: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [check.step for check in checks],
        "y": [value if math.isfinite(value := getattr(check, column)) else None for check in checks],
        "line": {"color": colour, "width": 2},
        "marker": {"size": 4},
        "hovertemplate": f"step %{{x}}, {name}: %{{y:.4f}}<extra></extra>",
    }


def time_charts(facts: RunFacts) -> list[Chart]:
    """Return how long each stage took."""
    stages = facts.stages[::-1]
    if not stages:
        return []
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [stage.seconds for stage in stages],
        "y": safe(stage.title for stage in stages),
        "marker": {"color": SERIES},
        "hovertemplate": "%{y}: %{x:.1f} s<extra></extra>",
    }
    longest = max(stages, key=lambda stage: stage.seconds)
    says = f"The longest stage is {longest.title} with {longest.seconds:.0f} s."
    layout = {"xaxis": {"title": {"text": "seconds"}}, "yaxis": {"type": "category"}, "margin": {"l": 8}}
    return [Chart("times", "times", "Time per stage", says, [trace], layout, _MARGIN_PX + _ROW_PX * len(stages))]
