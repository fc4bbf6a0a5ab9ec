"""`cryoglean pick`: micrographs in, picks out."""

from __future__ import annotations

import json
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoglean.cli.options import AsJson, Cpus, DeviceName, Force, PixelSize
from cryoglean.cli.settings import checked
from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from cryoglean.jobs.pick import PickJob, PickSummary
    from cryoglean.pickers.emmae.training import EmmaeTraining


class Method(StrEnum):
    """The pickers."""

    localpicker = "localpicker"
    kpicker = "kpicker"
    matcher = "matcher"
    emmae = "emmae"


class Preset(StrEnum):
    """Ways to set a picker."""

    default = "default"
    paper = "paper"


class Chain(StrEnum):
    """How micrographs are prepared for a masked autoencoder."""

    default = "default"
    paper = "paper"
    none = "none"


Model = Annotated[
    Path | None,
    typer.Option(
        help="kpicker: the weights.safetensors of cryoglean train. emmae: that of cryoglean mae train, or the word "
        "pretrained for the network that comes with the program; without it, emmae trains on a few micrographs."
    ),
]
Templates = Annotated[
    Path | None, typer.Option(help="matcher: a stack of class averages, as cryoglean select makes it.")
]
ReferenceMask = Annotated[
    Path | None,
    typer.Option(help="emmae's paper preset: an image, not 0 where the micrograph of the same name shows particles."),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        help="Least score, 0 to 1, where 0.5 is the cut the program finds; kpicker: least probability; "
        "localpicker's paper preset: least determinant of Hessian."
    ),
]


def pick(
    micrographs: Annotated[
        list[Path], typer.Argument(help="A folder, images, a text list of images, or a micrographs STAR file.")
    ],
    out: Annotated[Path, typer.Option(help="Output folder; one that is there is gone on with.")],
    diameter: Annotated[
        float | None, typer.Option(help="Particle diameter in angstrom; kpicker: that of the weights by default.")
    ] = None,
    method: Annotated[Method, typer.Option(help="Which picker.")] = Method.localpicker,
    preset: Annotated[
        Preset, typer.Option(help="default: finds shape and threshold by itself; paper: as published.")
    ] = Preset.default,
    model: Model = None,
    preprocess: Annotated[
        Chain | None,
        typer.Option(help="emmae: wins over the preset; none: for images that are filtered already."),
    ] = None,
    reference_mask: ReferenceMask = None,
    templates: Templates = None,
    pixel_size: PixelSize = None,
    min_distance: Annotated[
        float | None, typer.Option(help="Least distance of two picks in angstrom; half a diameter by default.")
    ] = None,
    threshold: Threshold = None,
    bin_factor: Annotated[
        int | None, typer.Option("--bin", help="localpicker's paper preset: binning, 9 by default.")
    ] = None,
    plots: Annotated[
        bool, typer.Option("--plots", help="Draw each micrograph with its picks, and write a report.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write picks as CSV, too.")] = False,
    cpus: Cpus = None,
    device: DeviceName = "auto",
    force: Force = False,
    as_json: AsJson = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell of each micrograph and what was learned.")
    ] = False,
) -> int:
    """Find particles in micrographs.

    Each micrograph gets OUT/picks/NAME_autopick.star, with scores from 0 to 1. Running it again does only what is
    missing. Micrographs that cannot be used are named in OUT/rejected.csv. With --plots, OUT/report.html shows all that
    was found.

    For example:

        cryoglean pick micrographs --diameter 191 --pixel-size 1.77 --out OUT --plots

        cryoglean pick MotionCorr/job002/corrected_micrographs.star --diameter 120 --out OUT

        cryoglean pick micrographs --diameter 212 --pixel-size 0.885 --preset paper --out PAPER

        cryoglean pick micrographs --method kpicker --model MODEL/weights.safetensors --out OUT

        cryoglean pick micrographs --diameter 191 --method matcher --templates SELECTED/templates.mrcs --out OUT

        cryoglean pick micrographs --diameter 191 --method emmae --out OUT

        cryoglean pick micrographs --diameter 191 --method emmae --model pretrained --out OUT
    """
    from cryoglean.jobs.pick import PickJob
    from cryoglean.scale.devices import choose_device
    from cryoglean.scale.threads import available_cpus, limit_threads

    model = _shipped(method, model)
    given = {
        "diameter_angstrom": _diameter(method, diameter, model),
        "min_distance_angstrom": min_distance,
        "threshold": threshold,
        "bin_factor": bin_factor,
    }
    given = {name: value for name, value in given.items() if value is not None}
    job = checked(
        PickJob,
        {
            "picker": checked(_kind(method, preset), given),
            "weights": model,
            "templates": _only_with(Method.matcher, method, "--templates", templates),
            "training": _training(method, preset, preprocess, model),
            "reference_mask": _mask(method, preset, reference_mask),
            "pixel_size_angstrom": pixel_size,
            "plots": plots,
            "csv": csv,
            "cpus": cpus or available_cpus(),
            "device": choose_device(device),
            "force": force,
            "command": shlex.join(["cryoglean", *sys.argv[1:]]),
        },
    )
    limit_threads(1)  # work is split by micrographs: sums then do not depend on the number of threads
    summary = _picked(micrographs, job, out, verbose=verbose)
    report = _reported(out) if plots else None
    _show(job, summary, out, report, as_json=as_json)
    return summary.exit_status


