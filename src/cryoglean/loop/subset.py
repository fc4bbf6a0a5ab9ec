"""Choice of the micrographs that the rounds work on."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from cryoglean.ctf.subset import (
    PAPER_LOW_DEFOCUS_ANGSTROM,
    PAPER_RESOLUTION_ANGSTROM,
    low_defocus_subset,
    paper_subset,
)
from cryoglean.errors import SettingsError
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.micrograph import MicrographFile

MIN_SUBSET = 20
"""Micrographs of a subset chosen by defocus, at least. Published: McSweeney et al., IUCrJ 7, 719, 2020, take 20 to
40."""


class SubsetChoice(StrEnum):
    """Way in which the micrographs were chosen."""

    every = "every"
    by_defocus = "by_defocus"
    spread_ctf_unknown = "spread_ctf_unknown"
    spread_few_fits = "spread_few_fits"
    low_defocus = "low_defocus"

    @property
    def message(self) -> str:
        """The choice, for the user."""
        return {
            SubsetChoice.every: "all there are",
            SubsetChoice.by_defocus: "half below 1 µm defocus, half from 1 to 2 µm",
            SubsetChoice.spread_ctf_unknown: "evenly spread, as their CTF is not known",
            SubsetChoice.spread_few_fits: "evenly spread, as too few have a CTF to 4 Å and less than 2 µm defocus",
            SubsetChoice.low_defocus: "with less than 0.5 µm defocus and a CTF to 4 Å",
        }[self]


def training_subset(
    files: Sequence[MicrographFile], count: int, *, low_defocus: bool = False
) -> tuple[list[MicrographFile], SubsetChoice]:
    """Choose the micrographs that the rounds work on: stratified by defocus where that is known (the 2020 paper).

    Args:
        files: all micrographs, in order.
        count: how many to choose; of no more than these all are taken.
        low_defocus: take those of low defocus alone, as section 4.2 of the paper does.

    Returns:
        The chosen, in the order of `files`, and how they were chosen.

    Raises:
        SettingsError: if those of low defocus are wanted, and there are none.
    """
    if low_defocus:
        near = low_defocus_subset(files, count)
        if not near:
            raise SettingsError(
                f"--low-defocus: none of {counted(len(files), 'micrograph')} has a CTF to "
                f"{PAPER_RESOLUTION_ANGSTROM:g} Å and less than {PAPER_LOW_DEFOCUS_ANGSTROM:g} Å defocus in its STAR "
                "file: leave it out"
            )
        return near, SubsetChoice.low_defocus
    if len(files) <= count:
        return list(files), SubsetChoice.every
    by_defocus = paper_subset(files, count)
    if len(by_defocus) >= min(count, MIN_SUBSET):
        return by_defocus, SubsetChoice.by_defocus
    stride = len(files) / count
    chosen = [files[int((i + 0.5) * stride)] for i in range(count)]
    return chosen, SubsetChoice.spread_few_fits if by_defocus else SubsetChoice.spread_ctf_unknown
