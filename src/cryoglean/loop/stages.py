"""Stages of a run, each a job in a folder of its own, done once and remembered."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from cryoglean.errors import SettingsError
from cryoglean.io.images import read_micrograph
from cryoglean.jobs.extract import run_extract_job
from cryoglean.jobs.inputs import read_all
from cryoglean.jobs.pick import run_pick_job
from cryoglean.jobs.train import WEIGHTS, TrainJob, run_train_job
from cryoglean.jobs.usable import read_usable
from cryoglean.limits import is_same_size
from cryoglean.loop import class_evaluation
from cryoglean.loop.given_picks import given_picks
from cryoglean.loop.pick_jobs import PickJobs, copy_fits
from cryoglean.loop.stage_results import (
    CANDIDATES,
    CLASSES,
    FINAL,
    MATCHED,
    MICROGRAPHS,
    MODEL,
    PARTICLES,
    PICKS,
    POOL,
    SELECTED,
    ClassesFound,
    MicrographsFound,
    NetworkFound,
    ParticlesFound,
    PicksFound,
    SelectionFound,
    round_name,
    stage_folder,
)
from cryoglean.loop.tables import read_round, write_round
from cryoglean.pickers.kpicker.trainings import TRAININGS
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryoglean.jobs.records import Record
    from cryoglean.loop.pick_union import PickUnion
    from cryoglean.loop.progress import LoopListener, LoopProgressAdapter
    from cryoglean.loop.settings import LoopJob
    from cryoglean.loop.state import RunFile
    from cryoglean.micrograph import MicrographFile

_Found = TypeVar("_Found", bound="Record")


def picks_stage(run: RunFile, number: int) -> str:
    """Return the stage that made the picks of a round; of round 0 the candidates, or their classes if they did."""
    if number:
        return PICKS
    return CANDIDATES if run.found(0, MATCHED, PicksFound) is None else MATCHED


class Stages:
    """Stages of one run: those that are not done are done, the others are remembered.

    Args:
        run: the state of the run.
        job: what was asked for.
        files: the micrographs that the rounds work on.
        progress: listener to the run, a line a stage.
        adapter: listener to the stages' own jobs.
    """

    def __init__(
        self,
        run: RunFile,
        job: LoopJob,
        files: Sequence[MicrographFile],
        progress: LoopListener,
        adapter: LoopProgressAdapter,
    ) -> None:
        self.run, self.job, self.files = run, job, list(files)
        self._progress, self._adapter, self._jobs = progress, adapter, PickJobs(run.root, job)

    def folder(self, number: int, stage: str = "") -> Path:
        """Return the folder of a stage of a round."""
        return stage_folder(self.run.root, number, stage)

    def do(self, number: int, stage: str, kind: type[_Found], work: Callable[[], _Found], line: str) -> _Found:
        """Do a stage unless it is done, and report it.

        Args:
            number: of the round.
            stage: its name.
            kind: of its result.
            work: does it, and returns what is to be remembered.
            line: for the user, with the result's fields in braces.
        """
        found = self.run.found(number, stage, kind)
        if found is not None:
            self._progress.detail(f"{round_name(number)}, {stage}: done before")
            return found
        start = perf_counter()
        found = work()
        seconds = perf_counter() - start
        self.run.add(number, stage, found, seconds)
        self._progress.info(f"{round_name(number)}, {stage}: {line.format(**dict(found))} ({seconds:.0f} s)")
        return found

    def micrographs(self) -> MicrographsFound:
        """Read each micrograph for its size and its pixel size; what cannot be used is left out of the rounds."""
        found = self.do(0, MICROGRAPHS, MicrographsFound, self._sizes, "{usable} can be used")
        self.files = [file for file in self.files if file.key in found.sizes]
        return found

    def _sizes(self) -> MicrographsFound:
        settings = self.job.settings

        def read(file: MicrographFile) -> tuple[str, tuple[float, int, int]]:
            micrograph, _ = read_usable(file, settings.pixel_size_angstrom, settings.diameter_angstrom)
            return file.key, (micrograph.pixel_size_angstrom, *micrograph.shape)

        usable, rejected = read_all(self.files, read)
        sizes = dict(usable)
        _refuse_mixed(sizes)
        reasons = {key: result.reason or "" for key, result in rejected.items()}
        return MicrographsFound(usable=len(sizes), sizes=sizes, rejected=reasons)

    def candidates(self) -> PicksFound:
        """Make the first picks, or take those given."""
        out = self.folder(0, CANDIDATES)
        given = self.job.settings.start_from
        work = (lambda: self._given(given, out)) if given else (lambda: self._candidates(out))
        return self.do(0, CANDIDATES, PicksFound, work, "{picks} picks")

    def _candidates(self, out: Path) -> PicksFound:
        job = self._jobs.candidates(None)
        summary = run_pick_job(self.files, job, out, self._adapter)
        fit = None if summary.fit is None else summary.fit.model_dump(mode="json")
        return _counts(summary.counts, fit)

    def _given(self, source: Path, out: Path) -> PicksFound:
        """Copy the user's coordinates; scores of other programs become ranks."""
        picked, notes = given_picks(source, self.files, self.job.settings)
        for line in notes:
            self._progress.info(line)
        picks = {file.key: Picks.empty() for file in self.files}
        for each in picked:
            micrograph, _ = read_micrograph(each.file, self.job.settings.pixel_size_angstrom)
            picks[each.file.key] = each.picks(micrograph).outside(micrograph.mask)
        write_round(out, self.files, _ranked(picks), self._heights())
        return _counts({key: len(each) for key, each in picks.items()})

    def train(self, number: int) -> Path:
        """Train a network on what the round before has kept; return its weights."""
        before, out, settings = self.folder(number - 1, SELECTED), self.folder(number, MODEL), self.job.settings
        junk = before / class_evaluation.JUNK
        has_junk = bool(self._found(number - 1, SELECTED, SelectionFound).junk)

        def work() -> NetworkFound:
            job = TrainJob(
                training=TRAININGS[settings.preset](
                    diameter_angstrom=settings.diameter_angstrom, seed=settings.seed + number
                ),
                pixel_size_angstrom=settings.pixel_size_angstrom,
                contrast=settings.contrast,
                cpus=self.job.cpus,
                device=self.job.device,
            )
            star = before / "particles.star"
            summary = run_train_job(self.files, star, junk if has_junk else None, job, out, self._adapter)
            fit = None if summary.fit is None else summary.fit.model_dump(mode="json")
            return NetworkFound(particles=summary.total, fit=fit)

        self.do(number, MODEL, NetworkFound, work, "trained on {particles} particles")
        return out / WEIGHTS

    def pick(self, number: int, weights: Path, distance_angstrom: float | None) -> PicksFound:
        """Pick the micrographs of the rounds with a round's network."""
        job, out = self._jobs.by_network(weights, distance_angstrom), self.folder(number, PICKS)

        def work() -> PicksFound:
            return _counts(run_pick_job(self.files, job, out, self._adapter).counts)

        return self.do(number, PICKS, PicksFound, work, "{picks} picks")

    def matched(self) -> PicksFound:
        """Pick the micrographs of the rounds again, by the kept classes of the candidates."""
        out = self.folder(0, MATCHED)

        def work() -> PicksFound:
            job = self._jobs.by_classes(None)
            if self.job.settings.candidate_picker != job.picker.method:  # a matcher's fit is of other templates
                copy_fits(self.folder(0, CANDIDATES), out)
            return _counts(run_pick_job(self.files, job, out, self._adapter).counts)

        return self.do(0, MATCHED, PicksFound, work, "{picks} picks by the candidates' classes")

    def picks_of(self, number: int) -> dict[str, Picks]:
        """Return the picks of a round by micrograph."""
        if number == FINAL:
            return self._read(self.run.root)
        return self._read(self.folder(number, picks_stage(self.run, number)))

    def candidate_picks(self) -> dict[str, Picks]:
        """Return the candidates by micrograph."""
        return self._read(self.folder(0, CANDIDATES))

    def _read(self, folder: Path) -> dict[str, Picks]:
        return read_round(folder, [file.key for file in self.files])

    def classes(self, number: int, unions: Mapping[str, PickUnion]) -> ClassesFound:
        """Extract the particles of a round, and classify them."""
        pool, particles, out = (self.folder(number, name) for name in (POOL, PARTICLES, CLASSES))

        def extract() -> ParticlesFound:
            write_round(pool, self.files, {key: union.picks for key, union in unions.items()}, self._heights())
            summary = run_extract_job(
                pool, self.files, class_evaluation.extract_job(self.job), particles, self._adapter
            )
            places = sum(len(union.picks) for union in unions.values())
            return ParticlesFound(particles=summary.total, places=places)

        self.do(number, PARTICLES, ParticlesFound, extract, "{particles} of {places} particles extracted")
        star = particles / "particles.star"

        def classify() -> ClassesFound:
            return ClassesFound.model_validate(class_evaluation.classify(star, self.job, out, self._adapter))

        return self.do(number, CLASSES, ClassesFound, classify, "{particles} particles in {classes} classes")

    def select(self, number: int, *, purify: bool, by_hand: bool) -> SelectionFound:
        """Select classes of a round."""
        classes, out = self.folder(number, CLASSES), self.folder(number, SELECTED)

        def work() -> SelectionFound:
            if by_hand:
                done = class_evaluation.select_by_hand(classes, self.job, out)
            else:
                done = class_evaluation.select_classes(classes, self.job, out, self._adapter, purify=purify)
            return SelectionFound.model_validate(done | {"by_hand": by_hand}, strict=False)

        line = "{kept} of {particles} particles kept, {classes_kept} of {classes} classes"
        return self.do(number, SELECTED, SelectionFound, work, line)

    def propose(self, number: int) -> Path:
        """Write the selection that the rule makes, for a user to edit; return the table."""
        classes, out = self.folder(number, CLASSES), self.folder(number, SELECTED)
        class_evaluation.select_classes(classes, self.job, out, self._adapter, purify=False)
        return out / "selection.csv"

    def sizes(self) -> dict[str, tuple[float, int, int]]:
        """Return pixel size in angstrom, height and width of each micrograph."""
        sizes = self._found(0, MICROGRAPHS, MicrographsFound).sizes
        return {file.key: sizes[file.key] for file in self.files}

    def diameters_px(self) -> dict[str, float]:
        """Return the particle's diameter in each micrograph."""
        return {key: self.job.settings.diameter_angstrom / size[0] for key, size in self.sizes().items()}

    def _heights(self) -> dict[str, int]:
        return {key: size[1] for key, size in self.sizes().items()}

    def _found(self, number: int, stage: str, kind: type[_Found]) -> _Found:
        found = self.run.found(number, stage, kind)
        if found is None:
            raise SettingsError(f"{self.run.path} has no stage {stage} of round {number}: name another --out")
        return found


