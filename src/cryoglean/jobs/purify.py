"""Purification job: each pass a folder of classes, and the selection of the last one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.classes2d.folder import PARTICLES, write_classification
from cryoglean.classes2d.native import classify
from cryoglean.classes2d.purify import PurifySettings, purify
from cryoglean.classes2d.reading import read_usable
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.errors import SettingsError
from cryoglean.io.particles import ParticleTable, read_particles
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.select import Selected, write_decisions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classification
    from cryoglean.classes2d.particle_set import ParticleSet
    from cryoglean.classes2d.purify import Pass
    from cryoglean.classes2d.selection_source import Source
    from cryoglean.jobs.select import SelectFolder, SelectJob


@partial(locks_output, out=lambda given: given["folder"].out)
def run_purify_job(
    source: Source,
    job: SelectJob,
    how: PurifySettings,
    folder: SelectFolder,
    device: str = "cpu",
    threads: int = 1,
    on_pass: Callable[[int, Pass], None] | None = None,
) -> tuple[Selected, tuple[Pass, ...]]:
    """Select classes, classify what is kept again, and so on, and write every pass and the particles kept in the end.

    The classes given are the first pass. Images are shifted between passes; origins written are those of the images as
    they are on disk, so that particles are centred when they are extracted again.

    Args:
        source: the first classes.
        job: how classes are selected.
        how: when to end; the rule is the job's.
        folder: where to.
        device: where to compute, as torch names it.
        threads: processors to use.
        on_pass: called after each pass with its number.

    Returns:
        What was kept of all particles by the last selection, and the passes.

    Raises:
        SettingsError: if the settings do not fit, all classes are dropped or too few particles are left.
        TableError: if images or tables are broken.
        OSError: if results cannot be written.
    """
    if job.selection is not None:
        raise SettingsError(f"--selection {job.selection} has no effect with --purify: select by hand first")
    settings, particles = _settings(source, job), _images(source)
    how = how.model_copy(update={"rule": job.rule, "threshold": job.threshold})
    folder.claim(job, {"purify": how.model_dump(mode="json"), "classify": settings.recorded()})
    done: list[Pass] = []

    def write_pass(each: Pass) -> None:
        done.append(each)
        _write_pass(_folder(folder.out, len(done)), source, job, each)
        if on_pass is not None:
            on_pass(len(done), each)

    def engine(some: ParticleSet, settings: ClassifySettings) -> Classification:
        return classify(some, settings, device, threads)

    found = purify(particles, settings, engine, how, first=source.classification, on_pass=write_pass)
    last, kept = found.passes[-1], np.zeros(len(particles), dtype=bool)
    kept[found.kept] = True
    quality = np.zeros(len(particles))
    quality[last.which] = last.classification.particles.quality
    table = _updated(source.table, last.which, read_particles(_folder(folder.out, len(done)) / PARTICLES))
    selected = Selected(last.selection, kept, found.notes)
    notes = folder.write(replace(source, classification=last.classification, table=table), job, selected, quality)
    return replace(selected, notes=(*found.notes, *notes)), found.passes


def _settings(source: Source, job: SelectJob) -> ClassifySettings:
    """Return the settings that the first classes were made with, as far as they are known."""
    diameter = job.diameter_angstrom or source.diameter_angstrom
    if diameter is None:
        raise SettingsError("the particle's diameter is unknown: give --diameter")
    known = {name: value for name, value in source.settings.items() if name in ClassifySettings.model_fields}
    return ClassifySettings.model_validate({**known, "diameter_angstrom": diameter})


def _images(source: Source) -> ParticleSet:
    reading = read_usable(source.path)
    if len(reading.particles) != len(source.table.particles):
        raise SettingsError(
            f"{source.path}: {len(reading.rejected)} of {len(source.table.particles)} images cannot be used "
            f"({reading.rejected[0].reason}): classify them again with cryoglean classify"
        )
    return reading.particles


def _folder(out: Path, number: int) -> Path:
    return out / "passes" / f"{number:02d}"


def _write_pass(folder: Path, source: Source, job: SelectJob, each: Pass) -> None:
    """Write a pass as `cryoglean classify` writes its classes, with the decisions."""
    who = each.classification.particles
    on_disk = replace(who, shift_angstrom=who.shift_angstrom - each.moved_angstrom)
    rows = source.table.particles.iloc[each.which].reset_index(drop=True)
    classification = replace(each.classification, particles=on_disk)
    write_classification(folder, classification, ParticleTable(source.table.optics, rows))
    write_decisions(folder, replace(source, classification=each.classification), job, each.selection, folder.name)


def _updated(table: ParticleTable, which: NDArray[np.int64], last: ParticleTable) -> ParticleTable:
    """Return all rows, with what the last pass says of those that were in it; the others stay as they were."""
    new = last.particles.set_axis(which, axis="index")
    rows = table.particles.reset_index(drop=True)
    columns = [*rows.columns, *(column for column in new.columns if column not in rows.columns)]
    whole = rows.reindex(columns=columns).astype(object).fillna("0")
    whole.loc[which, new.columns] = new
    return ParticleTable(table.optics, whole)
