"""Reading of the images that a particles STAR names; bad ones are rejected with their reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.classes2d.image_facts import NO_CTF, image_facts, with_optics
from cryoglean.classes2d.image_survey import survey
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.classes2d.usable_images import NORMALISED, UsableImages
from cryoglean.errors import SettingsError, TableError
from cryoglean.io.particles import ParticleTable, read_particles
from cryoglean.io.relion_columns import IMAGE, MICROGRAPH
from cryoglean.io.stored_images import stored_images

if TYPE_CHECKING:
    import pandas as pd

    from cryoglean.io.stored_images import StoredImages

MIN_BOX_PX = 8
"""Chosen by hand: smaller boxes have too few rings to align by."""


@dataclass(frozen=True)
class Rejected:
    """A particle that cannot be used.

    Attributes:
        image: as the table names it.
        micrograph: it was cut from; empty if the table does not say.
        reason: what is wrong.
    """

    image: str
    micrograph: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """The particles of a STAR file.

    Attributes:
        path: the file.
        particles: those that can be used.
        table: their rows, in the same order, in the layout of RELION 3.1.
        rejected: the others.
        digest: sums up all that results depend on: the images and what the table says of them.
        notes: what the user should know, a line each.
    """

    path: Path
    particles: ParticleSet
    table: ParticleTable
    digest: str
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()


def read_usable(star_path: str | Path) -> Reading:
    """Read the particles of a STAR file; images that are empty or hold values that are not finite are rejected.

    Origins and classes of an earlier alignment are not used.

    Args:
        star_path: of RELION 3.0 to 5; the CTF of a row goes before that of its optics group.

    Returns:
        The particles, whose images stay on disk until they are asked for, their rows, and what was rejected. Images
        whose background is not normalised are normalised outside the circle that fits the box, and a note says so.

    Raises:
        TableError: if the table or a stack cannot be read, or the CTF of some particles is known and of others not.
        SettingsError: if the images cannot be classified together, or their pixel size is not known.
    """
    path = Path(star_path)
    table = read_particles(path)
    if not len(table.particles):
        raise TableError(path, "holds no particles")
    facts = image_facts(path, table)
    images = stored_images(table, path)
    _refuse_shape(path, images)
    table = with_optics(path, table, facts.pixel_size_angstrom, images.width)
    seen = survey(images)
    good = np.array([fault is None for fault in seen.faults])
    rows = table.particles.reset_index(drop=True)
    rejected = tuple(_rejected(rows.iloc[n], str(seen.faults[n])) for n in np.flatnonzero(~good))
    ctfs = None if facts.ctfs is None else tuple(facts.ctfs[n] for n in np.flatnonzero(good))
    notes = [NO_CTF] if ctfs is None else []
    notes += [NORMALISED] if seen.must_normalise else []
    usable = UsableImages(images.only(good), seen.must_normalise)
    particles = ParticleSet(usable, facts.pixel_size_angstrom, ctfs, facts.is_phase_flipped)
    kept = ParticleTable(table.optics, rows[good].reset_index(drop=True))
    return Reading(path, particles, kept, _digest(seen.digest, kept), rejected, tuple(notes))


def _refuse_shape(path: Path, images: StoredImages) -> None:
    height, width = images.height, images.width
    if height != width or height < MIN_BOX_PX:
        raise SettingsError(f"{path}: images of {width} x {height} px: squares of {MIN_BOX_PX} px or more are needed")


def _digest(images: bytes, table: ParticleTable) -> str:
    digest = hashlib.blake2b(images, digest_size=8)
    for frame in table:
        digest.update(repr((list(frame.columns), frame.to_numpy().tolist())).encode())
    return digest.hexdigest()


def _rejected(row: pd.Series[str], reason: str) -> Rejected:
    return Rejected(str(row[IMAGE]), str(row.get(MICROGRAPH, "")), reason)
