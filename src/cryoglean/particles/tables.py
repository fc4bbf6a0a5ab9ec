"""The particles table of one micrograph, in RELION's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from cryoglean.ctf.model import Ctf, ctf_from_columns
from cryoglean.io.coordinates.format import CarriedRows
from cryoglean.io.optics_groups import OpticsGroups, numbered
from cryoglean.io.particles import ParticleTable
from cryoglean.io.relion_columns import (
    CTF_IMAGE,
    DEFOCUS_ANGLE,
    DEFOCUS_U,
    DEFOCUS_V,
    DETECTOR_PIXEL_SIZE,
    DIMENSIONALITY,
    GROUP,
    GROUP_NAME,
    IMAGE,
    IMAGE_ID,
    IMAGE_PIXEL_SIZE,
    IMAGE_SIZE,
    MAGNIFICATION,
    MICROGRAPH,
    MICROSCOPE,
    ORIGIN_X,
    ORIGIN_Y,
    ORIGINAL_PIXEL_SIZE,
    PHASE_FLIPPED,
    PHASE_SHIFT,
    PIXEL_SIZE,
    PREMULTIPLIED,
    SCORE,
    X,
    Y,
)
from cryoglean.io.unknown_microscope import without_mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryoglean.micrograph import MicrographFile
    from cryoglean.particles.boxes import Anchors

PICK_ID = "cryogleanPickId"
"""Column with the number of the pick among those of its micrograph, counted from 1. RELION has no label that fits: its
`rlnParticleId` and `rlnImageId` are unique in a table. Programs of RELION 3.1.3 keep the column and say that they do
not know it."""

_OF_OPTICS = (ORIGINAL_PIXEL_SIZE, *MICROSCOPE, "rlnMtfFileName")
_CTF = (DEFOCUS_U, DEFOCUS_V, DEFOCUS_ANGLE, PHASE_SHIFT)
_OF_OLD_IMAGES = {
    *(X, Y, SCORE, IMAGE, MICROGRAPH, GROUP, GROUP_NAME, PICK_ID, CTF_IMAGE, "rlnReconstructImageName", IMAGE_ID),
    *(IMAGE_PIXEL_SIZE, IMAGE_SIZE, DIMENSIONALITY, PIXEL_SIZE, DETECTOR_PIXEL_SIZE, MAGNIFICATION),
    *(PHASE_FLIPPED, PREMULTIPLIED),
}
"""Columns that tell of images cut earlier, or of the whole micrograph's files: extraction writes its own, or none."""


class ToldOfParticles(NamedTuple):
    """What tables say of the n picks of a micrograph besides their places.

    Attributes:
        rows: (n, columns) of each; `rlnOpticsGroup` is among them.
        optics: the optics groups by number, without what depends on the images that are cut.
    """

    rows: pd.DataFrame
    optics: Mapping[str, Mapping[str, str]]

    def ctfs(self) -> list[Ctf | None]:
        """Return the CTF of each pick, None where it is not known; equal ones are one object.

        Raises:
            ValueError: if there is a defocus without its microscope, or values that are none; says so in a line.
        """
        columns = [c for c in (*_CTF, *MICROSCOPE) if c in self.rows.columns]
        keys = list(zip(*(self.rows[c] for c in (GROUP, *columns)), strict=True))
        of_key = {k: ctf_from_columns({**self.optics[k[0]], **dict(zip(columns, k[1:], strict=True))}) for k in {*keys}}
        return [of_key[key] for key in keys]


def told_of(file: MicrographFile, carried: CarriedRows | None, count: int) -> ToldOfParticles:
    """Put together what the tables of a micrograph and of its picks say.

    The table of picks goes before that of the micrographs: after a refinement it knows better. If it has a defocus, its
    whole CTF is taken, and none of the micrograph's columns of CTF.

    Args:
        file: the micrograph.
        carried: what the table of picks says; None if it says nothing.
        count: number of picks.

    Raises:
        ValueError: if a particle is of an optics group that its table does not have.
    """
    of_micrograph = {GROUP: "1", **file.optics, **{c: v for c, v in file.row.items() if c in _OF_OPTICS}}
    own = CarriedRows(pd.DataFrame(index=range(count)), {}) if carried is None else carried
    has_ctf = bool(is_known_defocus(own.rows).any())
    if not has_ctf:
        own = _without_ctf(own)
    inherited = {
        c: v
        for c, v in file.row.items()
        if not (_is_of_old_images(c) or c in _OF_OPTICS or c in own.rows.columns or (has_ctf and _is_of_ctf(c)))
    }
    moved = [c for c in _OF_OPTICS if c in own.rows.columns and not any(c in group for group in own.optics.values())]
    groups, of_key = OpticsGroups(), dict[tuple[str, ...], str]()
    keys = _optics_keys(own, moved)
    for key in dict.fromkeys(keys or [("",)]):
        group = _group_of(own, key[0]) if keys else {}
        of_key[key] = groups.number_of({**of_micrograph, **group, **dict(zip(moved, key[1:], strict=False))})
    kept = own.rows.drop(columns=[c for c in own.rows.columns if c in moved or _is_of_old_images(str(c))])
    rows = kept.assign(**{**inherited, GROUP: [of_key[key] for key in keys]})
    optics = numbered(groups.table())
    return ToldOfParticles(rows, {n: {c: v for c, v in o.items() if _is_of_group(c)} for n, o in optics.items()})


