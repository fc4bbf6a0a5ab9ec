"""Facts of the report of a run, gathered from its folder."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from cryoglean.classes2d.selection import select
from cryoglean.classes2d.selection_file import edited
from cryoglean.classes2d.selection_source import read_source
from cryoglean.jobs.fit_findings import findings_on_folder_fit
from cryoglean.jobs.outliers import outliers
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.report_micrographs import read_views
from cryoglean.jobs.select import SELECTION
from cryoglean.jobs.survey import read_survey
from cryoglean.jobs.verdict import findings_on_micrographs
from cryoglean.loop.decisions import AcceptanceDecision, AlarmDecision, ClassEvaluationDecision
from cryoglean.loop.micrographs import RunMicrographs
from cryoglean.loop.stage_results import (
    CANDIDATES,
    CLASSES,
    FINAL,
    MODEL,
    PARTICLES,
    SELECTED,
    ClassesFound,
    NetworkFound,
    ParticlesFound,
    PicksFound,
    SelectionFound,
    stage_folder,
)
from cryoglean.loop.stages import picks_stage
from cryoglean.loop.state import RunFile, RunStatus, read_run
from cryoglean.pickers.curves import read_curves
from cryoglean.report.run_facts import ClassEvaluation, Decision, Gallery, KeptPicks, RoundSummary, RunFacts, StageTime

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.findings import Finding
    from cryoglean.loop.decisions import AnyDecision
    from cryoglean.loop.settings import LoopSettings


def gather(root: Path) -> RunFacts:
    """Gather the facts of a run's report, as they are now.

    Args:
        root: the run folder.

    Raises:
        SettingsError: if there is no run in the folder, or one of another version.
        TableError: if one of its tables is broken.
        OSError: if a file cannot be read.
    """
    run = read_run(root)
    state, settings = run.state, run.state.settings
    micrographs = RunMicrographs(run, settings)
    listed = micrographs.listed()
    picks = {m.key: m.picks for m in listed if m.picks is not None}
    is_waiting = state.status is RunStatus.stopped and state.waiting is not None
    best = _best(run)
    return RunFacts(
        name=root.resolve().name,
        status="review" if is_waiting else state.status.value,
        reason=state.message,
        outcome="" if state.outcome is None else state.outcome.value,
        best=best,
        picks_are=micrographs.picks_are,
        diameter_angstrom=settings.diameter_angstrom,
        pixel_size_angstrom=micrographs.pixel_size_angstrom,
        min_distance_angstrom=micrographs.min_distance_angstrom,
        converged_share=settings.converged_share,
        acceptance_rule=settings.acceptance_rule.message,
        micrographs=listed,
        outliers=tuple(outliers({key: len(each) for key, each in picks.items()})),
        findings=findings_on_run(run),
        views=read_views(micrographs, picks),
        rounds=tuple(_round(run, number, best) for number in _numbers(run)),
        galleries=_galleries(run, settings, best),
        stages=tuple(StageTime(f"{_title(each.round)}: {each.stage}", each.seconds) for each in state.stages),
        decisions=tuple(_decision(each) for each in state.decisions if not isinstance(each, ClassEvaluationDecision)),
        alarms=tuple(each.line for each in state.decisions if isinstance(each, AlarmDecision)),
        settings=settings.recorded(),
        provenance={"cryoglean": state.version} | {name: str(value) for name, value in state.provenance.items()},
        pick_command=micrographs.pick_command(best),
        threshold=micrographs.threshold,
        tells_precision=micrographs.tells_precision,
        hidden_share=micrographs.hidden_share,
    )


def findings_on_run(run: RunFile) -> tuple[Finding, ...]:
    """Compare what was given for a run with what its micrographs show."""
    settings, survey, command = run.state.settings, read_survey(run.root), run.state.provenance.get("command")
    if settings.fit is not None:
        return findings_on_folder_fit(PickFolder(stage_folder(run.root, 0, CANDIDATES)), survey)
    said = None if command is None else str(command)
    return findings_on_micrographs(survey, settings.diameter_angstrom, settings.contrast, said)


def _best(run: RunFile) -> int:
    """Return the accepted round; of a run that has not ended, the last that was decided."""
    if run.state.best is not None:
        return run.state.best
    accepted = [each.accepted for each in run.state.decisions if isinstance(each, AcceptanceDecision)]
    return accepted[-1] if accepted else 0


def _numbers(run: RunFile) -> list[int]:
    """Return the rounds that have begun, that of the final picks last."""
    return sorted({each.round for each in run.state.stages}, key=lambda number: (number == FINAL, number))


def _title(number: int) -> str:
    return {0: "Round 0", FINAL: "Final picks"}.get(number, f"Round {number}")


def _round(run: RunFile, number: int, best: int) -> RoundSummary:
    picked = run.found(number, picks_stage(run, number), PicksFound)
    extracted = run.found(number, PARTICLES, ParticlesFound)
    classified = run.found(number, CLASSES, ClassesFound)
    selected = run.found(number, SELECTED, SelectionFound)
    evaluation = _evaluation(run, number)
    curves = stage_folder(run.root, number, MODEL) / "curves.csv"
    return RoundSummary(
        number=number,
        title=_title(number),
        picks=None if picked is None else picked.picks,
        median_picks=None if picked is None or not picked.counts else float(median(picked.counts.values())),
        evaluated=None if extracted is None else extracted.places,
        extracted=None if extracted is None else extracted.particles,
        classified=None if classified is None else classified.particles,
        kept=None if selected is None else selected.kept,
        kept_share=_kept_share(evaluation, selected),
        best_resolution_angstrom=None if selected is None else selected.best_resolution_angstrom,
        evaluation=None if evaluation is None else _class_evaluation(evaluation),
        is_accepted=number == best,
        checks=read_curves(curves) if run.found(number, MODEL, NetworkFound) and curves.exists() else (),
    )


def _evaluation(run: RunFile, number: int) -> ClassEvaluationDecision | None:
    evaluations = [
        each for each in run.state.decisions if isinstance(each, ClassEvaluationDecision) and each.round == number
    ]
    return evaluations[-1] if evaluations else None


def _kept_share(evaluation: ClassEvaluationDecision | None, selected: SelectionFound | None) -> float | None:
    """Return the share of a round's own picks in kept classes; where that is not known, of all that was classified."""
    if evaluation is not None and evaluation.classified:
        return evaluation.kept / evaluation.classified
    if selected is not None and selected.particles:
        return selected.kept_in_first_classes / selected.particles
    return None


