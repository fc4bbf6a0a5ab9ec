"""Notices and key numbers at the top of a run's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.report.page_notices import (
    KeyNumber,
    Notice,
    alarms_first,
    notices_of_picks,
    numbers_of_picks,
    smallest_distance,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.report.run_facts import RoundSummary, RunFacts
    from cryoglean.report.spacing_audit import Audit


def notices(facts: RunFacts, audit: Audit) -> list[Notice]:
    """Return the notices, alarms first."""
    found = [Notice("alarm", f"Alarm: {text}") for text in facts.alarms]
    if facts.status == "stopped":
        found.append(Notice("alarm", f"The run stopped: {facts.reason}"))
    if facts.status == "review":
        found.append(Notice("note", f"The run is waiting for review: {facts.reason}"))
    if facts.status == "failed":
        found.append(Notice("alarm", f"The run failed: {facts.reason}: the same command resumes it."))
    if facts.status in ("running", "interrupted"):
        found.append(Notice("note", "The run has not ended: the same command resumes it."))
    return alarms_first([*found, *notices_of_picks(facts, audit)])


def key_numbers(facts: RunFacts, audit: Audit) -> list[KeyNumber]:
    """Return the key numbers of a run."""
    seconds = sum(stage.seconds for stage in facts.stages)
    return [
        *numbers_of_picks(facts, facts.picks_are),
        KeyNumber(str(facts.best), "accepted round", _of_rounds(facts.rounds, facts.acceptance_rule)),
        *_of_best(facts),
        smallest_distance(facts, audit),
        KeyNumber(_duration(seconds), "total time of the rounds", "without picking all micrographs"),
    ]


def _of_rounds(rounds: Sequence[RoundSummary], rule: str) -> str:
    trained = sum(each.number > 0 for each in rounds)
    return f"of rounds 0 to {trained}; round 0: the candidates; {rule}" if trained else "the candidates"


def _of_best(facts: RunFacts) -> list[KeyNumber]:
    best = next((each for each in facts.rounds if each.number == facts.best), None)
    if best is None:
        return []
    share = "–" if best.kept_share is None else f"{best.kept_share:.0%}"
    resolution = "–" if best.best_resolution_angstrom is None else f"{best.best_resolution_angstrom:.1f} Å"
    return [
        KeyNumber(share, "of its picks are in kept classes", f"converged above {facts.converged_share:.0%}"),
        KeyNumber(resolution, "best class", f"round {best.number}"),
    ]


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
