"""`cryoglean simulate`: models in, micrographs with known truth out."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from cryoglean.cli.options import AsJson, Cpus, Force
from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryoglean.jobs.simulate import SimulationSummary
    from cryoglean.simulate.settings import Simulation


class Noise(StrEnum):
    """Levels of shot noise."""

    low = "low"
    medium = "medium"
    high = "high"


class Dirt(StrEnum):
    """Levels of nuisances."""

    none = "none"
    some = "some"
    many = "many"


_OPTIONS = {
    "models": "--model",
    "height_px": "--size",
    "width_px": "--size",
    "dose_electrons_per_square_angstrom": "--dose",
    "spherical_aberration_mm": "--cs",
    "defocus_min_angstrom": "--defocus",
    "defocus_max_angstrom": "--defocus",
    "thickness_angstrom": "--ice",
    "gradient": "--ice-gradient",
    "noise": "--ice-noise",
    "spacing_diameters": "--spacing",
    "preferred_share": "--preferred",
    "overlapping_share": "--overlapping",
    "carbon_share": "--carbon",
}
_COUNTED = ("ice_blobs", "ice_crystals", "ethane", "gold_beads", "aggregates", "fragments", "dead_stripes")
_NUISANCES = {name: name for name in _COUNTED} | {"carbon": "carbon_share"}


def simulate(
    model: Annotated[
        list[str], typer.Option(help="mmCIF, PDB or MRC map (also .gz), or test:480kDa:D2; give it for each species.")
    ],
    out: Annotated[Path, typer.Option(help="Output folder; one that is there is gone on with.")],
    micrographs: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    particles: Annotated[int, typer.Option(help="Particles in each, as far as there is room.")] = 300,
    size: Annotated[str, typer.Option(metavar="HxW", help="Height and width in pixels.")] = "4096x4096",
    pixel_size: Annotated[float, typer.Option(help="Pixel size in angstrom.")] = 1.0,
    voxel_size: Annotated[float | None, typer.Option(help="Of a map whose header does not say it, angstrom.")] = None,
    noise: Annotated[
        Noise, typer.Option(help="Shot noise: low 80, medium 40, high 12 electrons per square angstrom.")
    ] = Noise.medium,
    dose: Annotated[float | None, typer.Option(help="Electrons per square angstrom, instead of --noise.")] = None,
    defocus: Annotated[str, typer.Option(metavar="FROM,TO", help="Range of defocus, angstrom.")] = "8000,20000",
    astigmatism: Annotated[float, typer.Option(help="Largest difference of the two defoci, angstrom.")] = 200.0,
    voltage: Annotated[float, typer.Option(help="Acceleration voltage, kV.")] = 300.0,
    cs: Annotated[float, typer.Option(help="Spherical aberration, mm.")] = 2.7,
    amplitude_contrast: Annotated[float, typer.Option(help="Share of amplitude contrast.")] = 0.1,
    b_factor: Annotated[float, typer.Option(help="Of the envelope, square angstrom.")] = 100.0,
    ice: Annotated[float, typer.Option(help="Thickness of the ice, angstrom.")] = 400.0,
    ice_gradient: Annotated[float, typer.Option(help="How much it differs from side to side, share.")] = 0.3,
    ice_noise: Annotated[float, typer.Option(help="Structural noise of the ice; 1 is that of water.")] = 1.0,
    spacing: Annotated[float, typer.Option(help="Least distance of particles, in diameters.")] = 1.05,
    overlapping: Annotated[float, typer.Option(help="Share of particles laid over another one.")] = 0.0,
    preferred: Annotated[float, typer.Option(help="Share of particles that show their top (tilt 0).")] = 0.0,
    shares: Annotated[str | None, typer.Option(help="Relative numbers of the species, as 5,3,2.")] = None,
    nuisances: Annotated[
        Dirt, typer.Option(help="Ice, ethane, carbon, gold, aggregates, pieces, stripes.")
    ] = Dirt.none,
    ice_blobs: Annotated[int | None, typer.Option(help="Drops of ice in each micrograph.")] = None,
    ice_crystals: Annotated[int | None, typer.Option(help="Ice crystals in each.")] = None,
    ethane: Annotated[int | None, typer.Option(help="Patches of ethane in each.")] = None,
    gold_beads: Annotated[int | None, typer.Option(help="Gold beads in each.")] = None,
    aggregates: Annotated[int | None, typer.Option(help="Clumps of particles in each.")] = None,
    fragments: Annotated[int | None, typer.Option(help="Denatured pieces in each.")] = None,
    dead_stripes: Annotated[int | None, typer.Option(help="Bands that the detector did not record in each.")] = None,
    carbon: Annotated[float | None, typer.Option(help="Share of micrographs with a carbon edge.")] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn by lot.")] = 0,
    cpus: Cpus = None,
    force: Force = False,
    as_json: AsJson = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell of each micrograph.")] = False,
) -> int:
    """Simulate micrographs with known truth from atomic models.

    OUT/micrographs and OUT/micrographs.star are what a microscope gives. OUT/truth holds the true centres, orientations
    and species, OUT/particles.star the same for RELION, OUT/nuisances what is no particle.

    For example:

        cryoglean simulate --model 4v1w.cif.gz --out SIM --micrographs 10 --pixel-size 1.5

        cryoglean simulate --model test:480kDa:D2 --model test:80kDa --out SIM --noise high --nuisances many

        cryoglean pick SIM/micrographs.star --diameter 130 --out OUT

        cryoglean evaluate OUT SIM/truth --diameter 130 --pixel-size 1.5
    """
    from cryoglean.cli.progress import JobProgress
    from cryoglean.jobs.simulate import run_simulation
    from cryoglean.scale.threads import available_cpus, limit_threads

    simulation = _checked(_values(locals()))
    workers = cpus or available_cpus()
    limit_threads(1)
    with JobProgress("simulating", "{n} particles", verbose=verbose) as progress:
        summary = run_simulation(simulation, out, progress, micrographs=micrographs, cpus=workers, force=force)
    _show(simulation, summary, out, as_json=as_json)
    return summary.exit_status


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Sort what the options say into the settings."""
    from cryoglean.simulate.settings import DOSES, NUISANCES

    least, most = _pair(given["defocus"], "--defocus", "FROM,TO in angstrom, as 8000,20000", ",")
    height, width = _pair(given["size"], "--size", "HEIGHTxWIDTH in pixels, as 4096x4096", "[xX]")
    counts = {name: given[option] for option, name in _NUISANCES.items() if given[option] is not None}
    return {
        "microscope": {
            "pixel_size_angstrom": given["pixel_size"],
            "voltage_kv": given["voltage"],
            "spherical_aberration_mm": given["cs"],
            "amplitude_contrast": given["amplitude_contrast"],
            "defocus_min_angstrom": least,
            "defocus_max_angstrom": most,
            "astigmatism_angstrom": given["astigmatism"],
            "b_factor_square_angstrom": given["b_factor"],
            "dose_electrons_per_square_angstrom": DOSES[given["noise"]] if given["dose"] is None else given["dose"],
        },
        "ice": {"thickness_angstrom": given["ice"], "gradient": given["ice_gradient"], "noise": given["ice_noise"]},
        "specimen": {
            "models": given["model"],
            "shares": _numbers(given["shares"], "--shares"),
            "voxel_size_angstrom": given["voxel_size"],
            "particles": given["particles"],
            "spacing_diameters": given["spacing"],
            "overlapping_share": given["overlapping"],
            "preferred_share": given["preferred"],
        },
        "nuisances": NUISANCES[given["nuisances"]].model_dump() | counts,
        "height_px": height,
        "width_px": width,
        "seed": given["seed"],
    }


