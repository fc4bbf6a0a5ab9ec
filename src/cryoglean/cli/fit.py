"""`cryoglean fit`: micrographs in, and what picking needs to know of them out, to be applied in many jobs."""

from __future__ import annotations

import json
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoglean.cli.diameter import diameter_from
from cryoglean.cli.options import (
    AnyContrast,
    AsJson,
    Contrast,
    Cpus,
    DeviceName,
    Force,
    Mask,
    Micrographs,
    Pattern,
    PixelSize,
    Recursive,
    found_micrographs,
)
from cryoglean.cli.picker_options import Diameter, Method, MinDistance, PresetName, picker_from, with_picker_options
from cryoglean.cli.settings import checked
from cryoglean.words import counted

if TYPE_CHECKING:
    from cryoglean.jobs.fit import FitSummary
    from cryoglean.jobs.pick_job import PickJob


@with_picker_options
def fit(
    micrographs: Micrographs,
    out: Annotated[Path, typer.Option(help="Folder of the fit; from few micrographs, more make it anew.")],
    diameter: Diameter = None,
    method: Method = None,
    preset: PresetName = None,
    pixel_size: PixelSize = None,
    pattern: Pattern = None,
    recursive: Recursive = False,
    contrast: Contrast = AnyContrast.auto,
    min_distance: MinDistance = None,
    mask: Mask = None,
    cpus: Cpus = None,
    device: DeviceName = "auto",
    force: Force = False,
    as_json: AsJson = False,
    **of_picker: object,
) -> int:
    """Learn once what a picker learns of a set of micrographs, to be applied in many jobs.

    The folder OUT holds all that cryoglean pick --fit needs, and may be copied or moved. Eight micrographs are learned
    from, spread over those that are named: name the whole set, or a part that stands for it. Jobs that pick with a fit
    learn nothing: a micrograph gets the same picks in whichever job it is, and each job has an --out of its own.

    For example:

        cryoglean fit micrographs --diameter 191 --pixel-size 1.77 --out FIT

        cryoglean fit micrographs --diameter auto --pixel-size 1.77 --method emmae --out FIT

        cryoglean fit micrographs --diameter 191 --method matcher --templates SELECTED/templates.mrcs --out FIT

        cryoglean pick 'micrographs/grid1_*.mrc' --fit FIT --out OUT1

    In an array of SLURM, where list1.txt, list2.txt and so on name the micrographs of each job:

        srun cryoglean pick list$SLURM_ARRAY_TASK_ID.txt --fit FIT --out OUT/$SLURM_ARRAY_TASK_ID
    """
    from cryoglean.cli.progress import JobProgress
    from cryoglean.jobs.fit import run_fit_job
    from cryoglean.jobs.pick_job import PickJob
    from cryoglean.scale.devices import choose_device
    from cryoglean.scale.threads import available_cpus, limit_threads

    info = partial(typer.echo, err=True)
    images, _ = found_micrographs(micrographs, pattern, mask, recursive=recursive, info=info)
    processors = cpus or available_cpus()
    limit_threads(1)  # as picking does
    known = diameter_from(diameter, images, out, pixel_size, processors)
    common: dict[str, object] = {"diameter_angstrom": known, "min_distance_angstrom": min_distance}
    picker, files = picker_from(method, preset, common, of_picker)
    values = {
        "picker": picker,
        "given": files,
        "pixel_size_angstrom": pixel_size,
        "contrast": contrast.given,
        "cpus": processors,
        "device": choose_device(device),
        "force": force,
        "command": shlex.join(["cryoglean", *sys.argv[1:]]),
    }
    job = checked(PickJob, values)
    with JobProgress("fitting", "", verbose=False) as progress:
        progress.info(f"{counted(len(images), 'micrograph')}, {counted(processors, 'CPU')}, device {job.device}")
        summary = run_fit_job(images, job, out, progress)
    _show(job, summary, out, as_json=as_json)
    return summary.exit_status


def _show(job: PickJob, summary: FitSummary, out: Path, *, as_json: bool) -> None:
    from cryoglean.cli.progress import echo_rejected, echo_verdict
    from cryoglean.jobs.step_verdicts import findings_on_unusable
    from cryoglean.jobs.verdict import findings_on_micrographs, verdict_on_picks

    shown = findings_on_micrographs(summary.survey, job.picker.diameter_angstrom, job.contrast, job.command)
    verdict = verdict_on_picks([*findings_on_unusable(summary, out), *shown], summary.fit, {})
    record = summary.record
    if as_json:
        said = {
            "out": str(out),
            "rejected": {each.file.name: each.reason for each in summary.rejected},
            "verdict": [finding.as_dict() for finding in verdict],
            **({} if record is None else record.model_dump(mode="json")),
        }
        typer.echo(json.dumps(said))
        return
    if record is not None:
        learned = "nothing is learned of the set by this picker" if summary.fit is None else summary.fit.summary()
        typer.echo(f"fit {record.digest}: {learned}")
    echo_rejected(summary, out)
    echo_verdict(verdict)
    if record is not None and record.found_particles is not False:
        words = f"cryoglean pick MICROGRAPHS --fit {shlex.quote(str(out))} --out OUT"
        typer.echo(f"to pick with it, in any number of jobs: {words}")
