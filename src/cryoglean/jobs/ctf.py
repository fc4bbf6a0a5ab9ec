"""CTF of many micrographs: taken where it is known, estimated where it is not, written as RELION has it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from pydantic import TypeAdapter

from cryoglean.ctf.estimate import Estimate, estimate_ctf
from cryoglean.ctf.model import Microscope, ctf_of
from cryoglean.errors import MicrographError, SettingsError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.images import read_micrograph
from cryoglean.io.regular import has_content
from cryoglean.io.relion_columns import (
    AMPLITUDE_CONTRAST,
    CTF_ASTIGMATISM,
    CTF_FIGURE_OF_MERIT,
    CTF_MAX_RESOLUTION,
    DEFOCUS_ANGLE,
    DEFOCUS_U,
    DEFOCUS_V,
    PHASE_SHIFT,
    PIXEL_SIZE,
    SPHERICAL_ABERRATION,
    VOLTAGE,
)
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.inputs import read_first
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.jobs.processes import map_processes
from cryoglean.jobs.result import JobSummary, MicrographResult
from cryoglean.preprocess.borders import live_area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.jobs.ctf_settings import CtfJob
    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import MicrographFile

_MICROGRAPHS, _SELECTED, _SUBSET = "micrographs_ctf.star", "micrographs_selected.star", "micrographs_subset.star"
_COLUMNS = TypeAdapter(dict[str, str])
_FROM_TABLE = "its STAR file's CTF is taken"


@dataclass(frozen=True)
class CtfTask:
    """The task of a CTF job for each micrograph.

    Attributes:
        root: the output folder.
        job: its settings.
    """

    root: Path
    job: CtfJob

    def result_path(self, file: MicrographFile) -> Path:
        """Path of the columns of a micrograph, until the table of all is written."""
        return self.root / "ctf" / f"{file.key}.json"

    def plot_path(self, file: MicrographFile) -> Path:
        """Path of the picture."""
        return self.root / "plots" / f"{file.key}.png"

    def columns(self, file: MicrographFile) -> dict[str, str] | None:
        """Return the CTF columns of a micrograph that is done; None if it is not."""
        try:
            columns: dict[str, str] = _COLUMNS.validate_json(self.result_path(file).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return columns if has_content(self.plot_path(file)) or not self.job.plots else None


@dataclass
class CtfSummary(JobSummary):
    """Results of an estimation.

    Attributes:
        known: the micrographs with their CTF, found now, before or by their table.
    """

    known: list[MicrographFile] = field(default_factory=list)


@locks_output
def run_ctf_job(files: Sequence[MicrographFile], job: CtfJob, out: Path, progress: ProgressListener) -> CtfSummary:
    """Find the CTF of all micrographs, and write `micrographs_ctf.star` with those that have one.

    Args:
        files: the micrographs; a CTF that their tables give is taken.
        job: settings.
        out: output folder; it may hold an earlier part of the same job.
        progress: listener to the progress of the job.

    Returns:
        The result of each micrograph.

    Raises:
        SettingsError: before any work, if a setting is wrong, a pixel size unknown or the folder cannot be used.
        OSError: if results cannot be written; what was written is whole.
    """
    if job.min_defocus_angstrom >= job.max_defocus_angstrom:
        said = f"--min-defocus {job.min_defocus_angstrom:g} must be below --max-defocus {job.max_defocus_angstrom:g}"
        raise SettingsError(said)
    task = CtfTask(out, job)
    folder = OutputFolder(out, "ctf", ("ctf/**/*.json", "plots/**/*.png", "micrographs_*.star"))
    files = files if job.force else folder.with_known_keys(files)
    results = {file.key: MicrographResult(file, note=_FROM_TABLE) for file in files if _is_known(file)}
    unknown = [file for file in files if file.key not in results]
    _, unreadable = read_first(unknown, lambda file: read_micrograph(file, job.pixel_size_angstrom))
    folder.claim(job.recorded(), files, force=job.force)
    if results:
        progress.info(f"{len(results)} of {len(files)} micrographs have a CTF in their STAR file: it is taken")
    results |= {file.key: MicrographResult(file) for file in unknown if task.columns(file) is not None}
    summary = CtfSummary()
    progress.begin(len(files), len(results))
    results = unreadable | results
    try:
        for result in unreadable.values():
            progress.report(result)
        todo = [file for file in files if file.key not in results]
        for result in map_processes(partial(estimate_one, task), todo, job.cpus, progress.info):
            results[result.file.key] = result
            progress.report(result)
    finally:
        summary.results = [results[f.key] for f in files if f.key in results]
        _write_lists(folder, task, summary, progress)
    return summary


def estimate_one(task: CtfTask, file: MicrographFile) -> MicrographResult:
    """Estimate the CTF of one micrograph; if none can be seen, say so in the result.

    Raises:
        OSError: if results cannot be written.
    """
    start, job = perf_counter(), task.job
    try:
        micrograph, note = read_micrograph(file, job.pixel_size_angstrom)
        live = torch.from_numpy(micrograph.image[live_area(micrograph.image)].copy())
        limits = (job.min_defocus_angstrom, job.max_defocus_angstrom)
        found = estimate_ctf(live, micrograph.pixel_size_angstrom, _microscope(job, file), limits)
    except MicrographError as error:
        return MicrographResult(file, reason=error.reason)
    except ValueError as error:
        return MicrographResult(file, reason=str(error))
    if job.plots:
        from cryoglean.report.ctf_picture import draw_ctf  # for start-up time: matplotlib

        caption = file.key if found.doubt is None else f"{file.key}: {found.doubt}"
        draw_ctf(task.plot_path(file), found.spectrum, found.rings, found.fit, found.profile, caption=caption)
    if found.doubt is not None:
        return MicrographResult(file, reason=found.doubt)
    columns = _columns(found, micrograph.pixel_size_angstrom)
    write_atomic_text(task.result_path(file), json.dumps(columns, indent=2) + "\n")
    return MicrographResult(file, seconds=perf_counter() - start, note=note)


def _microscope(job: CtfJob, file: MicrographFile) -> Microscope:
    """Return the microscope that a micrograph's table gives, else that of the settings.

    Raises:
        MicrographError: if the table holds a broken value.
    """
    known = {**file.optics, **file.row}
    defaults = {
        VOLTAGE: job.voltage_kv,
        SPHERICAL_ABERRATION: job.spherical_aberration_mm,
        AMPLITUDE_CONTRAST: job.amplitude_contrast,
        PHASE_SHIFT: 0.0,
    }
    try:
        return Microscope(*(float(known.get(column, value)) for column, value in defaults.items()))
    except ValueError as error:
        raise MicrographError(file.path, f"a broken value in its STAR file: {error}") from error


def _columns(found: Estimate, pixel_size_angstrom: float) -> dict[str, str]:
    """Return what RELION's table of micrographs says of a CTF, and of the microscope."""
    ctf, microscope = found.fit.ctf, found.fit.ctf.microscope
    phase_plate = {PHASE_SHIFT: f"{microscope.phase_shift_degrees:.6f}"} if microscope.phase_shift_degrees else {}
    return {
        PIXEL_SIZE: f"{pixel_size_angstrom:.6f}",
        VOLTAGE: f"{microscope.voltage_kv:.6f}",
        SPHERICAL_ABERRATION: f"{microscope.spherical_aberration_mm:.6f}",
        AMPLITUDE_CONTRAST: f"{microscope.amplitude_contrast:.6f}",
        DEFOCUS_U: f"{ctf.defocus_u_angstrom:.6f}",
        DEFOCUS_V: f"{ctf.defocus_v_angstrom:.6f}",
        CTF_ASTIGMATISM: f"{ctf.astigmatism_angstrom:.6f}",
        DEFOCUS_ANGLE: f"{ctf.defocus_angle_degrees:.6f}",
        **phase_plate,
        CTF_FIGURE_OF_MERIT: f"{found.fit.figure_of_merit:.6f}",
        CTF_MAX_RESOLUTION: f"{found.profile.fit_resolution_angstrom:.6f}",
    }


