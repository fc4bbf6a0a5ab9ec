"""The main job: micrographs in, picks out. Splits by micrograph, goes on where it was, never stops for a bad one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field

from cryoglean.errors import MicrographError, SettingsError
from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.digests import file_digest
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.relion import path_from_project, write_autopick_star, write_coords_suffix, write_micrographs_star
from cryoglean.jobs.folder import PickFolder
from cryoglean.jobs.inputs import read_first, read_usable
from cryoglean.jobs.pick_one import PickTask, pick_one
from cryoglean.jobs.processes import map_processes
from cryoglean.jobs.provenance import describe_provenance
from cryoglean.jobs.result import JobSummary
from cryoglean.pickers.emmae.paper import PaperEmmaeSettings
from cryoglean.pickers.emmae.picker import EmmaeSettings
from cryoglean.pickers.emmae.preparation import EmmaeWanted, learn, learned_facts, read_reference
from cryoglean.pickers.emmae.training import EmmaeTraining, training_values
from cryoglean.pickers.kpicker.files import StoredKpicker
from cryoglean.pickers.kpicker.paper import PaperKpickerSettings
from cryoglean.pickers.kpicker.picker import KpickerSettings
from cryoglean.pickers.localpicker.figures import fit_figure
from cryoglean.pickers.localpicker.paper import PaperLocalpicker, PaperLocalpickerSettings
from cryoglean.pickers.localpicker.picker import FIT_MICROGRAPHS, Localpicker, LocalpickerSettings, fit_localpicker
from cryoglean.pickers.matcher.class_averages import ClassAverages
from cryoglean.pickers.matcher.files import read_class_averages
from cryoglean.pickers.matcher.picker import Matcher, MatcherSettings, fit_matcher
from cryoglean.report.counts_picture import draw_counts
from cryoglean.report.figures import draw_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryoglean.jobs.pick_one import Picker
    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import Micrograph, MicrographFile


AnyPickerSettings = (
    LocalpickerSettings
    | PaperLocalpickerSettings
    | KpickerSettings
    | PaperKpickerSettings
    | MatcherSettings
    | EmmaeSettings
    | PaperEmmaeSettings
)
"""Settings of a picker, which tell which picker it is."""


class PickJob(BaseModel):
    """All that a job is told.

    Attributes:
        picker: which picker, with its settings.
        weights: what Kpicker was trained to, or Cryo-EMMAE's network, which is trained here if None.
        templates: a stack of class averages, which Matcher needs; None for the others.
        training: how Cryo-EMMAE's network is trained, or must have been if it is given. None trains as its preset does,
            and takes any network of its preset.
        reference_mask: a mask of the particles in the micrograph of its name, for Cryo-EMMAE as published.
        pixel_size_angstrom: pixel size of all micrographs; None takes it from the STAR file or the image's header.
        plots: draw a picture of each micrograph with its picks.
        csv: write the picks as CSV, too.
        cpus: worker processes.
        device: where to compute, as torch names it.
        force: make everything anew.
        command: what the user has typed, if it is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    picker: AnyPickerSettings
    weights: Path | None = None
    templates: Path | None = None
    training: EmmaeTraining | None = None
    reference_mask: Path | None = None
    pixel_size_angstrom: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    plots: bool = False
    csv: bool = False
    cpus: int = Field(default=1, ge=1)
    device: str = "cpu"
    force: bool = False
    command: str | None = None

    def recorded(self) -> dict[str, Any]:
        """Return what decides the result, as JSON values; what does not (cpus, pictures) is left out."""
        digests = {f"{name}_sha256": file_digest(path) for name, path in self._given_files().items()}
        is_trained_here = self.weights is None and isinstance(self.picker, EmmaeSettings | PaperEmmaeSettings)
        training = {"training": self._training.model_dump(mode="json")} if is_trained_here else {}
        picker = self.picker.model_dump(mode="json")
        return picker | {"pixel_size_angstrom": self.pixel_size_angstrom} | digests | training

    def provenance(self) -> dict[str, Any]:
        """Return what a job is made with besides its settings, as JSON values."""
        said = describe_provenance(self.command, self.device, self.cpus)
        return said | {name: str(path.resolve()) for name, path in self._given_files().items()}

    def _given_files(self) -> dict[str, Path]:
        files = {"weights": self.weights, "templates": self.templates, "reference_mask": self.reference_mask}
        return {name: path for name, path in files.items() if path is not None}

    @property
    def trained(self) -> StoredKpicker | None:
        """The trained picker, if it is one."""
        if not isinstance(self.picker, KpickerSettings | PaperKpickerSettings):
            return None
        if self.weights is None:
            raise SettingsError("kpicker needs --model, the weights that cryoglean train makes")
        return StoredKpicker(self.picker, self.weights, self.device)

    @property
    def averages(self) -> ClassAverages | None:
        """The class averages, if the picker matches with some."""
        if not isinstance(self.picker, MatcherSettings):
            return None
        if self.templates is None:
            raise SettingsError("matcher needs --templates, a stack of class averages as cryoglean select makes it")
        return read_class_averages(self.templates, self.picker.diameter_angstrom)

    def emmae(self, files: Sequence[MicrographFile]) -> EmmaeWanted | None:
        """What Cryo-EMMAE is to learn, if it is the picker; the settings are checked.

        Raises:
            SettingsError: if a given network or mask does not fit.
        """
        if not isinstance(self.picker, EmmaeSettings | PaperEmmaeSettings):
            return None
        chain = None if self.training is None else self.training.preprocess.chain
        reference = None if self.reference_mask is None else read_reference(self.reference_mask, files)
        wanted = EmmaeWanted(self.picker, self.weights or self._training, chain, reference, self.cpus, self.device)
        wanted.check()
        return wanted

    @property
    def _training(self) -> EmmaeTraining:
        """How Cryo-EMMAE's network is trained here."""
        return self.training or EmmaeTraining(**training_values(self.picker.preset, {}))

    def task(self, folder: PickFolder) -> PickTask:
        """Return what to make of each micrograph."""
        return PickTask(folder, self.picker.diameter_angstrom, self.pixel_size_angstrom, self.csv, self.plots)


