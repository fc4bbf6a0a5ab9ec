"""Selection job: classes in, kept and dropped particles, picks and a table to edit out."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from cryoglean.classes2d.folder import PARTICLES
from cryoglean.classes2d.kept_picks import write_kept_picks
from cryoglean.classes2d.selection import Rule, Selection, select, selected_particles
from cryoglean.classes2d.selection_file import edited, is_edited, write_selection
from cryoglean.errors import SettingsError
from cryoglean.io.particles import ParticleTable, write_particles, write_stack
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.report.gallery import draw_gallery

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classification
    from cryoglean.classes2d.selection_source import Source

DROPPED, SELECTION, GALLERY, TEMPLATES = "dropped.star", "selection.csv", "gallery.png", "templates.mrcs"
# Not the table of decisions, which may be a user's work: it is replaced at the end, by a whole one.
_RESULTS = (PARTICLES, DROPPED, GALLERY, TEMPLATES, "picks/**/*_autopick.star", "passes/*/*.*")

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SelectJob(BaseModel):
    """Settings of a selection.

    Attributes:
        rule: by which classes are selected.
        threshold: of %/Res or its like, if not the rule's own.
        diameter_angstrom: of the particle, if it is not in the classes' files.
        pixel_size_angstrom: of the micrographs, if it is not in the particles' table.
        selection: a table that a user has edited, which goes before the rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule = Rule.automatic
    threshold: _Positive | None = None
    diameter_angstrom: _Positive | None = None
    pixel_size_angstrom: _Positive | None = None
    selection: Path | None = None

    def recorded(self) -> dict[str, Any]:
        """Return what decides the result, as JSON values."""
        return self.model_dump(mode="json")


@dataclass(frozen=True)
class Selected:
    """Result of a selection.

    Attributes:
        selection: of the classes.
        kept: (n,) which particles are kept.
        notes: for the user, a line each.
    """

    selection: Selection
    kept: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SelectFolder:
    """The output folder of a selection.

    Attributes:
        out: where.
        classes: what the user has named as the classes.
        force: replace also results of other classes, and edits.
    """

    out: Path
    classes: Path
    force: bool = False

    def claim(self, job: SelectJob, more: dict[str, Any] | None = None) -> None:
        """Take the folder; a table of decisions that was edited is not overwritten unless it is given.

        Args:
            job: how is selected.
            more: what else decides the result.

        Raises:
            SettingsError: if the folder holds other results or edits, or cannot be written.
        """
        folder = OutputFolder(self.out, "select", _RESULTS)
        named = os.path.relpath(self.classes.resolve(), self.out.resolve())  # the same when a project has moved
        before, table = folder.recorded(), self.out / SELECTION
        is_same = before is not None and before.job == folder.job and before.settings.get("classes") == named
        if is_same and not self.force and job.selection is None and table.exists() and is_edited(table):
            raise SettingsError(f"{table} was edited: --selection {table} obeys it, --force forgets it")
        folder.claim({"classes": named, **job.recorded(), **(more or {})}, [], force=self.force or is_same)

    def write(self, source: Source, job: SelectJob, done: Selected, quality: NDArray[np.float64]) -> tuple[str, ...]:
        """Write all results.

        Args:
            source: the classes to show, and all particles, kept or not.
            job: how was selected.
            done: what was decided.
            quality: (n,) of the particles.

        Returns:
            What could not be written, a line each.

        Raises:
            OSError: if a file cannot be written.
        """
        for name, which in ((PARTICLES, done.kept), (DROPPED, ~done.kept)):
            part = source.table.particles[which].reset_index(drop=True)
            write_particles(self.out / name, ParticleTable(source.table.optics, part))
        pixel_size = job.pixel_size_angstrom
        notes = write_kept_picks(
            self.out / "picks", source.path, source.table, done.kept, quality, pixel_size_angstrom=pixel_size
        )
        _write_templates(self.out / TEMPLATES, source.classification, done.selection)
        write_decisions(self.out, source, job, done.selection, str(self.classes))
        return notes


def _write_templates(path: Path, found: Classification, selection: Selection) -> None:
    """Write the kept classes, best first, to pick with; no file where none is kept.

    They are the plain means of the aligned images, as these look like what is in the micrographs.
    """
    path.unlink(missing_ok=True)
    best = [k for k in selection.best_first() if selection.kept[k]]
    write_stack(path, [found.classes.uncorrected[best]], found.pixel_size_angstrom)


def write_decisions(folder: Path, source: Source, job: SelectJob, selection: Selection, title: str) -> None:
    """Write a picture of all classes and the table that can be edited.

    Raises:
        OSError: if a file cannot be written.
    """
    classes, pixel_size = source.classification.classes, source.classification.pixel_size_angstrom
    diameter = job.diameter_angstrom or source.diameter_angstrom
    draw_gallery(folder / GALLERY, classes, pixel_size, selection, title, diameter_angstrom=diameter)
    write_selection(folder / SELECTION, classes, selection)


@partial(locks_output, out=lambda given: given["folder"].out)
def run_select_job(source: Source, job: SelectJob, folder: SelectFolder) -> Selected:
    """Select classes and write what comes of it.

    Args:
        source: the classes.
        job: how.
        folder: where to; results of an earlier selection from the same classes are replaced.

    Returns:
        What was decided.

    Raises:
        SettingsError: before anything is written, if the settings do not fit or the folder cannot be used.
        TableError: if a table is broken.
        OSError: if results cannot be written.
    """
    found = source.classification
    diameter = job.diameter_angstrom or source.diameter_angstrom
    notes: tuple[str, ...] = ()
    selection = select(found, job.rule, diameter_angstrom=diameter, threshold=job.threshold)
    if job.selection is not None:
        selection, notes = edited(job.selection, selection)
    folder.claim(job)
    done = Selected(selection, selected_particles(found, selection), notes)
    return replace(done, notes=(*notes, *folder.write(source, job, done, found.particles.quality)))
