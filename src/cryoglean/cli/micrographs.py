"""Micrographs that a command is given, and what is left out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryoglean.io.inputs import FoundMicrographs


def found_micrographs(
    inputs: Sequence[Path], pattern: str | None, *, recursive: bool, info: Callable[[str], None]
) -> FoundMicrographs:
    """Find the micrographs, and show what is left out, if anything is.

    Raises:
        SettingsError: if there are none.
        TableError: if a list or STAR file cannot be understood.
    """
    from cryoglean.io.inputs import find_inputs

    found = find_inputs(inputs, pattern, recursive=recursive)
    if found.left_out:
        from cryoglean.io.exposures import describe_left_out

        info(f"left out: {describe_left_out(found.left_out)}; --pattern chooses others")
    return found
