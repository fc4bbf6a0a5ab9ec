"""What the report of a run tells, gathered from its folder."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

from cryoglean.classes2d.selection import select
from cryoglean.classes2d.selection_file import edited
from cryoglean.classes2d.selection_source import read_source
from cryoglean.errors import SettingsError
from cryoglean.jobs.outliers import outliers
from cryoglean.jobs.report_micrographs import read_views
from cryoglean.jobs.select import SELECTION
from cryoglean.loop.micrographs import RunMicrographs
from cryoglean.loop.settings import LoopSettings
from cryoglean.loop.stages import CLASSES, FINAL, MODEL, PARTICLES, SELECTED, picks_stage, stage_folder
from cryoglean.loop.state import JUDGED, RunFile, read_run
from cryoglean.pickers.curves import read_curves
from cryoglean.report.run_facts import (
    ClassEvaluation,
    Decision,
    Gallery,
    KeptPicks,
    RoundSummary,
    RunFacts,
    StageTime,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def gather(root: Path) -> RunFacts:
    """Read all that the report of a run tells, as it stands.

    Args:
        root: the run folder.

    Raises:
        SettingsError: if there is no run in the folder, or one of another version.
        TableError: if one of its tables is broken.
        OSError: if a file cannot be read.
    """
    run = read_run(root)
    settings = _settings(run)
    micrographs = RunMicrographs(run, settings)
    listed = micrographs.listed()
    picks = {m.key: m.picks for m in listed if m.picks is not None}
    status = "review" if run.data["status"] == "stopped" and run.data["waiting"] is not None else run.data["status"]
    best = _best(run)
    return RunFacts(
        name=root.resolve().name,
        status=status,
        reason=run.data.get("reason", ""),
        best=best,
        picks_are=micrographs.picks_are,
        diameter_angstrom=settings.diameter_angstrom,
        pixel_size_angstrom=micrographs.pixel_size_angstrom,
        min_distance_angstrom=micrographs.min_distance_angstrom,
        converged_share=settings.converged_share,
        micrographs=listed,
        outliers=tuple(outliers({key: len(each) for key, each in picks.items()})),
        views=read_views(micrographs, picks),
        rounds=tuple(_round(run, number, best) for number in _numbers(run)),
        galleries=_galleries(run, settings, best),
        stages=tuple(StageTime(f"{_title(s['round'])}: {s['stage']}", float(s["seconds"])) for s in run.data["stages"]),
        decisions=tuple(_decision(said) for said in run.data["decisions"] if said["what"] != JUDGED),
        alarms=tuple(f"round {d['round']}: {d['reason']}" for d in run.data["decisions"] if d["what"] == "alarm"),
        settings=run.data["settings"],
        provenance={"cryoglean": run.data["version"]} | {k: str(v) for k, v in run.data.get("provenance", {}).items()},
        pick_command=micrographs.pick_command(best),
    )


def _settings(run: RunFile) -> LoopSettings:
    try:
        return LoopSettings.model_validate(run.data["settings"])
    except ValueError as error:
        version = run.data.get("version")
        raise SettingsError(f"{run.path} is of cryoglean {version}: write its report with that version") from error


def _best(run: RunFile) -> int:
    """Return the round whose picks stand; of a run that has not ended, the last that was decided."""
    if "best" in run.data:
        return int(run.data["best"])
    stands = [d["decision"] for d in run.data["decisions"] if d["what"] == "picks that stand"]
    return int(stands[-1]) if stands else 0


def _numbers(run: RunFile) -> list[int]:
    """Return the rounds that have begun, that of the final picks last."""
    return sorted({int(s["round"]) for s in run.data["stages"]}, key=lambda number: (number == FINAL, number))


def _title(number: int) -> str:
    return {0: "Round 0", FINAL: "Final picks"}.get(number, f"Round {number}")


def _round(run: RunFile, number: int, best: int) -> RoundSummary:
    found: dict[str, Mapping[str, Any]] = {
        stage: run.found(number, stage) or {} for stage in (picks_stage(run, number), PARTICLES, CLASSES, SELECTED)
    }
    picked, selected = found[picks_stage(run, number)], found[SELECTED]
    counts = list(picked.get("counts", {}).values())
    judged = _judged(run, number)
    curves = stage_folder(run.root, number, MODEL) / "curves.csv"
    return RoundSummary(
        number=number,
        title=_title(number),
        picks=picked.get("picks"),
        median_picks=float(median(counts)) if counts else None,
        evaluated=found[PARTICLES].get("places"),
        extracted=found[PARTICLES].get("particles"),
        classified=found[CLASSES].get("particles"),
        kept=selected.get("kept"),
        kept_share=_kept_share(judged, selected),
        best_resolution_angstrom=selected.get("best_resolution_angstrom"),
        evaluation=_evaluation(judged, number),
        is_accepted=number == best,
        checks=read_curves(curves) if run.found(number, MODEL) and curves.exists() else (),
    )


def _judged(run: RunFile, number: int) -> Mapping[str, Any]:
    said = [d["decision"] for d in run.data["decisions"] if d["round"] == number and d["what"] == JUDGED]
    return said[-1] if said else {}


def _kept_share(judged: Mapping[str, Any], selected: Mapping[str, Any]) -> float | None:
    """Return the share of a round's own picks in kept classes; where that is not told, of all that was classified."""
    if judged.get("judged"):
        return float(judged["kept"] / judged["judged"])
    if selected.get("particles"):
        return float(selected["kept_in_first_classes"] / selected["particles"])
    return None


