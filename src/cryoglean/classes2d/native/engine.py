"""Expectation maximisation: the main loop of the native engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from cryoglean.classes2d.native.state import State
from cryoglean.classes2d.particle_set import check_particles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryoglean.classes2d.checkpoint import Checkpoint
    from cryoglean.classes2d.classification import Classification
    from cryoglean.classes2d.particle_set import ParticleSet
    from cryoglean.classes2d.progress import Iteration
    from cryoglean.classes2d.settings import ClassifySettings


def classify(
    particles: ParticleSet,
    settings: ClassifySettings,
    device: str = "cpu",
    threads: int = 1,
    on_iteration: Callable[[Iteration], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> Classification:
    """Sort particles into classes by what they look like, in any in-plane turn and shift.

    Maximum likelihood over class, turn and shift (Sigworth, J. Struct. Biol. 122, 328, 1998), regularised as in
    Scheres, J. Mol. Biol. 415, 406 (2012), on polar Fourier samples. The result depends on the seed, not on `threads`,
    nor on whether it was interrupted. Images are read as they are needed: memory grows with the classes, and only by
    some hundred bytes with each particle.

    Args:
        particles: images with CTF, if known.
        settings: of the classification.
        device: a torch device.
        threads: batches computed side by side on the CPU.
        on_iteration: called after each iteration.
        checkpoint: keeps what is found after each iteration, and gives back what an interrupted run has found.

    Raises:
        SettingsError: if the settings do not fit the particles.
        TableError: if images on disk can no longer be read.
    """
    check_particles(particles, settings)
    with _one_thread_each(), ThreadPoolExecutor(threads) as pool:
        state = State.start(particles, settings, torch.device(device))
        if checkpoint is not None and (saved := checkpoint.load()) is not None:
            state.restore(saved)
        for number in range(state.progress.number, settings.iterations):
            state.prepare(pool)
            state.iterate(pool)
            if on_iteration is not None:
                on_iteration(state.summary(number + 1))
            if checkpoint is not None:
                checkpoint.save(state.saved)
        return state.result()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Run each torch operation in one thread: batches, of fixed parts, run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
