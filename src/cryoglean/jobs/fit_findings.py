"""Finding on which fit made which picks of a folder."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cryoglean.report.findings import Finding, Level
from cryoglean.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

REPICK = "--repick"
"""The option that picks them again."""


def findings_on_fits(fits: Mapping[str, str], digest: str, command: str | None) -> tuple[Finding, ...]:
    """Count the micrographs whose picks are of an older fit than that in use.

    Args:
        fits: short digest of the fit that made the picks of each micrograph, by key.
        digest: that of the fit in use; empty where there is none, and nothing is found.
        command: by which it was picked, if it is known.
    """
    older = [key for key, fit in fits.items() if fit != digest]
    if not older or not digest:
        return ()
    text = f"the picks of {counted(len(older), 'micrograph')} are of an older fit than {digest}: {listed(older)}"
    return (Finding(Level.note, "older fit", text, _repicking(command)),)


def _repicking(command: str | None) -> str | None:
    """Return the command that makes them again; None without a command."""
    if command is None:
        return None
    words = [word for word in shlex.split(command) if word not in (REPICK, "--force")]
    return shlex.join([*words, REPICK])
