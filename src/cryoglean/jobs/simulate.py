"""Simulation of micrographs as a job: models in, a folder of micrographs with their truth out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cryoglean.errors import SettingsError
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.processes import map_processes
from cryoglean.jobs.result import JobSummary, MicrographResult
from cryoglean.jobs.simulation_folder import SimulationFolder
from cryoglean.limits import MIN_DIAMETER_PX
from cryoglean.simulate.models import read_model
from cryoglean.simulate.render import Renderer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.simulate.particle import Particle
    from cryoglean.simulate.settings import Simulation, Specimen

_MAX_BOX_PX = 2_048
"""Largest particle, in pixels. Resource: a projection has a grid of twice its side for each kind of atom."""


@dataclass
class SimulationSummary(JobSummary):
    """Results of a simulation; a micrograph's count is that of the particles whose centres lie in it.

    Attributes:
        species: the particles, as they were read.
    """

    species: list[Particle] = field(default_factory=list)


@locks_output
def run_simulation(
    simulation: Simulation,
    out: Path,
    progress: ProgressListener,
    *,
    micrographs: int = 1,
    cpus: int = 1,
    force: bool = False,
) -> SimulationSummary:
    """Simulate the micrographs that are not there yet, and write the lists that name them all.

    Args:
        simulation: what they look like.
        out: the folder; it may hold an earlier part of the same simulation.
        progress: listener to the progress of the job.
        micrographs: how many there are to be.
        cpus: worker processes; the files do not depend on it.
        force: redo everything.

    Returns:
        The micrographs in the folder.

    Raises:
        SettingsError: before any work, if a model cannot be read, does not fit, or the folder cannot be used.
        OSError: if results cannot be written; what was written is whole.
        CryogleanError: if a worker process is killed.
    """
    species = read_species(simulation.specimen)
    _refuse_misfits(simulation, species)
    folder, shape = SimulationFolder(out), (simulation.height_px, simulation.width_px)
    folder.claim(recorded(simulation, species), [], force=force)
    for one in species:
        progress.info(f"{one.name}: {one.mass_kda:.0f} kDa, {2 * one.radius_angstrom:.0f} A across")
    renderer = Renderer(simulation, species)
    todo = [n for n in range(micrographs) if not folder.is_done(n, shape)]
    progress.begin(micrographs, micrographs - len(todo))
    made: dict[str, MicrographResult] = {}
    try:
        for result in map_processes(partial(simulate_one, renderer, folder), todo, cpus, progress.info):
            made[result.file.key] = result
            progress.report(result)
    finally:
        plans = [renderer.plan(n) for n in folder.numbers() if folder.is_done(n, shape)]
        files = folder.write_lists(plans, simulation.microscope)
    there = (MicrographResult(file, len(plan.particles)) for file, plan in zip(files, plans, strict=True))
    return SimulationSummary([made.get(result.file.key, result) for result in there], species)


def read_species(specimen: Specimen) -> list[Particle]:
    """Read the models of a specimen.

    Raises:
        SettingsError: as `read_model`.
    """
    return [read_model(text, specimen.voxel_size_angstrom) for text in specimen.models]


def recorded(simulation: Simulation, species: Sequence[Particle]) -> dict[str, Any]:
    """Return the settings and the content of the models' files, which decide the result, as JSON values."""
    return simulation.model_dump(mode="json") | {"species": [_described(p) for p in species]}


def simulate_one(renderer: Renderer, folder: SimulationFolder, number: int) -> MicrographResult:
    """Make one micrograph with its tables; the image is written last, so that it is there only if all is.

    Raises:
        OSError: if a file cannot be written.
    """
    start = perf_counter()
    plan = renderer.plan(number)
    micrograph = renderer.render(plan)
    folder.write_truth(plan, [p.name for p in renderer.species])
    folder.write_micrograph(number, micrograph.image, micrograph.pixel_size_angstrom)
    file = folder.micrograph_file(plan, renderer.simulation.microscope)
    return MicrographResult(file, len(plan.particles), perf_counter() - start)


def _described(particle: Particle) -> dict[str, Any]:
    content = (
        particle.positions_angstrom.tobytes() + particle.weights.tobytes() + particle.kinds.astype("<i8").tobytes()
    )
    return {
        "name": particle.name,
        "mass_kda": round(particle.mass_kda, 3),
        "diameter_angstrom": round(2 * particle.radius_angstrom, 1),
        "points": len(particle),
        "digest": hashlib.blake2b(content, digest_size=8).hexdigest(),
    }


def _refuse_misfits(simulation: Simulation, species: Sequence[Particle]) -> None:
    pixel_size = simulation.microscope.pixel_size_angstrom
    max_px = min(simulation.height_px, simulation.width_px, _MAX_BOX_PX)
    for particle in species:
        diameter_px = 2 * particle.radius_angstrom / pixel_size
        if not MIN_DIAMETER_PX <= diameter_px <= max_px:
            raise SettingsError(
                f"--model {particle.name} is {2 * particle.radius_angstrom:.0f} A across, {diameter_px:.3g} px at "
                f"--pixel-size {pixel_size:g}: it must be {MIN_DIAMETER_PX:g} to {max_px} px in this micrograph"
            )
