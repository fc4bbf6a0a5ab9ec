"""Jobs of picking that a run makes: by the picker of the candidates, by their classes, and by a network."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryoglean.io.atomic import atomic_path
from cryoglean.jobs.given_fit import open_fit
from cryoglean.jobs.pick_job import PickJob
from cryoglean.jobs.select import TEMPLATES
from cryoglean.loop.stage_results import SELECTED, stage_folder
from cryoglean.pickers.registry import DEFAULT_PRESET, describe, descriptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryoglean.loop.settings import LoopJob
    from cryoglean.pickers.settings import PickerSettings


@dataclass(frozen=True)
class PickJobs:
    """Maker of pick jobs.

    Attributes:
        root: the run folder.
        job: the run.
    """

    root: Path
    job: LoopJob

    def candidates(self, min_distance_angstrom: float | None) -> PickJob:
        """Return the job of picking as the candidates are picked."""
        settings, fit = self.job.settings, self.job.fit
        if fit is None:
            return self._job(self._picker(settings.candidate_picker, settings.preset, min_distance_angstrom), {})
        picker = open_fit(fit).picker
        return self._job(picker.model_copy(update={"min_distance_angstrom": min_distance_angstrom}), {}, fit)

    def by_classes(self, min_distance_angstrom: float | None) -> PickJob:
        """Return the job of picking by the kept classes of the candidates."""
        templates = {"templates": stage_folder(self.root, 0, SELECTED) / TEMPLATES}
        return self._job(self._picker("matcher", DEFAULT_PRESET, min_distance_angstrom), templates)

    def by_network(self, weights: Path, min_distance_angstrom: float | None) -> PickJob:
        """Return the job of picking with a network."""
        return self._job(self._picker("kpicker", self.job.settings.preset, min_distance_angstrom), {"weights": weights})

    def _picker(self, method: str, preset: str, min_distance_angstrom: float | None) -> PickerSettings:
        values = {
            "diameter_angstrom": self.job.settings.diameter_angstrom,
            "min_distance_angstrom": min_distance_angstrom,
        }
        return describe(method, preset).load().settings.model_validate(values)

    def _job(self, picker: PickerSettings, given: Mapping[str, Path], fit: Path | None = None) -> PickJob:
        settings = self.job.settings
        return PickJob(
            picker=picker,
            given=dict(given),
            fit=fit,
            pixel_size_angstrom=settings.pixel_size_angstrom,
            contrast=settings.contrast,
            cpus=self.job.cpus,
            device=self.job.device,
            is_stage=True,
        )


def copy_fits(source: Path, target: Path) -> None:
    """Copy the fits of pickers from folder to folder where they are not there yet, so that none is made again."""
    for name in dict.fromkeys(name for each in descriptions() for name in each.fit_files):
        if (source / name).exists() and not (target / name).exists():
            with atomic_path(target / name) as temporary:
                shutil.copyfile(source / name, temporary)
