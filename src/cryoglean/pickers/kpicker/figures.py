"""Figure of a Kpicker training: loss and accuracy over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.pickers.curves import kept_step, loss_panel, trained_and_held_out
from cryoglean.pickers.figures import Figure, Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.nets.training import Check


def training_figure(checks: Sequence[Check]) -> Figure:
    """Return loss and accuracy, on the training set and on what was held out, of one point or more."""
    accuracies = trained_and_held_out(
        [c.step for c in checks], [c.accuracy for c in checks], [c.held_out_accuracy for c in checks]
    )
    accuracy = Panel("Accuracy", "step", elements=[*accuracies, *kept_step(checks)], legend="best")
    return Figure("", [loss_panel(checks, "Loss"), accuracy], columns=2, size_inches=(10, 4))
