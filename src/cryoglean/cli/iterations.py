"""Progress of a classification on screen."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from cryoglean.cli.progress import ProgressBar

if TYPE_CHECKING:
    from cryoglean.classes2d.progress import Iteration


class IterationProgress(ProgressBar):
    """Progress of the iterations of a classification."""

    def __init__(self, label: str, *, verbose: bool) -> None:
        super().__init__(label, verbose=verbose)
        self._began, self._images = time.monotonic(), 0

    def iteration(self, iteration: Iteration) -> None:
        """Count one iteration."""
        said = summary(iteration) + self._left(iteration)
        self._advance(iteration.number, iteration.total, f", {said}")
        if self._prints_each:
            self.info(f"[{iteration.number}/{iteration.total}] {said}")

    def _left(self, iteration: Iteration) -> str:
        """Return in words how long the rest takes, by the images that were compared; nothing if it is short."""
        if iteration.images is None or not iteration.images_left:
            return ""
        self._images += iteration.images
        minutes = (time.monotonic() - self._began) / self._images * iteration.images_left / 60
        return f", {minutes:.0f} min left" if minutes >= 1 else ""


def summary(iteration: Iteration) -> str:
    """Return an iteration as a line."""
    detail = f"{iteration.resolution_angstrom:.1f} A" if math.isfinite(iteration.resolution_angstrom) else "no detail"
    empty = f", {iteration.empty} classes empty" if iteration.empty else ""
    classes = f"still {iteration.classes} classes, " if iteration.classes else ""
    return f"{classes}{detail}, {100 * iteration.changed:.1f} % changed class{empty}"
