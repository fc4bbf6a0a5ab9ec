"""Findings on fits: which one made which picks of a folder, and whether it is one of such micrographs."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cryoglean.findings import Finding, Level
from cryoglean.jobs.fit_record import FIT
from cryoglean.jobs.report_micrographs import picker_options, words_for
from cryoglean.jobs.verdict import is_wrong_size
from cryoglean.micrograph import Contrast
from cryoglean.pickers.protocol import FIT_MICROGRAPHS
from cryoglean.pickers.registry import describe
from cryoglean.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cryoglean.jobs.pick_folder import PickFolder
    from cryoglean.pickers.localpicker.survey import MicrographSurvey
    from cryoglean.pickers.protocol import FitReport

REPICK = "--repick"
"""The option that picks them again."""


def findings_on_fits(fits: Mapping[str, str], digest: str, command: str | None) -> tuple[Finding, ...]:
    """Count the micrographs whose picks are of an older fit than that in use.

    Args:
        fits: short digest of the fit that made the picks of each micrograph, by key.
        digest: that of the fit in use; empty where there is none, and nothing is found.
        command: by which it was picked, if it is known.
    """
    older = [key for key, fit in fits.items() if fit != digest]
    if not older or not digest:
        return ()
    text = f"the picks of {counted(len(older), 'micrograph')} are of an older fit than {digest}: {listed(older)}"
    return (Finding(Level.note, "older fit", text, _repicking(command)),)


def finding_on_given(path: Path, digest: str, fit: FitReport | None) -> Finding:
    """Tell which fit was given, and from how few micrographs it was learned.

    Args:
        path: its folder.
        digest: its short digest.
        fit: what the picker has learned; None where it learns nothing.
    """
    seen = 0 if fit is None else len(fit.micrographs)
    source = f", learned from {counted(seen, 'micrograph')}" if fit is not None else ""
    if fit is not None and seen < FIT_MICROGRAPHS:
        text = f"picked by fit {digest} of {path}{source} only: cryoglean fit learns anew from more of the set"
        return Finding(Level.note, "fit", text)
    return Finding(Level.fact, "fit", f"picked by fit {digest} of {path}{source}")


def findings_on_folder_fit(folder: PickFolder, survey: MicrographSurvey | None) -> tuple[Finding, ...]:
    """Hold some micrographs of a folder against the fit that was given to pick them.

    Args:
        folder: the folder; where it does not tell what it was picked with, nothing is found.
        survey: of some of its micrographs.

    Raises:
        SettingsError: if the record in the folder cannot be understood.
        TableError: if its list of micrographs cannot be.
    """
    record = folder.recorded()
    if record is None or "contrast" not in record.settings:
        return ()
    settings = record.settings
    diameter, contrast = float(settings["diameter_angstrom"]), Contrast(settings["contrast"])
    return findings_on_misfit(survey, diameter, contrast, partial(_fit_command, folder, settings))


def findings_on_misfit(
    survey: MicrographSurvey | None,
    diameter_angstrom: float,
    contrast: Contrast,
    fit_again: Callable[[Mapping[str, object]], str | None],
) -> tuple[Finding, ...]:
    """Hold what micrographs show against a fit; what they do not show contradicts nothing.

    Args:
        survey: of the micrographs; None where there is none, and nothing is found.
        diameter_angstrom: of the fit.
        contrast: of the fit.
        fit_again: returns the command that makes a fit of the micrographs with other options than the fit's.
    """
    if survey is None or survey.contrast is None:
        return ()
    size, changes, said = survey.size, dict[str, object](), dict[str, str]()
    if survey.contrast is not contrast:
        changes["--contrast"] = survey.contrast.value
        said["contrast"] = f"the fit is of {contrast} particles, but these micrographs show {survey.contrast} ones"
    if size is not None and is_wrong_size(size, diameter_angstrom):
        changes["--diameter"] = f"{size.diameter_angstrom:.0f}"
        span = f"{size.min_angstrom:.0f} to {size.max_angstrom:.0f} Å"
        said["size"] = f"the fit is of particles of {diameter_angstrom:g} Å, but these micrographs show {span}"
    if not changes:
        return (Finding(Level.fact, "contrast", f"the micrographs show {contrast} particles, as the fit has it"),)
    command = fit_again(changes)
    return tuple(
        Finding(Level.alarm, topic, text, command, "a fit of these micrographs") for topic, text in said.items()
    )


def _fit_command(folder: PickFolder, settings: Mapping[str, Any], changes: Mapping[str, object]) -> str | None:
    """Return the command that makes another fit, of the micrographs of a folder; None where the fit is not known."""
    said, done = folder.provenance(), folder.ledger()
    if "fit" not in said:
        return None
    picker, fit = describe(settings["method"], settings["preset"]), Path(said["fit"])
    fit = fit.parent if fit.name == FIT else fit
    micrographs = {Path(path): key in done or not done for key, path in folder.inputs().items()}
    options: dict[str, object] = {
        **picker_options(picker, settings),
        **{file.option: said[file.name] for file in picker.given if file.name in said},
        "--diameter": f"{settings['diameter_angstrom']:g}",
        "--pixel-size": settings.get("pixel_size_angstrom"),
        **changes,
        "--out": fit.with_name("-".join([fit.name, *map(str, changes.values())])),
    }
    words = [str(word) for option, value in options.items() if value is not None for word in (option, value)]
    return shlex.join(["cryoglean", "fit", *words_for(folder.root, micrographs), *words])


def _repicking(command: str | None) -> str | None:
    """Return the command that makes them again; None without a command."""
    if command is None:
        return None
    words = [word for word in shlex.split(command) if word not in (REPICK, "--force")]
    return shlex.join([*words, REPICK])
