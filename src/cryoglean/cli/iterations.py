"""Progress of a classification on screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cryoglean.cli.progress import ProgressBar

if TYPE_CHECKING:
    from cryoglean.classes2d.progress import Iteration


class IterationProgress(ProgressBar):
    """Progress of the iterations of a classification."""

    def iteration(self, iteration: Iteration) -> None:
        """Count one iteration."""
        said = summary(iteration)
        self._advance(iteration.number, iteration.total, f", {said}")
        if self._prints_each:
            self.info(f"[{iteration.number}/{iteration.total}] {said}")


def summary(iteration: Iteration) -> str:
    """Return an iteration as a line."""
    detail = f"{iteration.resolution_angstrom:.1f} A" if math.isfinite(iteration.resolution_angstrom) else "no detail"
    empty = f", {iteration.empty} classes empty" if iteration.empty else ""
    return f"{detail}, {100 * iteration.changed:.1f} % changed class{empty}"
