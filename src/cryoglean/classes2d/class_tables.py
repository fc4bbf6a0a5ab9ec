"""Tables of classes: `model.star`, written and read, and the CSV tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from cryoglean.errors import TableError
from cryoglean.io.relion_columns import (
    CURRENT_RESOLUTION,
    ESTIMATED_RESOLUTION,
    MODEL_PIXEL_SIZE,
    ORIGINAL_IMAGE_SIZE,
    REFERENCE_IMAGE,
    SIGNAL_TO_NOISE,
    SPECTRAL_INDEX,
)
from cryoglean.io.star import read_star, star_floats, star_text
from cryoglean.words import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classes
    from cryoglean.classes2d.progress import Iteration

_FREQUENCY, _ANGSTROM = "rlnResolution", "rlnAngstromResolution"
_CORRELATION = "rlnFourierShellCorrelation"
_NO_ANGSTROM = 999.0
"""Format: what RELION writes as the resolution of ring 0, which has none."""

_CLASS_COLUMNS = ("class", "particles", "share_percent", "resolution_angstrom", "percent_per_resolution")
_ITERATION_COLUMNS = (
    "iteration",
    "resolution_angstrom",
    "changed_percent",
    "empty_classes",
    "log_likelihood",
    "particles",
)


class Model(NamedTuple):
    """Contents of `model.star`.

    Attributes:
        pixel_size_angstrom: of the averages.
        resolution_angstrom: (k,).
        ring_correlation: (k, rings).
        signal_to_noise: (k, rings).
    """

    pixel_size_angstrom: float
    resolution_angstrom: NDArray[np.float64]
    ring_correlation: NDArray[np.float64]
    signal_to_noise: NDArray[np.float64]


def model_text(classes: Classes, pixel_size_angstrom: float, stack_name: str) -> str:
    """Return `model.star` in the layout of RELION 3.1; an infinite resolution is "inf", as RELION has it.

    Args:
        classes: all of them.
        pixel_size_angstrom: of the averages.
        stack_name: of the averages, as RELION is to find it from the project's folder.
    """
    side = classes.averages.shape[-1] * pixel_size_angstrom
    curves = zip(classes.ring_correlation, classes.signal_to_noise, strict=True)
    each = {f"model_class_{n}": _curves(*pair, side) for n, pair in enumerate(curves, start=1)}
    best = classes.resolution_angstrom.min(initial=np.inf)
    general = {
        "rlnReferenceDimensionality": 2,
        "rlnDataDimensionality": 2,
        ORIGINAL_IMAGE_SIZE: classes.averages.shape[-1],
        CURRENT_RESOLUTION: f"{best:.9g}",
        MODEL_PIXEL_SIZE: f"{pixel_size_angstrom:.9g}",
        "rlnNrClasses": len(classes),
    }
    table = {
        REFERENCE_IMAGE: [f"{n:06d}@{stack_name}" for n in range(1, len(classes) + 1)],
        "rlnClassDistribution": _texts(classes.share),
        ESTIMATED_RESOLUTION: _texts(classes.resolution_angstrom),
    }
    return star_text({"model_general": pd.DataFrame([general]), "model_classes": pd.DataFrame(table), **each})


def _curves(correlation: NDArray[np.float64], ssnr: NDArray[np.float64], side_angstrom: float) -> pd.DataFrame:
    ring = np.arange(len(correlation))
    columns = {
        SPECTRAL_INDEX: ring,
        _FREQUENCY: ring / side_angstrom,
        _ANGSTROM: np.where(ring > 0, side_angstrom / np.maximum(ring, 1), _NO_ANGSTROM),
        _CORRELATION: _texts(correlation),
        SIGNAL_TO_NOISE: _texts(ssnr),
    }
    return pd.DataFrame(columns)


def _texts(values: NDArray[np.float64]) -> list[str]:
    return [f"{value:.9g}" for value in values]


def read_model(path: Path) -> Model:
    """Read a `model.star` as `model_text` makes it.

    Raises:
        TableError: if a table or a column is missing or broken.
    """
    tables = read_star(path)
    missing = [name for name in ("model_general", "model_classes") if not len(tables.get(name, ()))]
    if missing:
        raise TableError(path, f"no table {missing[0]}")
    resolution = star_floats(path, tables["model_classes"], ESTIMATED_RESOLUTION)
    each = [tables.get(f"model_class_{n}", pd.DataFrame()) for n in range(1, len(resolution) + 1)]
    if len({len(table) for table in each}) > 1:
        raise TableError(path, "classes with curves of different lengths")
    correlation, ssnr = (
        np.stack([star_floats(path, t, name) for t in each]) for name in (_CORRELATION, SIGNAL_TO_NOISE)
    )
    return Model(float(star_floats(path, tables["model_general"], MODEL_PIXEL_SIZE)[0]), resolution, correlation, ssnr)


def classes_csv(classes: Classes) -> str:
    """Return classes as CSV, by number; shares in per cent, resolutions in angstrom, "inf" where there is none."""
    columns = (classes.counts, 100 * classes.share, classes.resolution_angstrom, classes.percent_per_resolution)
    rows = enumerate(zip(*columns, strict=True), start=1)
    return csv_text(_CLASS_COLUMNS, [(n, c, f"{s:.4f}", f"{r:.4f}", f"{p:.6f}") for n, (c, s, r, p) in rows])


def iterations_csv(iterations: Iterable[Iteration]) -> str:
    """Return iterations as CSV; the likelihood and the particles compared are empty where they are not known."""
    rows = []
    for each in iterations:
        likelihood = "" if each.likelihood is None else f"{each.likelihood:.9g}"
        images = "" if each.images is None else each.images
        resolution, changed = f"{each.resolution_angstrom:.4f}", f"{100 * each.changed:.4f}"
        rows.append((each.number, resolution, changed, each.empty, likelihood, images))
    return csv_text(_ITERATION_COLUMNS, rows)
