"""Output files of `relion_refine`, read by the names of columns, of RELION 3.1 to 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryoglean.classes2d.classification import Assignments, Classes, Classification
from cryoglean.classes2d.folder import POSTERIOR
from cryoglean.classes2d.progress import Iteration
from cryoglean.errors import TableError
from cryoglean.io.mrc_stack import read_stack
from cryoglean.io.particles import ParticleTable, image_places
from cryoglean.io.relion_columns import (
    CLASS,
    CURRENT_RESOLUTION,
    ESTIMATED_RESOLUTION,
    IMAGE,
    MODEL_PIXEL_SIZE,
    ORIGIN_X,
    ORIGIN_X_PX,
    ORIGIN_Y,
    PSI,
    REFERENCE_IMAGE,
    SIGNAL_TO_NOISE,
    SPECTRAL_INDEX,
)
from cryoglean.io.star import read_star, star_floats

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_LIKELIHOOD, _ALL_LIKELIHOOD = "rlnLogLikeliContribution", "rlnLogLikelihood"
_NO_RESOLUTION = 999.0
"""Format: what RELION writes where there is no resolution."""


@dataclass(frozen=True)
class RelionRun:
    """The files of one run.

    Attributes:
        folder: where they are.
        root: what their names begin with.
    """

    folder: Path
    root: str = "run"

    def path(self, iteration: int, what: str) -> Path:
        """Return the path of a file of an iteration, as `path(3, "data.star")`."""
        return self.folder / f"{self.root}_it{iteration:03d}_{what}"

    def iterations(self) -> list[int]:
        """Return the numbers of the iterations that have left a file, in order."""
        found = self.folder.glob(f"{self.root}_it*_optimiser.star")
        numbers = (path.name.removeprefix(f"{self.root}_it").removesuffix("_optimiser.star") for path in found)
        return sorted(int(number) for number in numbers if number.isdigit())

    def read(self, iteration: int, names: Sequence[str]) -> Classification:
        """Read the classes and assignments after an iteration.

        RELION gives no ring correlation of classes and no plain means: the ring correlation is that which belongs to
        the signal-to-noise ratio, S / (1 + S), and `uncorrected` is the same as `averages`. `quality` is the rank of
        the particle's log-likelihood within its class, from 0 to 1, times the probability of its class and place.

        Args:
            iteration: which.
            names: (n,) `rlnImageName` of the particles, in the order wanted.

        Raises:
            TableError: if a file is missing or not whole, or a particle is not in it.
        """
        model_path = self.path(iteration, "model.star")
        model = read_star(model_path)
        averages = read_stack(self.path(iteration, "classes.mrcs"), must_be_finite=False)
        order, resolution = _references(model_path, model, len(averages))
        ssnr = np.stack([_curve(model_path, model, n, averages.shape[-1]) for n in range(1, len(order) + 1)])
        particles = self.assignments(iteration, names)
        counts = np.bincount(particles.class_index, minlength=len(order))
        if len(counts) > len(order):
            raise TableError(self.path(iteration, "data.star"), f"names class {len(counts)} of {len(order)}")
        averages = np.nan_to_num(averages[order], posinf=0, neginf=0)
        classes = Classes(averages, averages, counts, resolution, ssnr / (1 + ssnr), ssnr)
        return Classification(classes, particles, _general(model_path, model, MODEL_PIXEL_SIZE))

    def assignments(self, iteration: int, names: Sequence[str]) -> Assignments:
        """Read where each particle belongs, in the order of their names, whatever the order in the file.

        Raises:
            TableError: as `read`.
        """
        path = self.path(iteration, "data.star")
        tables = read_star(path)
        data = tables.get("particles", tables.get(""))
        if data is None:
            raise TableError(path, "no table of particles")
        if ORIGIN_X_PX in data.columns and ORIGIN_X not in data.columns:
            raise TableError(path, "origins in pixels (rlnOriginX): rewrite it first with relion_convert_star")
        rows = _matched(path, data, names)
        shifts = np.stack([star_floats(path, data, c, 0.0)[rows] for c in (ORIGIN_X, ORIGIN_Y)], axis=1)
        number, posterior = star_floats(path, data, CLASS)[rows], star_floats(path, data, POSTERIOR)[rows].clip(0, 1)
        if not (number >= 1).all():
            raise TableError(path, "a particle without a class")
        likelihood = star_floats(path, data, _LIKELIHOOD, 0.0)[rows]
        index = number.astype(np.int64) - 1
        quality = _rank_within(index, likelihood) * posterior
        return Assignments(index, star_floats(path, data, PSI, 0.0)[rows], shifts, posterior, quality)

    def progress(
        self, number: int, total: int, names: Sequence[str], before: NDArray[np.int64] | None
    ) -> tuple[Iteration, NDArray[np.int64]]:
        """Sum up an iteration; return that and the classes after it, (n,).

        Args:
            number: of the iteration.
            total: how many there will be.
            names: as for `read`.
            before: (n,) classes of the iteration before, or None.

        Raises:
            TableError: as `read`.
        """
        path = self.path(number, "model.star")
        model = read_star(path)
        now = self.assignments(number, names).class_index
        changed = 1.0 if before is None else float((now != before).mean())
        empty = len(model.get("model_classes", ())) - len(np.unique(now))
        resolution = _finite_or_inf(_general(path, model, CURRENT_RESOLUTION))
        return Iteration(number, total, resolution, changed, empty, _general(path, model, _ALL_LIKELIHOOD)), now


def _references(
    path: Path, model: dict[str, pd.DataFrame], images: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return for each class, in the table's order, the index of its image in the stack, and its resolution."""
    table = model.get("model_classes", pd.DataFrame())
    if REFERENCE_IMAGE not in table.columns:
        raise TableError(path, f"no column {REFERENCE_IMAGE}")
    places = image_places(ParticleTable(pd.DataFrame(), pd.DataFrame({IMAGE: table[REFERENCE_IMAGE]})), path)
    order = np.array([index for index, _ in places], dtype=np.int64)
    if not len(order) or order.max() >= images:
        raise TableError(path, f"{len(order)} classes, and a stack of {images} images")
    return order, np.array([_finite_or_inf(value) for value in star_floats(path, table, ESTIMATED_RESOLUTION)])


