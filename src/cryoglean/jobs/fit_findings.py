"""Finding on which fit made which picks of a folder."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cryoglean.pickers.protocol import FIT_MICROGRAPHS
from cryoglean.report.findings import Finding, Level
from cryoglean.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryoglean.pickers.protocol import FitReport

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


def finding_on_given(path: Path, digest: str, fit: FitReport | None) -> Finding:
    """Tell which fit was given, and from how few micrographs it was learned.

    Args:
        path: its folder.
        digest: its short digest.
        fit: what the picker has learned; None where it learns nothing.
    """
    seen = 0 if fit is None else len(fit.micrographs)
    source = f", learned from {counted(seen, 'micrograph')}" if fit is not None else ""
    if fit is not None and seen < FIT_MICROGRAPHS:
        text = f"picked by fit {digest} of {path}{source} only: cryoglean fit learns anew from more of the set"
        return Finding(Level.note, "fit", text)
    return Finding(Level.fact, "fit", f"picked by fit {digest} of {path}{source}")


def _repicking(command: str | None) -> str | None:
    """Return the command that makes them again; None without a command."""
    if command is None:
        return None
    words = [word for word in shlex.split(command) if word not in (REPICK, "--force")]
    return shlex.join([*words, REPICK])
