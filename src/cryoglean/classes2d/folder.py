"""Output folder of a classification, written and read: files for RELION and tables for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.classes2d.class_tables import classes_csv, iterations_csv, model_text, read_model
from cryoglean.classes2d.classification import Assignments, Classes, Classification
from cryoglean.errors import TableError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.mrc_stack import read_stack
from cryoglean.io.particles import ParticleTable, read_particles, write_particles, write_stack
from cryoglean.io.relion_columns import CLASS, ORIGIN_X, ORIGIN_Y, PSI
from cryoglean.io.relion_project import path_from_project
from cryoglean.io.star import star_floats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryoglean.classes2d.progress import Iteration

PARTICLES, AVERAGES, UNCORRECTED, MODEL = "particles.star", "classes.mrcs", "classes_uncorrected.mrcs", "model.star"
CLASSES, ITERATIONS = "classes.csv", "iterations.csv"

POSTERIOR = "rlnMaxValueProbDistribution"
QUALITY = "rlnParticleFigureOfMerit"

_NOTE = "note: "


def is_complete(folder: Path) -> bool:
    """Return whether a whole classification is there: these files are written last."""
    return all((folder / name).is_file() for name in (PARTICLES, AVERAGES, UNCORRECTED, MODEL))


def write_classification(
    folder: str | Path, classification: Classification, table: ParticleTable, iterations: Iterable[Iteration] = ()
) -> None:
    """Write a classification; each file whole or not at all, and `model.star` last.

    Args:
        folder: is made if it is not there.
        classification: of n particles.
        table: the n rows that were classified; all columns are kept.
        iterations: their summaries.

    Raises:
        OSError: if a file cannot be written.
        ValueError: if the table has not a row for each particle.
    """
    folder, classes, pixel_size = Path(folder), classification.classes, classification.pixel_size_angstrom
    if len(table.particles) != len(classification.particles.class_index):
        raise ValueError(f"{len(table.particles)} rows for {len(classification.particles.class_index)} particles")
    (folder / MODEL).unlink(missing_ok=True)  # it is the mark of a whole result
    write_stack(folder / AVERAGES, [classes.averages], pixel_size)
    write_stack(folder / UNCORRECTED, [classes.uncorrected], pixel_size)
    particles = table.particles.assign(**_columns(classification.particles))
    notes = [_NOTE + note for note in classification.notes]
    write_particles(folder / PARTICLES, ParticleTable(table.optics, particles), notes)
    write_atomic_text(folder / CLASSES, classes_csv(classes))
    write_atomic_text(folder / ITERATIONS, iterations_csv(iterations))
    write_atomic_text(folder / MODEL, model_text(classes, pixel_size, path_from_project(folder / AVERAGES)))


def read_classification(folder: str | Path) -> tuple[Classification, ParticleTable]:
    """Read what `write_classification` has written.

    Returns:
        The classification and the particles' table, with the columns of their classes.

    Raises:
        TableError: if a file is missing, broken, or does not go with the others.
    """
    folder = Path(folder)
    model, table = read_model(folder / MODEL), read_particles(folder / PARTICLES)
    averages, uncorrected = read_stack(folder / AVERAGES), read_stack(folder / UNCORRECTED)
    particles = _assignments(folder / PARTICLES, table)
    said = {len(averages), len(uncorrected), len(model.resolution_angstrom)}
    if len(said) > 1 or particles.class_index.max(initial=-1) >= len(averages):
        raise TableError(folder / MODEL, f"{len(model.resolution_angstrom)} classes do not go with the other files")
    counts = np.bincount(particles.class_index, minlength=len(averages))
    classes = Classes(averages, uncorrected, counts, *model[1:])
    return Classification(classes, particles, model.pixel_size_angstrom, _notes(folder / PARTICLES)), table


def _columns(particles: Assignments) -> dict[str, list[str]]:
    """Return the columns of class, angle and shift, as text."""
    return {
        CLASS: [str(n + 1) for n in particles.class_index],
        PSI: [f"{v:.6f}" for v in particles.psi_degrees],
        ORIGIN_X: [f"{v:.6f}" for v in particles.shift_angstrom[:, 0]],
        ORIGIN_Y: [f"{v:.6f}" for v in particles.shift_angstrom[:, 1]],
        POSTERIOR: [f"{v:.9g}" for v in particles.posterior],
        QUALITY: [f"{v:.9g}" for v in particles.quality],
    }


def _assignments(path: Path, table: ParticleTable) -> Assignments:
    number, psi, x, y, posterior, quality = (
        star_floats(path, table.particles, name) for name in (CLASS, PSI, ORIGIN_X, ORIGIN_Y, POSTERIOR, QUALITY)
    )
    if not (number >= 1).all():
        raise TableError(path, "a particle without a class")
    return Assignments(number.astype(np.int64) - 1, psi, np.stack([x, y], axis=1), posterior, quality)


def _notes(path: Path) -> tuple[str, ...]:
    """Return the notes above the tables of a particles STAR."""
    notes = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("data_"):
                break
            if line.startswith(f"# {_NOTE}"):
                notes.append(line.rstrip("\n").removeprefix(f"# {_NOTE}"))
    return tuple(notes)
