"""Choice of micrographs to begin with, by the resolution of their CTF fit and their defocus."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cryoglean.ctf.model import ctf_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryoglean.micrograph import MicrographFile

PAPER_RESOLUTION_ANGSTROM = 4.0
"""Particles of the first round come from micrographs with a CTF to this resolution or better. Published (McSweeney et
al., IUCrJ 7, 719, 2020, Methods; 3 angstrom for EMPIAR-10204)."""

PAPER_DEFOCUS_ANGSTROM = (10_000.0, 20_000.0)
"""Half of the subset is below the first defocus, half between the two. Published (as above)."""


PAPER_LOW_DEFOCUS_ANGSTROM = 5_000.0
"""Defocus below which micrographs are of low defocus. Published (as above, section 4.2)."""


def passing(
    files: Iterable[MicrographFile],
    *,
    max_resolution_angstrom: float = math.inf,
    defocus_range_angstrom: tuple[float, float] = (-math.inf, math.inf),
) -> list[MicrographFile]:
    """Return the micrographs with a CTF fit of that resolution or better and a mean defocus in a range.

    A micrograph without a CTF does not pass; one without `rlnCtfMaxResolution` passes only where there is no limit.

    Args:
        files: with CTF columns.
        max_resolution_angstrom: limit of the fit resolution.
        defocus_range_angstrom: least and largest mean defocus.
    """
    low, high = defocus_range_angstrom
    kept = []
    for file in files:
        ctf = ctf_of(file)
        if ctf is None or not low <= ctf.defocus_angstrom <= high:
            continue
        if math.isinf(max_resolution_angstrom) or resolution_of(file) <= max_resolution_angstrom:
            kept.append(file)
    return kept


def paper_subset(files: Sequence[MicrographFile], count: int) -> list[MicrographFile]:
    """Choose micrographs to begin with as the paper does: CTF to 4 A, half below 1 um defocus, half from 1 to 2 um.

    In each half the best resolution comes first. A half with too few is filled up from the other, and if both have too
    few there are fewer.

    Args:
        files: with CTF columns.
        count: how many; the paper takes 20 to 40.

    Returns:
        The chosen, in the order of `files`.
    """
    low, high = PAPER_DEFOCUS_ANGSTROM
    good = passing(files, max_resolution_angstrom=PAPER_RESOLUTION_ANGSTROM, defocus_range_angstrom=(0, high))
    ranked = sorted(good, key=resolution_of)
    near, far = ([f for f in ranked if ((f.defocus_angstrom or 0) < low) is below] for below in (True, False))
    half = count // 2
    from_near = min(len(near), max(half, count - len(far)))
    chosen = {file.key for file in [*near[:from_near], *far[: count - from_near]]}
    return [file for file in files if file.key in chosen]


def low_defocus_subset(files: Sequence[MicrographFile], count: int) -> list[MicrographFile]:
    """Choose micrographs of low defocus to begin with, as the paper does in section 4.2: CTF to 4 A, below 0.5 um.

    Args:
        files: with CTF columns.
        count: how many at most, the best resolution first; the paper takes 20.

    Returns:
        The chosen, in the order of `files`; none where none is as good and as near to focus.
    """
    near = passing(
        files,
        max_resolution_angstrom=PAPER_RESOLUTION_ANGSTROM,
        defocus_range_angstrom=(0, PAPER_LOW_DEFOCUS_ANGSTROM),
    )
    chosen = {file.key for file in sorted(near, key=resolution_of)[:count]}
    return [file for file in files if file.key in chosen]


def resolution_of(file: MicrographFile) -> float:
    """Return `rlnCtfMaxResolution` in angstrom; infinite where there is none."""
    reached = file.ctf_resolution_angstrom
    return math.inf if reached is None else reached