def _checked(values: dict[str, Any]) -> Simulation:
    """Build the settings; say in one line which option is wrong and what is allowed."""
    from cryoglean.simulate.settings import Simulation

    try:
        return Simulation.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        names = [str(part) for part in first["loc"] if isinstance(part, str)]
        said = first["msg"].removeprefix("Value error, ")
        said = said[:1].lower() + said[1:]
        if first["type"] == "value_error":  # of several options; the text names them
            raise SettingsError(said) from error
        plain = re.sub(r"_(angstrom|square_angstrom|kv|mm|share)$", "", names[-1]).removesuffix("_square")
        option = _OPTIONS.get(names[-1], "--" + plain.replace("_", "-"))
        raise SettingsError(f"{option} {_plain(first['input'])}: {said}") from error


def _pair(text: str, option: str, expected: str, separator: str) -> tuple[str, str]:
    parts = re.split(separator, text.strip())
    number = re.compile(r"-?\d{1,9}(\.\d+)?" if separator == "," else r"\d{1,9}")
    if len(parts) != 2 or not all(number.fullmatch(part.strip()) for part in parts):
        raise SettingsError(f"{option} must be {expected}, got {text!r}")
    return parts[0], parts[1]


def _numbers(text: str | None, option: str) -> list[float]:
    if text is None:
        return []
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(f"{option} must be numbers with commas between, as 5,3,2, got {text!r}") from None


def _show(simulation: Simulation, summary: SimulationSummary, out: Path, *, as_json: bool) -> None:
    if as_json:
        said = {
            "out": str(out),
            "micrographs": len(summary.done),
            "particles": {r.file.name: r.count for r in summary.done},
            "species": [
                {"name": p.name, "mass_kda": p.mass_kda, "diameter_angstrom": 2 * p.radius_angstrom}
                for p in summary.species
            ],
            "settings": simulation.model_dump(mode="json"),
        }
        typer.echo(json.dumps(said))
        return
    typer.echo(f"{summary.total} particles in {len(summary.done)} micrographs: {out / 'micrographs'}")
    if summary.total < simulation.specimen.particles * len(summary.done):
        typer.echo("there was no room for all of them: fewer --particles, a smaller --spacing, or a larger --size")


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
