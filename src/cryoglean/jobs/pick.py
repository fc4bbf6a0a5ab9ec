"""The main job: micrographs in, picks out. Splits by micrograph, goes on where it was, never stops for a bad one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from cryoglean.expected import Expected
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.relion import write_autopick_star, write_coords_suffix, write_micrographs_star
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.pick_job import PickJob
from cryoglean.jobs.pick_one import pick_one
from cryoglean.jobs.pick_prepare import apply_fit, claim_folder, prepare_picker, tell_contrast
from cryoglean.jobs.pick_spacing import findings_on_overlaps
from cryoglean.jobs.processes import map_processes
from cryoglean.jobs.result import ExitStatus, JobSummary, MicrographResult
from cryoglean.jobs.survey import with_contrast
from cryoglean.jobs.usable import with_pixel_size
from cryoglean.pickers.protocol import hidden_share_of
from cryoglean.report.counts_picture import draw_counts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from cryoglean.findings import Finding
    from cryoglean.jobs.grades import GradeRow
    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import MicrographFile
    from cryoglean.pickers.localpicker.survey import MicrographSurvey
    from cryoglean.pickers.protocol import FitReport


_REMEDY = "; for many jobs, learn once, cryoglean fit ... --out FIT, and pick with --fit FIT, each into its own --out"
"""What a job is told that is refused a folder in use."""


@dataclass
class PickSummary(JobSummary):
    """Results of a pick job.

    Attributes:
        fit: what the picker has learned of the set, if it learns.
        survey: what the micrographs show by themselves; None for a stage of a run.
        fit_digest: short digest of the fit; empty where nothing could be picked.
        fits: that of the fit that made the picks of each micrograph of the folder, by key.
        overlaps: finding on picks too close to each other, if there are any.
        expected: what is expected of all picks; None where the picker does not tell.
        grades: of all micrographs of the folder that were picked, by key.
    """

    fit: FitReport | None = None
    survey: MicrographSurvey | None = None
    fit_digest: str = ""
    fits: dict[str, str] = field(default_factory=dict)
    overlaps: tuple[Finding, ...] = ()
    expected: Expected | None = None
    grades: dict[str, GradeRow] = field(default_factory=dict)

    @property
    def exit_status(self) -> ExitStatus:
        """0 all done, 3 some rejected, 4 all rejected, 6 nothing found in any micrograph."""
        return ExitStatus.nothing_found if self.done and not self.total else super().exit_status


@partial(locks_output, remedy=_REMEDY)
def run_pick_job(files: Sequence[MicrographFile], job: PickJob, out: Path, progress: ProgressListener) -> PickSummary:
    """Pick all micrographs that are not picked yet, and write the lists that name them all.

    Args:
        files: the micrographs.
        job: what to do.
        out: output folder; it may hold an earlier part of the same job.
        progress: is told how the job goes on.

    Returns:
        What became of each micrograph.

    Raises:
        SettingsError: before any work, if the settings do not fit the micrographs or the folder cannot be used.
        OSError: if results cannot be written; what was written is whole.
        CryogleanError: if a worker process is killed.
    """
    folder, summary = PickFolder(out), PickSummary()
    job, fit = apply_fit(job)
    claimed = claim_folder(folder, files, job, progress)
    if fit is not None:
        fit.install(folder.root)
    earlier = [] if job.is_stage else folder.earlier_files(claimed.files)
    summary.survey, contrast = tell_contrast(folder, [*claimed.files, *earlier], job, progress)
    files, earlier = with_contrast(claimed.files, contrast), with_contrast(earlier, contrast)
    rejected_before = folder.rejected_before(files)
    results, picked = dict(claimed.unreadable), iter(list[MicrographResult]())
    try:
        if claimed.is_any_usable:
            preparation = job.preparation(folder, [*files, *earlier], progress)
            prepared, summary.fit_digest = prepare_picker(folder, job, preparation, contrast)
            summary.fit, task = prepared.fit, replace(job.task(folder), fit=summary.fit_digest)
            files += [file for file in earlier if job.repick and task.done(file) is None]
            looked_at, graded = results.keys() | rejected_before, folder.grades().keys()
            done = [r for f in files if f.key not in looked_at and (r := task.done(f)) is not None]
            done = [result for result in done if _is_graded(result, graded)]
            results |= {result.file.key: result for result in done}
            todo = [file for file in files if file.key not in results]
            picked = map_processes(partial(pick_one, task, prepared.picker), todo, job.cpus, progress.info)
        progress.begin(len(files), len(results) - len(claimed.unreadable))
        for result in chain(claimed.unreadable.values(), picked):
            results[result.file.key] = result
            progress.report(result)
    finally:
        summary.results = [results[f.key] for f in files if f.key in results]
        _write_lists(folder, summary, job.pixel_size_angstrom, {file.key for file in earlier})
    summary.fits, summary.grades = folder.fits(), folder.grade_all(summary.done)
    summary.overlaps = findings_on_overlaps(folder, job, summary.done)
    if job.description.tells_precision:
        each = (result.expected for result in summary.done)
        summary.expected = Expected.total(each, hidden_share_of(summary.fit))
    if job.plots:
        draw_counts(folder.root / "counts.png", summary.counts)
    return summary


def _is_graded(result: MicrographResult, graded: Collection[str]) -> bool:
    """Tell whether a micrograph needs no second look: a call that was killed leaves picks, and nothing to grade by."""
    return result.file.key in graded or not result.file.real_path.exists()


def _write_lists(
    folder: PickFolder, summary: PickSummary, pixel_size_angstrom: float | None, earlier: AbstractSet[str] = frozenset()
) -> None:
    """Write what names all micrographs: the ledger, the rejected ones, and the files by which RELION finds picks.

    Those of earlier calls stand in the table of micrographs as they are.
    """
    entries = folder.record_results(summary.results)
    listed = [(e.micrograph, folder.name_in_tables(folder.picks_path(e.key))) for e in entries.values()]
    write_autopick_star(folder.autopick_path, listed)
    files = [result.file for result in summary.done if result.file.key not in earlier]
    _write_micrographs(folder, files, pixel_size_angstrom)


def _write_micrographs(folder: PickFolder, files: Sequence[MicrographFile], pixel_size_angstrom: float | None) -> None:
    """Write the micrographs of all runs as RELION has them: with what their tables say, or with their pixel size."""
    path = folder.micrographs_path
    known = {file.name: file for file in (find_micrographs([path]) if path.exists() else [])}
    for file in files:
        if file.row or file.name not in known:
            told = file if file.row else with_pixel_size(file, pixel_size_angstrom)
            known |= {} if told is None else {file.name: told}
    listed = {entry.micrograph for entry in folder.ledger().values()}
    if known := {name: file for name, file in known.items() if name in listed}:
        write_micrographs_star(path, list(known.values()))
    if any(file.row for file in files):  # RELION 3.1 takes no others: it asks for their microscope
        write_coords_suffix(folder.root / "picks", folder.name_in_tables(path))
