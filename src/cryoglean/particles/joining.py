"""Particle tables of many micrographs as one, in which a particle without a CTF leaves the others theirs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryoglean.io.missing_cells import completed
from cryoglean.io.optics_groups import OpticsGroups, numbered
from cryoglean.io.particles import ParticleTable
from cryoglean.io.relion_columns import (
    CTF_B_FACTOR,
    CTF_SCALE,
    DEFOCUS_ANGLE,
    DEFOCUS_U,
    DEFOCUS_V,
    GROUP,
    GROUP_NAME,
    MICROGRAPH,
    PHASE_SHIFT,
)
from cryoglean.io.unknown_microscope import CTF_OF_ONE, has_microscope
from cryoglean.particles.tables import is_known_defocus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_NAME_WITHOUT_CTF = "_no_ctf"
_CTF_OF_ROWS = {DEFOCUS_U: "0", DEFOCUS_V: "0", DEFOCUS_ANGLE: "0", PHASE_SHIFT: "0", CTF_B_FACTOR: "0", CTF_SCALE: "1"}
"""Columns of a particle without a CTF. Derived: with `CTF_OF_ONE` they give 1 at every frequency."""


def joined(tables: Iterable[ParticleTable]) -> ParticleTable:
    """Join tables into one that has all their columns; optics groups are put together as `OpticsGroups` does.

    Groups without particles are left out. What one table lacks and others have, `completed` fills. Where some particles
    have a CTF and others have none, the latter get optics groups of their own whose CTF is 1 at every frequency.
    """
    everything = list(tables)
    parts = [table for table in everything if len(table.particles)]
    if not parts:
        return everything[0] if everything else ParticleTable(pd.DataFrame(), pd.DataFrame())
    known = [_has_ctf(table) for table in parts]
    optics, numbers = _joined_groups(parts, known)
    whole = pd.concat([table.particles for table in parts], ignore_index=True)
    particles = completed(whole.assign(**{GROUP: numbers}))
    is_known = np.concatenate(known)
    if is_known.any():
        columns = [c for c in _CTF_OF_ROWS if c in particles.columns]
        particles.loc[~is_known, columns] = [_CTF_OF_ROWS[c] for c in columns]
    return ParticleTable(optics, particles)


def _joined_groups(
    parts: Sequence[ParticleTable], known: Sequence[NDArray[np.bool_]]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the optics groups of all parts as one table, and the number of each particle's group there.

    Groups of particles with a CTF come first, then those of known microscopes: these keep their numbers and names.
    """
    is_mixed = any(each.any() for each in known)
    found: dict[tuple[int, str, bool], dict[str, str]] = {}
    for part, (table, is_known) in enumerate(zip(parts, known, strict=True)):
        optics = numbered(table.optics)
        for old, which in dict.fromkeys(zip(table.particles[GROUP], map(bool, is_known), strict=True)):
            found[part, old, which] = optics[old] if which or not is_mixed else _group_without_ctf(optics[old])
    groups = OpticsGroups()
    in_order = sorted(found, key=lambda key: (not key[2], not has_microscope(found[key])))
    numbers = {key: groups.number_of(found[key]) for key in in_order}
    new = [
        numbers[part, old, bool(which)]
        for part, (table, is_known) in enumerate(zip(parts, known, strict=True))
        for old, which in zip(table.particles[GROUP], is_known, strict=True)
    ]
    return groups.table(), new


def without_ctf(table: ParticleTable) -> dict[str, int]:
    """Return how many particles of each micrograph have no CTF, where others of the table have one."""
    is_known = _has_ctf(table)
    if is_known.all() or not is_known.any():
        return {}
    return dict(Counter(table.particles.loc[~is_known, MICROGRAPH].astype(str)))


def _has_ctf(table: ParticleTable) -> NDArray[np.bool_]:
    """Return (n,) which particles have a CTF that can be used: a defocus, and a microscope to go with it."""
    particles = table.particles
    known = {number for number, group in numbered(table.optics).items() if has_microscope(group)}
    return is_known_defocus(particles) & particles[GROUP].isin(known).to_numpy()


def _group_without_ctf(optics: dict[str, str]) -> dict[str, str]:
    name = optics[GROUP_NAME].removesuffix(_NAME_WITHOUT_CTF) + _NAME_WITHOUT_CTF
    return {**optics, **CTF_OF_ONE, GROUP_NAME: name}