def _refuse_mixed(sizes: Mapping[str, tuple[float, int, int]]) -> None:
    """Refuse micrographs of different pixel sizes: their particles do not go into one stack.

    Raises:
        SettingsError: names two that differ.
    """
    if not sizes:
        return
    finest, coarsest = (pick(sizes, key=lambda key: sizes[key][0]) for pick in (min, max))
    low, high = sizes[finest][0], sizes[coarsest][0]
    if not is_same_size(low, high):
        raise SettingsError(
            f"micrographs of different pixel sizes: {finest} has {low:.4g} Å, {coarsest} {high:.4g} Å: run each "
            "magnification by itself, or give --pixel-size if the headers are wrong"
        )


def _counts(counts: dict[str, int], fit: dict[str, Any] | None = None) -> PicksFound:
    return PicksFound(picks=sum(counts.values()), counts=counts, fit=fit)


def _ranked(picks: Mapping[str, Picks]) -> dict[str, Picks]:
    """Turn scores of any scale into ranks from 0 to 1, equal ones into equal."""
    scores = np.unique(np.concatenate([np.zeros(0), *(p.score for p in picks.values())]))
    ranks = (np.arange(len(scores)) + 1) / max(len(scores), 1)
    return {k: Picks(p.x, p.y, ranks[np.searchsorted(scores, p.score)]) for k, p in picks.items()}
