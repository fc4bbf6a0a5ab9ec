"""Source of classes: the output folder of `cryoglean classify`, or that of a Class2D job of RELION."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryoglean.classes2d.folder import PARTICLES, is_complete, read_classification
from cryoglean.classes2d.relion.files import read_relion_run
from cryoglean.errors import SettingsError, TableError
from cryoglean.io.star import read_star

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.classes2d.classification import Classification
    from cryoglean.io.particles import ParticleTable

_FILE_OF_RUN = re.compile(r"^(?P<run>.+_it\d+)_(model|data|optimiser|sampling)\.star$")
_DIAMETER = "rlnParticleDiameter"


@dataclass(frozen=True)
class Source:
    """Classes to select from.

    Attributes:
        path: of the table of particles, from which stacks are found.
        classification: n particles in k classes.
        table: the rows of the n particles.
        settings: of `cryoglean classify`, as JSON values; empty for classes of RELION.
        diameter_angstrom: of the particle, if it is in the files.
    """

    path: Path
    classification: Classification
    table: ParticleTable
    settings: dict[str, Any]
    diameter_angstrom: float | None


def read_source(path: Path) -> Source:
    """Read classes.

    Args:
        path: the output folder of `cryoglean classify`, the folder of a Class2D job of RELION (its latest iteration is
            taken), or the `model.star`, `data.star` or `optimiser.star` of one of its iterations.

    Raises:
        SettingsError: if there is nothing of the kind.
        TableError: if a file is broken.
    """
    if path.is_dir() and is_complete(path):
        classification, table = read_classification(path)
        settings = _settings(path / "settings.json")
        return Source(path / PARTICLES, classification, table, settings, _positive(_found(settings)))
    run = _relion_run(path)
    classification, table = read_relion_run(run)
    data = run.with_name(run.name.replace("_optimiser.star", "_data.star"))
    return Source(data, classification, table, {}, _relion_diameter(run))


def _relion_run(path: Path) -> Path:
    """Return the optimiser file of the iteration that is meant."""
    if path.is_dir():
        found = sorted(path.glob("*_it*_optimiser.star"), key=lambda file: (len(file.name), file.name))
        if not found:
            raise SettingsError(f"{path}: neither an output folder of cryoglean classify nor one of RELION's Class2D")
        return found[-1]
    match = _FILE_OF_RUN.match(path.name)
    if not path.is_file() or match is None:
        raise SettingsError(
            f"{path}: give the output folder of cryoglean classify, the folder of a Class2D job, or one of its files "
            "run_itNNN_model.star and run_itNNN_data.star"
        )
    return path.with_name(f"{match['run']}_optimiser.star")


def _relion_diameter(optimiser: Path) -> float | None:
    try:
        tables = read_star(optimiser)
    except TableError:  # is not needed for more
        return None
    found = [table[_DIAMETER].iloc[0] for table in tables.values() if _DIAMETER in table.columns and len(table)]
    return _positive(found[0]) if found else None


def _settings(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))["settings"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SettingsError(f"{path} is damaged ({error!r}): run cryoglean classify again") from None
    return dict(said) if isinstance(said, dict) else {}


def _found(settings: dict[str, Any]) -> object:
    """Return the diameter, wherever in the settings it stands."""
    inner = [value.get("diameter_angstrom") for value in settings.values() if isinstance(value, dict)]
    return next((value for value in (settings.get("diameter_angstrom"), *inner) if value is not None), None)


def _positive(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None
