"""Kpicker's two ways to be trained, behind one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.pickers.kpicker.paper_training import PaperKpickerTraining, PaperTrained, train_paper_kpicker
from cryoglean.pickers.kpicker.training import KpickerTraining, Trained, train_kpicker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import torch

    from cryoglean.micrograph import Micrograph
    from cryoglean.nets.training import Check
    from cryoglean.picks import Picks

AnyTraining = KpickerTraining | PaperKpickerTraining
"""Settings of a training, of either preset."""

TRAININGS: dict[str, type[AnyTraining]] = {"default": KpickerTraining, "paper": PaperKpickerTraining}
"""Settings of a training by preset."""


def train(
    micrographs: Iterable[Micrograph],
    positives: Sequence[Picks],
    negatives: Sequence[Picks],
    settings: AnyTraining,
    *,
    threads: int = 1,
    device: torch.device | None = None,
    watch: Callable[[Check], None] | None = None,
) -> Trained | PaperTrained:
    """Train a network on picks, as its settings say.

    Args:
        micrographs: the micrographs; each is needed only until the next is taken.
        positives: for each, picks that are particles.
        negatives: for each, places that are none; the published way draws its own.
        settings: of either preset.
        threads: how many threads compute; the result does not depend on it.
        device: where to compute; the CPU by default.
        watch: is told of each check.
    """
    if isinstance(settings, PaperKpickerTraining):
        return train_paper_kpicker(micrographs, positives, settings, threads=threads, device=device, watch=watch)
    return train_kpicker(micrographs, positives, negatives, settings, threads=threads, device=device, watch=watch)
