"""Facts that a particles STAR tells of its images: pixel size, CTF, phases; of RELION 3.0 (no optics table) to 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryoglean.ctf.model import CTF_DEFOCUS, CTF_OPTICS, CTF_PHASE_SHIFT, Ctf, Microscope, ctf_from_columns
from cryoglean.errors import SettingsError, TableError
from cryoglean.io.particles import ParticleTable
from cryoglean.io.relion_columns import (
    ANGSTROM_PER_MICROMETRE,
    DETECTOR_PIXEL_SIZE,
    DIMENSIONALITY,
    GROUP,
    GROUP_NAME,
    IMAGE,
    IMAGE_PIXEL_SIZE,
    IMAGE_SIZE,
    MAGNIFICATION,
    MICROSCOPE,
    ORIGIN_X_PX,
    ORIGIN_Y_PX,
    PHASE_FLIPPED,
    PREMULTIPLIED,
)
from cryoglean.io.unknown_microscope import has_microscope
from cryoglean.limits import is_same_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NO_CTF = "no CTF: phases stay as they are, low resolution only"

CTF_OF_ONE = Ctf(0.0, 0.0, 0.0, Microscope(spherical_aberration_mm=0.0, amplitude_contrast=1.0))
"""The CTF of particles that have none, in a table in which others have one: 1 at every frequency."""


@dataclass(frozen=True)
class ImageFacts:
    """Facts about images besides their pixels.

    Attributes:
        pixel_size_angstrom: of all of them.
        ctfs: (n,) of each particle, or None if not one is known.
        is_phase_flipped: whether the phases that the CTF turns are turned back in the images.
    """

    pixel_size_angstrom: float
    ctfs: tuple[Ctf, ...] | None
    is_phase_flipped: bool


def image_facts(path: Path, table: ParticleTable) -> ImageFacts:
    """Read what a table says of its images; what a particle's row says goes before what its optics group says.

    Args:
        path: of the table, for messages.
        table: of RELION 3.0 or later.

    Raises:
        TableError: if a value is broken, or the CTF of some particles is known and that of others is not.
        SettingsError: if the images cannot be classified together, or their pixel size is not known.
    """
    if any(_flags(path, table, PREMULTIPLIED)):
        raise SettingsError(f"{path}: images multiplied by their CTF ({PREMULTIPLIED}): extract them without that")
    flipped = _flags(path, table, PHASE_FLIPPED)
    if len(set(flipped)) > 1:
        raise SettingsError(
            f"{path}: phases are flipped in {sum(flipped)} of {len(flipped)} images: classify them apart"
        )
    return ImageFacts(_pixel_size(path, table), _ctfs(path, table), flipped[:1] == [True])


def with_optics(path: Path, table: ParticleTable, pixel_size_angstrom: float, box_px: int) -> ParticleTable:
    """Return a table in the layout of RELION 3.1: with the pixel size and the size of the images in optics groups.

    Args:
        path: of the table, for messages.
        table: of RELION 3.0 or later; origins in pixels, of 3.0, are left out.
        pixel_size_angstrom: of the images.
        box_px: side of the images.

    Raises:
        TableError: if a particle is of an optics group that is not there.
    """
    optics, particles = table.optics, table.particles.drop(columns=[ORIGIN_X_PX, ORIGIN_Y_PX], errors="ignore")
    if not len(optics):
        optics, particles = _made_optics(particles)
    particles = particles.assign(**{GROUP: _groups(path, ParticleTable(optics, particles))})
    known = {IMAGE_PIXEL_SIZE: f"{pixel_size_angstrom:.6f}", IMAGE_SIZE: str(box_px), DIMENSIONALITY: "2"}
    return ParticleTable(optics.assign(**{c: v for c, v in known.items() if c not in optics.columns}), particles)


def _made_optics(particles: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Move what rows of RELION 3.0 say of the microscope into optics groups."""
    said = [c for c in CTF_OPTICS if c in particles.columns]
    kinds = list(zip(*(particles[c] for c in said), strict=True)) if said else [()] * len(particles)
    number = {kind: str(n) for n, kind in enumerate(dict.fromkeys(kinds), start=1)}
    rows = [
        {GROUP_NAME: f"opticsGroup{n}", GROUP: n, **dict(zip(said, kind, strict=True))} for kind, n in number.items()
    ]
    return pd.DataFrame(rows, dtype=object), particles.drop(columns=said).assign(**{GROUP: [number[k] for k in kinds]})


