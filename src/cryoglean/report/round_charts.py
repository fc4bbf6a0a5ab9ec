"""Charts of rounds: their convergence, the training of their networks, and the time that they took."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cryoglean.report.chart import FADED, INK, SECOND, SERIES, Chart, level, safe, upright, whole_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryoglean.nets.training import Check
    from cryoglean.report.run_facts import KeptPicks, RoundSummary, RunFacts

_ROUND_PX, _TRAINING_PX = 230, 260
"""Heights of charts. Resource: all of the rounds are seen at once on a screen."""

_ROW_PX, _MARGIN_PX = 24, 90
"""Height of a stage's bar, and of the rest of its chart. Resource: a line of text fits beside each bar."""

_BAR_WIDTH = 0.5
"""Width of a round's bar. Chosen by hand: one round's bar is no wall."""

_Column = tuple[str, str, "Sequence[float | None]", str, str, dict[str, Any]]
_ROUNDS = {"type": "category", "title": {"text": "round"}}


def run_charts(facts: RunFacts) -> list[Chart]:
    """Return the charts of rounds, training and time for which there are data."""
    return [*round_charts(facts), *training_charts(facts), *time_charts(facts)]


def round_charts(facts: RunFacts) -> list[Chart]:
    """Return the charts by round: picks, share in kept classes, resolution, and picks that only one round has."""
    rounds = [each for each in facts.rounds if each.number >= 0]
    shares, plain = _shares(facts.converged_share), dict[str, Any]()
    columns: list[_Column] = [
        ("picks", "Picks", [r.picks for r in rounds], ",d", "", plain),
        ("kept", "Share of picks in kept classes", [r.kept_share for r in rounds], ".1%", "", shares),
        ("resolution", "Resolution of the best class (lower is better)", _resolutions(rounds), ".1f", " Å", plain),
    ]
    return [chart for column in columns for chart in _by_round(column, rounds, facts.best)] + _comparisons(rounds)


def _resolutions(rounds: Sequence[RoundSummary]) -> list[float | None]:
    return [each.best_resolution_angstrom for each in rounds]


def _shares(line_at: float | None = None) -> dict[str, Any]:
    shapes = [] if line_at is None else [level(line_at)]
    return {"yaxis": {"range": [0, 1.05], "tickformat": ".0%"}, "shapes": shapes}


def _by_round(column: _Column, rounds: Sequence[RoundSummary], best: int) -> list[Chart]:
    """Draw one bar a round, that of the accepted round in full colour."""
    name, title, values, form, unit, layout = column
    known = {each.number: value for each, value in zip(rounds, values, strict=True) if value is not None}
    trace = {
        "type": "bar",
        "x": [str(number) for number in known],
        "y": list(known.values()),
        "width": _BAR_WIDTH,
        "marker": {"color": [SERIES if number == best else FADED for number in known]},
        "hovertemplate": f"round %{{x}}: %{{y:{form}}}{unit}<extra></extra>",
    }
    values_text = "; ".join(f"round {number}: {value:{form}}{unit}" for number, value in known.items())
    plain = (
        whole_numbers(max(known.values(), default=0)) if form == ",d" else {"rangemode": "tozero", "ticksuffix": unit}
    )
    axes = {"xaxis": _ROUNDS, "yaxis": plain | layout.get("yaxis", {})}
    chart = Chart(
        f"round-{name}",
        "rounds",
        title,
        f"{values_text[:1].upper()}{values_text[1:]}.",
        [trace],
        layout | axes,
        _ROUND_PX,
    )
    return [chart] if known else []


def _comparisons(rounds: Sequence[RoundSummary]) -> list[Chart]:
    """Draw the share in kept classes of picks that only one of two rounds has, with standard errors."""
    known = {each.number: each.evaluation for each in rounds if each.evaluation is not None}
    before = {n: each.only_before for n, each in known.items() if each.only_before is not None}
    new = {n: each.only_new for n, each in known.items() if each.only_new is not None}
    if not new:
        return []
    data = [_kept_bars(before, "accepted", FADED), _kept_bars(new, "new", SERIES)]
    layout = _shares() | {"xaxis": _ROUNDS, "barmode": "group", "showlegend": True}
    says = "Of the picks that one of two rounds alone has: the share in kept classes, with standard errors."
    title = "Picks that only one round has: share in kept classes"
    return [Chart("round-comparison", "rounds", title, says, data, layout, _ROUND_PX)]


def _kept_bars(known: Mapping[int, KeptPicks], name: str, colour: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": name,
        "x": [str(number) for number in known],
        "y": [each.share for each in known.values()],
        "error_y": {"type": "data", "array": list(map(_standard_error, known.values())), "color": INK, "thickness": 1},
        "text": [f"{each.kept} of {each.classified}" for each in known.values()],
        "textposition": "none",
        "marker": {"color": colour},
        "hovertemplate": f"round %{{x}}, {name}: %{{text}} kept<extra></extra>",
    }


def _standard_error(picks: KeptPicks) -> float:
    share = picks.share
    return 0.0 if share is None else math.sqrt(share * (1 - share) / picks.classified)


def training_charts(facts: RunFacts) -> list[Chart]:
    """Return the training curves of each round."""
    return [_training(each) for each in facts.rounds if each.checks]


def _training(each: RoundSummary) -> Chart:
    data = [_curve(each.checks, "loss", "training set", SERIES)]
    held_out = [check for check in each.checks if math.isfinite(check.held_out_loss)]
    says, shapes = f"Loss over {each.checks[-1].step} steps", []
    if held_out:
        data.append(_curve(held_out, "held_out_loss", "held out", SECOND))
        best = min(held_out, key=lambda check: check.held_out_loss)
        says += f"; the lowest held-out loss is {best.held_out_loss:.3g} at step {best.step}, whose weights are kept"
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
    """Return the chart of times; none before the first stage is done."""
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
    says = f"The longest stage is {longest.title}, {longest.seconds:.0f} s."
    layout = {"xaxis": {"title": {"text": "seconds"}}, "yaxis": {"type": "category"}, "margin": {"l": 8}}
    return [Chart("times", "times", "Time per stage", says, [trace], layout, _MARGIN_PX + _ROW_PX * len(stages))]
