"""Training of a masked autoencoder as a job: folders of micrographs in, weights, curves and pictures out."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from cryoglean.errors import SettingsError
from cryoglean.io.digests import file_digest
from cryoglean.io.exposures import describe_left_out
from cryoglean.io.inputs import find_inputs
from cryoglean.jobs.folder_lock import locks_output
from cryoglean.jobs.inputs import read_all, read_first
from cryoglean.jobs.micrograph_lists import write_left_out
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.jobs.result import JobSummary, MicrographResult
from cryoglean.jobs.sample import spread_sample
from cryoglean.jobs.survey import survey_files, with_contrast
from cryoglean.jobs.usable import read_usable
from cryoglean.pickers.emmae.filtering import FILTERING, floor_of, training_for_set
from cryoglean.pickers.emmae.network_files import read_emmae
from cryoglean.pickers.emmae.network_training import (
    NETWORK_RESULTS,
    WEIGHTS,
    NetworkTraining,
    join_training,
    prepared_for,
    train_network,
)
from cryoglean.pickers.emmae.training import EmmaeTraining, Prepared
from cryoglean.preprocess.noise_floor import Filtering, SetFiltering
from cryoglean.report.figures import draw_figure
from cryoglean.scale.process_group import SINGLE_PROCESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.io.exposures import LeftOut
    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import Micrograph, MicrographFile
    from cryoglean.pickers.emmae.training import EmmaeNetworkFit
    from cryoglean.scale.process_group import ProcessGroup


class MicrographSet(BaseModel):
    """Micrographs of one kind of particle.

    Attributes:
        inputs: what `find_inputs` takes.
        pattern: of folders take images whose names match.
        recursive: search sub-folders, too.
        diameter_angstrom: particle diameter.
        pixel_size_angstrom: of all of them; None takes it from the STAR file or the images' headers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[Path, ...]
    pattern: str | None = None
    recursive: bool = False
    diameter_angstrom: float = Field(gt=0, allow_inf_nan=False)
    pixel_size_angstrom: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class MaeJob(BaseModel):
    """Settings of a training job.

    Attributes:
        sets: the micrographs, by kind of particle.
        training: how, with its preset.
        chooses_chain: whether the micrographs tell which filters they need, in place of those of the training.
        first: weights to start from; None starts from random ones.
        cpus: processors to use, by each process of a group; the result does not depend on it.
        force: train again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sets: tuple[MicrographSet, ...] = Field(min_length=1)
    training: EmmaeTraining
    chooses_chain: bool = False
    first: Path | None = None
    cpus: int = Field(default=1, ge=1)
    force: bool = False

    def recorded(self) -> dict[str, Any]:
        """Return the settings that decide the result, as JSON values."""
        first = {} if self.first is None else {"first_sha256": file_digest(self.first)}
        chosen = {"preprocess": "auto"} if self.chooses_chain else {}
        return self.training.model_dump(mode="json") | chosen | first


@dataclass
class MaeSummary(JobSummary):
    """Results of a training.

    Attributes:
        fit: facts of the network; None where there was nothing to learn from.
    """

    fit: EmmaeNetworkFit | None = None


@dataclass(frozen=True)
class _Source:
    """A micrograph's file, and its set."""

    file: MicrographFile
    of: MicrographSet


@locks_output
def run_mae_job(job: MaeJob, out: Path, progress: ProgressListener, group: ProcessGroup = SINGLE_PROCESS) -> MaeSummary:
    """Train a network and write its weights, the curves and a picture of its predictions, unless that is done.

    A training that was stopped resumes from its last checkpoint, and ends as if it had not been stopped.

    Args:
        job: settings, with the micrographs.
        out: output folder.
        progress: listener to the progress of the job.
        group: who trains; this process is its first.

    Raises:
        SettingsError: before any work, if the settings do not fit the micrographs, or a file or the folder cannot be
            used.
        ProcessGroupError: if another process of the group is gone.
        OSError: if results cannot be written; what was written is whole.
    """
    sources, left_out = _find(job.sets, job.cpus)
    if left_out:
        progress.info(f"left out: {describe_left_out(left_out)}; --pattern chooses others")
    source_of = {source.file.key: source for source in sources}
    files = [source.file for source in sources]
    folder = OutputFolder(out, "mae train", (*NETWORK_RESULTS, FILTERING))
    if job.first is not None and not job.chooses_chain:
        read_emmae(job.first, job.training.preprocess, job.training.layers)
    read_first(files, lambda file: _read(source_of[file.key]))  # settings that fit no micrograph are refused here
    diameters = {s.file.key: [s.of.diameter_angstrom, s.of.pixel_size_angstrom] for s in sources}
    folder.claim(job.recorded() | {"micrographs": diameters}, files, force=job.force)
    job = _with_chain(job, sources, folder, progress)
    prepared, rejected = read_all(files, lambda file: _prepared(job, source_of[file.key], group.device))
    summary = MaeSummary([rejected.get(file.key, MicrographResult(file)) for file in files])
    try:
        if (folder.root / WEIGHTS).exists():
            progress.info(f"{folder.root / WEIGHTS} is done already")
            summary.fit = read_emmae(folder.root / WEIGHTS).facts
        elif prepared:
            first = None if job.first is None else read_emmae(job.first).net
            how = NetworkTraining(job.training, first, job.cpus, group)
            summary.fit = train_network(prepared, how, folder.root, progress.info, draw_figure)
    finally:
        folder.record_results(summary.results)
        write_left_out(folder.root, left_out)
    return summary


