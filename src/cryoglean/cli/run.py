"""`cryoglean run`: micrographs in, picks out, by the whole self-supervised loop."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoglean.classes2d.engine import Engine
from cryoglean.classes2d.selection import Rule
from cryoglean.cli.diameter import diameter_from, diameter_number
from cryoglean.cli.options import (
    AnyContrast,
    AsJson,
    Contrast,
    Cpus,
    DeviceName,
    Fit,
    Mask,
    Micrographs,
    Out,
    Pattern,
    PixelSize,
    Preset,
    Recursive,
    found_micrographs,
)
from cryoglean.cli.orientation import Orientation
from cryoglean.cli.picker_options import DEFAULT_METHODS
from cryoglean.cli.settings import checked, defaults
from cryoglean.errors import SettingsError
from cryoglean.evaluate.orientation import OrientationChoice
from cryoglean.loop.settings import LoopJob, LoopSettings
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryoglean.cli.loop_progress import LoopProgress
    from cryoglean.findings import Finding
    from cryoglean.jobs.given_fit import GivenFit
    from cryoglean.loop.rounds import LoopSummary


_DEFAULTS = defaults(LoopSettings)

StartFrom = Annotated[
    Path | None,
    typer.Option(
        help="Coordinates to start from instead of candidates: a folder of picks, a list, or a particles STAR file."
    ),
]
Candidates = Annotated[
    str | None,
    typer.Option(
        metavar="METHOD",
        help=f"Picker of the candidates, which needs no file; {DEFAULT_METHODS}, or that of --fit, by default.",
        show_default=False,
    ),
]
Review = Annotated[
    bool, typer.Option("--review", help="Stop after each classification, so that selection.csv can be edited.")
]
Rounds = Annotated[
    int, typer.Option(help="Maximum number of training rounds; 0 stops after the classes of the candidates.")
]
ClassRule = Annotated[
    Rule | None,
    typer.Option(help="Rule by which classes are kept; by default automatic, with --preset paper literal."),
]
ClassThreshold = Annotated[float | None, typer.Option(help="Class-score threshold for --rule literal or normalised.")]
MinDistance = Annotated[
    float | None,
    typer.Option(help="Minimum distance between picks in angstrom; by default learned from the candidates."),
]
Subset = Annotated[
    int, typer.Option(help="Maximum number of micrographs that the rounds work on; all are picked in the end.")
]
LowDefocus = Annotated[
    bool,
    typer.Option("--low-defocus", help="Let the rounds work on micrographs of less than 0.5 µm defocus, CTF to 4 Å."),
]
MaxParticles = Annotated[
    int,
    typer.Option(
        "--max-particles",
        "--most-particles",
        help="Maximum number of particles classified in a round; 0 classifies all, as published.",
    ),
]
Engines = Annotated[Engine, typer.Option(help="Engine of the 2D classes: native, or relion (relion_refine).")]


def run(
    micrographs: Micrographs,
    out: Out,
    diameter: Annotated[
        str | None, typer.Option(help="Particle diameter in angstrom, or auto; by default that of --fit.")
    ] = None,
    fit: Fit = None,
    pixel_size: PixelSize = None,
    pattern: Pattern = None,
    recursive: Recursive = False,
    contrast: Contrast = AnyContrast.auto,
    start_from: StartFrom = None,
    orientation: Orientation = OrientationChoice.auto,
    candidates: Candidates = None,
    review: Review = False,
    rounds: Rounds = _DEFAULTS["rounds"],
    rule: ClassRule = None,
    threshold: ClassThreshold = None,
    min_distance: MinDistance = None,
    mask: Mask = None,
    subset: Subset = _DEFAULTS["subset"],
    low_defocus: LowDefocus = False,
    max_particles: MaxParticles = _DEFAULTS["max_particles"],
    preset: Annotated[Preset, typer.Option(help="paper: pickers and classes as published in 2020.")] = Preset.default,
    engine: Engines = _DEFAULTS["engine"],
    seed: Annotated[int, typer.Option(help="Random seed.")] = _DEFAULTS["seed"],
    cpus: Cpus = None,
    device: DeviceName = "auto",
    as_json: AsJson = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print a line per micrograph and step.")] = False,
) -> int:
    """Find particles without labels: candidates, 2D classes, a network trained on them, and again in rounds.

    Picks of all micrographs are written to OUT/picks, each round to OUT/rounds, decisions with their reasons to
    OUT/run.json, and a report to OUT/report.html.
    Repeat the command to resume a run that was interrupted. Exit status 5: stopped on purpose, for review or because a
    round has gone astray; the last line says which picks are accepted.

    For example:

        cryoglean run micrographs --diameter 191 --pixel-size 1.77 --out RUN

        cryoglean run CtfFind/job003/micrographs_ctf.star --diameter 120 --out RUN --review

        cryoglean run micrographs --diameter 120 --start-from manual_picks --out RUN

    With candidates of a fit that was made before, whose diameter, contrast and pixel size are those of the run:

        cryoglean fit micrographs --diameter 191 --pixel-size 1.77 --method emmae --out FIT

        cryoglean run micrographs --fit FIT --out RUN
    """
    from cryoglean.cli.loop_progress import LoopProgress
    from cryoglean.jobs.micrograph_lists import write_left_out
    from cryoglean.loop.rounds import run_loop
    from cryoglean.scale.devices import choose_device
    from cryoglean.scale.threads import available_cpus, limit_threads

    limit_threads(1)  # work is split by micrographs, batches and parts: sums do not depend on the number of threads
    progress, processors = LoopProgress(verbose=verbose), cpus or available_cpus()
    files, left_out = found_micrographs(micrographs, pattern, mask, recursive=recursive, info=progress.info)
    values: dict[str, object] = {
        "pixel_size_angstrom": pixel_size,
        "contrast": contrast.given,
        "candidates": candidates,
        "min_distance_angstrom": min_distance,
        "preset": preset.value,
        "rounds": rounds,
        "rule": rule,
        "threshold": threshold,
        "subset": subset,
        "low_defocus": low_defocus,
        "max_particles": max_particles,
        "engine": engine,
        "start_from": start_from,
        "orientation": orientation,
        "review": review,
        "seed": seed,
    }
    values |= _of_particle(fit, diameter, values, lambda d: diameter_from(d, files, out, pixel_size, processors))
    job = LoopJob(
        settings=checked(LoopSettings, values),
        fit=fit,
        cpus=processors,
        device=choose_device(device),
        verbose=verbose,
        command=shlex.join(["cryoglean", *sys.argv[1:]]),
    )
    progress.info(f"{counted(len(files), 'micrograph')}, {counted(job.cpus, 'CPU')}, device {job.device}")
    summary = run_loop(files, job, out, progress)
    write_left_out(out, left_out)
    _show(summary, out, _report(out, progress), as_json=as_json)
    return summary.exit_status


def _of_particle(
    fit: Path | None, diameter: str | None, asked: Mapping[str, object], measured: Callable[[str], float | None]
) -> dict[str, object]:
    """Return what a fit brings, or without one the diameter.

    Args:
        fit: the folder of the fit, if one is given.
        diameter: as it was typed, if it was.
        asked: the other settings that are asked for.
        measured: the diameter in angstrom by what was typed.

    Raises:
        SettingsError: in one line, if neither is given, or the fit was made with another value of what is asked for.
    """
    from cryoglean.jobs.given_fit import open_fit

    if fit is not None:
        return _of_fit(open_fit(fit), {**asked, "diameter": diameter_number(diameter)})
    if diameter is None:
        raise SettingsError("the size of the particle is unknown: give --diameter, or --fit")
    return {"diameter_angstrom": measured(diameter)}


def _of_fit(fit: GivenFit, asked: Mapping[str, object]) -> dict[str, object]:
    """Return the settings of a run that a fit brings.

    Raises:
        SettingsError: in one line, if the fit was made with another value of what is asked for.
    """
    method, candidates = fit.picker.method, asked["candidates"]
    if candidates not in (None, method):
        made = f"--fit {fit.root} was made with --method {method}"
        raise SettingsError(f"--candidates {candidates}: {made}: leave one of them out")
    shared = ("contrast", "pixel_size_angstrom")
    fit.refuse_others({"diameter_angstrom": asked["diameter"], **{name: asked[name] for name in shared}})
    return {
        "fit": fit.record.digest,
        "candidates": method,
        "diameter_angstrom": fit.picker.diameter_angstrom,
        "contrast": fit.record.contrast,
        "pixel_size_angstrom": fit.record.pixel_size_angstrom,
        "min_distance_angstrom": asked["min_distance_angstrom"] or fit.picker.min_distance_angstrom,
    }


def _report(out: Path, progress: LoopProgress) -> Path | str:
    """Write the report and return its page; where it cannot be written, say and return why."""
    from cryoglean.loop.folder_report import report_or_reason

    report = report_or_reason(out)
    if isinstance(report, str):
        progress.info(f"{report}: cryoglean report {shlex.quote(str(out))} writes it again")
    return report


def _on_end(summary: LoopSummary) -> Finding:
    from cryoglean.findings import Finding, Level

    return Finding(Level.alarm, "rejected", summary.end.message)


def _without_picks(summary: LoopSummary, out: Path) -> str:
    from cryoglean.loop.state import read_run

    given = read_run(out).state.settings.start_from
    if given is not None and summary.end.outcome.leaves_picks:
        return f"no picks were written: the accepted ones are the coordinates of {given}, for their micrographs alone"
    return f"no picks yet: {out / 'run.json'} tells what was done"


def _show(summary: LoopSummary, out: Path, report: Path | str, *, as_json: bool) -> None:
    from cryoglean.cli.progress import echo_rejected, echo_verdict
    from cryoglean.jobs.grades import findings_on_grades
    from cryoglean.jobs.result import ExitStatus
    from cryoglean.jobs.verdict import verdict_on_picks
    from cryoglean.loop.run_report import findings_on_run
    from cryoglean.loop.state import read_run

    counts = {} if summary.picks is None else summary.picks.counts
    overlaps = () if summary.picks is None else (*summary.picks.overlaps, *findings_on_grades(summary.picks.grades))
    expected = None if summary.picks is None else summary.picks.expected
    ended = [] if summary.end.outcome.exit_status is not ExitStatus.nothing_usable else [_on_end(summary)]
    verdict = verdict_on_picks([*ended, *overlaps, *findings_on_run(read_run(out))], None, counts, expected)
    picked = [] if summary.picks is None else summary.picks.done
    total = sum(o.count for o in picked)
    if as_json:
        said = {
            "out": str(out),
            "best_round": summary.best,
            "acceptance_rule": summary.rule.value,
            "outcome": summary.end.outcome.value,
            "message": summary.end.message,
            "verdict": [finding.as_dict() for finding in verdict],
            "report": str(report) if isinstance(report, Path) else None,
            "picks": total,
            "picked": {o.file.key: o.count for o in picked},
            "rejected": {} if summary.picks is None else {o.file.name: o.reason for o in summary.picks.rejected},
        }
        typer.echo(json.dumps(said))
        return
    if isinstance(report, Path):
        typer.echo(f"report, to be opened with a browser: {report}")
    if summary.picks is None:
        typer.echo(_without_picks(summary, out))
        echo_verdict(verdict)
        return
    typer.echo(f"{counted(total, 'pick')} in {counted(len(picked), 'micrograph')}: {out / 'picks'}")
    echo_rejected(summary.picks, out)
    echo_verdict(verdict)
