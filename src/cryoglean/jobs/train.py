"""Training as a job: micrographs and picks in, weights and curves out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from cryoglean.evaluate.orientation import OrientationChoice
from cryoglean.io.atomic import write_atomic_text
from cryoglean.jobs.coordinate_check import checked_picks
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.inputs import read_all
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.jobs.pick_sources import contrast_for, find_picks
from cryoglean.jobs.result import JobSummary, MicrographResult
from cryoglean.jobs.survey import with_contrast
from cryoglean.jobs.usable import read_usable
from cryoglean.micrograph import Contrast
from cryoglean.pickers.curves import curves_csv
from cryoglean.pickers.kpicker.figures import training_figure
from cryoglean.pickers.kpicker.files import read_kpicker, write_kpicker
from cryoglean.pickers.kpicker.trainings import AnyTraining, train
from cryoglean.picks import Picks
from cryoglean.report.figures import draw_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cryoglean.findings import Finding
    from cryoglean.jobs.pick_sources import PickedMicrograph
    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import Micrograph, MicrographFile
    from cryoglean.nets.training import Check
    from cryoglean.pickers.kpicker.paper import PaperKpickerFit
    from cryoglean.pickers.kpicker.picker import KpickerFit

WEIGHTS = "weights.safetensors"
"""Name of the file that a training leaves."""

_RESULTS = (WEIGHTS, "curves.csv", "curves.png")


class TrainJob(BaseModel):
    """Settings of a training job.

    Attributes:
        training: settings of the training, with its preset.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.
        contrast: of protein in the micrographs; None is that by which they were picked, or as they show it.
        cpus: processors to use; the result does not depend on it.
        device: where to compute, as torch names it.
        force: train again.
        orientation: of coordinates that this program has not written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: AnyTraining
    pixel_size_angstrom: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    contrast: Contrast | None = None
    cpus: int = Field(default=1, ge=1)
    device: str = "cpu"
    force: bool = False
    orientation: OrientationChoice = OrientationChoice.auto

    def recorded(self) -> dict[str, Any]:
        """Return the settings that decide the result, as JSON values."""
        return self.training.model_dump(mode="json") | {
            "pixel_size_angstrom": self.pixel_size_angstrom,
            "contrast": self.contrast,
        }


@dataclass
class TrainSummary(JobSummary):
    """Results of a training; a micrograph's count is that of the particles learned from.

    Attributes:
        fit: what was learned besides the weights; None where there was nothing to learn from.
        on_places: findings on the places that were given.
    """

    fit: KpickerFit | PaperKpickerFit | None = None
    on_places: tuple[Finding, ...] = ()


@dataclass(frozen=True, eq=False)
class _Usable:
    """A micrograph that can be read, with its picks."""

    file: MicrographFile
    positives: Picks
    negatives: Picks


@locks_output
def run_train_job(
    files: Sequence[MicrographFile],
    picks: Path,
    negatives: Path | None,
    job: TrainJob,
    out: Path,
    progress: ProgressListener,
) -> TrainSummary:
    """Train a network and write `weights.safetensors`, `curves.csv` and `curves.png`, unless that is done.

    Args:
        files: the micrographs.
        picks: particles to learn from: an output folder with picks, a folder of coordinate files, a list of them, or a
            particles STAR.
        negatives: places where there are no particles, in the same forms, of the program that made the picks; None
            where none are known.
        job: settings.
        out: output folder.
        progress: listener to the progress of the job.

    Raises:
        SettingsError: before any work, if the settings do not fit the micrographs, the folder cannot be used, or there
            are too few picks.
        TableError: if a table of picks is broken.
        OSError: if results cannot be written; what was written is whole.
    """
    contrast = contrast_for(job.contrast, picks, files, job.pixel_size_angstrom, job.cpus, job.device)
    files = with_contrast(files, contrast)
    picked, said = find_picks(picks, files)
    known_negatives, said_of_negatives = find_picks(negatives, files) if negatives else ([], [])
    found = checked_picks(picks, picked, job.orientation, job.training.diameter_angstrom, job.pixel_size_angstrom)
    picked, said = found.picked, [*said, *found.lines]
    known_negatives = [
        each if each.is_own else replace(each, orientation=found.orientation) for each in known_negatives
    ]
    picked = sorted(picked, key=lambda each: each.file.key)  # what is learned depends on the set, not on its order
    folder = OutputFolder(out, "train", _RESULTS)
    usable, rejected = _read_all(job, picked, known_negatives)
    examples = "".join(f"{each.file.key} {each.digest()}\n" for each in (*picked, *known_negatives))
    made_from = {"examples_sha256": hashlib.sha256(examples.encode()).hexdigest()}
    folder.claim(job.recorded() | made_from, [each.file for each in picked], force=job.force)
    for line in (*said, *said_of_negatives):
        progress.info(line)
    results = [*rejected.values(), *(MicrographResult(u.file, len(u.positives)) for u in usable)]
    summary = TrainSummary(results, on_places=found.findings)
    weights = folder.root / WEIGHTS
    try:
        if not usable:
            return summary
        if weights.exists():
            progress.info(f"{weights} is done already")
            summary.fit = read_kpicker(weights).facts
        else:
            summary.fit = _train(job, usable, folder.root, progress)
    finally:
        folder.record_results(summary.results)
    return summary


def _train(
    job: TrainJob, usable: Sequence[_Usable], root: Path, progress: ProgressListener
) -> KpickerFit | PaperKpickerFit:
    particles = sum(len(u.positives) for u in usable)
    progress.info(f"training on {particles} particles of {len(usable)} micrographs, device {job.device}")
    positives, negatives = [u.positives for u in usable], [u.negatives for u in usable]

    def watch(check: Check) -> None:
        progress.info(f"step {check.step}: loss {check.loss:.4f}, held-out loss {check.held_out_loss:.4f}")

    device, images = torch.device(job.device), _read_again(job, usable)
    trained = train(images, positives, negatives, job.training, threads=job.cpus, device=device, watch=watch)
    write_atomic_text(root / "curves.csv", curves_csv(trained.checks))
    draw_figure(root / "curves.png", training_figure(trained.checks))
    write_kpicker(root / WEIGHTS, trained.model)  # last: it marks that training is done
    return trained.model.facts


def _read_all(
    job: TrainJob, picked: Sequence[PickedMicrograph], known_negatives: Sequence[PickedMicrograph]
) -> tuple[list[_Usable], dict[str, MicrographResult]]:
    """Read micrographs for their picks and to see that they can be used; they are not kept.

    Raises:
        SettingsError: if the settings fit none of those that can be read.
    """
    positives_of, negatives_of = ({each.file.key: each for each in some} for some in (picked, known_negatives))

    def read(file: MicrographFile) -> _Usable:
        micrograph = _read(job, file)
        known = negatives_of.get(file.key)
        negatives = known.picks(micrograph) if known else Picks.empty()
        return _Usable(file, positives_of[file.key].picks(micrograph), negatives)

    return read_all([each.file for each in picked], read)


def _read(job: TrainJob, file: MicrographFile) -> Micrograph:
    micrograph, _ = read_usable(file, job.pixel_size_angstrom, job.training.diameter_angstrom)
    return micrograph


def _read_again(job: TrainJob, usable: Sequence[_Usable]) -> Iterator[Micrograph]:
    for each in usable:
        yield _read(job, each.file)
