"""File of a micrograph's candidates: NumPy's `.npz` without pickle, which no reader of coordinates takes for picks."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import TableError
from cryoglean.io.atomic import atomic_path
from cryoglean.io.coordinates.columns import known_score_kind
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_DAMAGE = (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


def write_candidates(path: Path, candidates: Picks) -> None:
    """Write the candidates of one micrograph as float32; y counts from the first stored row.

    Scores are rounded down, so that none below a threshold reaches it.

    Raises:
        OSError: if the file cannot be written.
    """
    x, y = (np.asarray(column, np.float32) for column in (candidates.x, candidates.y))
    kind = np.array(candidates.score_kind)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, x=x, y=y, score=_rounded_down(candidates.score), score_kind=kind)


def read_candidates(path: Path) -> Picks | None:
    """Read the candidates of one micrograph; None where there is no such file.

    Raises:
        TableError: if the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as columns:
            kind = known_score_kind(str(columns["score_kind"]))
            return Picks(columns["x"], columns["y"], columns["score"], kind)
    except _DAMAGE as error:
        remedy = "the same cryoglean pick with --repick makes it again"
        raise TableError(path, f"damaged candidates ({error}): {remedy}") from error


def _rounded_down(score: NDArray[np.float64]) -> NDArray[np.float32]:
    nearest = score.astype(np.float32)
    return np.where(nearest > score, np.nextafter(nearest, np.float32(-np.inf)), nearest)