def _finite_or_inf(resolution_angstrom: float) -> float:
    """Return a resolution; RELION has 999 or inf, and after empty classes NaN, where there is none."""
    is_one = np.isfinite(resolution_angstrom) and 0 < resolution_angstrom != _NO_RESOLUTION
    return float(resolution_angstrom) if is_one else float("inf")


def _curve(path: Path, model: dict[str, pd.DataFrame], number: int, box: int) -> NDArray[np.float64]:
    """Return the signal-to-noise ratio of a class at each ring."""
    table = model.get(f"model_class_{number}")
    if table is None:
        raise TableError(path, f"no table model_class_{number}")
    ring, values = star_floats(path, table, SPECTRAL_INDEX), star_floats(path, table, SIGNAL_TO_NOISE)
    curve = np.zeros(box // 2 + 1)
    inside = (ring >= 0) & (ring < len(curve))
    curve[ring[inside].astype(np.int64)] = np.nan_to_num(values[inside], posinf=0, neginf=0).clip(min=0)
    return curve


def _general(path: Path, model: dict[str, pd.DataFrame], name: str) -> float:
    table = model.get("model_general", pd.DataFrame())
    return float(star_floats(path, table, name)[0]) if len(table) else float("nan")


def _matched(path: Path, data: pd.DataFrame, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the row of each particle; of an image that is there twice, the first row goes to the first particle."""
    rows: dict[tuple[int, str], list[int]] = {}
    for row, place in enumerate(image_places(ParticleTable(pd.DataFrame(), data), path)):
        rows.setdefault(place, []).append(row)
    wanted = image_places(ParticleTable(pd.DataFrame(), pd.DataFrame({IMAGE: list(names)})), path)
    try:
        return np.array([rows[place].pop(0) for place in wanted], dtype=np.int64)
    except (KeyError, IndexError):
        raise TableError(path, f"{len(data)} of {len(wanted)} particles are in it") from None


def _rank_within(groups: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value within its group, as a share of the group: 1 for its largest."""
    return np.asarray(pd.Series(values).groupby(groups).rank(pct=True))
