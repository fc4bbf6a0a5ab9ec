"""Extraction job over many micrographs; one table names all particles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError
from cryoglean.io.particles import read_particles, write_particles
from cryoglean.jobs.coordinate_check import checked_picks
from cryoglean.jobs.extract_one import ExtractTask, done, extract_one, has_ctf, read_fitting
from cryoglean.jobs.extract_settings import ExtractJob
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.inputs import read_first
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.jobs.pick_sources import contrast_for, find_picks, of_species
from cryoglean.jobs.processes import map_processes
from cryoglean.jobs.result import JobSummary, MicrographResult
from cryoglean.jobs.survey import with_contrast
from cryoglean.particles.joining import joined, without_ctf
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryoglean.findings import Finding
    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import MicrographFile

__all__ = ["ExtractJob", "run_extract_job"]

_NAMED = 3
"""Micrographs that a message names one by one. Chosen by hand: a line of the terminal has room for no more."""

_RESULTS = ("particles/**/*.mrcs", "particles/**/*.star", "particles.star")


@dataclass
class ExtractSummary(JobSummary):
    """Results of an extraction; a micrograph's count is that of its particles.

    Attributes:
        without_ctf: names of the micrographs whose particles have no CTF.
        on_places: findings on the places that were given.
    """

    without_ctf: Sequence[str] = ()
    on_places: tuple[Finding, ...] = ()


@locks_output
def run_extract_job(
    picks: Path, files: Sequence[MicrographFile], job: ExtractJob, out: Path, progress: ProgressListener
) -> ExtractSummary:
    """Extract the particles of all micrographs that are not done yet, and write `particles.star`.

    Args:
        picks: an output folder with picks, a folder of coordinate files, a list of them, or a particles STAR.
        files: the micrographs; their tables give pixel size and CTF.
        job: how.
        out: output folder; it may hold an earlier part of the same job.
        progress: listens to the job.

    Returns:
        The result of each micrograph, with the number of its particles.

    Raises:
        SettingsError: before any work, if the settings do not fit micrographs or picks, or the folder cannot be used.
        TableError: if a table of picks is broken.
        OSError: if results cannot be written; what was written is whole.
    """
    contrast = contrast_for(job.contrast, picks, files, job.pixel_size_angstrom, job.cpus)
    picked, said = find_picks(picks, with_contrast(files, contrast))
    picked = picked if job.species is None else of_species(picked, job.species)
    if job.box_size_px is None and job.diameter_angstrom is None:
        raise SettingsError("the size of a box is unknown: give --diameter or --box-size-px")
    first, unreadable = read_first([each.file for each in picked], lambda file: read_fitting(job, file)[0])
    on_places: tuple[Finding, ...] = ()
    if first is not None:
        diameter = job.particle_angstrom(first.pixel_size_angstrom)
        checked = checked_picks(picks, picked, job.orientation, diameter, job.pixel_size_angstrom)
        picked, on_places, said = checked.picked, checked.findings, said + checked.lines
    without = [each.file.name for each in picked if not has_ctf(each)]
    said += _advice(job, without, len(picked), None if first is None else first.pixel_size_angstrom)
    task, folder = ExtractTask(out, job), OutputFolder(out, "extract", _RESULTS)
    folder.claim(job.recorded(), [each.file for each in picked], force=job.force)
    for line in said:
        progress.info(line)
    tables = ((each.file, done(task, each)) for each in picked)
    results = {file.key: MicrographResult(file, len(table.particles)) for file, table in tables if table is not None}
    summary = ExtractSummary(without_ctf=without, on_places=on_places)
    progress.begin(len(picked), len(results))
    results = unreadable | results
    try:
        for result in unreadable.values():
            progress.report(result)
        todo = [each for each in picked if each.file.key not in results]
        for result in map_processes(partial(extract_one, task), todo, job.cpus, progress.info):
            results[result.file.key] = result
            progress.report(result)
    finally:
        summary.results = [results[each.file.key] for each in picked if each.file.key in results]
        _write_lists(folder, task, summary, progress)
    return summary


def _advice(job: ExtractJob, without: Sequence[str], total: int, pixel_size_angstrom: float | None) -> list[str]:
    """Return what the user should know of settings and CTF before the work begins.

    Raises:
        SettingsError: if phases are to be turned and not one CTF is known.
    """
    said = []
    if len(without) == total and job.phase_flip:
        raise SettingsError("--phase-flip needs a CTF, and no micrograph has one: run cryoglean ctf first")
    if without and not job.phase_flip:
        few = f" ({_first_of(without)})" if len(without) < total else ""
        advice = "phases stay as they are, low resolution only"
        said.append(f"{len(without)} of {counted(total, 'micrograph')} without a CTF{few}: {advice}")
    box = job.box_px(pixel_size_angstrom) if pixel_size_angstrom else None
    if box and job.scale_to and box < job.scale_to:
        said.append(f"boxes of {box} px are enlarged to {job.scale_to} px: that adds no detail")
    return said


def _first_of(names: Sequence[str]) -> str:
    """Name up to three, and count the rest."""
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + rest


def _write_lists(folder: OutputFolder, task: ExtractTask, summary: JobSummary, progress: ProgressListener) -> None:
    """Write what names all micrographs and all particles."""
    folder.record_results(summary.results)
    if summary.done:
        table = joined(read_particles(task.star_path(o.file)) for o in summary.done)
        missing = without_ctf(table)
        notes = [f"without a CTF: {count} of {' '.join(name.split())}" for name, count in missing.items()]
        write_particles(task.root / "particles.star", table, notes)
        if missing:
            progress.info(_about_missing(missing, len(table.particles)))


def _about_missing(missing: Mapping[str, int], total: int) -> str:
    """Say which particles have no CTF, where others have one."""
    of_them = f"{sum(missing.values())} of {counted(total, 'particle')} have no CTF, those of {_first_of([*missing])}"
    return f"{of_them}: they are in optics groups of their own (..._no_ctf), whose CTF is 1 at every frequency"
