"""The main job: micrographs in, picks out. Splits by micrograph, goes on where it was, never stops for a bad one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from cryoglean.errors import SettingsError
from cryoglean.io.digests import file_digest
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.relion import write_autopick_star, write_coords_suffix, write_micrographs_star
from cryoglean.jobs.fit_renewal import drop_outdated_fit, forget_picks
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.inputs import read_first
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.pick_one import PickTask, pick_one
from cryoglean.jobs.processes import map_processes
from cryoglean.jobs.provenance import describe_provenance
from cryoglean.jobs.result import ExitStatus, JobSummary
from cryoglean.jobs.sample import spread_sample
from cryoglean.jobs.survey import survey_folder, with_contrast
from cryoglean.jobs.usable import read_usable, with_pixel_size
from cryoglean.micrograph import Contrast
from cryoglean.pickers.protocol import FitReport, Preparation
from cryoglean.pickers.registry import describe
from cryoglean.pickers.settings import PickerSettings
from cryoglean.report.counts_picture import draw_counts
from cryoglean.report.figures import draw_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import MicrographFile
    from cryoglean.pickers.localpicker.survey import MicrographSurvey
    from cryoglean.pickers.protocol import PickerDescription


class PickJob(BaseModel):
    """Settings of a pick job.

    Attributes:
        picker: settings of the picker, which tell which one it is.
        given: files that the picker is given, by `GivenFile.name`.
        pixel_size_angstrom: pixel size of all micrographs; None takes it from the STAR file or the image's header.
        plots: draw a picture of each micrograph with its picks.
        csv: write the picks as CSV, too.
        cpus: worker processes.
        device: where to compute, as torch names it.
        force: redo everything.
        contrast: of protein in the micrographs; None tells it from them.
        is_stage: part of a run, which has told the contrast of its files; what was learned in the folder stands, from
            however few micrographs, and is not learned anew as more arrive.
        command: the call as it was typed, if it is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    picker: PickerSettings
    given: dict[str, Path] = Field(default_factory=dict)
    pixel_size_angstrom: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    plots: bool = False
    csv: bool = False
    cpus: int = Field(default=1, ge=1)
    device: str = "cpu"
    force: bool = False
    contrast: Contrast | None = None
    is_stage: bool = False
    command: str | None = None

    @property
    def description(self) -> PickerDescription:
        """Description of the picker."""
        return describe(self.picker.method, self.picker.preset)

    def recorded(self) -> dict[str, Any]:
        """Return what decides the result, as JSON values; what does not (cpus, pictures) is left out."""
        digests = {f"{name}_sha256": file_digest(path) for name, path in self.given.items()}
        return self.picker.recorded(self.given) | self._recorded_of_files() | digests

    def _recorded_of_files(self) -> dict[str, Any]:
        return self.model_dump(mode="json", include={"pixel_size_angstrom", "contrast"})

    def provenance(self) -> dict[str, Any]:
        """Return what a job is made with besides its settings, as JSON values."""
        said = describe_provenance(self.command, self.device, self.cpus)
        return said | {name: str(path.resolve()) for name, path in self.given.items()}

    def task(self, folder: PickFolder) -> PickTask:
        """Return what to make of each micrograph."""
        return PickTask(folder, self.picker.diameter_angstrom, self.pixel_size_angstrom, self.csv, self.plots)

    def preparation(
        self, folder: PickFolder, files: Sequence[MicrographFile], progress: ProgressListener
    ) -> Preparation:
        """Return all that the picker is prepared from.

        Raises:
            SettingsError: if a file that it needs is not given, or it can do nothing with one that is.
        """
        self.description.check_given(self.given)
        return Preparation(
            settings=self.picker,
            given=self.given,
            files=files,
            sample=partial(spread_sample, files, self.task(folder).read),
            folder=folder.root,
            cpus=self.cpus,
            device=self.device,
            info=progress.info,
            draw=draw_figure,
        )