def join_mae_job(job: MaeJob, group: ProcessGroup) -> None:
    """Take part in a training that the first process of the group runs; reads no micrograph and writes nothing.

    Raises:
        ProcessGroupError: if another process of the group is gone.
    """
    join_training(NetworkTraining(job.training, cpus=job.cpus, group=group))


def _protein_dark(of: MicrographSet, files: Sequence[MicrographFile], cpus: int) -> list[MicrographFile]:
    """Return files that are read with dark protein, by the contrast that they show."""
    return with_contrast(files, survey_files(files, of.pixel_size_angstrom, cpus).taken_contrast)


def _find(sets: Sequence[MicrographSet], cpus: int) -> tuple[list[_Source], list[LeftOut]]:
    """Find all micrographs, and what is left out; of equal names in two sets the number of the set is part of the key.

    Raises:
        SettingsError: if one is in two sets.
        TableError: if a list or STAR file cannot be understood.
    """
    found_by_set = [find_inputs(each.inputs, each.pattern, recursive=each.recursive) for each in sets]
    dark = [_protein_dark(each, some.files, cpus) for each, some in zip(sets, found_by_set, strict=True)]
    by_set = [[_Source(file, each) for file in some] for each, some in zip(sets, dark, strict=True)]
    left_out, found = list(chain(*(some.left_out for some in found_by_set))), list(chain(*by_set))
    by_path: dict[str, _Source] = {}
    for source in found:
        if by_path.setdefault(os.path.realpath(source.file.path), source) is not source:
            raise SettingsError(f"{source.file.path} is in two sets: name it once")
    if len({source.file.key for source in found}) == len(found):
        return found, left_out
    numbered = [
        replace(source, file=replace(source.file, key=f"{number}/{source.file.key}"))
        for number, some in enumerate(by_set, 1)
        for source in some
    ]
    return numbered, left_out


def _with_chain(job: MaeJob, sources: Sequence[_Source], folder: OutputFolder, progress: ProgressListener) -> MaeJob:
    """Return the job with the filters that its micrographs need, if these are to choose them."""
    if not job.chooses_chain:
        return job
    source_of = {source.file.key: source for source in sources}
    by_set: dict[MicrographSet, list[float | None]] = {}

    def floor(file: MicrographFile) -> float | None:
        source = source_of[file.key]
        found = floor_of(_read(source), source.of.diameter_angstrom)
        by_set.setdefault(source.of, []).append(found)
        return found

    floors = spread_sample([source.file for source in sources], floor)
    training = training_for_set(job.training, folder.root / FILTERING, floors, progress.info)
    if {Filtering.filtered, Filtering.unfiltered} <= {SetFiltering.of(each).filtering for each in by_set.values()}:
        progress.info("some of the sets were filtered before and others not: give --preprocess, or train one on each")
    if job.first is not None:
        read_emmae(job.first, training.preprocess, training.layers)
    return job.model_copy(update={"training": training, "chooses_chain": False})


def _read(source: _Source) -> Micrograph:
    return read_usable(source.file, source.of.pixel_size_angstrom, source.of.diameter_angstrom)[0]


def _prepared(job: MaeJob, source: _Source, device: str) -> Prepared:
    prepared = prepared_for(_read(source), source.of.diameter_angstrom, job.training, device)
    return prepared._replace(name=source.file.key)
