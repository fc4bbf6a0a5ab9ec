"""`cryoglean mae train`: micrographs in, a masked autoencoder that knows them out."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryoglean.cli.options import AsJson, Cpus, DeviceName, Force, Out, Pattern, PixelSize, Preset, Recursive, Seed
from cryoglean.cli.settings import checked
from cryoglean.errors import SettingsError
from cryoglean.words import counted

if TYPE_CHECKING:
    from cryoglean.jobs.train_mae import MaeJob, MaeSummary, MicrographSet
    from cryoglean.pickers.emmae.training import EmmaeTraining

GROUP_HELP = "Masked autoencoders, which learn from micrographs alone."


class Chain(StrEnum):
    """Ways to prepare micrographs for a masked autoencoder."""

    auto = "auto"
    default = "default"
    paper = "paper"
    none = "none"


class Tiles(StrEnum):
    """Ways to cut tiles."""

    anywhere = "anywhere"
    grid = "grid"
    crops = "crops"


Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="More micrographs: FOLDER:DIAMETER or FOLDER:DIAMETER:PIXEL_SIZE, in Å; repeatable."),
]
Preprocess = Annotated[
    Chain | None,
    typer.Option(
        help="Preprocessing; auto: none where the power spectrum shows that the images are filtered already. "
        "By default auto, with --preset paper the published one, with --from that of the weights."
    ),
]
Devices = Annotated[int, typer.Option(min=1, help="Number of devices on each node, as in --device cuda --devices 4.")]


def train(
    out: Out,
    micrographs: Annotated[
        list[Path] | None, typer.Argument(help="A folder, images, a text list of images, or a micrographs STAR file.")
    ] = None,
    diameter: Annotated[float | None, typer.Option(help="Particle diameter in Å.")] = None,
    pixel_size: PixelSize = None,
    pattern: Pattern = None,
    recursive: Recursive = False,
    sets: Sets = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over as many tiles as cover all micrographs.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Training time in minutes, instead of epochs.")] = None,
    preset: Annotated[
        Preset, typer.Option(help="default: small and quick; paper: as published in 2025.")
    ] = Preset.default,
    preprocess: Preprocess = None,
    tiles: Annotated[
        Tiles | None,
        typer.Option(help="Tiles, if not the preset's; crops: squares of many sizes, for many sets."),
    ] = None,
    first: Annotated[Path | None, typer.Option("--from", help="Weights to start from; random ones by default.")] = None,
    batch: Annotated[int | None, typer.Option(help="Tiles per training step.")] = None,
    seed: Seed = None,
    cpus: Cpus = None,
    device: DeviceName = "auto",
    devices: Devices = 1,
    nodes: Annotated[
        int, typer.Option(min=1, help="Number of nodes, as in srun cryoglean mae train --devices 4 --nodes 2 ...")
    ] = 1,
    force: Force = False,
    as_json: AsJson = False,
) -> int:
    """Train a masked autoencoder on micrographs; no picks are needed.

    Writes OUT/weights.safetensors, OUT/curves.png and .csv, and OUT/reconstructions.png, which shows what the network
    predicts of what it is not shown. The same command resumes a training that was stopped.

    For example:

        cryoglean mae train micrographs --diameter 191 --pixel-size 1.77 --out MAE

        cryoglean mae train --set one:191:1.77 --set two:112.5:1.5 --minutes 20 --out MAE
    """
    from cryoglean.cli.progress import JobProgress
    from cryoglean.jobs.train_mae import MaeJob, join_mae_job, run_mae_job
    from cryoglean.scale.devices import choose_device
    from cryoglean.scale.launch import form_process_group
    from cryoglean.scale.threads import limit_threads

    given = {
        "epochs": epochs,
        "minutes": minutes,
        "sampling": None if tiles is None else tiles.value,
        "batch": batch,
        "seed": seed,
    }
    training = _training(preset, preprocess, first, {name: value for name, value in given.items() if value is not None})
    values = {
        "sets": tuple(
            each.model_copy(update={"pattern": pattern, "recursive": recursive})
            for each in _sets(micrographs or [], diameter, pixel_size, sets or [])
        ),
        "training": training,
        "chooses_chain": preprocess is Chain.auto
        or (preprocess is None and preset is Preset.default and first is None),
        "first": first,
        "force": force,
    }
    limit_threads(1)  # batches are split into parts of one thread each: sums do not depend on the number of threads
    with form_process_group(choose_device(device, devices), devices, nodes) as group:
        job = checked(MaeJob, values | {"cpus": group.cpus(cpus)})
        if not group.is_first:
            join_mae_job(job, group)
            return 0
        with JobProgress("training", "", verbose=False) as progress:
            summary = run_mae_job(job, out, progress, group)
    _show(job, summary, out, as_json=as_json)
    return summary.exit_status


def _training(preset: Preset, preprocess: Chain | None, first: Path | None, given: dict[str, Any]) -> EmmaeTraining:
    from cryoglean.pickers.emmae.network_files import read_emmae
    from cryoglean.pickers.emmae.training import EmmaeTraining, training_values
    from cryoglean.preprocess.mae_chain import MaePreprocess

    if preprocess not in (None, Chain.auto):
        given = given | {"preprocess": MaePreprocess.model_validate({"chain": preprocess.value})}
    elif first is not None and preprocess is None:
        given = given | {"preprocess": read_emmae(first).facts.preprocess}
    return checked(EmmaeTraining, training_values(preset.value, given))


def _sets(
    micrographs: list[Path], diameter: float | None, pixel_size: float | None, sets: list[str]
) -> tuple[MicrographSet, ...]:
    """Make sets of what is named with --diameter, and of each --set.

    Raises:
        SettingsError: if nothing is named, a diameter is missing or has nothing to go with, or a number is none.
    """
    found = []
    if micrographs:
        if diameter is None:
            raise SettingsError("give --diameter, the particle diameter in angstrom")
        found.append(_set(tuple(micrographs), diameter, pixel_size))
    elif diameter is not None or pixel_size is not None:
        raise SettingsError("--diameter and --pixel-size go with micrographs named as arguments; --set has its own")
    found += [_parsed(text) for text in sets]
    if not found:
        raise SettingsError("no micrographs given: name them, with --diameter, or give --set FOLDER:DIAMETER")
    return tuple(found)


def _parsed(text: str) -> MicrographSet:
    """Read FOLDER:DIAMETER or FOLDER:DIAMETER:PIXEL_SIZE; the folder's name may hold colons, too."""
    numbers: list[float] = []
    folder = text
    while len(numbers) < 2:
        rest, colon, last = folder.rpartition(":")
        try:
            number = float(last)
        except ValueError:
            break
        if not colon:
            break
        numbers.insert(0, number)
        folder = rest
    if not numbers or not folder:
        raise SettingsError(f"--set {text}: give FOLDER:DIAMETER or FOLDER:DIAMETER:PIXEL_SIZE, in angstrom")
    return _set((Path(folder),), numbers[0], numbers[1] if len(numbers) > 1 else None)


