"""The loop: candidates, classes, training, picking, and round again until it converges; then all micrographs.

McSweeney et al., IUCrJ 7, 719 (2020). No label anywhere. Each stage is remembered in `run.json`, so that a run that was
killed goes on where it was, to the same end.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from cryoglean.classes2d.settings import MIN_PARTICLES_PER_CLASS
from cryoglean.errors import SettingsError
from cryoglean.jobs.outliers import outliers
from cryoglean.jobs.pick import run_pick_job
from cryoglean.jobs.result import ExitStatus
from cryoglean.jobs.select import SELECTION
from cryoglean.jobs.train import WEIGHTS
from cryoglean.loop import class_evaluation
from cryoglean.loop.decisions import RoundFacts, alarm, is_converged, takes_over
from cryoglean.loop.pick_union import alone, pooled, sampled
from cryoglean.loop.progress import Passing
from cryoglean.loop.spacing import LEAST_SPACING_DIAMETERS, find_spacing, thinned
from cryoglean.loop.stages import (
    CLASSES,
    FINAL,
    MATCHED,
    MODEL,
    PARTICLES,
    SELECTED,
    Stages,
    picks_stage,
)
from cryoglean.loop.state import JUDGED, open_run
from cryoglean.loop.subset import training_subset
from cryoglean.pickers.kpicker.training import LEAST_POSITIVES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryoglean.jobs.pick import PickSummary
    from cryoglean.loop.pick_union import Pool
    from cryoglean.loop.progress import LoopListener
    from cryoglean.loop.settings import LoopJob
    from cryoglean.loop.state import RunFile
    from cryoglean.micrograph import MicrographFile
    from cryoglean.picks import Picks

DONE, NOTHING, STOPPED = ExitStatus.done, ExitStatus.nothing_usable, ExitStatus.stopped


class _StopError(Exception):
    """The loop ends here.

    Args:
        status: exit status.
        reason: for the user: why, and what to try.
        keeps_picks: whether all micrographs are still to be picked as the best round does.
    """

    def __init__(self, status: ExitStatus, reason: str, *, keeps_picks: bool) -> None:
        super().__init__(reason)
        self.status, self.reason, self.keeps_picks = status, reason, keeps_picks


@dataclass
class LoopSummary:
    """What came of a run.

    Attributes:
        exit_status: 0 all done, 3 some micrographs rejected, 4 nothing to work on, 5 stopped on purpose.
        best: the round whose picks stand.
        reason: why it ended, for the user.
        picks: of all micrographs; None where none were picked.
    """

    exit_status: ExitStatus
    best: int
    reason: str
    picks: PickSummary | None = None


def run_loop(files: Sequence[MicrographFile], job: LoopJob, out: Path, progress: LoopListener) -> LoopSummary:
    """Run the loop, or go on with it.

    Args:
        files: all micrographs.
        job: what to do.
        out: the run folder.
        progress: is told how it goes on.

    Returns:
        What came of it.

    Raises:
        SettingsError: before any work, if settings do not fit or the folder holds another run.
        TableError: if a table is broken.
        OSError: if results cannot be written; what was written is whole.
        CryogleanError: if a worker process is killed, or RELION fails.
    """
    if any(file.path.resolve().parent == out.resolve() for file in files):
        raise SettingsError(f"--out {out} is where the micrographs are: name another")
    run, files = open_run(out, job.settings.recorded(), files)
    run.set(status="running", provenance=job.provenance())
    loop = _Loop(run, files, job, progress)
    try:
        status, reason, keeps_picks = loop.rounds()
    except _StopError as stop:
        status, reason, keeps_picks = stop.status, stop.reason, stop.keeps_picks
    progress.info(reason)
    summary = LoopSummary(status, loop.best, reason)
    if keeps_picks:
        summary.picks = loop.produce()
        if status == DONE:
            summary.exit_status = summary.picks.exit_status
            loop.final_classes()
    run.set(status="stopped" if status == STOPPED else "done", best=loop.best, reason=reason)
    return summary


class _Loop:
    """One run: the order of the stages, and the decisions between them."""

    def __init__(self, run: RunFile, files: Sequence[MicrographFile], job: LoopJob, progress: LoopListener) -> None:
        self._run, self._all, self._job, self._progress = run, list(files), job, progress
        self._passing = Passing(progress)
        self._stages = Stages(run, job, self._subset(), progress, self._passing)
        self.best = 0
        self._spacing: float | None = None

    def rounds(self) -> tuple[ExitStatus, str, bool]:
        """Do all rounds; return exit status, the reason for the end, and whether there are picks to be made."""
        self._stages.micrographs()
        if not self._stages.files:
            return NOTHING, "not one micrograph of the subset can be used: see run.json for the reasons", False
        best = self._first_round()
        for number in range(1, self._job.settings.rounds + 1):
            now = self._next_round(number, best)
            if self.best == number:
                best = now
            share = self._job.settings.converged_share
            if is_converged(now, share):
                said = f"{now.kept} of {now.judged} judged picks are in kept classes, more than {share:.0%}"
                return DONE, f"converged in round {number}: {said}; the picks of round {self.best} stand", True
        if not self._job.settings.rounds:
            return DONE, "no rounds of training were asked for: the candidates' picks stand", True
        rounds = self._job.settings.rounds
        return DONE, f"not converged after {rounds} rounds; the picks of round {self.best} stand", True

    def produce(self) -> PickSummary:
        """Pick all micrographs as the best round does, into the run folder itself, and classify a sample of them."""
        root, stages = self._run.root, self._stages
        if self.best:
            pick = stages.network_job(stages.folder(self.best, MODEL) / WEIGHTS, self._distance())
        else:
            first = picks_stage(self._run, 0)
            pick = (stages.matcher_job if first == MATCHED else stages.candidates_job)(self._distance())
            stages.copy_fit(first, root)
        summary = run_pick_job(self._all, pick, root, self._passing)
        total = summary.total
        self._run.set(production={"round": self.best, "picks": total, "micrographs": len(summary.done)})
        self._progress.info(f"{total} picks in {len(summary.done)} micrographs, as round {self.best} picks")
        return summary

    def final_classes(self) -> None:
        """Classify a sample of the final picks of the subset; those of the candidates have their classes already."""
        settings, stages = self._job.settings, self._stages
        pools = sampled(alone(stages.picks_of(FINAL)), settings.most_particles, settings.seed)
        if not self.best or sum(len(pool.picks) for pool in pools.values()) < 2 * MIN_PARTICLES_PER_CLASS:
            return
        if stages.classes(FINAL, pools)["particles"] >= 2 * MIN_PARTICLES_PER_CLASS:
            stages.select(FINAL, purify=False, by_hand=False)

    def _subset(self) -> list[MicrographFile]:
        keys = self._run.data["subset"]
        if keys is None:
            chosen, reason = training_subset(self._all, self._job.settings.subset)
            self._run.set(subset=[file.key for file in chosen])
            self._decide(0, "subset", len(chosen), f"the rounds work on {reason}")
            return chosen
        return [file for file in self._all if file.key in set(keys)]

    def _first_round(self) -> RoundFacts:
        found = self._stages.candidates()
        if not found["picks"]:
            raise _StopError(NOTHING, _no_candidates(self._job), keeps_picks=self._job.settings.start_from is None)
        for key in outliers(found["counts"]):
            self._progress.info(f"{key} has {found['counts'][key]} candidates, far more than most: dirt?")
        self._find_spacing()
        facts = self._judge(0, alone(self._thinned(self._stages.candidate_picks())), found)
        if facts.kept == 0:
            raise _StopError(STOPPED, self._all_rejected(0), keeps_picks=self._job.settings.start_from is None)
        return self._matched(facts)

    def _matched(self, facts: RoundFacts) -> RoundFacts:
        """Let the candidates' kept classes pick anew: they know views and shapes, and the first template is round."""
        settings = self._job.settings
        if settings.preset == "paper" or settings.start_from is not None:
            return facts
        found = self._stages.matched()
        return facts._replace(picks=found["picks"], median_picks=_median(found))

    def _next_round(self, number: int, best: RoundFacts) -> RoundFacts:
        kept = self._selected(number - 1)["kept"]
        if kept < LEAST_POSITIVES:
            reason = f"{kept} particles are kept, too few to train a network ({LEAST_POSITIVES} are needed)"
            raise _StopError(STOPPED, f"{reason}: {self._advice(number - 1)}", keeps_picks=self._has_picker())
        weights, before = self._train(number), self.best
        found = self._stages.pick(number, weights, self._distance())
        unjudged = RoundFacts(number, found["picks"], _median(found), best.judged, best.judged, 0.0)
        self._stop_if_astray(number, alarm(self._comparable(best), unjudged), before)
        reference, new = self._picks_of(self.best), self._picks_of(number)
        facts = self._judge(number, pooled(reference, new, self._stages.diameters_px()), found)
        self._stop_if_astray(number, alarm(self._comparable(best), facts), before)
        return facts

    def _train(self, number: int) -> Path:
        try:
            return self._stages.train(number)
        except SettingsError as error:  # most particles may be held out, or at borders
            reason = f"no network can be trained in round {number} ({error}); the picks of round {self.best} stand"
            raise _StopError(
                STOPPED, f"{reason}; {self._advice(number - 1)}", keeps_picks=self._has_picker()
            ) from error

    def _judge(self, number: int, pools: Mapping[str, Pool], picked: Mapping[str, Any]) -> RoundFacts:
        """Classify and select; decide which round's picks stand."""
        stages, settings = self._stages, self._job.settings
        pools = sampled(pools, settings.most_particles, settings.seed + number)
        if sum(len(pool.picks) for pool in pools.values()) < 2 * MIN_PARTICLES_PER_CLASS:
            raise _StopError(STOPPED, self._too_few(number, picked), keeps_picks=self._has_picker())
        classes = stages.classes(number, pools)
        if classes["particles"] < 2 * MIN_PARTICLES_PER_CLASS:
            raise _StopError(STOPPED, self._too_few(number, picked), keeps_picks=self._has_picker())
        found = self._select(number)
        star = stages.folder(number, PARTICLES) / "particles.star"
        table = stages.folder(number, SELECTED) / SELECTION if found["by_hand"] else None
        labels = class_evaluation.particle_labels(stages.folder(number, CLASSES), self._job, table)
        contest, judged, kept = class_evaluation.compare_rounds(labels, star, stages.files, pools)
        resolution = found["best_resolution_angstrom"]
        facts = RoundFacts(
            number, picked["picks"], _median(picked), judged, kept, float("inf") if resolution is None else resolution
        )
        judged_by_classes = {"judged": judged, "kept": kept} | contest._asdict()
        self._run.decide(number, JUDGED, judged_by_classes, f"{kept} of {judged} judged picks are in kept classes")
        if number:
            first_network = settings.start_from is not None and self.best == 0
            is_won = takes_over(facts, contest, settings.converged_share) or first_network or settings.preset == "paper"
            why = f"{contest} ({contest.deviations:+.1f} standard deviations)"
            self._decide(number, "picks that stand", number if is_won else self.best, why)
            self.best = number if is_won else self.best
        return facts

    def _select(self, number: int) -> dict[str, Any]:
        """Select classes by the rule, or, for review, stop until the user has done it."""
        is_waiting = self._run.data["waiting"] == number
        is_done = self._run.found(number, SELECTED) is not None
        if self._job.settings.review and not is_waiting and not is_done:
            table = self._stages.propose(number)
            self._run.set(waiting=number)
            reason = f"edit the column keep of {table} (pictures: gallery.png beside it); the same command goes on"
            raise _StopError(STOPPED, reason, keeps_picks=False)
        return self._stages.select(number, purify=number == 0, by_hand=is_waiting)

    def _find_spacing(self) -> None:
        settings, stages = self._job.settings, self._stages
        if settings.min_distance_angstrom is not None:
            self._spacing = settings.min_distance_angstrom
            return
        if settings.preset == "paper" or settings.start_from is not None:
            return
        picks, sizes, diameters = stages.candidate_picks(), stages.sizes(), stages.diameters_px()
        keys = [file.key for file in stages.files]
        found = find_spacing(
            [picks[k] for k in keys], [diameters[k] for k in keys], [sizes[k][1] * sizes[k][2] for k in keys]
        )
        self._decide(0, "least distance of two picks, diameters", found.diameters, found.reason)
        if found.diameters > LEAST_SPACING_DIAMETERS:
            self._spacing = found.diameters * settings.diameter_angstrom

    def _distance(self) -> float | None:
        return self._spacing

    def _picks_of(self, number: int) -> dict[str, Picks]:
        """Return the picks of a round; those of round 0 were made without their least distance."""
        picks = self._stages.picks_of(number)
        return picks if number else self._thinned(picks)

    def _thinned(self, picks: Mapping[str, Picks]) -> dict[str, Picks]:
        """Drop the weaker of two picks that are nearer than the least distance, if one was found."""
        if self._spacing is None:
            return dict(picks)
        share, diameters = self._spacing / self._job.settings.diameter_angstrom, self._stages.diameters_px()
        return {key: thinned(p, share * diameters[key]) for key, p in picks.items()}

    def _has_picker(self) -> bool:
        return self.best > 0 or self._job.settings.start_from is None

    def _comparable(self, best: RoundFacts) -> RoundFacts:
        """Return the facts of the best round; a user's few coordinates are to be exceeded by far."""
        if self._job.settings.start_from is not None and best.number == 0:
            return best._replace(median_picks=float("nan"))
        return best

    def _stop_if_astray(self, number: int, reason: str | None, before: int) -> None:
        """Stop where there is an alarm; the picks that stood before the round stand again."""
        if reason is None:
            return
        self.best = before
        self._decide(number, "alarm", self.best, reason)
        raise _StopError(
            STOPPED,
            f"stopped in round {number}: {reason}; the picks of round {self.best} stand; {self._advice(number)}",
            keeps_picks=self._has_picker(),
        )

    def _decide(self, number: int, what: str, decision: object, reason: str) -> None:
        if self._run.decide(number, what, decision, reason):
            self._progress.info(f"round {number}, {what}: {decision} ({reason})")

    def _selected(self, number: int) -> dict[str, Any]:
        found = self._run.found(number, SELECTED)
        return {"kept": 0} if found is None else found

    def _advice(self, number: int) -> str:
        gallery = self._stages.folder(number, SELECTED) / "gallery.png"
        return f"look at {gallery}; try --review, another --diameter or --rule"

    def _all_rejected(self, number: int) -> str:
        reasons = self._selected(number).get("reasons", ["?"])
        return f"not one class is kept ({reasons[0]}): the candidates' picks stand, unjudged; {self._advice(number)}"

    def _too_few(self, number: int, picked: Mapping[str, Any]) -> str:
        least = 2 * MIN_PARTICLES_PER_CLASS
        return (
            f"round {number}: {picked['picks']} picks are too few for two classes, which take {least} with their boxes "
            "inside the micrograph: the picks stand, unjudged; give more micrographs, or --start-from coordinates"
        )


def _no_candidates(job: LoopJob) -> str:
    if job.settings.start_from is not None:
        return f"{job.settings.start_from} holds no coordinates for these micrographs"
    return (
        "no candidates: nothing like particles of this diameter stands out in these micrographs: is --diameter right, "
        "and the pixel size? --start-from begins with coordinates of your own"
    )


def _median(found: Mapping[str, Any]) -> float:
    counts = list(found["counts"].values())
    return float(median(counts)) if counts else 0.0
