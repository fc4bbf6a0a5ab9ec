"""`cryoglean classify`: a stack of particles in, 2D class averages out."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryoglean.classes2d.engine import Engine
from cryoglean.cli.options import AsJson, Cpus, Force
from cryoglean.cli.settings import checked
from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from rich.table import Table

    from cryoglean.findings import Finding
    from cryoglean.jobs.classify import ClassifyJob, ClassifySummary

_MAX_ROWS = 30
"""Rows of the table of classes. Resource: about one screen."""

_OPTIONS = {"max_shift_diameters": "--max-shift"}


def classify(
    particles: Annotated[Path, typer.Argument(help="A STAR file of particles, or the folder with particles.star.")],
    out: Annotated[Path, typer.Option(help="Output folder; a finished one is left as it is.")],
    diameter: Annotated[
        float | None, typer.Option(help="Particle diameter in angstrom; by default that of the particles' folder.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="Number of classes; by default one per 200 particles, 2 to 100.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Number of iterations; 25 by default, 200 with --grad.")
    ] = None,
    max_shift: Annotated[
        float | None,
        typer.Option(help="Maximum distance of a particle from the box centre, in diameters; 0.15 by default."),
    ] = None,
    resolution_limit: Annotated[
        float | None, typer.Option(help="Finest detail used, in angstrom; no limit by default.")
    ] = None,
    regularisation: Annotated[
        float | None,
        typer.Option(help="Regularisation parameter T of RELION; larger trusts the images more; 2 by default."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="native: built in; relion: relion_refine, which must be installed.")
    ] = Engine.native,
    mpi: Annotated[int | None, typer.Option(help="RELION: number of MPI processes.")] = None,
    gpu: Annotated[str | None, typer.Option(help='RELION: GPUs, as "0:1"; "all" for all.')] = None,
    grad: Annotated[
        bool, typer.Option("--grad", help="RELION 4 and later: gradient-driven classification (VDAM).")
    ] = False,
    relion_args: Annotated[str, typer.Option(help="RELION: further arguments, passed on unchanged.")] = "",
    device: Annotated[str, typer.Option(help="Native engine: auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    seed: Annotated[int | None, typer.Option(help="Random seed; 0 by default.")] = None,
    cpus: Cpus = None,
    force: Force = False,
    as_json: AsJson = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print a line per iteration.")] = False,
) -> int:
    """Sort particles into 2D classes and average each.

    Writes OUT/particles.star (each particle's class, angle and shift), OUT/classes.mrcs and OUT/model.star (the
    averages and their resolution), OUT/classes.csv and the picture OUT/gallery.png. RELION reads them. Particles with a
    broken image are named in OUT/rejected.csv.

    For example:

        cryoglean classify PARTICLES --out CLASSES

        cryoglean classify particles.star --diameter 180 --classes 20 --out CLASSES --device cuda

        cryoglean classify PARTICLES --out BY_RELION --engine relion --gpu all

        cryoglean classify PARTICLES --out BY_VDAM --engine relion --grad --classes 50
    """
    from cryoglean.cli.iterations import IterationProgress
    from cryoglean.jobs.classify import run_classify_job
    from cryoglean.scale.threads import limit_threads

    star = _table_of(particles)
    job = _job(locals() | {"particles": star})
    limit_threads(job.cpus)
    with IterationProgress("classifying", verbose=verbose) as progress:
        progress.info(f"engine {job.engine.value}, {job.cpus} processors" + _device_in_words(job))
        summary = run_classify_job(star, job, out, progress)
    _show(job, summary, out, as_json=as_json)
    return summary.exit_status


def _table_of(particles: Path) -> Path:
    """Return the table of particles that is meant.

    Raises:
        SettingsError: if there is none.
    """
    if not particles.exists():
        raise SettingsError(f"{particles}: no such file or folder")
    star = particles / "particles.star" if particles.is_dir() else particles
    if not star.exists():
        raise SettingsError(
            f"{particles} holds no particles.star: give the output folder of cryoglean extract, or a STAR file"
        )
    return star


def _job(given: dict[str, Any]) -> ClassifyJob:
    """Build the job from the options.

    Raises:
        SettingsError: if a value is not allowed, or has no effect with this engine.
    """
    from cryoglean.classes2d.relion.command import GRADIENT_ITERATIONS, RelionOptions
    from cryoglean.classes2d.settings import ClassifySettings
    from cryoglean.jobs.classify import ClassifyJob
    from cryoglean.jobs.pick_sources import diameter_of
    from cryoglean.scale.devices import choose_device
    from cryoglean.scale.threads import available_cpus

    diameter = diameter_of(given["particles"].parent) if given["diameter"] is None else given["diameter"]
    if diameter is None:
        raise SettingsError("the size of the particle is unknown: give --diameter")
    _refuse_without_effect(given)
    cpus = given["cpus"] or available_cpus()
    settings = {
        "diameter_angstrom": diameter,
        "classes": given["classes"],
        "iterations": GRADIENT_ITERATIONS if given["grad"] and given["iterations"] is None else given["iterations"],
        "max_shift_diameters": given["max_shift"],
        "resolution_limit_angstrom": given["resolution_limit"],
        "regularisation": given["regularisation"],
        "seed": given["seed"],
    }
    options = {
        "threads": max(1, cpus // (given["mpi"] or 1)),
        "mpi": given["mpi"],
        "gpu": "" if given["gpu"] == "all" else given["gpu"],
        "grad": given["grad"],
        "arguments": _words(given["relion_args"]),
    }
    is_native = given["engine"] is Engine.native
    return ClassifyJob(
        settings=checked(ClassifySettings, {k: v for k, v in settings.items() if v is not None}, _OPTIONS),
        engine=given["engine"],
        relion=checked(RelionOptions, options),
        device=choose_device(given["device"]) if is_native else "cpu",
        cpus=cpus,
        force=given["force"],
    )


def _refuse_without_effect(given: dict[str, Any]) -> None:
    """Refuse options of the other engine."""
    of_relion = ("mpi", "gpu", "grad", "relion_args")
    if given["engine"] is Engine.native:
        for name in of_relion:
            if given[name] not in (None, False, ""):
                option = f"--{name.replace('_', '-')}" + ("" if given[name] is True else f" {given[name]}")
                raise SettingsError(f"{option}: has no effect without --engine relion")
    elif given["device"] != "auto":
        raise SettingsError(f"--device {given['device']}: has no effect with --engine relion; --gpu names its cards")


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise SettingsError(f"--relion-args {text}: {error}") from error


def _device_in_words(job: ClassifyJob) -> str:
    if job.engine is Engine.native:
        return f", device {job.device}"
    return "" if job.relion.gpu is None else f", graphics cards {job.relion.gpu or 'all'}"


def _show(job: ClassifyJob, summary: ClassifySummary, out: Path, *, as_json: bool) -> None:
    from cryoglean.cli.progress import echo_verdict

    verdict = _verdict(summary, out)
    if as_json:
        said = _as_dict(job, summary, out) | {"verdict": [finding.as_dict() for finding in verdict]}
        typer.echo(json.dumps(said))
        return
    if summary.classification is not None:
        from rich.console import Console

        Console(highlight=False).print(_table(summary))
        total = int(summary.classification.classes.counts.sum())
        typer.echo(f"{total} particles in {len(summary.classification.classes)} classes: {out / 'gallery.png'}")
    if summary.rejected:
        typer.echo(f"{len(summary.rejected)} particles rejected: {out / 'rejected.csv'}")
    echo_verdict(verdict)


def _verdict(summary: ClassifySummary, out: Path) -> tuple[Finding, ...]:
    from cryoglean.jobs.step_verdicts import verdict_on_classes

    if summary.classification is None:
        return ()
    classes = summary.classification.classes
    return verdict_on_classes(classes.counts, classes.resolution_angstrom, out)


def _rows(summary: ClassifySummary) -> list[dict[str, Any]]:
    """Return the classes, best first: by the share of particles over the resolution, then by size."""
    if summary.classification is None:
        return []
    classes = summary.classification.classes
    ratio = classes.percent_per_resolution
    order = sorted(range(len(classes)), key=lambda n: (-ratio[n], -classes.counts[n], n))
    return [
        {
            "class": n + 1,
            "particles": int(classes.counts[n]),
            "share_percent": round(100 * float(classes.share[n]), 4),
            "resolution_angstrom": round(r, 4) if math.isfinite(r := float(classes.resolution_angstrom[n])) else None,
            "percent_per_resolution": round(float(ratio[n]), 6),
        }
        for n in order
    ]


def _table(summary: ClassifySummary) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("class", "particles", "%", "resolution (A)", "%/Res"):
        table.add_column(name, justify="right")
    rows = _rows(summary)
    for row in rows[:_MAX_ROWS]:
        resolution = "-" if row["resolution_angstrom"] is None else f"{row['resolution_angstrom']:.1f}"
        shown = f"{row['share_percent']:.1f}", resolution, f"{row['percent_per_resolution']:.3f}"
        table.add_row(str(row["class"]), str(row["particles"]), *shown)
    if len(rows) > _MAX_ROWS:
        table.caption = f"and {len(rows) - _MAX_ROWS} more in classes.csv"
    return table


def _as_dict(job: ClassifyJob, summary: ClassifySummary, out: Path) -> dict[str, Any]:
    found = summary.classification
    return {
        "out": str(out),
        "particles": 0 if found is None else int(found.classes.counts.sum()),
        "classes": _rows(summary),
        "rejected": {r.image: r.reason for r in summary.rejected},
        "notes": [] if found is None else list(found.notes),
        "settings": job.recorded(),
    }
