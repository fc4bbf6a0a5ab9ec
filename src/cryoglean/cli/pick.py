"""`cryoglean pick`: micrographs in, picks out."""

from __future__ import annotations

import json
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoglean.cli.diameter import diameter_from, diameter_number
from cryoglean.cli.options import (
    AnyContrast,
    AsJson,
    Contrast,
    Cpus,
    DeviceName,
    Fit,
    Force,
    Mask,
    Micrographs,
    Out,
    Pattern,
    PixelSize,
    Recursive,
    found_micrographs,
)
from cryoglean.cli.picker_options import (
    Diameter,
    Method,
    MinDistance,
    PresetName,
    picker_from,
    picker_of_fit,
    with_picker_options,
)
from cryoglean.cli.settings import checked
from cryoglean.io.mask_files import MaskFormat
from cryoglean.words import counted

if TYPE_CHECKING:
    from cryoglean.jobs.pick import PickSummary
    from cryoglean.jobs.pick_job import PickJob
    from cryoglean.micrograph import MicrographFile


@with_picker_options
def pick(
    micrographs: Micrographs,
    out: Out,
    diameter: Diameter = None,
    method: Method = None,
    preset: PresetName = None,
    pixel_size: PixelSize = None,
    pattern: Pattern = None,
    recursive: Recursive = False,
    contrast: Contrast = AnyContrast.auto,
    min_distance: MinDistance = None,
    mask: Mask = None,
    fit: Fit = None,
    plots: Annotated[
        bool, typer.Option("--plots", help="Draw each micrograph with its picks, and write a report.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write picks as CSV, too.")] = False,
    mask_format: Annotated[
        MaskFormat, typer.Option(help="Format of OUT/masks, which show what was left out, and why.")
    ] = MaskFormat.png,
    cpus: Cpus = None,
    device: DeviceName = "auto",
    force: Force = False,
    repick: Annotated[
        bool, typer.Option("--repick", help="Pick again those micrographs of OUT whose picks an older fit has made.")
    ] = False,
    as_json: AsJson = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print a line per micrograph and the fit.")] = False,
    **of_picker: object,
) -> int:
    """Find particles in micrographs.

    Each micrograph gets OUT/picks/NAME_autopick.star, with scores from 0 to 1: by default the probability that a pick
    is a particle. Running it again does only what is missing. Micrographs that cannot be used are named in
    OUT/rejected.csv. With --plots, OUT/report.html shows all that was found.

    For example:

        cryoglean pick micrographs --diameter 191 --pixel-size 1.77 --out OUT --plots

        cryoglean pick micrographs --diameter 191 --pixel-size 1.77 --out STRICT --fdr 0.05

        cryoglean pick micrographs --diameter auto --pixel-size 1.77 --out OUT

        cryoglean pick MotionCorr/job002/corrected_micrographs.star --diameter 120 --out OUT

        cryoglean pick micrographs --diameter 212 --pixel-size 0.885 --preset paper --out PAPER

        cryoglean pick micrographs --method kpicker --model MODEL/weights.safetensors --out OUT

        cryoglean pick micrographs --diameter 191 --method matcher --templates SELECTED/templates.mrcs --out OUT

        cryoglean pick micrographs --diameter 191 --method emmae --out OUT

        cryoglean pick micrographs --diameter 191 --method emmae --model pretrained --out OUT

        cryoglean fit micrographs --diameter 191 --pixel-size 1.77 --out FIT

        cryoglean pick 'micrographs/grid1_*.mrc' --fit FIT --out OUT1

        srun cryoglean pick list$SLURM_ARRAY_TASK_ID.txt --fit FIT --out OUT/$SLURM_ARRAY_TASK_ID
    """
    from cryoglean.jobs.given_fit import open_fit
    from cryoglean.jobs.micrograph_lists import write_left_out
    from cryoglean.jobs.pick_job import PickJob
    from cryoglean.scale.devices import choose_device
    from cryoglean.scale.threads import available_cpus, limit_threads

    info = partial(typer.echo, err=True)
    images, left_out = found_micrographs(micrographs, pattern, mask, recursive=recursive, info=info)
    processors = cpus or available_cpus()
    limit_threads(1)  # work is split by micrographs: sums then do not depend on the number of threads
    common: dict[str, object] = {"min_distance_angstrom": min_distance}
    asked: dict[str, object] = {"pixel_size_angstrom": pixel_size, "contrast": contrast.given}
    files = dict[str, Path]()
    if fit is None:
        common["diameter_angstrom"] = diameter_from(diameter, images, out, pixel_size, processors)
        picker, files = picker_from(method, preset, common, of_picker)
    else:
        common["diameter_angstrom"] = diameter_number(diameter)
        picker = picker_of_fit(open_fit(fit), {"method": method, "preset": preset, **asked}, common, of_picker)
    job = checked(
        PickJob,
        asked
        | {
            "picker": picker,
            "given": files,
            "plots": plots,
            "csv": csv,
            "mask_format": mask_format,
            "cpus": processors,
            "device": choose_device(device),
            "force": force,
            "fit": fit,
            "repick": repick,
            "command": shlex.join(["cryoglean", *sys.argv[1:]]),
        },
    )
    summary = _picked(images, job, out, verbose=verbose)
    write_left_out(out, left_out)
    report = _reported(out) if plots else None
    _show(job, summary, out, report, as_json=as_json)
    return summary.exit_status


