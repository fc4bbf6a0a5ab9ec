"""The option `--diameter`: a number, or `auto`, by which the micrographs tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryoglean.micrograph import MicrographFile

AUTO = "auto"


def diameter_from(
    text: str | None, files: Sequence[MicrographFile], out: Path, pixel_size_angstrom: float | None, cpus: int
) -> float | None:
    """Return the diameter in angstrom that an option gives; of `auto`, what the folder or the micrographs tell.

    Nothing is written: the folder is not locked yet.

    Args:
        text: as it was typed; None where the option was not given.
        files: the micrographs.
        out: the output folder; what was picked there before has its diameter.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.
        cpus: processors to use.

    Raises:
        SettingsError: if it is no number, or the micrographs do not tell it.
    """
    if text != AUTO:
        return diameter_number(text)
    from cryoglean.jobs.pick_sources import diameter_of
    from cryoglean.jobs.survey import read_survey, survey_files

    before = diameter_of(out)
    if before is not None:
        return before
    survey = read_survey(out) or survey_files(files, pixel_size_angstrom, cpus)
    size = survey.size
    if size is None:
        raise SettingsError(
            "--diameter auto: how large the particles are cannot be told from the micrographs: give a number"
        )
    if survey.is_elongated:
        raise SettingsError(f"--diameter auto: {survey.size_in_words}: give their length")
    typer.echo(f"--diameter auto: {survey.size_in_words}", err=True)
    return float(f"{size.diameter_angstrom:.0f}")


def diameter_number(text: str | None) -> float | None:
    """Return the number that an option gives; None where it was not given, or is `auto`.

    Raises:
        SettingsError: if it is no number.
    """
    if text is None or text == AUTO:
        return None
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"--diameter must be a number of angstrom, or {AUTO}, got {text!r}") from None