def _class_evaluation(evaluation: ClassEvaluationDecision) -> ClassEvaluation:
    own = KeptPicks(evaluation.classified, evaluation.kept)
    if evaluation.round <= 0:
        return ClassEvaluation(own)
    only_before = KeptPicks(evaluation.only_reference, evaluation.only_reference_kept)
    return ClassEvaluation(own, only_before, KeptPicks(evaluation.only_new, evaluation.only_new_kept))


def _decision(stored: AnyDecision) -> Decision:
    return Decision(_title(stored.round), stored.kind.value, stored.message, isinstance(stored, AlarmDecision))


def _galleries(run: RunFile, settings: LoopSettings, best: int) -> tuple[Gallery, ...]:
    galleries = [gallery for number in _numbers(run) for gallery in _of_round(run, settings, number)]
    wanted = "final" if any(each.name == "final" for each in galleries) else f"{best:02d}"
    shown = [each.name for each in galleries if each.name.startswith(wanted)] or [each.name for each in galleries]
    return tuple(replace(each, is_open=each.name == shown[-1]) for each in galleries)


def _of_round(run: RunFile, settings: LoopSettings, number: int) -> list[Gallery]:
    """Return the classes of a round, and those of each further pass of purification."""
    found = run.found(number, CLASSES, ClassesFound)
    if found is None or not found.classes:
        return []
    classes, selected = (stage_folder(run.root, number, name) for name in (CLASSES, SELECTED))
    name = "final" if number == FINAL else f"{number:02d}"
    passes = sorted((selected / "passes").glob("[0-9][0-9]"))
    tables = [each / SELECTION for each in passes] or [selected / SELECTION]
    galleries = [_gallery(classes, tables[0], settings, _title(number), name)]
    for each, table in zip(passes[1:], tables[1:], strict=True):
        title = f"{_title(number)}, pass {int(each.name)} of purification"
        galleries.append(_gallery(each, table, settings, title, f"{name}_pass_{each.name}"))
    return galleries


def _gallery(classes: Path, table: Path, settings: LoopSettings, title: str, name: str) -> Gallery:
    """Read classes, and decide again as it was decided; a user's table goes before the rule."""
    source = read_source(classes)
    selection = select(
        source.classification,
        settings.class_rule,
        diameter_angstrom=settings.diameter_angstrom,
        threshold=settings.threshold,
    )
    if table.exists():
        selection, _ = edited(table, selection)
    return Gallery(title, name, source.classification.classes, selection, source.classification.pixel_size_angstrom)
