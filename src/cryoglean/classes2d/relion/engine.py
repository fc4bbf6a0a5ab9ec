"""2D classes by RELION: `relion_refine` of RELION 3.1 to 5, run as a program of its own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cryoglean.classes2d.child_process import run_followed
from cryoglean.classes2d.relion.command import (
    RelionOptions,
    continuing_words,
    deciding_words,
    installed_relion,
    launching_words,
)
from cryoglean.classes2d.relion.inputs import RelionInput, relion_input
from cryoglean.classes2d.relion.outputs import RelionRun
from cryoglean.errors import CryogleanError, SettingsError, TableError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.particles import ParticleTable, read_particles
from cryoglean.io.star import read_star

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classification
    from cryoglean.classes2d.progress import Iteration
    from cryoglean.classes2d.settings import ClassifySettings

__all__ = ["RelionOptions", "classify"]

_NO_GRAPHICS = "do NOT have support for GPU"
_STARTED = re.compile(r"(?:Expectation|Gradient optimisation) iteration (\d+)", re.IGNORECASE)


def classify(
    star_path: Path,
    settings: ClassifySettings,
    options: RelionOptions,
    folder: Path,
    on_iteration: Callable[[Iteration], None] | None = None,
    table: ParticleTable | None = None,
) -> Classification:
    """Sort particles into classes with RELION.

    The program runs in the project's folder, from which the stacks' names count, and writes to `folder`/relion. If a
    run of the same settings and images is there, it is read if it is finished, and else gone on with.

    Args:
        star_path: particles STAR.
        settings: what to do; RELION may keep fewer classes alive.
        options: how to run RELION.
        folder: the output folder.
        on_iteration: called after each iteration, those of an earlier run included.
        table: the rows of `star_path` to be classified; all by default.

    Returns:
        Classes and assignments in the order of the table; see `RelionRun.read` for what RELION does not give.

    Raises:
        SettingsError: before any work, if RELION is not here or cannot do what is asked for.
        TableError: if the particles STAR is broken.
        CryogleanError: if RELION fails; shows its last lines.
    """
    version = installed_relion(options)
    given = relion_input(star_path, read_particles(star_path) if table is None else table)
    words = deciding_words(settings, given.images, options)
    run, total = RelionRun(folder / "relion"), settings.iterations
    given.path_from_project(run.folder)
    run.folder.mkdir(parents=True, exist_ok=True)
    done = _last_whole(run, given.names, {"relion": version.text, "words": words, "images": given.digest})
    follower = _Follower(run, given.names, total, on_iteration)
    if done < total:
        _run(run, given, _task(run, given, words, done, total, options.arguments), options, follower)
    if not run.path(total, "model.star").exists():
        raise CryogleanError(f"RELION ended without iteration {total}: see {run.folder / 'run.log'}")
    follower.report(total)
    return run.read(total, given.names)


def _task(
    run: RelionRun, given: RelionInput, words: list[str], done: int, total: int, more: Sequence[str]
) -> list[str]:
    """Return the words that say what to do: begin, or go on from an iteration."""
    root = given.path_from_project(run.folder / run.root)
    if done:
        optimiser = given.path_from_project(run.path(done, "optimiser.star"))
        return [*continuing_words(optimiser, root, total), *more]
    star = run.folder / "particles.star"
    write_atomic_text(star, given.text)
    return ["--i", given.path_from_project(star), "--o", root, *words]


def _run(run: RelionRun, given: RelionInput, task: list[str], options: RelionOptions, follower: _Follower) -> None:
    def on_line(line: str) -> None:
        if options.gpu is not None and _NO_GRAPHICS in line:
            raise SettingsError("--gpu: this RELION was built without support for graphics cards: leave --gpu out")
        follower.line(line)

    first, how = launching_words(options)
    run_followed([*first, *task, *how], given.project, run.folder / "run.log", on_line)


def _last_whole(run: RelionRun, names: list[str], identity: dict[str, Any]) -> int:
    """Return the last iteration of which all files are there and whole, 0 if none; forget another job's files."""
    record = run.folder / "run.json"
    said = json.dumps(identity, indent=2) + "\n"
    if not record.exists() or record.read_text(encoding="utf-8", errors="replace") != said:
        for path in run.folder.glob(f"{run.root}_*"):
            path.unlink()
        write_atomic_text(record, said)
        return 0
    return next((n for n in reversed(run.iterations()) if n and _is_whole(run, n, names)), 0)


def _is_whole(run: RelionRun, number: int, names: list[str]) -> bool:
    try:
        run.read(number, names)
        read_star(run.path(number, "optimiser.star"))
        read_star(run.path(number, "sampling.star"))  # RELION writes it last
    except TableError:
        return False
    return True


class _Follower:
    """Reports iterations as RELION goes on: when it begins the next one, the files of the last are whole.

    Args:
        run: the files.
        names: of the particles.
        total: how many iterations there will be.
        on_iteration: called after each.
    """

    def __init__(
        self, run: RelionRun, names: list[str], total: int, on_iteration: Callable[[Iteration], None] | None
    ) -> None:
        self._run, self._names, self._total, self._on_iteration = run, names, total, on_iteration
        self._reported = 0
        self._before: NDArray[np.int64] | None = None

    def line(self, text: str) -> None:
        """Take a line of RELION's."""
        match = _STARTED.search(text)
        if match:
            self.report(int(match[1]) - 1)

    def report(self, number: int) -> None:
        """Report all iterations up to one that have left files: gradient-driven runs leave every tenth."""
        for n in range(self._reported + 1, number + 1 if self._on_iteration else 0):
            if self._on_iteration and self._run.path(n, "data.star").exists():
                iteration, self._before = self._run.progress(n, self._total, self._names, self._before)
                self._on_iteration(iteration)
        self._reported = max(self._reported, number)
