"""Optional external programs, found on PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

_VERSION_TIMEOUT_S = 20.0
"""How long a program may take to tell its version. Chosen by hand: Python programs on network disks load slowly, and
`cryoglean doctor` waits for each."""

_VERSION = re.compile(r"\d+(?:\.\d+)+\S*")
_RELION = "apt-get install relion, or https://relion.readthedocs.io"


@dataclass(frozen=True)
class Engine:
    """Optional external program.

    Attributes:
        name: its command.
        purpose: its use here.
        remedy: how to get it.
        path: its file, or None if it was not found.
        version: version that it reports; None where it was not found or reports none.
    """

    name: str
    purpose: str
    remedy: str
    path: str | None = None
    version: str | None = None


ENGINES = (
    Engine("relion_preprocess", "particle extraction", _RELION),
    Engine("relion_refine", "2D classes of the extracted particles", _RELION),
    Engine("relion_autopick", "picks to compare with", _RELION),
    Engine("relion_run_motioncorr", "motion correction of movies", _RELION),
    Engine("topaz", "picks to compare with", "https://github.com/tbepler/topaz"),
    Engine("cryolo_predict.py", "picks to compare with", "https://cryolo.readthedocs.io"),
    Engine("chromium", "web pages (planned)", "apt-get install chromium"),
)
"""Programs that are looked for."""

_SILENT = ("cryolo_predict.py",)
"""Programs that are not asked for their version: they report none, or load for a minute first."""


def probe_engines(engines: tuple[Engine, ...] = ENGINES) -> tuple[Engine, ...]:
    """Look for programs on PATH and ask those that are there for their version.

    Args:
        engines: programs to look for.

    Returns:
        The same with `path` and `version` filled in.
    """
    return tuple(_probed(engine) for engine in engines)


def _probed(engine: Engine) -> Engine:
    path = shutil.which(engine.name)
    version = None if path is None or engine.name in _SILENT else _version_of(path)
    return Engine(engine.name, engine.purpose, engine.remedy, path, version)


def _version_of(path: str) -> str | None:
    try:
        said = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said.stdout + said.stderr)
    return found[0] if found else None