@dataclass
class PickSummary(JobSummary):
    """Results of a pick job.

    Attributes:
        fit: what the picker has learned of the set, if it learns.
        survey: what the micrographs show by themselves; None for a stage of a run.
    """

    fit: FitReport | None = None
    survey: MicrographSurvey | None = None

    @property
    def exit_status(self) -> ExitStatus:
        """0 all done, 3 some rejected, 4 all rejected, 6 nothing found in any micrograph."""
        return ExitStatus.nothing_found if self.done and not self.total else super().exit_status


@locks_output
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
    folder = PickFolder(out)
    if any(file.real_path.parent == out.resolve() for file in files):
        raise SettingsError(
            f"--out {out} is where the micrographs are: pictures there would pass for some; name another"
        )
    implementation, task = job.description.load(), job.task(folder)
    implementation.check(job.preparation(folder, files, progress))
    files = folder.with_known_keys(files) if not job.force else files
    _, unreadable = read_first(files, lambda f: read_usable(f, task.pixel_size_angstrom, task.diameter_angstrom))
    known = folder.inputs()
    folder.claim(job.recorded(), files, force=job.force, provenance=job.provenance())
    summary = PickSummary()
    if job.is_stage:
        files = with_contrast(files, job.contrast or Contrast.dark)
    else:
        new = [f.key for f in files if f.key not in known]
        summary.survey = _survey(folder, job, files, progress, more_arrived=bool(new))
        files = with_contrast(files, job.contrast or summary.survey.taken_contrast)
        drop_outdated_fit(folder, job.description, new, progress.info)
    looked_at = unreadable.keys() | folder.rejected_before(files)
    done = [r for file in files if file.key not in looked_at and (r := task.done(file)) is not None]
    results = unreadable | {result.file.key: result for result in done}
    todo = [f for f in files if f.key not in results]
    try:
        prepared = implementation.prepare(job.preparation(folder, files, progress)) if todo or done else None
        summary.fit = None if prepared is None else prepared.fit
        progress.begin(len(files), len(done))
        for result in unreadable.values():
            progress.report(result)
        if prepared is not None:
            for result in map_processes(partial(pick_one, task, prepared.picker), todo, job.cpus, progress.info):
                results[result.file.key] = result
                progress.report(result)
    finally:
        summary.results = [results[f.key] for f in files if f.key in results]
        _write_lists(folder, summary, task.pixel_size_angstrom)
    if job.plots:
        draw_counts(folder.root / "counts.png", summary.counts)
    return summary


def _survey(
    folder: PickFolder, job: PickJob, files: Sequence[MicrographFile], progress: ProgressListener, *, more_arrived: bool
) -> MicrographSurvey:
    """Survey the micrographs; where they turn out to be of the other contrast, all are picked again."""

    def forget(kept: MicrographSurvey, survey: MicrographSurvey) -> None:
        if job.contrast is None and kept.taken_contrast is not survey.taken_contrast:
            forget_picks(folder, job.description)
            progress.info(f"more micrographs show that protein is {survey.taken_contrast}: all are picked anew")

    return survey_folder(
        folder.root, files, job.pixel_size_angstrom, job.cpus, job.device, more_arrived=more_arrived, forget=forget
    )


def _write_lists(folder: PickFolder, summary: PickSummary, pixel_size_angstrom: float | None) -> None:
    """Write what names all micrographs: the ledger, the rejected ones, and the files by which RELION finds picks."""
    entries = folder.record_results(summary.results)
    listed = [(e.micrograph, folder.name_in_tables(folder.picks_path(e.key))) for e in entries.values()]
    write_autopick_star(folder.autopick_path, listed)
    _write_micrographs(folder, [result.file for result in summary.done], pixel_size_angstrom)


def _write_micrographs(folder: PickFolder, files: Sequence[MicrographFile], pixel_size_angstrom: float | None) -> None:
    """Write the micrographs of all runs as RELION has them: with what their tables say, or with their pixel size."""
    path = folder.root / "micrographs.star"
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
