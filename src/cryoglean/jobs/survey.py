"""Survey of the micrographs of a folder: made once, kept beside what is learned, and made again as more arrive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.models import read_model
from cryoglean.jobs.sample import spread_sample
from cryoglean.jobs.usable import read_exposed
from cryoglean.micrograph import Contrast
from cryoglean.pickers.localpicker.survey import MicrographSurvey, survey_micrographs
from cryoglean.pickers.protocol import FIT_MICROGRAPHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from cryoglean.micrograph import MicrographFile

SURVEY = "survey.json"


def read_survey(root: Path) -> MicrographSurvey | None:
    """Return the survey that is kept in a folder, or None.

    Raises:
        SettingsError: if it is there and cannot be understood.
    """
    return read_model(root / SURVEY, MicrographSurvey)


def survey_files(
    files: Sequence[MicrographFile],
    pixel_size_angstrom: float | None,
    cpus: int = 1,
    device: str = "cpu",
    max_count: int = FIT_MICROGRAPHS,
) -> MicrographSurvey:
    """Survey some micrographs of a set as they were recorded, spread over it.

    Args:
        files: the set.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.
        cpus: processors to use; the result does not depend on it.
        device: where to compute, as torch names it.
        max_count: how many to look at.
    """
    recorded = with_contrast(files, Contrast.dark)
    sample = spread_sample(recorded, lambda file: read_exposed(file, pixel_size_angstrom)[0], max_count=max_count)
    return survey_micrographs(sample, cpus, torch.device(device))


def _forget_nothing(kept: MicrographSurvey, survey: MicrographSurvey) -> None:
    """Leave all as it is."""


def survey_folder(
    root: Path,
    files: Sequence[MicrographFile],
    pixel_size_angstrom: float | None,
    cpus: int = 1,
    device: str = "cpu",
    max_count: int = FIT_MICROGRAPHS,
    *,
    more_arrived: bool = False,
    forget: Callable[[MicrographSurvey, MicrographSurvey], None] = _forget_nothing,
) -> MicrographSurvey:
    """Return the survey that is kept in a folder; make it where there is none, or where more would tell more.

    Args:
        root: the folder.
        files: as the arguments after it, of `survey_files`.
        pixel_size_angstrom: the same.
        cpus: the same.
        device: the same.
        max_count: the same.
        more_arrived: whether there are micrographs that were not there when it was made.
        forget: undoes what was made by the kept one, given it and the new one, before that takes its place.

    Raises:
        SettingsError: if one is there and cannot be understood.
        OSError: if it cannot be written.
    """
    kept = read_survey(root)
    if kept is not None and not (more_arrived and _is_outdated(kept, max_count)):
        return kept
    survey = survey_files(files, pixel_size_angstrom, cpus, device, max_count)
    if kept is not None:
        forget(kept, survey)
    if survey.micrographs:
        root.mkdir(parents=True, exist_ok=True)
        write_atomic_text(root / SURVEY, survey.model_dump_json(indent=2) + "\n")
    return survey


def _is_outdated(survey: MicrographSurvey, max_count: int) -> bool:
    return survey.contrast is None or len(survey.micrographs) < max_count


def with_contrast(files: Iterable[MicrographFile], contrast: Contrast) -> list[MicrographFile]:
    """Return the files, to be read with a contrast."""
    return [replace(file, contrast=contrast) for file in files]
