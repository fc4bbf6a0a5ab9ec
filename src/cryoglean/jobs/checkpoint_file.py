"""Checkpoint of a classification on disk, so that one that was interrupted goes on where it was."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from cryoglean.classes2d.progress import Iteration
from cryoglean.io.atomic import write_atomic_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from cryoglean.jobs.progress import InfoListener

CHECKPOINT = "progress.safetensors"
"""The file, until the classification is done."""

_EVERY_SECONDS = 30.0
"""Time between two writings. Resource: as much as a kill costs at most, but for the iteration under way."""

_ITERATIONS = "iterations"  # one entry only: the library writes several in an order that changes


class CheckpointFile:
    """Keeper of an engine's state in one file, which is written whole or not at all.

    Args:
        path: the file.
        iterations: summaries, kept with the state; those of the part that is done are put into it when that is loaded.
        progress: is told that it goes on, or that the file is broken.
    """

    def __init__(self, path: Path, iterations: list[Iteration], progress: InfoListener) -> None:
        self._path, self._iterations, self._progress = path, iterations, progress
        self._last = time.monotonic()

    def load(self) -> dict[str, Tensor] | None:
        """Return what was kept last, or None; a broken file is told, and all is done anew."""
        if not self._path.is_file():
            return None
        try:
            with safe_open(self._path, framework="pt") as file:
                done = [Iteration(**each) for each in json.loads((file.metadata() or {})[_ITERATIONS])]
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            self._progress.info(f"{self._path} is broken, so all is done anew: {error}")
            return None
        self._iterations[:] = done
        self._progress.info(f"going on after iteration {len(done)}")
        return state

    def save(self, state: Callable[[], dict[str, Tensor]]) -> None:
        """Write a state, if the last one is old enough.

        Raises:
            OSError: if it cannot be written; what was written before is whole.
        """
        if time.monotonic() - self._last < _EVERY_SECONDS:
            return
        kept = {name: tensor.cpu().contiguous().clone() for name, tensor in state().items()}  # none may share memory
        done = json.dumps([asdict(each) for each in self._iterations])
        write_atomic_bytes(self._path, save(kept, {_ITERATIONS: done}))
        self._last = time.monotonic()

    def forget(self) -> None:
        """Take the file away: the classification is done."""
        self._path.unlink(missing_ok=True)