def _set(inputs: tuple[Path, ...], diameter: float, pixel_size: float | None) -> MicrographSet:
    from cryoglean.jobs.train_mae import MicrographSet

    values = {"inputs": inputs, "diameter_angstrom": diameter, "pixel_size_angstrom": pixel_size}
    return checked(MicrographSet, values)


def _show(job: MaeJob, summary: MaeSummary, out: Path, *, as_json: bool) -> None:
    from cryoglean.cli.progress import echo_rejected, echo_verdict
    from cryoglean.jobs.step_verdicts import verdict_on_training
    from cryoglean.pickers.emmae.network_training import WEIGHTS
    from cryoglean.pickers.registry import DEFAULT_PRESET

    fit = summary.fit
    learned = {} if fit is None else {"micrograph": len(fit.micrographs), "step": fit.steps}
    only, preset = job.sets[0] if len(job.sets) == 1 else None, job.training.preset
    pick_with = {
        "--method": "emmae",
        "--preset": None if preset == DEFAULT_PRESET else preset,
        "--model": out / WEIGHTS,
        "--diameter": "DIAMETER" if only is None else f"{only.diameter_angstrom:g}",
        "--pixel-size": None if only is None else only.pixel_size_angstrom,
    }
    verdict = verdict_on_training(summary, learned, pick_with)
    if as_json:
        said = {
            "out": str(out),
            "weights": str(out / WEIGHTS),
            "rejected": {o.file.key: o.reason for o in summary.rejected},
            "settings": job.recorded(),
            "fit": None if fit is None else fit.model_dump(mode="json"),
            "verdict": [finding.as_dict() for finding in verdict],
        }
        typer.echo(json.dumps(said))
        return
    if fit is not None:
        micrographs, steps = counted(len(fit.micrographs), "micrograph"), counted(fit.steps, "step")
        typer.echo(f"trained on {micrographs}, {steps}: {out / WEIGHTS}")
    echo_rejected(summary, out)
    echo_verdict(verdict)
