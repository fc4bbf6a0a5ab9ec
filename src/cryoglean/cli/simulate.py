"""`cryoglean simulate`: models in, micrographs with known truth out."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryoglean.cli.options import AsJson, Cpus, Force, Out, Verbose
from cryoglean.cli.settings import checked, defaults
from cryoglean.errors import SettingsError
from cryoglean.simulate.settings import DOSES, NUISANCES, Ice, Microscope, Simulation, Specimen
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryoglean.jobs.simulate import SimulationSummary


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

_SCOPE, _ICE, _SPECIMEN, _IMAGE = (defaults(kind) for kind in (Microscope, Ice, Specimen, Simulation))
_NOISE = next(each for each in Noise if DOSES[each] == _SCOPE["dose_electrons_per_square_angstrom"])
_CLEAN = next(each for each in Dirt if NUISANCES[each] == _IMAGE["nuisances"])


def simulate(
    model: Annotated[
        list[str], typer.Option(help="mmCIF, PDB or MRC map (also .gz), or test:480kDa:D2; once for each species.")
    ],
    out: Out,
    micrographs: Annotated[int, typer.Option(min=1, help="Number of micrographs.")] = 10,
    particles: Annotated[int, typer.Option(help="Particles in each micrograph, as far as there is room.")] = _SPECIMEN[
        "particles"
    ],
    size: Annotated[
        str, typer.Option(metavar="HxW", help="Height and width in pixels.")
    ] = "{height_px}x{width_px}".format_map(_IMAGE),
    pixel_size: Annotated[float, typer.Option(help="Pixel size in Å.")] = _SCOPE["pixel_size_angstrom"],
    voxel_size: Annotated[float | None, typer.Option(help="Voxel size in Å of a map whose header has none.")] = None,
    noise: Annotated[
        Noise, typer.Option(help="Shot noise: " + ", ".join(f"{n} {dose:g}" for n, dose in DOSES.items()) + " e/Å².")
    ] = _NOISE,
    dose: Annotated[float | None, typer.Option(help="Dose in electrons per Å², instead of --noise.")] = None,
    defocus: Annotated[
        str, typer.Option(metavar="MIN,MAX", help="Range of defocus in Å.")
    ] = "{defocus_min_angstrom:g},{defocus_max_angstrom:g}".format_map(_SCOPE),
    astigmatism: Annotated[float, typer.Option(help="Maximum astigmatism in Å.")] = _SCOPE["astigmatism_angstrom"],
    voltage: Annotated[float, typer.Option(help="Acceleration voltage in kV.")] = _SCOPE["voltage_kv"],
    cs: Annotated[float, typer.Option(help="Spherical aberration in mm.")] = _SCOPE["spherical_aberration_mm"],
    amplitude_contrast: Annotated[float, typer.Option(help="Amplitude contrast as a fraction.")] = _SCOPE[
        "amplitude_contrast"
    ],
    b_factor: Annotated[float, typer.Option(help="B factor of the envelope in Å².")] = _SCOPE[
        "b_factor_square_angstrom"
    ],
    ice: Annotated[float, typer.Option(help="Ice thickness in Å.")] = _ICE["thickness_angstrom"],
    ice_gradient: Annotated[
        float, typer.Option(help="Difference of the thickness from side to side, as a fraction.")
    ] = _ICE["gradient"],
    ice_noise: Annotated[float, typer.Option(help="Structural noise of the ice; 1 is that of water.")] = _ICE["noise"],
    spacing: Annotated[float, typer.Option(help="Minimum distance between particles, in diameters.")] = _SPECIMEN[
        "spacing_diameters"
    ],
    overlapping: Annotated[float, typer.Option(help="Fraction of particles that overlap another one.")] = _SPECIMEN[
        "overlapping_share"
    ],
    preferred: Annotated[float, typer.Option(help="Fraction of particles in top view (tilt 0).")] = _SPECIMEN[
        "preferred_share"
    ],
    shares: Annotated[str | None, typer.Option(help="Relative numbers of the species, as 5,3,2.")] = None,
    nuisances: Annotated[
        Dirt, typer.Option(help="Ice, ethane, carbon, gold, aggregates, fragments and stripes.")
    ] = _CLEAN,
    ice_blobs: Annotated[int | None, typer.Option(help="Drops of ice in each micrograph.")] = None,
    ice_crystals: Annotated[int | None, typer.Option(help="Ice crystals in each.")] = None,
    ethane: Annotated[int | None, typer.Option(help="Patches of ethane in each.")] = None,
    gold_beads: Annotated[int | None, typer.Option(help="Gold beads in each.")] = None,
    aggregates: Annotated[int | None, typer.Option(help="Clumps of particles in each.")] = None,
    fragments: Annotated[int | None, typer.Option(help="Denatured fragments in each.")] = None,
    dead_stripes: Annotated[int | None, typer.Option(help="Stripes of dead detector in each.")] = None,
    carbon: Annotated[float | None, typer.Option(help="Fraction of micrographs with a carbon edge.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = _IMAGE["seed"],
    cpus: Cpus = None,
    force: Force = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
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

    simulation = checked(Simulation, _values(locals()), _OPTIONS)
    workers = cpus or available_cpus()
    limit_threads(1)
    with JobProgress("simulating", "{n} particles", verbose=verbose) as progress:
        summary = run_simulation(simulation, out, progress, micrographs=micrographs, cpus=workers, force=force)
    _show(simulation, summary, out, as_json=as_json)
    return summary.exit_status


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Sort what the options say into the settings."""
    low, high = _pair(given["defocus"], "--defocus", "MIN,MAX in angstrom, as 8000,20000", ",")
    height, width = _pair(given["size"], "--size", "HEIGHTxWIDTH in pixels, as 4096x4096", "[xX]")
    counts = {name: given[option] for option, name in _NUISANCES.items() if given[option] is not None}
    return {
        "microscope": {
            "pixel_size_angstrom": given["pixel_size"],
            "voltage_kv": given["voltage"],
            "spherical_aberration_mm": given["cs"],
            "amplitude_contrast": given["amplitude_contrast"],
            "defocus_min_angstrom": low,
            "defocus_max_angstrom": high,
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
    from cryoglean.cli.progress import echo_verdict
    from cryoglean.jobs.side_verdicts import verdict_on_simulation

    sizes = [2 * p.radius_angstrom for p in summary.species]
    pixel_size = simulation.microscope.pixel_size_angstrom
    verdict = verdict_on_simulation(summary.counts, simulation.specimen.particles, sizes, pixel_size, out)
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
            "verdict": [finding.as_dict() for finding in verdict],
        }
        typer.echo(json.dumps(said))
        return
    particles, micrographs = counted(summary.total, "particle"), counted(len(summary.done), "micrograph")
    typer.echo(f"{particles} in {micrographs}: {out / 'micrographs'}")
    echo_verdict(verdict)
