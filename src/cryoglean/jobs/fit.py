"""The job of fitting: what a picker learns of a set of micrographs, made once, to be applied in many jobs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import cryoglean
from cryoglean.errors import MicrographError
from cryoglean.io.atomic import atomic_path, write_atomic_text
from cryoglean.jobs.fit_record import FIT, GIVEN, FitFile, FitRecord, read_fit_record
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.learned import LEARNED
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.jobs.pick_prepare import claim_folder, prepare_picker, tell_contrast
from cryoglean.jobs.result import ExitStatus, JobSummary, MicrographResult
from cryoglean.jobs.sample import spread_sample
from cryoglean.jobs.survey import SURVEY, with_contrast
from cryoglean.micrograph import MicrographFile
from cryoglean.pickers.registry import descriptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryoglean.jobs.pick_job import PickJob
    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import Contrast, Micrograph
    from cryoglean.pickers.localpicker.survey import MicrographSurvey
    from cryoglean.pickers.protocol import FitReport, PreparedPicker


class FitFolder(OutputFolder):
    """The folder of a fit."""

    def __init__(self, root: Path) -> None:
        of_pickers = dict.fromkeys(pattern for each in descriptions() for pattern in each.results)
        super().__init__(root, "fit", (FIT, LEARNED, SURVEY, f"{GIVEN}/*/*", *of_pickers))

    def earlier_files(self, files: Iterable[MicrographFile]) -> list[MicrographFile]:
        """Return the micrographs of earlier calls, but for those given now."""
        given = {file.key for file in files}
        return [
            MicrographFile(self.root / each.path, each.name, key, mask=each.mask_path)
            for key, each in self.known_inputs().items()
            if key not in given
        ]


@dataclass(kw_only=True)
class FitSummary(JobSummary):
    """Results of a fit job.

    Attributes:
        record: of the fit; None where no micrograph could be used.
        fit: what the picker has learned, if it learns.
        survey: what the micrographs show by themselves.
    """

    record: FitRecord | None = None
    fit: FitReport | None = None
    survey: MicrographSurvey | None = None

    @property
    def exit_status(self) -> ExitStatus:
        """0 all done, 3 some rejected, 4 all rejected, 6 no particles found."""
        is_empty = self.fit is not None and not self.fit.found_particles
        return ExitStatus.nothing_found if is_empty else super().exit_status


@locks_output
def run_fit_job(files: Sequence[MicrographFile], job: PickJob, out: Path, progress: ProgressListener) -> FitSummary:
    """Learn what a picker learns of a set, unless it has learned enough here before, and write it to be shipped.

    Args:
        files: the micrographs.
        job: with what; what is asked of the picks themselves does not matter.
        out: folder of the fit; it may hold an earlier one of the same settings.
        progress: is told how the job goes on.

    Returns:
        What was learned, and which micrographs could not be used.

    Raises:
        SettingsError: before any work, if the settings do not fit the micrographs or the folder cannot be used.
        OSError: if results cannot be written.
    """
    folder = FitFolder(out)
    claimed = claim_folder(folder, files, job, progress)
    if not claimed.is_any_usable:
        folder.record_results(claimed.unreadable.values())
        return FitSummary(results=[*claimed.unreadable.values()])
    known = [*claimed.files, *folder.earlier_files(claimed.files)]
    survey, contrast = tell_contrast(folder, known, job, progress)
    known, rejected = with_contrast(known, contrast), dict(claimed.unreadable)

    def read(file: MicrographFile) -> Micrograph:
        try:
            return job.read(file)
        except MicrographError as error:
            rejected[file.key] = MicrographResult(file, reason=error.reason)
            raise

    sample = partial(spread_sample, known, read, suits=job.teaches, is_usual=job.is_usual)
    preparation = replace(job.preparation(folder, known, progress), sample=sample)
    prepared, digest = prepare_picker(folder, job, preparation, contrast)
    record = _write_record(folder, job, prepared, contrast, digest)
    folder.record_results(rejected.values())
    others = [MicrographResult(file) for file in claimed.files if file.key not in rejected]
    return FitSummary(results=[*rejected.values(), *others], record=record, fit=prepared.fit, survey=survey)


def _write_record(
    folder: FitFolder, job: PickJob, prepared: PreparedPicker, contrast: Contrast, digest: str
) -> FitRecord:
    """Put the files that were given beside what was learned, and write the record, unless all is there already."""
    picker, root = job.description, folder.root
    given = {file.name: f"{GIVEN}/{file.name}/{job.given[file.name].name}" for file in picker.given_to_pick(job.given)}
    for name, place in given.items():
        with atomic_path(root / place) as temporary:
            shutil.copyfile(job.given[name], temporary)
    names = [*picker.fit_files, SURVEY, *(each.file for each in picker.pictures), *given.values()]
    fit, before = prepared.fit, read_fit_record(root)
    record = FitRecord(
        schema_version=1,
        digest=digest,
        picker=job.picker.model_dump(mode="json"),
        pixel_size_angstrom=job.pixel_size_angstrom,
        contrast=contrast,
        found_particles=None if fit is None else fit.found_particles,
        micrographs=() if fit is None else fit.micrographs,
        given=given,
        files={name: FitFile.of(root / name) for name in names if (root / name).exists()},
        version=cryoglean.__version__,
        provenance=job.provenance(),
    )
    if before is not None and before.model_copy(update={"provenance": record.provenance}) == record:
        return before
    write_atomic_text(root / FIT, record.model_dump_json(indent=2) + "\n")
    return record