def _picked(files: list[MicrographFile], job: PickJob, out: Path, *, verbose: bool) -> PickSummary:
    from cryoglean.cli.progress import JobProgress
    from cryoglean.jobs.pick import run_pick_job

    with JobProgress("picking", "{n} picks", verbose=verbose) as progress:
        progress.info(f"{counted(len(files), 'micrograph')}, {counted(job.cpus, 'CPU')}, device {job.device}")
        summary = run_pick_job(files, job, out, progress)
        if verbose and summary.fit is not None:
            progress.info(summary.fit.summary())
    return summary


def _reported(out: Path) -> Path | None:
    """Write the report; what goes wrong is told, as the job itself is well."""
    from cryoglean.loop.folder_report import report_or_reason

    report = report_or_reason(out)
    if isinstance(report, Path):
        return report
    typer.echo(f"{report}: cryoglean report {shlex.quote(str(out))} tries again", err=True)
    return None


def _show(job: PickJob, summary: PickSummary, out: Path, report: Path | None, *, as_json: bool) -> None:
    from cryoglean.cli.progress import echo_rejected, echo_verdict
    from cryoglean.findings import expected_if_sound
    from cryoglean.jobs.fit_findings import finding_on_given, findings_on_fits, findings_on_folder_fit
    from cryoglean.jobs.grades import findings_on_grades
    from cryoglean.jobs.pick_folder import PickFolder
    from cryoglean.jobs.step_verdicts import findings_on_unusable
    from cryoglean.jobs.verdict import findings_on_micrographs, verdict_on_picks

    total = summary.total
    fits = findings_on_fits(summary.fits, summary.fit_digest, job.command)
    if job.fit is None:
        shown = findings_on_micrographs(summary.survey, job.picker.diameter_angstrom, job.contrast, job.command)
    else:
        shown = findings_on_folder_fit(PickFolder(out), summary.survey)
        fits = (*fits, finding_on_given(job.fit, summary.fit_digest, summary.fit))
    on_files = [*findings_on_unusable(summary, out), *summary.overlaps, *findings_on_grades(summary.grades)]
    fit = summary.fit if job.fit is None else None
    verdict = verdict_on_picks([*on_files, *shown, *fits], fit, summary.counts, summary.expected)
    expected = expected_if_sound(summary.expected, verdict)
    if as_json:
        said = {
            "out": str(out),
            "micrographs": len(summary.results),
            "picked": summary.counts,
            "picks": total,
            "expected": None if expected is None else expected.as_dict(total),
            "rejected": {o.file.name: o.reason for o in summary.rejected},
            "grades": {key: {"grade": each.grade, "reason": each.reason} for key, each in summary.grades.items()},
            "settings": job.recorded(),
            "report": None if report is None else str(report),
            "verdict": [finding.as_dict() for finding in verdict],
            "survey": None if summary.survey is None else summary.survey.model_dump(mode="json"),
            "fit": None if summary.fit is None else summary.fit.model_dump(mode="json"),
            "fit_digest": summary.fit_digest,
            "fits": summary.fits,
        }
        typer.echo(json.dumps(said))
        return
    if report is not None:
        typer.echo(f"report, to be opened with a browser: {report}")
    typer.echo(f"{counted(total, 'pick')} in {counted(len(summary.done), 'micrograph')}: {out / 'picks'}")
    echo_rejected(summary, out)
    echo_verdict(verdict)
