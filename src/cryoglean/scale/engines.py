"""Other programs that can be put to work, found on PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

_PATIENCE_S = 20.0
_VERSION = re.compile(r"\d+(?:\.\d+)+\S*")
_RELION = "apt-get install relion, or https://relion.readthedocs.io"


@dataclass(frozen=True)
class Engine:
    """A program that is not required.

    Attributes:
        name: its command.
        purpose: what it is for.
        remedy: how to get it.
        path: where it is, or None if it was not found.
        version: what it says about itself; None where it was not found or does not say.
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
"""The programs that are looked for."""

_SILENT = ("cryolo_predict.py",)
"""Programs that are not asked for their version: they do not tell it, or load for a minute first."""


def probe_engines(engines: tuple[Engine, ...] = ENGINES) -> tuple[Engine, ...]:
    """Look for programs on PATH and ask those that are there for their version.

    Args:
        engines: what to look for.

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
            timeout=_PATIENCE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said.stdout + said.stderr)
    return found[0] if found else None