class Learned(Protocol):
    """What a picker has learned of a set."""

    @property
    def found_particles(self) -> bool:
        """Whether anything like particles was found."""
        ...

    def in_words(self) -> str:
        """Say in one line what was found."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Return it as JSON values."""
        ...


@dataclass
class PickSummary(JobSummary):
    """Results of a pick job.

    Attributes:
        model: what was learned of the set, if the picker learns.
    """

    model: Learned | None = None


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
    if any(file.path.resolve().parent == out.resolve() for file in files):
        raise SettingsError(
            f"--out {out} is where the micrographs are: pictures there would pass for some; name another"
        )
    if job.trained is not None:
        job.trained.check()
    averages, emmae = job.averages, job.emmae(files)
    task = job.task(folder)
    files = folder.with_known_keys(files) if not job.force else files
    _, unreadable = read_first(files, lambda f: read_usable(f, task.pixel_size_angstrom, task.diameter_angstrom))
    folder.claim(job.recorded(), files, force=job.force, provenance=job.provenance())
    done = [result for file in files if (result := task.done(file)) is not None]
    results = unreadable | {result.file.key: result for result in done}
    todo = [f for f in files if f.key not in results]
    summary = PickSummary()
    try:
        picker = _make_picker(folder, files, job, averages or emmae, progress, summary) if todo or done else None
        progress.begin(len(files), len(done))
        for result in unreadable.values():
            progress.report(result)
        if picker is not None:
            for result in map_processes(partial(pick_one, task, picker), todo, job.cpus):
                results[result.file.key] = result
                progress.report(result)
    finally:
        summary.results = [results[f.key] for f in files if f.key in results]
        _write_lists(folder, summary)
    if job.plots:
        draw_counts(folder.root / "counts.png", summary.counts)
    return summary


def _make_picker(
    folder: PickFolder,
    files: Sequence[MicrographFile],
    job: PickJob,
    given: ClassAverages | EmmaeWanted | None,
    progress: ProgressListener,
    summary: PickSummary,
) -> Picker:
    """Return the picker, with what it learns now or has learned before in this folder."""
    if job.trained is not None:
        return job.trained
    if isinstance(job.picker, PaperLocalpickerSettings):
        return PaperLocalpicker(job.picker)
    if isinstance(given, EmmaeWanted):
        first = [] if given.reference is None else [given.reference.file]
        emmae = learn(given, partial(_sample, files, job.task(folder), first), folder.root, progress, draw_figure)
        summary.model = learned_facts(emmae)
        return emmae
    model, device = folder.read_model(), torch.device(job.device)
    if model is None:
        progress.info(f"learning the particle's shape from {min(len(files), FIT_MICROGRAPHS)} micrographs")
        sample = _sample(files, job.task(folder))
        model = fit_localpicker(sample, job.picker.diameter_angstrom, threads=job.cpus, device=device)
        draw_figure(folder.model_path.with_suffix(".png"), fit_figure(model))  # first: the model tells that it is there
        write_atomic_text(folder.model_path, model.model_dump_json(indent=2) + "\n")
    summary.model = model
    if isinstance(job.picker, LocalpickerSettings):
        return Localpicker(job.picker, model, device)
    if not isinstance(job.picker, MatcherSettings) or not isinstance(given, ClassAverages):
        raise TypeError(f"{job.picker!r} is no picker's")
    facts = folder.read_matcher()
    if facts is None:
        progress.info(f"matching with {len(given.images)} class averages")
        facts = fit_matcher(_sample(files, job.task(folder)), model, given, device)
        write_atomic_text(folder.matcher_path, facts.model_dump_json(indent=2) + "\n")
    return Matcher(job.picker, facts, given, device)


def _sample(
    files: Sequence[MicrographFile], task: PickTask, first: Sequence[MicrographFile] = ()
) -> Iterator[Micrograph]:
    """Read micrographs spread evenly over the set, after some that come first; unusable ones give way to neighbours."""
    stride, found = max(1, len(files) // FIT_MICROGRAPHS), 0
    spread = (f for start in range(stride) for f in files[start::stride] if f not in first)
    for file in (*first, *spread):
        try:
            micrograph, _ = read_usable(file, task.pixel_size_angstrom, task.diameter_angstrom)
        except MicrographError:
            continue  # it is named when its turn comes
        yield micrograph
        found += 1
        if found == FIT_MICROGRAPHS:
            return


def _write_lists(folder: PickFolder, summary: PickSummary) -> None:
    """Write what names all micrographs: the ledger, the rejected ones, and the files by which RELION finds picks."""
    entries = folder.record_results(summary.results)
    listed = [(e.micrograph, path_from_project(folder.picks_path(e.key))) for e in entries.values()]
    write_autopick_star(folder.autopick_path, listed)
    in_tables = {o.file.name: o.file for o in summary.done if o.file.row}
    if in_tables:
        micrographs_star = folder.root / "micrographs.star"
        before = find_micrographs([micrographs_star]) if micrographs_star.exists() else []
        all_runs = {file.name: file for file in before} | in_tables
        write_micrographs_star(micrographs_star, list(all_runs.values()))
        write_coords_suffix(folder.root / "picks", path_from_project(micrographs_star))
