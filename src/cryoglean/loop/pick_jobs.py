"""Jobs of picking that a run makes: by the picker of the candidates, by their classes, and by a network."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryoglean.io.atomic import atomic_path
from cryoglean.jobs.pick_job import PickJob
from cryoglean.jobs.select import TEMPLATES
from cryoglean.loop.stage_results import SELECTED, stage_folder
from cryoglean.pickers.registry import DEFAULT_PRESET, describe, descriptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryoglean.loop.settings import LoopJob


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
        return self._job(self.job.settings.candidates, self.job.settings.preset, {}, min_distance_angstrom)

    def by_classes(self, min_distance_angstrom: float | None) -> PickJob:
        """Return the job of picking by the kept classes of the candidates."""
        templates = {"templates": stage_folder(self.root, 0, SELECTED) / TEMPLATES}
        return self._job("matcher", DEFAULT_PRESET, templates, min_distance_angstrom)

    def by_network(self, weights: Path, min_distance_angstrom: float | None) -> PickJob:
        """Return the job of picking with a network."""
        return self._job("kpicker", self.job.settings.preset, {"weights": weights}, min_distance_angstrom)

    def _job(self, method: str, preset: str, given: Mapping[str, Path], min_distance_angstrom: float | None) -> PickJob:
        settings = self.job.settings
        kind = describe(method, preset).load().settings
        values = {
            "diameter_angstrom": settings.diameter_angstrom,
            "min_distance_angstrom": min_distance_angstrom,
        }
        return PickJob(
            picker=kind.model_validate(values),
            given=dict(given),
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
