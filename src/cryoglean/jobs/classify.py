"""Classification job: particles in, a folder of classes out; done once, refused where other results are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from cryoglean.classes2d.engine import Engine
from cryoglean.classes2d.folder import is_complete, read_classification, write_classification
from cryoglean.classes2d.native import classify
from cryoglean.classes2d.particle_set import check_particles
from cryoglean.classes2d.reading import Reading, Rejected, read_usable
from cryoglean.classes2d.relion import engine as relion
from cryoglean.classes2d.relion.command import RelionOptions, installed_relion
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.errors import SettingsError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.regular import has_content
from cryoglean.jobs.checkpoint_file import CHECKPOINT, CheckpointFile
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.jobs.result import ExitStatus, exit_status
from cryoglean.report.gallery import draw_gallery
from cryoglean.words import csv_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryoglean.classes2d.classification import Classification
    from cryoglean.classes2d.progress import Iteration
    from cryoglean.jobs.progress import IterationListener

GALLERY = "gallery.png"

_RESULTS = (
    "particles.star",
    "model.star",
    "classes*.mrcs",
    "classes.csv",
    "iterations.csv",
    CHECKPOINT,
    GALLERY,
    "relion/*",
)
_REJECTED_COLUMNS = ("image", "micrograph", "reason")


class ClassifyJob(BaseModel):
    """Settings of a classification job.

    Attributes:
        settings: of the classification.
        engine: the program that classifies.
        relion: how RELION is run.
        device: where the native engine computes, as torch names it.
        cpus: threads of the native engine.
        force: redo everything, overwriting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: ClassifySettings
    engine: Engine = Engine.native
    relion: RelionOptions = RelionOptions()
    device: str = "cpu"
    cpus: int = Field(default=1, ge=1)
    force: bool = False

    def recorded(self) -> dict[str, Any]:
        """Return what decides the result, as JSON values."""
        how = {"relion": self.relion.recorded()} if self.engine is Engine.relion else {}
        return {**self.settings.recorded(), "engine": self.engine.value, **how}


@dataclass
class ClassifySummary:
    """Result of a job.

    Attributes:
        rejected: particles that could not be used.
        classification: the result; None if no particle was left.
        iterations: summary of each; empty if all was done before.
    """

    rejected: tuple[Rejected, ...]
    classification: Classification | None = None
    iterations: list[Iteration] = field(default_factory=list)

    @property
    def exit_status(self) -> ExitStatus:
        """0 all done, 3 some particles rejected, 4 all rejected."""
        return exit_status(is_any_done=self.classification is not None, is_any_rejected=bool(self.rejected))


@locks_output
def run_classify_job(star: Path, job: ClassifyJob, out: Path, progress: IterationListener) -> ClassifySummary:
    """Sort the particles of a STAR file into classes, unless that is done.

    Args:
        star: particles STAR.
        job: what to do.
        out: output folder; it may hold an earlier part of the same job.
        progress: listens to the job.

    Returns:
        The classes, and the rejected particles.

    Raises:
        SettingsError: before any work, if settings do not fit the particles, or the folder cannot be used.
        TableError: if the table or a stack is broken.
        CryogleanError: if RELION fails.
        OSError: if results cannot be written; what was written is whole.
    """
    reading = read_usable(star)
    _refuse_misfits(reading, job, out)
    folder = OutputFolder(out, "classify", _RESULTS, lists_micrographs=False)
    provenance = {"input": str(reading.path.resolve())}
    folder.claim(job.recorded() | {"content": _content(reading)}, [], force=job.force, provenance=provenance)
    summary = ClassifySummary(reading.rejected)
    _write_rejected(folder, reading, progress)
    if not len(reading.particles):
        progress.info("no particle can be used")
    elif is_complete(out):
        progress.info(f"{out} is complete already; --force redoes it")
        summary.classification, _ = read_classification(out)
    else:

        def on_iteration(iteration: Iteration) -> None:
            summary.iterations.append(iteration)
            progress.iteration(iteration)

        checkpoint = CheckpointFile(out / CHECKPOINT, summary.iterations, progress)
        found = _classified(reading, job, out, on_iteration, checkpoint)
        for note in found.notes:
            progress.info(note)
        summary.classification = replace(found, notes=(*reading.notes, *found.notes))
        write_classification(out, summary.classification, reading.table, summary.iterations)
        checkpoint.forget()
    if summary.classification is not None:
        _draw(out, job, summary.classification)
    return summary


def _refuse_misfits(reading: Reading, job: ClassifyJob, out: Path) -> None:
    """Refuse what cannot work, before the folder is touched.

    Raises:
        SettingsError: as `run_classify_job`.
    """
    if reading.path.resolve().parent == out.resolve():
        raise SettingsError(f"--out {out} is where {reading.path.name} lies, which would be written over: name another")
    if len(reading.particles):
        check_particles(reading.particles, job.settings, str(reading.path))
    if job.engine is Engine.relion:
        installed_relion(job.relion)


def _content(reading: Reading) -> str:
    """Return what tells the particles from others in the folder's record; where they lie does not."""
    return f"{len(reading.particles)} particles, {reading.digest}"


def _write_rejected(folder: OutputFolder, reading: Reading, progress: IterationListener) -> None:
    """Name the rejected particles, in a list and on screen, and show what the reader has noticed."""
    rows = [(r.image, r.micrograph, r.reason) for r in reading.rejected]
    write_atomic_text(folder.rejected_path, csv_text(_REJECTED_COLUMNS, rows))
    for note in reading.notes:
        progress.info(note)
    if rows:
        count, total = len(rows), len(rows) + len(reading.particles)
        progress.info(f"{count} of {total} particles rejected ({rows[0][0]}: {rows[0][2]}): {folder.rejected_path}")


def _classified(
    reading: Reading,
    job: ClassifyJob,
    out: Path,
    on_iteration: Callable[[Iteration], None],
    checkpoint: CheckpointFile,
) -> Classification:
    """Run the engine; RELION's own files are its checkpoint."""
    if job.engine is Engine.relion:
        return relion.classify(reading.path, job.settings, job.relion, out, on_iteration, reading.table)
    return classify(reading.particles, job.settings, job.device, job.cpus, on_iteration, checkpoint)


def _draw(out: Path, job: ClassifyJob, classification: Classification) -> None:
    """Draw the classes, if that is not done."""
    path, diameter = out / GALLERY, job.settings.diameter_angstrom
    if not has_content(path):
        pixel_size = classification.pixel_size_angstrom
        draw_gallery(path, classification.classes, pixel_size, title=out.name, diameter_angstrom=diameter)
