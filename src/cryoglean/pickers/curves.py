"""Curves of a training: as a table on disk, and as the panel of its losses."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import TableError
from cryoglean.nets.training import Check
from cryoglean.pickers.figures import BACKGROUND, PARTICLE, Line, Panel, VerticalLine
from cryoglean.words import csv_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cryoglean.nets.mae_training import MaeCheck
    from cryoglean.pickers.figures import Element

MIN_SHOWN_LOSS = 1e-6
"""Losses below this are drawn at it, as a logarithmic axis has no zero. Chosen by hand, well below any loss seen."""


def curves_csv(checks: Sequence[Check] | Sequence[MaeCheck]) -> str:
    """Return the curves, one point or more, as CSV: a line a point, empty cells where nothing was held out."""
    rows = [[c.step, *("" if np.isnan(v) else f"{v:.6g}" for v in c[1:])] for c in checks]
    return csv_text(checks[0]._fields, rows)


def read_curves(path: Path) -> tuple[Check, ...]:
    """Read the curves of a classifier's training, as `curves_csv` writes them; empty cells are NaN.

    Raises:
        TableError: if the file is something else.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        values = [[float(row[name] or "nan") for name in Check._fields] for row in rows]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise TableError(path, f"not the curves of a training: {error!r}") from error
    return tuple(Check(int(step), *rest) for step, *rest in values)


def trained_and_held_out(step: Sequence[int], trained: Sequence[float], held_out: Sequence[float]) -> list[Element]:
    """Return both curves, or one where nothing was held out."""
    lines: list[Element] = [Line(step, trained, BACKGROUND, "training set", "dotted")]
    if np.isfinite(held_out).any():
        lines.append(Line(step, held_out, PARTICLE, "held out", "dotted"))
    return lines


def loss_panel(checks: Sequence[Check], title: str, y_label: str = "") -> Panel:
    """Return the losses of a classifier's training, one point or more, with the step whose weights were kept."""
    losses = [[max(c.loss, MIN_SHOWN_LOSS) for c in checks], [max(c.held_out_loss, MIN_SHOWN_LOSS) for c in checks]]
    elements = trained_and_held_out([c.step for c in checks], *losses)
    return Panel(title, "step", y_label, [*elements, *kept_step(checks)], is_log=True, legend="best")


def kept_step(checks: Sequence[Check]) -> list[Element]:
    """Return a line at the step whose weights are kept, that of the lowest held-out loss; none without one."""
    held_out: NDArray[np.float64] = np.array([c.held_out_loss for c in checks])
    if not np.isfinite(held_out).any():
        return []
    step = checks[int(np.nanargmin(held_out))].step
    return [VerticalLine(step, f"kept, step {step}")]
