"""Which micrographs the rounds work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.ctf.subset import paper_subset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.micrograph import MicrographFile

LEAST_OF_SUBSET = 20
"""The paper takes 20 to 40 micrographs."""


def training_subset(files: Sequence[MicrographFile], count: int) -> tuple[list[MicrographFile], str]:
    """Choose the micrographs that the rounds work on: stratified by defocus where that is known (the 2020 paper).

    Args:
        files: all micrographs, in order.
        count: how many to choose; of no more than these all are taken.

    Returns:
        The chosen, in the order of `files`, and why these.
    """
    if len(files) <= count:
        return list(files), f"all {len(files)} micrographs"
    by_defocus = paper_subset(files, count)
    if len(by_defocus) >= min(count, LEAST_OF_SUBSET):
        return (
            by_defocus,
            f"{len(by_defocus)} of {len(files)} micrographs, half below 1 um defocus, half from 1 to 2 um",
        )
    stride = len(files) / count
    chosen = [files[int((i + 0.5) * stride)] for i in range(count)]
    why = "too few have a CTF to 4 A and less than 2 um defocus" if by_defocus else "their CTF is not known"
    return chosen, f"{count} of {len(files)} micrographs, evenly spread: {why}"