def is_known_defocus(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return (n,) which rows of a table have a defocus; 0 is none."""
    if not {DEFOCUS_U, DEFOCUS_V} <= {*rows.columns}:
        return np.zeros(len(rows), dtype=bool)
    u, v = (pd.to_numeric(rows[c], errors="coerce").to_numpy(np.float64) for c in (DEFOCUS_U, DEFOCUS_V))
    known: NDArray[np.bool_] = np.isfinite(u) & np.isfinite(v) & (u != 0) & (v != 0)
    return known


def _without_ctf(own: CarriedRows) -> CarriedRows:
    """Leave out columns of CTF that say nothing, so that those of the micrograph count."""
    rows = own.rows.drop(columns=[c for c in own.rows.columns if _is_of_ctf(str(c))])
    return CarriedRows(rows, {number: without_mark(group) for number, group in own.optics.items()})


def _optics_keys(carried: CarriedRows, moved: list[str]) -> list[tuple[str, ...]]:
    """Return for each particle the number of its group, "" if it has none, and its values of some columns."""
    rows = carried.rows
    only = next(iter(carried.optics)) if len(carried.optics) == 1 else ""
    numbers = [only] * len(rows) if GROUP not in rows.columns or not carried.optics else list(rows[GROUP])
    return list(zip(numbers, *(rows[c] for c in moved), strict=True))


def _group_of(carried: CarriedRows, number: str) -> Mapping[str, str]:
    if number not in carried.optics and carried.optics:
        raise ValueError(f"a particle is of optics group {number or '(none)'}, which the table of optics does not have")
    return carried.optics.get(number, {})


def _is_of_ctf(column: str) -> bool:
    return column in _CTF or column.startswith("rlnCtf")


def _is_of_old_images(column: str) -> bool:
    """Tell whether a column is one that extraction replaces; origins are all of them, their priors, too."""
    return column in _OF_OLD_IMAGES or column.startswith("rlnOrigin")


def _is_of_group(column: str) -> bool:
    return column in (GROUP, GROUP_NAME) or not _is_of_old_images(column)


def particle_table(
    file: MicrographFile,
    stack_name: str,
    places: Anchors,
    scores: NDArray[np.float64],
    pick_ids: NDArray[np.int64],
    pixel_size_angstrom: float,
    image_pixel_size_angstrom: float,
    image_size_px: int,
    is_phase_flipped: bool,
    told: ToldOfParticles | None = None,
) -> ParticleTable:
    """Build the table of the particles of one micrograph.

    Args:
        file: the micrograph.
        stack_name: the stack as the table names it.
        places: (n,) centres in whole pixels and what that leaves over.
        scores: (n,) figures of merit.
        pick_ids: (n,) number of each particle's pick, counted from 1.
        pixel_size_angstrom: of the micrograph.
        image_pixel_size_angstrom: of the boxes as written.
        image_size_px: side of the boxes as written.
        is_phase_flipped: whether the CTF's phases are turned back.
        told: what tables say of all picks; by default what that of the micrograph says.
    """
    ids = pd.Index(pick_ids - 1)
    rows, optics = told or told_of(file, None, int(ids.max()) + 1 if len(ids) else 0)
    of_images = {
        PIXEL_SIZE: f"{pixel_size_angstrom:.6f}",
        **({PHASE_FLIPPED: "1"} if is_phase_flipped else {}),
        IMAGE_PIXEL_SIZE: f"{image_pixel_size_angstrom:.6f}",
        IMAGE_SIZE: str(image_size_px),
        DIMENSIONALITY: "2",
    }
    rows = rows.iloc[ids].reset_index(drop=True)
    used = [group for number, group in optics.items() if number in {*rows[GROUP]} or not len(rows)]
    xy, rest = places.xy.numpy(), places.rest_px.numpy() * pixel_size_angstrom
    columns = {
        X: [f"{v:.6f}" for v in xy[:, 0]],
        Y: [f"{v:.6f}" for v in xy[:, 1]],
        ORIGIN_X: [f"{v:.6f}" for v in rest[:, 0]],
        ORIGIN_Y: [f"{v:.6f}" for v in rest[:, 1]],
        SCORE: [f"{v:.9g}" for v in scores],
        IMAGE: [f"{number:06d}@{stack_name}" for number in range(1, len(xy) + 1)],
        MICROGRAPH: [file.name] * len(xy),
        GROUP: list(rows[GROUP]),
        PICK_ID: [str(number) for number in pick_ids],
        **{column: list(rows[column]) for column in rows.columns if column != GROUP},
    }
    groups = pd.DataFrame([{**group, **of_images} for group in used], dtype=object)
    return ParticleTable(groups, pd.DataFrame(columns, dtype=object))