def _groups(path: Path, table: ParticleTable) -> pd.Series[str]:
    """Return the optics group of each particle; a table with one group need not say it."""
    there = [str(group) for group in table.optics.get(GROUP, ["1"] * len(table.optics))]
    if GROUP not in table.particles.columns:
        if len(there) > 1:
            raise TableError(path, f"{len(there)} optics groups, and the table of particles has no column {GROUP}")
        return pd.Series([there[0]] * len(table.particles), table.particles.index, dtype=object)
    groups = table.particles[GROUP].astype(str)
    for group in groups[~groups.isin(there)][:1]:
        raise TableError(path, f"a particle is of optics group {group}, which the table of optics does not have")
    return groups


def _column(path: Path, table: ParticleTable, name: str) -> pd.Series[str] | None:
    """Return a value for each particle, of its row or else of its optics group, or None."""
    if name in table.particles.columns:
        return table.particles[name].astype(str)
    if name in table.optics.columns:
        groups = _groups(path, table)
        return groups.map(dict(zip(table.optics.get(GROUP, ["1"]), table.optics[name], strict=False)))
    return None


def _numbers(path: Path, table: ParticleTable, name: str) -> NDArray[np.float64] | None:
    column = _column(path, table, name)
    if column is None:
        return None
    try:
        values = column.to_numpy(np.float64)
    except ValueError as error:
        raise TableError(path, f"{name}: {error}") from None
    if not (np.isfinite(values) & (values > 0)).all():
        raise TableError(path, f"{name} holds a value that is no size")
    return values


def _pixel_size(path: Path, table: ParticleTable) -> float:
    sizes = _numbers(path, table, IMAGE_PIXEL_SIZE)
    detector, magnification = (_numbers(path, table, name) for name in (DETECTOR_PIXEL_SIZE, MAGNIFICATION))
    if sizes is None and detector is not None and magnification is not None:
        sizes = detector * ANGSTROM_PER_MICROMETRE / magnification
    if sizes is None:
        raise SettingsError(f"{path}: the pixel size of the images is not known: it has no column {IMAGE_PIXEL_SIZE}")
    low, high = sizes.min(initial=np.inf), sizes.max(initial=0)
    if len(sizes) and not is_same_size(low, high):
        raise SettingsError(f"{path}: images of {low:g} and of {high:g} A/px: extract them again with one pixel size")
    return float(sizes[0]) if len(sizes) else 0.0


def _flags(path: Path, table: ParticleTable, name: str) -> list[bool]:
    column = _column(path, table, name)
    return [False] * len(table.particles) if column is None else [value.strip() in ("1", "true") for value in column]


def _ctfs(path: Path, table: ParticleTable) -> tuple[Ctf, ...] | None:
    """Return the CTF of each particle; those of a micrograph share one object."""
    columns = {name: _column(path, table, name) for name in (*CTF_DEFOCUS, *CTF_OPTICS, CTF_PHASE_SHIFT)}
    known = {name: column for name, column in columns.items() if column is not None}
    rows = list(zip(*known.values(), strict=True)) if known else [()] * len(table.particles)
    of_row: dict[tuple[str, ...], Ctf | None] = {}
    for number, row in enumerate(rows):
        if row not in of_row:
            try:
                of_row[row] = _ctf(dict(zip(known, row, strict=True)))
            except ValueError as error:
                raise TableError(path, f"{_image(table, number)}: {error}") from None
    ctfs = [of_row[row] for row in rows]
    present = tuple(ctf for ctf in ctfs if ctf is not None)
    if all(ctf is CTF_OF_ONE for ctf in present):
        return None
    if len(present) < len(ctfs):
        first = _image(table, ctfs.index(None))
        missing = f"{len(ctfs) - len(present)} of {len(ctfs)} particles have no CTF, the first is {first}"
        raise TableError(path, f"{missing}: leave those out, or run cryoglean ctf and extract again")
    return present


def _ctf(known: dict[str, str]) -> Ctf | None:
    return CTF_OF_ONE if _stands_for_no_ctf(known) else ctf_from_columns(known)


def _stands_for_no_ctf(known: dict[str, str]) -> bool:
    """Tell whether columns of a particle are those that extraction writes where only others have a CTF."""
    return ctf_from_columns(known) is None and all(c in known for c in MICROSCOPE) and not has_microscope(known)


def _image(table: ParticleTable, number: int) -> str:
    return str(table.particles[IMAGE].iloc[number]) if IMAGE in table.particles.columns else f"particle {number + 1}"
