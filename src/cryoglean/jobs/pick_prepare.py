"""The part of a pick job, and of a fit job, that comes before the first pick: checks, contrast, and what is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryoglean.errors import SettingsError
from cryoglean.jobs.fit_record import made_with
from cryoglean.jobs.fit_renewal import arrived_since, forget_picks, renew_outdated_fit
from cryoglean.jobs.given_fit import open_fit
from cryoglean.jobs.inputs import read_first
from cryoglean.jobs.learned import fit_digest, learned_files, read_learned, write_learned
from cryoglean.jobs.survey import survey_folder
from cryoglean.jobs.usable import read_usable
from cryoglean.micrograph import Contrast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.jobs.given_fit import GivenFit
    from cryoglean.jobs.output_folder import OutputFolder
    from cryoglean.jobs.pick_job import PickJob
    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.jobs.result import MicrographResult
    from cryoglean.micrograph import MicrographFile
    from cryoglean.pickers.localpicker.survey import MicrographSurvey
    from cryoglean.pickers.protocol import Preparation, PreparedPicker


_FEW = 3
"""Micrographs that a job is to look at which is given a fit. *Resource*: half a second each, of a job that learns
nothing; contrast and size of most sets are clear from one."""


class Claimed(NamedTuple):
    """Micrographs of a job whose folder is taken.

    Attributes:
        files: all, with the keys of earlier calls.
        unreadable: results of the first of them, where they cannot be used, by key.
    """

    files: list[MicrographFile]
    unreadable: dict[str, MicrographResult]

    @property
    def is_any_usable(self) -> bool:
        """Whether there are others."""
        return len(self.unreadable) < len(self.files)


def claim_folder(
    folder: OutputFolder, files: Sequence[MicrographFile], job: PickJob, progress: ProgressListener
) -> Claimed:
    """Refuse what cannot work, before any work, and take the folder.

    Raises:
        SettingsError: if the settings do not fit the micrographs or the folder cannot be used.
    """
    if any(file.real_path.parent == folder.root.resolve() for file in files):
        raise SettingsError(
            f"--out {folder.root} is where the micrographs are: pictures there would pass for some; name another"
        )
    job.description.load().check(job.preparation(folder, files, progress))
    known = list(files) if job.force else folder.with_known_keys(files)
    pixel_size, diameter = job.pixel_size_angstrom, job.picker.diameter_angstrom
    _, unreadable = read_first(known, lambda file: read_usable(file, pixel_size, diameter))
    folder.claim(job.recorded(), known, force=job.force, provenance=job.provenance())
    return Claimed(known, unreadable)


def apply_fit(job: PickJob) -> tuple[PickJob, GivenFit | None]:
    """Open the fit that a job is given, if it is, and let the job take from it what it holds.

    Raises:
        SettingsError: in one line, if the fit cannot be used or is not what the job asks for.
    """
    if job.fit is None:
        return job, None
    fit = open_fit(job.fit)
    asked = {"contrast": job.contrast, "pixel_size_angstrom": job.pixel_size_angstrom}
    fit.refuse_others(job.picker.model_dump(mode="json") | asked)
    fit.refuse_other_files(job.given)
    taken = {"contrast": fit.record.contrast, "pixel_size_angstrom": fit.record.pixel_size_angstrom}
    return job.model_copy(update=taken | {"given": fit.given}), fit


def tell_contrast(
    folder: OutputFolder, files: Sequence[MicrographFile], job: PickJob, progress: ProgressListener
) -> tuple[MicrographSurvey | None, Contrast]:
    """Survey the micrographs, and return the contrast to read them with.

    Where more micrographs turn the contrast round, what was picked and learned is forgotten. A stage of a run has been
    told the contrast, and surveys nothing; so has one that is given a fit, which looks at a few all the same, for the
    verdict to tell whether the fit is theirs.

    Raises:
        SettingsError: if a survey is there and cannot be understood.
    """
    if job.is_stage:
        return None, job.contrast or Contrast.dark
    if job.fit is not None:
        more_arrived = not {file.key for file in files} <= folder.ledger().keys()
        said = files, job.pixel_size_angstrom, job.cpus, job.device, _FEW
        return survey_folder(folder.root, *said, more_arrived=more_arrived), job.contrast or Contrast.dark

    def forget(kept: MicrographSurvey, survey: MicrographSurvey) -> None:
        if job.contrast is None and kept.taken_contrast is not survey.taken_contrast:
            forget_picks(folder, job.description)
            progress.info(f"more micrographs show that protein is {survey.taken_contrast}: all are picked anew")

    more_arrived = bool(arrived_since(read_learned(folder.root), (file.key for file in files)))
    survey = survey_folder(
        folder.root, files, job.pixel_size_angstrom, job.cpus, job.device, more_arrived=more_arrived, forget=forget
    )
    return survey, job.contrast or survey.taken_contrast


def prepare_picker(
    folder: OutputFolder, job: PickJob, preparation: Preparation, contrast: Contrast
) -> tuple[PreparedPicker, str]:
    """Prepare the picker, with what it learns now or has learned before, and record that in the folder.

    Args:
        folder: the folder.
        job: the job.
        preparation: all that the picker is prepared from.
        contrast: that the micrographs are read with.

    Returns:
        The picker, and the short digest of its fit.

    Raises:
        SettingsError: if what is there cannot be understood.
        OSError: if results cannot be written.
    """
    keys = {file.key for file in preparation.files}
    if not job.is_stage and job.fit is None:
        renew_outdated_fit(folder, job.description, keys, preparation.info)
    prepared = job.description.load().prepare(preparation)
    before = read_learned(folder.root)
    if job.fit is not None and before is not None:
        return prepared, before.digest
    picker, given = job.description, job.given_digests()
    files = learned_files(folder.root, picker) | {each.name: given[each.name] for each in picker.given_to_pick(given)}
    settings = made_with(job.picker.model_dump(mode="json"), job.pixel_size_angstrom, contrast)
    digest = fit_digest(settings, files)
    write_learned(folder.root, digest, keys | set(() if before is None else before.offered))
    return prepared, digest
