"""Production: all micrographs picked as the accepted round picks, and classes of these picks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.classes2d.settings import MIN_PARTICLES_PER_CLASS
from cryoglean.jobs.pick import run_pick_job
from cryoglean.jobs.train import WEIGHTS
from cryoglean.loop.pick_jobs import PickJobs, copy_fits
from cryoglean.loop.pick_union import count_places, draw_sample, from_single_round
from cryoglean.loop.progress import LoopProgressAdapter
from cryoglean.loop.stage_results import FINAL, MATCHED, MODEL, stage_folder
from cryoglean.loop.stages import picks_stage
from cryoglean.loop.state import Production

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.jobs.pick import PickSummary
    from cryoglean.loop.progress import LoopListener
    from cryoglean.loop.settings import LoopJob, LoopSettings
    from cryoglean.loop.stages import Stages
    from cryoglean.loop.state import RunFile
    from cryoglean.micrograph import MicrographFile

MIN_CLASSIFIED = 2 * MIN_PARTICLES_PER_CLASS
"""Particles that are worth classifying, at least. Derived: two classes."""


def pick_all(
    run: RunFile,
    files: Sequence[MicrographFile],
    job: LoopJob,
    best: int,
    min_distance_angstrom: float | None,
    progress: LoopListener,
) -> PickSummary:
    """Pick all micrographs as the accepted round does, into the run folder itself.

    Args:
        run: its state, which remembers the numbers.
        files: all micrographs.
        job: the run.
        best: the accepted round.
        min_distance_angstrom: between picks; None is that of the picker.
        progress: listener to the run.
    """
    jobs = PickJobs(run.root, job)
    if best:
        pick = jobs.by_network(stage_folder(run.root, best, MODEL) / WEIGHTS, min_distance_angstrom)
    else:
        first = picks_stage(run, 0)
        pick = (jobs.by_classes if first == MATCHED else jobs.candidates)(min_distance_angstrom)
        copy_fits(stage_folder(run.root, 0, first), run.root)
    summary = run_pick_job(list(files), pick, run.root, LoopProgressAdapter(progress))
    total = summary.total
    run.set(production=Production(round=best, picks=total, micrographs=len(summary.done)))
    progress.info(f"{total} picks in {len(summary.done)} micrographs, as round {best} picks")
    return summary


def classify_final_picks(stages: Stages, settings: LoopSettings) -> None:
    """Classify a sample of the final picks of the subset, and select classes by the rule."""
    unions = draw_sample(from_single_round(stages.picks_of(FINAL)), settings.max_particles, settings.seed)
    if count_places(unions) < MIN_CLASSIFIED:
        return
    if stages.classes(FINAL, unions).particles >= MIN_CLASSIFIED:
        stages.select(FINAL, purify=False, by_hand=False)
