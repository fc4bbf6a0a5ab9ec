"""The loop: candidates, classes, training, picking, and again until it converges; then all micrographs.

McSweeney et al., IUCrJ 7, 719 (2020). No label anywhere. Each stage is remembered in `run.json`, so that a run that was
killed is resumed where it was, to the same end.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.errors import SettingsError
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.given_fit import open_fit
from cryoglean.jobs.outliers import outliers
from cryoglean.jobs.result import ExitStatus
from cryoglean.jobs.select import SELECTION
from cryoglean.jobs.survey import survey_folder, with_contrast
from cryoglean.limits import DEFAULT_SPACING_DIAMETERS
from cryoglean.loop import class_evaluation
from cryoglean.loop.acceptance import RoundComparison
from cryoglean.loop.decisions import (
    AcceptanceDecision,
    ClassEvaluationDecision,
    RoundFacts,
    SampleDecision,
    SpacingDecision,
    SubsetDecision,
    convergence_of,
    find_alarm,
    is_converged,
)
from cryoglean.loop.expected_rounds import lead_over
from cryoglean.loop.given_picks import given_picks
from cryoglean.loop.outcomes import LoopEnd, Outcome, loop_end
from cryoglean.loop.pick_union import count_places, draw_sample, from_single_round, merge_rounds
from cryoglean.loop.production import MIN_CLASSIFIED, classify_final_picks, pick_all
from cryoglean.loop.progress import LoopProgressAdapter
from cryoglean.loop.spacing import find_spacing, suppress_neighbours
from cryoglean.loop.stage_results import CLASSES, PARTICLES, SELECTED, SelectionFound
from cryoglean.loop.stages import Stages, picks_stage
from cryoglean.loop.state import NAME, RunStatus, open_run
from cryoglean.loop.subset import training_subset
from cryoglean.pickers.kpicker.training import MIN_POSITIVES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryoglean.calibration.comparison import Lead
    from cryoglean.jobs.pick import PickSummary
    from cryoglean.loop.acceptance import AcceptanceRule
    from cryoglean.loop.decisions import AlarmDecision, AnyDecision
    from cryoglean.loop.pick_union import PickUnion
    from cryoglean.loop.progress import LoopListener
    from cryoglean.loop.settings import LoopJob, LoopSettings
    from cryoglean.loop.stage_results import PicksFound
    from cryoglean.loop.state import RunFile
    from cryoglean.micrograph import MicrographFile
    from cryoglean.picks import Picks


@dataclass
class LoopSummary:
    """Result of a run.

    Attributes:
        end: how it ended.
        best: the accepted round.
        rule: by which it was accepted.
        picks: of all micrographs; None where none were picked.
    """

    end: LoopEnd
    best: int
    rule: AcceptanceRule
    picks: PickSummary | None = None

    @property
    def exit_status(self) -> ExitStatus:
        """0 all done, 3 some micrographs rejected, 4 nothing to work on, 5 stopped on purpose, 6 nothing found."""
        if self.end.outcome.is_complete and self.picks is not None:
            return self.picks.exit_status
        return self.end.outcome.exit_status


@locks_output
def run_loop(files: Sequence[MicrographFile], job: LoopJob, out: Path, progress: LoopListener) -> LoopSummary:
    """Run the loop, or resume it.

    Args:
        files: all micrographs.
        job: what to do.
        out: the run folder.
        progress: listener to the run.

    Raises:
        SettingsError: before any work, if settings do not fit or the folder holds another run.
        TableError: if a table is broken.
        OSError: if results cannot be written; what was written is whole.
        CryogleanError: if a worker process is killed, or RELION fails.
    """
    if any(file.real_path.parent == out.resolve() for file in files):
        raise SettingsError(f"--out {out} is where the micrographs are: name another")
    _refuse_misfits(files, job.settings, out)
    if job.fit is not None and open_fit(job.fit).record.digest != job.settings.fit:
        raise SettingsError(f"--fit {job.fit} is not {job.settings.fit}, as the settings have it")
    run, files = open_run(out, job.settings, files)
    run.set(status=RunStatus.running, outcome=None, message="", provenance=job.provenance())
    try:
        return _run_to_end(run, files, job, progress)
    except BaseException as error:
        run.set_failed(error)
        raise


def _run_to_end(run: RunFile, files: Sequence[MicrographFile], job: LoopJob, progress: LoopListener) -> LoopSummary:
    survey = survey_folder(run.root, files, job.settings.pixel_size_angstrom, job.cpus, job.device)
    contrast = job.settings.contrast or survey.taken_contrast
    job, files = job.with_contrast(contrast), with_contrast(files, contrast)
    progress.info(f"protein is taken as {contrast}")
    loop = _Loop(run, files, job, progress)
    try:
        end = loop.do_rounds()
    except _EndError as error:
        end = error.end
    progress.info(end.message)
    summary = LoopSummary(end, loop.best, job.settings.acceptance_rule)
    if end.outcome.is_complete or (end.outcome.leaves_picks and loop.has_picker()):
        summary.picks = pick_all(run, files, job, loop.best, loop.min_distance_angstrom, progress)
        if end.outcome.is_complete and loop.best:
            classify_final_picks(loop.stages, job.settings)
    status = RunStatus.stopped if end.outcome.exit_status is ExitStatus.stopped else RunStatus.done
    run.set(status=status, outcome=end.outcome, message=end.message, best=loop.best)
    return summary


def _refuse_misfits(files: Sequence[MicrographFile], settings: LoopSettings, out: Path) -> None:
    """Refuse what does not fit the micrographs, before a folder is made that other settings could not use.

    Raises:
        SettingsError: if coordinates to start from do not, see `given_picks`, or low defocus is wanted of none.
    """
    if settings.low_defocus and not (out / NAME).exists():
        training_subset(files, settings.subset, low_defocus=True)
    if settings.start_from is not None and not (out / NAME).exists():
        given_picks(settings.start_from, files, settings)


class _EndError(Exception):
    """The rounds end before their time.

    Args:
        outcome: how.
        values: what its message tells.
    """

    def __init__(self, outcome: Outcome, **values: object) -> None:
        self.end = loop_end(outcome, **values)
        super().__init__(self.end.message)


class _Loop:
    """The rounds of one run: the order of the stages, and the decisions between them.

    Attributes:
        stages: of the run.
        best: the accepted round.
        min_distance_angstrom: between picks; None is half a diameter.
    """

    def __init__(self, run: RunFile, files: Sequence[MicrographFile], job: LoopJob, progress: LoopListener) -> None:
        self._run, self._settings, self._job, self._progress = run, job.settings, job, progress
        self.stages = Stages(run, job, self._subset(files), progress, LoopProgressAdapter(progress))
        self.best = 0
        self.min_distance_angstrom: float | None = None

    def do_rounds(self) -> LoopEnd:
        """Do all rounds; return how they ended.

        Raises:
            _EndError: if they end before their time.
        """
        self.stages.micrographs()
        if not self.stages.files:
            raise _EndError(Outcome.no_usable_micrograph)
        best = self._first_round()
        rounds, share = self._settings.rounds, self._settings.converged_share
        rule = self._settings.acceptance_rule.message
        for number in range(1, rounds + 1):
            now = self._next_round(number, best)
            if self.best == number:
                best = now
            if is_converged(now, share):
                values = {"kept": now.kept, "classified": now.classified, "share": share, "rule": rule}
                return loop_end(Outcome.converged, number=number, accepted=self.best, **values)
        if not rounds:
            return loop_end(Outcome.no_rounds)
        return loop_end(Outcome.rounds_exhausted, rounds=rounds, accepted=self.best, rule=rule)

    def has_picker(self) -> bool:
        """Tell whether the accepted picks were made by a picker, and not given by the user."""
        return self.best > 0 or self._settings.start_from is None

    def _subset(self, files: Sequence[MicrographFile]) -> list[MicrographFile]:
        keys = self._run.state.subset
        if keys is None:
            chosen, choice = training_subset(files, self._settings.subset, low_defocus=self._settings.low_defocus)
            self._run.set(subset=[file.key for file in chosen])
            self._decide(SubsetDecision(round=0, choice=choice, chosen=len(chosen), given=len(files)))
            return chosen
        return [file for file in files if file.key in set(keys)]

    def _first_round(self) -> RoundFacts:
        found = self.stages.candidates()
        if not found.picks:
            source = self._settings.start_from
            raise _EndError(Outcome.no_candidates if source is None else Outcome.no_coordinates, source=source)
        for key in outliers(found.counts):
            self._progress.info(f"{key} has {found.counts[key]} candidates, far more than most: dirt?")
        self._find_spacing()
        candidates = self._suppressed(self.stages.candidate_picks())
        facts = self._evaluate(0, from_single_round(candidates), found)
        if facts.kept == 0:
            selected = self._selected(0)
            reason = selected.reasons[0] if selected is not None and selected.reasons else "there are none"
            raise _EndError(Outcome.no_class_kept, reason=reason, advice=self._advice(0))
        if not self._settings.matches_candidates:
            return facts
        # The candidates' kept classes pick again: they know views and shapes, which a round template does not.
        matched = self.stages.matched()
        return facts._replace(picks=matched.picks, median_picks=_median(matched))

    def _next_round(self, number: int, best: RoundFacts) -> RoundFacts:
        selected = self._selected(number - 1)
        kept = 0 if selected is None else selected.kept
        if kept < MIN_POSITIVES:
            advice = self._advice(number - 1)
            raise _EndError(Outcome.too_few_to_train, kept=kept, needed=MIN_POSITIVES, advice=advice)
        weights, before = self._train(number), self.best
        found = self.stages.pick(number, weights, self.min_distance_angstrom)
        unevaluated = RoundFacts(number, found.picks, _median(found), best.classified, best.classified, 0.0)
        self._end_if_astray(find_alarm(self._comparable(best), unevaluated), before)
        facts = self._evaluate(number, self._places(number), found)
        self._end_if_astray(find_alarm(self._comparable(best), facts), before)
        return facts

    def _places(self, number: int) -> dict[str, PickUnion]:
        """Return the places to classify: picks of the round, and of the accepted one unless it is as published."""
        new = self._picks_of(number)
        if self._settings.is_paper:
            return from_single_round(new)
        return merge_rounds(self._picks_of(self.best), new, self.stages.diameters_px())

    def _train(self, number: int) -> Path:
        try:
            return self.stages.train(number)
        except SettingsError as error:  # most particles may be held out, or at borders
            values = {"number": number, "error": error, "accepted": self.best, "advice": self._advice(number - 1)}
            raise _EndError(Outcome.training_failed, **values) from error

    def _evaluate(self, number: int, unions: Mapping[str, PickUnion], picked: PicksFound) -> RoundFacts:
        """Classify and select; decide which round is accepted."""
        stages, settings = self.stages, self._settings
        drawn = draw_sample(unions, settings.max_particles, settings.seed + number)
        few = _EndError(Outcome.too_few_particles, number=number, picks=picked.picks, needed=MIN_CLASSIFIED)
        if count_places(drawn) < MIN_CLASSIFIED:
            raise few
        classes = stages.classes(number, drawn)
        if classes.particles < MIN_CLASSIFIED:
            raise few
        self._tell_sample(number, count_places(drawn), count_places(unions), classes.classes)
        found = self._select(number)
        star = stages.folder(number, PARTICLES) / "particles.star"
        table = stages.folder(number, SELECTED) / SELECTION if found.by_hand else None
        labels = class_evaluation.particle_labels(stages.folder(number, CLASSES), self._job, table)
        comparison, classified, kept = class_evaluation.compare_rounds(labels, star, stages.files, drawn)
        if settings.is_paper:  # qualified are those that the passes leave; there is no other round to compare with
            comparison, kept = RoundComparison(0, 0, 0, 0), found.kept
        resolution = found.best_resolution_angstrom
        best_resolution = float("inf") if resolution is None else resolution
        facts = RoundFacts(number, picked.picks, _median(picked), classified, kept, best_resolution)
        convergence = convergence_of(facts, settings.converged_share) if number else None
        counts = {"classified": classified, "kept": kept, "convergence": convergence, **comparison._asdict()}
        self._decide(ClassEvaluationDecision(round=number, **counts))
        if number:
            self._accept(facts, comparison)
        return facts

    def _tell_sample(self, number: int, drawn: int, places: int, classes: int) -> None:
        """Tell of a sample what all places would take."""
        if drawn == places:
            return
        self._decide(
            SampleDecision(
                round=number,
                drawn=drawn,
                places=places,
                classes=classes,
                published_classes=ClassifySettings.published_classes(places),
                seconds=self._run.seconds(number, CLASSES),
            )
        )

    def _accept(self, facts: RoundFacts, comparison: RoundComparison) -> None:
        """Decide whether a round takes the place of the accepted one."""
        replaces_given = self._settings.start_from is not None and self.best == 0
        lead = self._lead(facts.number)
        acceptance = self._settings.acceptance_rule.verdict(comparison, lead, replaces_given=replaces_given)
        reference, self.best = self.best, facts.number if acceptance.is_accepted else self.best
        self._decide(
            AcceptanceDecision(
                round=facts.number,
                acceptance=acceptance,
                reference=reference,
                accepted=self.best,
                deviations=comparison.deviations,
                lead=None if lead is None else lead.by.middle,
                lead_deviations=0.0 if lead is None else lead.deviations,
            )
        )

    def _lead(self, number: int) -> Lead | None:
        """Return by how much the expected F1 of a round is higher than that of the accepted one."""
        if self._settings.is_paper:
            return None
        first = self.stages.folder(0, picks_stage(self._run, 0))
        rounds = self._picks_of(self.best), self._picks_of(number)
        return lead_over(*rounds, first, self._run.root, self._settings.diameter_angstrom, self.stages.sizes())

    def _select(self, number: int) -> SelectionFound:
        """Select classes by the rule, or, for review, stop until the user has done it."""
        is_waiting = self._run.state.waiting == number
        if self._settings.review and not is_waiting and self._selected(number) is None:
            table = self.stages.propose(number)
            self._run.set(waiting=number)
            raise _EndError(Outcome.review, table=table)
        return self.stages.select(number, purify=self._settings.purifies(number), by_hand=is_waiting)

    def _find_spacing(self) -> None:
        settings, stages = self._settings, self.stages
        if settings.min_distance_angstrom is not None:
            self.min_distance_angstrom = settings.min_distance_angstrom
            return
        if settings.is_paper or settings.start_from is not None:
            return
        picks, sizes, diameters = stages.candidate_picks(), stages.sizes(), stages.diameters_px()
        keys = [file.key for file in stages.files]
        found = find_spacing(
            [picks[k] for k in keys], [diameters[k] for k in keys], [sizes[k][1] * sizes[k][2] for k in keys]
        )
        self._decide(SpacingDecision(round=0, **found._asdict()))
        if found.diameters > DEFAULT_SPACING_DIAMETERS:
            self.min_distance_angstrom = found.diameters * settings.diameter_angstrom

    def _picks_of(self, number: int) -> dict[str, Picks]:
        """Return the picks of a round; those of round 0 were made without their minimum distance."""
        picks = self.stages.picks_of(number)
        return picks if number else self._suppressed(picks)

    def _suppressed(self, picks: Mapping[str, Picks]) -> dict[str, Picks]:
        """Remove the weaker of two picks that are nearer than the minimum distance, if one was found."""
        if self.min_distance_angstrom is None:
            return dict(picks)
        share, diameters = self.min_distance_angstrom / self._settings.diameter_angstrom, self.stages.diameters_px()
        return {key: suppress_neighbours(each, share * diameters[key]) for key, each in picks.items()}

    def _comparable(self, best: RoundFacts) -> RoundFacts:
        """Return the facts of the accepted round; a user's few coordinates are to be exceeded by far."""
        if self._settings.start_from is not None and best.number == 0:
            return best._replace(median_picks=float("nan"))
        return best

    def _end_if_astray(self, alarm: AlarmDecision | None, before: int) -> None:
        """End the rounds where there is an alarm; the round accepted before is accepted again."""
        if alarm is None:
            return
        self.best = before
        self._decide(alarm)
        values = {"alarm": alarm.message, "accepted": before, "advice": self._advice(alarm.round)}
        raise _EndError(Outcome.astray, number=alarm.round, **values)

    def _decide(self, decision: AnyDecision) -> None:
        if self._run.decide(decision):
            self._progress.info(decision.line)

    def _selected(self, number: int) -> SelectionFound | None:
        return self._run.found(number, SELECTED, SelectionFound)

    def _advice(self, number: int) -> str:
        gallery = self.stages.folder(number, SELECTED) / "gallery.png"
        return f"look at {gallery}; try --review, another --diameter or --rule"


def _median(found: PicksFound) -> float:
    return float(median(found.counts.values())) if found.counts else 0.0
