"""Settings of a job that picks, or that learns what picking needs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from cryoglean.errors import SettingsError
from cryoglean.io.digests import file_digest
from cryoglean.io.mask_files import MaskFormat
from cryoglean.jobs.grades import MAX_LEFT_OUT
from cryoglean.jobs.pick_one import PickTask
from cryoglean.jobs.provenance import describe_provenance
from cryoglean.jobs.sample import spread_sample
from cryoglean.jobs.usable import read_usable
from cryoglean.micrograph import Contrast
from cryoglean.pickers.protocol import Preparation
from cryoglean.pickers.registry import describe
from cryoglean.pickers.settings import PickerSettings
from cryoglean.report.figures import draw_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryoglean.jobs.output_folder import OutputFolder
    from cryoglean.jobs.pick_folder import PickFolder
    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import Micrograph, MicrographFile
    from cryoglean.pickers.protocol import PickerDescription

_MIN_QUIETEST = -0.5
"""Contrast of the quietest places below which a micrograph teaches nothing where most are not so. Chosen by hand: on
real and simulated sets they reached -0.36, on carbon; beside bowls, ramps and steps that outweigh noise, and so spoil
what is learned, -0.6 to -3.5."""


class PickJob(BaseModel):
    """Settings of a pick job.

    Attributes:
        picker: settings of the picker, which tell which one it is.
        given: files that the picker is given, by `GivenFile.name`.
        pixel_size_angstrom: pixel size of all micrographs; None takes it from the STAR file or the image's header.
        plots: draw a picture of each micrograph with its picks.
        csv: write the picks as CSV, too.
        mask_format: of the files of what is left out.
        cpus: worker processes.
        device: where to compute, as torch names it.
        force: redo everything.
        contrast: of protein in the micrographs; None tells it from them.
        is_stage: part of a run, which has told the contrast of its files; what was learned in the folder stands, from
            however few micrographs, and is not learned anew as more arrive.
        fit: folder of a fit, by which the micrographs are picked; None learns from them.
        repick: pick those micrographs of the folder again whose picks another fit has made.
        command: the call as it was typed, if it is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    picker: PickerSettings
    given: dict[str, Path] = Field(default_factory=dict)
    pixel_size_angstrom: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    plots: bool = False
    csv: bool = False
    mask_format: MaskFormat = MaskFormat.png
    cpus: int = Field(default=1, ge=1)
    device: str = "cpu"
    force: bool = False
    contrast: Contrast | None = None
    is_stage: bool = False
    fit: Path | None = None
    repick: bool = False
    command: str | None = None

    @property
    def description(self) -> PickerDescription:
        """Description of the picker."""
        return describe(self.picker.method, self.picker.preset)

    def recorded(self) -> dict[str, Any]:
        """Return what decides the result, as JSON values; what does not (cpus, pictures) is left out."""
        said = self.picker.recorded(self.given) | self._recorded_of_files()
        if self.fit is not None:  # a renewed one may take its place: the picks tell which made them
            return said | {"fit": "given"}
        return said | {f"{name}_sha256": digest for name, digest in self.given_digests().items()}

    def given_digests(self) -> dict[str, str]:
        """Return the SHA-256 of the files that the picker is given, by name."""
        return {name: file_digest(path) for name, path in self.given.items()}

    def _recorded_of_files(self) -> dict[str, Any]:
        return self.model_dump(mode="json", include={"pixel_size_angstrom", "contrast"})

    def provenance(self) -> dict[str, Any]:
        """Return what a job is made with besides its settings, as JSON values."""
        said = describe_provenance(self.command, self.device, self.cpus)
        files = self.given | ({} if self.fit is None else {"fit": self.fit})
        return said | {name: str(path.resolve()) for name, path in files.items()}

    def task(self, folder: PickFolder) -> PickTask:
        """Return what to make of each micrograph."""
        said = folder, self.picker.diameter_angstrom, self.pixel_size_angstrom
        has_candidates = self.description.threshold_is_score
        return PickTask(
            *said,
            self.csv,
            self.plots,
            repick=self.repick,
            has_candidates=has_candidates,
            mask_format=self.mask_format,
            device=self.device,
        )

    def read(self, file: MicrographFile) -> Micrograph:
        """Read a micrograph that can be picked.

        Raises:
            MicrographError: if it cannot be.
        """
        return read_usable(file, self.pixel_size_angstrom, self.picker.diameter_angstrom)[0]

    def teaches(self, micrograph: Micrograph) -> bool:
        """Tell whether a micrograph is worth learning from: most of it shows ice, whatever the user has masked."""
        import torch  # late: a job that is done needs none of it

        from cryoglean.preprocess.left_out import Reason, left_out

        found = left_out(micrograph, self.picker.diameter_angstrom, torch.device(self.device))
        return float(((found > 0) & (found != Reason.masked)).mean()) <= MAX_LEFT_OUT

    def is_usual(self, micrograph: Micrograph) -> bool:
        """Tell whether a micrograph has about the same noise all over, as most have."""
        import torch  # late: a job that is done needs none of it

        from cryoglean.preprocess.left_out import quietest

        return quietest(micrograph, self.picker.diameter_angstrom, torch.device(self.device)) >= _MIN_QUIETEST

    def _learn_nothing(self, first: Sequence[MicrographFile]) -> Iterator[Micrograph]:  # noqa: ARG002 (none is read)
        raise SettingsError(f"--fit {self.fit} lacks what the picker learns: make it again with cryoglean fit")

    def preparation(
        self, folder: OutputFolder, files: Sequence[MicrographFile], progress: ProgressListener
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
            sample=partial(spread_sample, files, self.read, suits=self.teaches, is_usual=self.is_usual)
            if self.fit is None
            else self._learn_nothing,
            folder=folder.root,
            cpus=self.cpus,
            device=self.device,
            info=progress.info,
            draw=draw_figure,
        )
