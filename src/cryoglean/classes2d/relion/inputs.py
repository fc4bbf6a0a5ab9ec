"""Input of `relion_refine`: a particles STAR that it understands, and the folder that names count from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cryoglean.classes2d.image_facts import image_facts, with_optics
from cryoglean.classes2d.relion.command import Images
from cryoglean.ctf.model import CTF_DEFOCUS, CTF_OPTICS, CTF_PHASE_SHIFT
from cryoglean.errors import SettingsError, TableError
from cryoglean.io.mrc_stack import stack_shape
from cryoglean.io.particles import ParticleTable, image_places, located, project_folder
from cryoglean.io.relion_columns import (
    CTF_B_FACTOR,
    CTF_SCALE,
    DIMENSIONALITY,
    GROUP,
    GROUP_NAME,
    IMAGE,
    IMAGE_PIXEL_SIZE,
    IMAGE_SIZE,
    MICROGRAPH,
    ORIGINAL_PIXEL_SIZE,
    PIXEL_SIZE,
    X,
    Y,
)
from cryoglean.io.star import star_text

if TYPE_CHECKING:
    from collections.abc import Iterable

_OF_PARTICLES = (
    IMAGE,
    MICROGRAPH,
    GROUP,
    X,
    Y,
    "rlnGroupName",
    *CTF_DEFOCUS,
    CTF_PHASE_SHIFT,
    CTF_B_FACTOR,
    CTF_SCALE,
)
_OF_OPTICS = (
    GROUP_NAME,
    GROUP,
    PIXEL_SIZE,
    ORIGINAL_PIXEL_SIZE,
    *CTF_OPTICS,
    IMAGE_PIXEL_SIZE,
    IMAGE_SIZE,
    DIMENSIONALITY,
)
_NO_MICROSCOPE = dict(zip(CTF_OPTICS, ("300", "2.7", "0.1"), strict=True))


@dataclass(frozen=True)
class RelionInput:
    """Input of a run.

    Attributes:
        project: folder that all names count from; the program is run in it.
        table: particles and optics as RELION needs them: without origins and classes of an earlier alignment.
        images: what the command depends on.
        digest: of table and stacks.
    """

    project: Path
    table: ParticleTable
    images: Images
    digest: str

    @property
    def names(self) -> list[str]:
        """Return the names of the images, in order."""
        return list(self.table.particles[IMAGE])

    @property
    def text(self) -> str:
        """Return the particles STAR."""
        return star_text({"optics": self.table.optics, "particles": self.table.particles})

    def path_from_project(self, path: Path) -> str:
        """Return a path as RELION is to be given it.

        Raises:
            SettingsError: if it has a blank in it.
        """
        below = path.resolve().is_relative_to(self.project.resolve())
        said = os.path.relpath(path.resolve(), self.project.resolve()) if below else str(path.resolve())
        _refuse_blanks([said])
        return said


def relion_input(star_path: Path, table: ParticleTable) -> RelionInput:
    """Turn a particles STAR of RELION 3.0 or later into one that RELION 3.1 and later read.

    A stack that is not found from the project's folder, that of the first stack, is named by its whole path. A
    microscope that is not known is made up, as RELION asks for one; without a CTF it plays no part.

    Raises:
        TableError: if the table is broken, or a stack is not there.
        SettingsError: if the images cannot be classified together, or RELION cannot read a name as it has a blank.
    """
    facts = image_facts(star_path, table)
    places = image_places(table, star_path)
    stacks = dict.fromkeys(stack for _, stack in places)
    project = _project(star_path, stacks)
    named = {s: s if (project / s).exists() else str(located(s, star_path).resolve()) for s in stacks}
    _refuse_blanks(named.values())
    box = stack_shape(project / next(iter(named.values())))[2]
    whole = with_optics(star_path, table, facts.pixel_size_angstrom, box)
    names = [f"{index + 1:06d}@{named[stack]}" for index, stack in places]
    particles = whole.particles.assign(**{IMAGE: names})[_there(whole.particles, _OF_PARTICLES)]
    optics = whole.optics.assign(**{c: v for c, v in _NO_MICROSCOPE.items() if c not in whole.optics.columns})
    given = ParticleTable(optics[_there(optics, _OF_OPTICS)], particles)
    images = Images(len(particles), facts.pixel_size_angstrom, facts.ctfs is not None, facts.is_phase_flipped)
    return RelionInput(project, given, images, _digest(given, [project / s for s in named.values()]))


def _project(star_path: Path, stacks: Iterable[str]) -> Path:
    first = next(iter(stacks), None)
    if first is None:
        raise TableError(star_path, "holds no particles")
    folder = project_folder(first, star_path)
    if folder is None:
        raise TableError(star_path, f"{first} is neither in the working folder nor in one above the STAR file")
    return folder


def _refuse_blanks(names: Iterable[str]) -> None:
    for name in names:
        if any(mark.isspace() for mark in name):
            raise SettingsError(f"RELION cannot read {name!r}, as it has a blank: rename it, or use --engine native")


def _there(table: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    return [column for column in columns if column in table.columns]


def _digest(table: ParticleTable, stacks: Iterable[Path]) -> str:
    """Sum up what RELION reads; of stacks their size and time."""
    digest = hashlib.blake2b(digest_size=8)
    for frame in table:
        digest.update(repr((list(frame.columns), frame.to_numpy().tolist())).encode())
    for stack in stacks:
        status = stack.stat()
        digest.update(repr((str(stack), status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()
