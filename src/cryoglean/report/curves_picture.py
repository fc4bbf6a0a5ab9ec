"""How training went: loss and accuracy over the steps, of what was trained on and of what was held out."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from cryoglean.errors import TableError
from cryoglean.io.atomic import atomic_path
from cryoglean.io.csv_tables import csv_text
from cryoglean.nets.training import Check

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_HELD_OUT, _TRAINED, _BEST = "#d95f02", "#4c6a92", "#222222"
_DPI = 130
_LEAST_LOSS = 1e-6


def curves_csv(checks: Sequence[Check]) -> str:
    """Return the curves as CSV, a line for each look; empty cells where nothing was held out."""
    rows = [[c.step, *("" if np.isnan(v) else f"{v:.6g}" for v in c[1:])] for c in checks]
    return csv_text(Check._fields, rows)


def read_curves(path: Path) -> tuple[Check, ...]:
    """Read what `curves_csv` has written; empty cells are NaN.

    Raises:
        TableError: if it is something else.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        values = [[float(row[name] or "nan") for name in Check._fields] for row in rows]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise TableError(path, f"not the curves of a training: {error!r}") from error
    return tuple(Check(int(step), *rest) for step, *rest in values)


def draw_curves(path: str | os.PathLike[str], checks: Sequence[Check]) -> None:
    """Draw loss and accuracy as PNG.

    Args:
        path: the picture; written whole or not at all.
        checks: one or more.

    Raises:
        OSError: if the file cannot be written.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    draw_losses(losses, checks, "loss")
    values = np.array(checks, dtype=float)
    _draw(accuracies, values[:, [0, 3, 5]], "accuracy")
    _mark_best(accuracies, values)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def draw_losses(axes: Axes, checks: Sequence[Check], title: str) -> None:
    """Draw the losses of one or more looks, and which step's weights were kept."""
    values = np.array(checks, dtype=float)
    _draw(axes, values[:, [0, 2, 4]], title)
    axes.set_yscale("log")
    _mark_best(axes, values)


def _mark_best(axes: Axes, values: NDArray[np.float64]) -> None:
    if np.isfinite(values[:, 4]).any():
        best = values[int(np.nanargmin(values[:, 4])), 0]
        axes.axvline(best, color=_BEST, linestyle="--", linewidth=1.2, label=f"kept, step {best:.0f}")
    axes.legend(fontsize=8, edgecolor="none")


def _draw(axes: Axes, values: NDArray[np.float64], what: str) -> None:
    step, trained, held_out = values.T
    axes.plot(step, np.maximum(trained, _LEAST_LOSS), "o-", color=_TRAINED, markersize=3, label="trained on")
    if np.isfinite(held_out).any():
        axes.plot(step, np.maximum(held_out, _LEAST_LOSS), "o-", color=_HELD_OUT, markersize=3, label="held out")
    axes.set(title=what, xlabel="step")