def _evaluation(judged: Mapping[str, Any], number: int) -> ClassEvaluation | None:
    if not judged:
        return None
    own = KeptPicks(int(judged["judged"]), int(judged["kept"]))
    if number <= 0:
        return ClassEvaluation(own)
    only_before = KeptPicks(int(judged["only_reference"]), int(judged["only_reference_kept"]))
    return ClassEvaluation(own, only_before, KeptPicks(int(judged["only_new"]), int(judged["only_new_kept"])))


def _decision(said: Mapping[str, Any]) -> Decision:
    decision = f"{said['decision']:.4g}" if isinstance(said["decision"], float) else str(said["decision"])
    return Decision(_title(said["round"]), str(said["what"]), f"{decision}: {said['reason']}", said["what"] == "alarm")


def _galleries(run: RunFile, settings: LoopSettings, best: int) -> tuple[Gallery, ...]:
    galleries = [gallery for number in _numbers(run) for gallery in _of_round(run, settings, number)]
    wanted = "final" if any(each.name == "final" for each in galleries) else f"{best:02d}"
    shown = [each.name for each in galleries if each.name.startswith(wanted)] or [each.name for each in galleries]
    return tuple(replace(each, is_open=each.name == shown[-1]) for each in galleries)


def _of_round(run: RunFile, settings: LoopSettings, number: int) -> list[Gallery]:
    """Return the classes of a round, and those of each further pass of purification."""
    if not (run.found(number, CLASSES) or {}).get("classes"):
        return []
    classes, selected = (stage_folder(run.root, number, name) for name in (CLASSES, SELECTED))
    name = "final" if number == FINAL else f"{number:02d}"
    passes = sorted((selected / "passes").glob("[0-9][0-9]"))
    tables = [each / SELECTION for each in passes] or [selected / SELECTION]
    found = [_gallery(classes, tables[0], settings, _title(number), name)]
    for each, table in zip(passes[1:], tables[1:], strict=True):
        title = f"{_title(number)}, pass {int(each.name)} of purification"
        found.append(_gallery(each, table, settings, title, f"{name}_pass_{each.name}"))
    return found


def _gallery(classes: Path, table: Path, settings: LoopSettings, title: str, name: str) -> Gallery:
    """Read classes, and decide anew as it was decided; a user's table goes before the rule."""
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