def _shipped(method: Method, model: Path | None) -> Path | None:
    """Turn the word for the network that comes with the program into its path."""
    from cryoglean.pickers.emmae.network_files import PRETRAINED

    return PRETRAINED if method is Method.emmae and model == Path("pretrained") else model


def _picked(micrographs: list[Path], job: PickJob, out: Path, *, verbose: bool) -> PickSummary:
    from cryoglean.cli.progress import JobProgress
    from cryoglean.io.inputs import find_micrographs
    from cryoglean.jobs.pick import run_pick_job

    files = find_micrographs(micrographs)
    with JobProgress("picking", "{n} picks", verbose=verbose) as progress:
        progress.info(f"{len(files)} micrographs, {job.cpus} processors, device {job.device}")
        summary = run_pick_job(files, job, out, progress)
        if verbose and summary.model is not None:
            progress.info(summary.model.in_words())
    return summary


def _reported(out: Path) -> Path | None:
    """Write the report; what goes wrong is told, as the job itself is well."""
    from cryoglean.loop.folder_report import report_or_reason

    report = report_or_reason(out)
    if isinstance(report, Path):
        return report
    typer.echo(f"{report}: cryoglean report {shlex.quote(str(out))} tries again", err=True)
    return None


def _kind(method: Method, preset: Preset) -> type[BaseModel]:
    kind = _kinds().get((method, preset))
    if kind is None:
        raise SettingsError(f"--preset {preset}: there is none of --method {method}")
    return kind


def _only_with(needs: Method, method: Method, option: str, given: Path | None) -> Path | None:
    if given is not None and method is not needs:
        raise SettingsError(f"{option} {given}: has no effect with --method {method}")
    return given


def _mask(method: Method, preset: Preset, given: Path | None) -> Path | None:
    if given is not None and preset is not Preset.paper:
        raise SettingsError(f"--reference-mask {given}: has no effect with --preset {preset}")
    return _only_with(Method.emmae, method, "--reference-mask", given)


def _training(method: Method, preset: Preset, preprocess: Chain | None, model: Path | None) -> EmmaeTraining | None:
    """Return how a masked autoencoder is trained, or must have been; None takes any that is given."""
    from cryoglean.pickers.emmae.training import EmmaeTraining, training_values
    from cryoglean.preprocess import MaePreprocess

    if method is not Method.emmae:
        if preprocess is not None:
            raise SettingsError(f"--preprocess {preprocess}: has no effect with --method {method}")
        return None
    if preprocess is None and model is not None:
        return None
    given = {} if preprocess is None else {"preprocess": MaePreprocess(chain=preprocess.value)}
    return checked(EmmaeTraining, training_values(preset.value, given))


def _kinds() -> Mapping[tuple[Method, Preset], type[BaseModel]]:
    from cryoglean.pickers.emmae.paper import PaperEmmaeSettings
    from cryoglean.pickers.emmae.picker import EmmaeSettings
    from cryoglean.pickers.kpicker.paper import PaperKpickerSettings
    from cryoglean.pickers.kpicker.picker import KpickerSettings
    from cryoglean.pickers.localpicker.paper import PaperLocalpickerSettings
    from cryoglean.pickers.localpicker.picker import LocalpickerSettings
    from cryoglean.pickers.matcher.picker import MatcherSettings

    return {
        (Method.localpicker, Preset.default): LocalpickerSettings,
        (Method.localpicker, Preset.paper): PaperLocalpickerSettings,
        (Method.kpicker, Preset.default): KpickerSettings,
        (Method.kpicker, Preset.paper): PaperKpickerSettings,
        (Method.matcher, Preset.default): MatcherSettings,
        (Method.emmae, Preset.default): EmmaeSettings,
        (Method.emmae, Preset.paper): PaperEmmaeSettings,
    }


def _diameter(method: Method, given: float | None, model: Path | None) -> float:
    """Return the particle's diameter in angstrom: what is given, or what the weights were trained for.

    Raises:
        SettingsError: if there is none, or the weights fit the method badly.
    """
    from cryoglean.pickers.kpicker.files import read_kpicker

    if method is not Method.kpicker:
        if model is not None and method is not Method.emmae:
            raise SettingsError(f"--model {model}: has no effect with --method {method}")
        if given is None:
            raise SettingsError("the size of the particle is unknown: give --diameter")
        return given
    if model is None:
        raise SettingsError("--method kpicker needs --model, the weights.safetensors that cryoglean train makes")
    return read_kpicker(model).facts.diameter_angstrom if given is None else given


def _show(job: PickJob, summary: PickSummary, out: Path, report: Path | None, *, as_json: bool) -> None:
    total = summary.total
    if as_json:
        said = {
            "out": str(out),
            "micrographs": len(summary.results),
            "picked": summary.counts,
            "picks": total,
            "rejected": {o.file.name: o.reason for o in summary.rejected},
            "settings": job.recorded(),
            "report": None if report is None else str(report),
            "model": None if summary.model is None else summary.model.model_dump(mode="json"),
        }
        typer.echo(json.dumps(said))
        return
    if report is not None:
        typer.echo(f"report, to be opened with a browser: {report}")
    typer.echo(f"{total} picks in {len(summary.done)} micrographs: {out / 'picks'}")
    if summary.rejected:
        typer.echo(f"{len(summary.rejected)} micrographs rejected: {out / 'rejected.csv'}")
    if summary.model is not None and not summary.model.found_particles:
        typer.echo("nothing like particles of this diameter stands out in these micrographs: is --diameter right?")
