"""`cryoglean train`: micrographs and picks in, weights of a picker out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoglean.cli.options import (
    AnyContrast,
    AsJson,
    Contrast,
    Cpus,
    DeviceName,
    Force,
    Micrographs,
    Out,
    Pattern,
    PixelSize,
    Preset,
    Recursive,
    Seed,
    found_micrographs,
)
from cryoglean.cli.orientation import Orientation
from cryoglean.cli.settings import checked
from cryoglean.evaluate.orientation import OrientationChoice
from cryoglean.words import counted

if TYPE_CHECKING:
    from cryoglean.jobs.train import TrainJob, TrainSummary


def train(
    micrographs: Micrographs,
    picks: Annotated[
        Path, typer.Option(help="Particles to learn from: a folder of picks, a list of them, or a particles STAR.")
    ],
    diameter: Annotated[float, typer.Option(help="Particle diameter in Å.")],
    out: Out,
    negatives: Annotated[
        Path | None, typer.Option(help="Picks that are not particles (rejected classes, junk), in the same forms.")
    ] = None,
    preset: Annotated[
        Preset, typer.Option(help="default: for picks that miss some particles; paper: as published in 2020.")
    ] = Preset.default,
    pixel_size: PixelSize = None,
    pattern: Pattern = None,
    recursive: Recursive = False,
    certain_share: Annotated[
        float | None,
        typer.Option(help="default preset: fraction of the picks to learn from, the best-scoring."),
    ] = None,
    missed_share: Annotated[
        float | None,
        typer.Option(help="default preset: fraction of particles missed by the picks; 0.2 by default."),
    ] = None,
    bin_factor: Annotated[int | None, typer.Option("--bin", help="paper preset: binning factor; 4 by default.")] = None,
    epochs: Annotated[int | None, typer.Option(help="paper preset: passes over the picks; 30 by default.")] = None,
    contrast: Contrast = AnyContrast.auto,
    orientation: Orientation = OrientationChoice.auto,
    seed: Seed = None,
    cpus: Cpus = None,
    device: DeviceName = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> int:
    """Train Kpicker on picks of the same micrographs.

    Writes OUT/weights.safetensors, and the training curves as OUT/curves.png and OUT/curves.csv. Pick with the weights
    by cryoglean pick --method kpicker --model OUT/weights.safetensors.

    For example:

        cryoglean train micrographs --picks FIRST --diameter 191 --pixel-size 1.77 --out MODEL

        cryoglean train micrographs --picks KEPT --negatives DROPPED --diameter 191 --out MODEL
    """
    from cryoglean.cli.progress import JobProgress
    from cryoglean.jobs.micrograph_lists import write_left_out
    from cryoglean.jobs.train import TrainJob, run_train_job
    from cryoglean.pickers.kpicker.trainings import TRAININGS
    from cryoglean.scale.devices import choose_device
    from cryoglean.scale.threads import available_cpus, limit_threads

    given = {
        "diameter_angstrom": diameter,
        "certain_share": certain_share,
        "missed_share": missed_share,
        "bin_factor": bin_factor,
        "epochs": epochs,
        "seed": seed,
    }
    settings = checked(TRAININGS[preset], {name: value for name, value in given.items() if value is not None})
    job = checked(
        TrainJob,
        {
            "training": settings,
            "pixel_size_angstrom": pixel_size,
            "contrast": contrast.given,
            "orientation": orientation,
            "cpus": cpus or available_cpus(),
            "device": choose_device(device),
            "force": force,
        },
    )
    limit_threads(1)  # batches are split into parts of one thread each: sums do not depend on the number of threads
    with JobProgress("training", "{n} particles", verbose=False) as progress:
        files, left_out = found_micrographs(micrographs, pattern, recursive=recursive, info=progress.info)
        summary = run_train_job(files, picks, negatives, job, out, progress)
        write_left_out(out, left_out)
    _show(job, summary, out, as_json=as_json)
    return summary.exit_status


def _show(job: TrainJob, summary: TrainSummary, out: Path, *, as_json: bool) -> None:
    from cryoglean.cli.progress import echo_rejected, echo_verdict
    from cryoglean.jobs.step_verdicts import verdict_on_training
    from cryoglean.jobs.train import WEIGHTS
    from cryoglean.pickers.registry import DEFAULT_PRESET

    fit = summary.fit
    learned = {} if fit is None else {"particle": summary.total, "micrograph": len(summary.done)}
    preset = job.training.preset
    pick_with = {
        "--method": "kpicker",
        "--preset": None if preset == DEFAULT_PRESET else preset,
        "--model": out / WEIGHTS,
        "--diameter": f"{job.training.diameter_angstrom:g}",
        "--pixel-size": job.pixel_size_angstrom,
    }
    verdict = verdict_on_training(summary, learned, pick_with, summary.on_places)
    if as_json:
        said = {
            "out": str(out),
            "weights": str(out / WEIGHTS),
            "particles": {o.file.key: o.count for o in summary.results if o.reason is None},
            "rejected": {o.file.name: o.reason for o in summary.rejected},
            "settings": job.recorded(),
            "fit": None if fit is None else fit.model_dump(mode="json"),
            "verdict": [finding.as_dict() for finding in verdict],
        }
        typer.echo(json.dumps(said))
        return
    if fit is not None:
        typer.echo(f"trained on {counted(len(fit.micrographs), 'micrograph')}: {out / WEIGHTS}")
    echo_rejected(summary, out)
    echo_verdict(verdict)