def _is_known(file: MicrographFile) -> bool:
    try:
        return ctf_of(file) is not None
    except MicrographError:
        return False  # a defocus without its voltage: estimated again


def with_ctf(file: MicrographFile, columns: dict[str, str]) -> MicrographFile:
    """Return a micrograph with CTF columns in its row, and what is the microscope's in its optics."""
    of_optics = (PIXEL_SIZE, VOLTAGE, SPHERICAL_ABERRATION, AMPLITUDE_CONTRAST)
    optics = {**{c: columns[c] for c in of_optics}, **file.optics}
    row = {**file.row, **{c: v for c, v in columns.items() if c not in of_optics}}
    return replace(file, row=row, optics=optics, pixel_size_angstrom=float(optics[PIXEL_SIZE]))


def _write_lists(folder: OutputFolder, task: CtfTask, summary: CtfSummary, progress: ProgressListener) -> None:
    """Write the tables of all micrographs with a CTF, of those selected, and the list of those rejected."""
    folder.record_results(summary.results)
    known = summary.known
    for result in summary.done:
        columns = task.columns(result.file)
        known.append(result.file if columns is None else with_ctf(result.file, columns))
    if not known:
        return
    _write_star(task.root / _MICROGRAPHS, known)
    _write_selections(task, known, progress)


def _write_selections(task: CtfTask, known: Sequence[MicrographFile], progress: ProgressListener) -> None:
    job = task.job
    is_limited = job.resolution_limit_angstrom is not None or job.selected_defocus_angstrom is not None
    if not is_limited and job.subset is None:
        return
    from cryoglean.ctf.subset import paper_subset, passing  # for start-up time: mostly no selection is asked for

    if is_limited:
        limits = job.selected_defocus_angstrom or (-math.inf, math.inf)
        resolution = job.resolution_limit_angstrom or math.inf
        chosen = passing(known, max_resolution_angstrom=resolution, defocus_range_angstrom=limits)
        _write_chosen(task.root / _SELECTED, chosen, len(known), progress)
    if job.subset is not None:
        _write_chosen(task.root / _SUBSET, paper_subset(known, job.subset), len(known), progress)


def _write_chosen(path: Path, chosen: Sequence[MicrographFile], total: int, progress: ProgressListener) -> None:
    progress.info(f"{len(chosen)} of {total} micrographs selected: {path}")
    if chosen:
        _write_star(path, chosen)
    else:
        path.unlink(missing_ok=True)


def _write_star(path: Path, files: Sequence[MicrographFile]) -> None:
    from cryoglean.io.relion import write_micrographs_star  # for start-up time, of workers too: pandas

    write_micrographs_star(path, files)
