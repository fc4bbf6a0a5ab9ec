"""Verdict on picks: what the user should know of contrast, size, counts and fit, and the command to go on with."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from cryoglean.findings import (
    NO_SIGNAL,
    Finding,
    Level,
    alarms_first,
    expected_if_sound,
    finding_on_precision,
    findings_on_counts,
    spread_of_counts,
)
from cryoglean.jobs.outliers import outliers
from cryoglean.micrograph import Contrast
from cryoglean.pickers.protocol import FIT_MICROGRAPHS
from cryoglean.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryoglean.expected import Expected
    from cryoglean.pickers.localpicker.survey import MicrographSurvey, SizeEstimate
    from cryoglean.pickers.protocol import FitReport

_STANDS_OUT = 0.5
"""Skewness below which things of no common size are more probably ice and dirt than particles among dirt. Chosen on
simulated sets: 0.65 and more for particles among dirt, 0.4 and less for dirt with few particles or none."""

_FAR_OFF = 1.35
"""Ratio to the nearest end of the range of sizes from which a diameter is held to be wrong. Chosen by hand: less is an
opinion on where a particle ends."""

_OF_OTHER_UNIT = 1.5
"""Ratio to the nearest end of the range of sizes from which the pixel size may be wrong, not the diameter. Chosen by
hand: images binned by two differ by 2, nanometres by 10, and the range itself spans a factor of two."""


def verdict_on_picks(
    micrographs: Iterable[Finding],
    fit: FitReport | None,
    counts: Mapping[str, int],
    expected: Expected | None = None,
) -> tuple[Finding, ...]:
    """Judge what has been picked.

    Args:
        micrographs: findings on them, from `findings_on_micrographs`.
        fit: what the picker has learned, if it learns.
        counts: picks of each micrograph.
        expected: what is expected of all picks; None where nothing estimates it.

    Returns:
        Findings, what is wrong first.
    """
    on_counts = [*findings_on_counts(counts, outliers(counts)), *spread_of_counts(counts)]
    found = [*_on_fit(fit), *on_counts, *micrographs]
    if any(counts.values()):
        found.append(finding_on_precision(sum(counts.values()), expected_if_sound(expected, found)))
    return alarms_first(found)


def findings_on_micrographs(
    survey: MicrographSurvey | None, diameter_angstrom: float, contrast: Contrast | None, command: str | None
) -> tuple[Finding, ...]:
    """Compare what was given with what the micrographs show.

    Args:
        survey: of the micrographs; None where there is none, and nothing is found.
        diameter_angstrom: that was given.
        contrast: that was given; None where the micrographs told it.
        command: by which it was picked, if it is known.
    """
    if survey is None or not survey.micrographs:
        return ()
    return alarms_first([_on_contrast(survey, contrast, command), *_on_size(survey, diameter_angstrom, command)])


def _on_contrast(survey: MicrographSurvey, given: Contrast | None, command: str | None) -> Finding:
    shown = survey.contrast
    if shown is None:
        taken = given or Contrast.dark
        other = Contrast.bright if taken is Contrast.dark else Contrast.dark
        text = f"the micrographs do not show whether protein is dark or bright: taken as {taken}"
        return Finding(Level.note, "contrast", text, changed(command, "--contrast", other), f"if it is {other}")
    if given is not None and given is not shown:
        text = f"--contrast {given} was given, but the micrographs show {shown} particles"
        return Finding(Level.alarm, "contrast", text, changed(command, "--contrast", shown))
    if given is None and shown is Contrast.bright:
        text = "the micrographs show bright particles: they were inverted before picking"
        return Finding(Level.note, "contrast", text, changed(command, "--contrast", Contrast.dark), "if it is dark")
    return Finding(Level.fact, "contrast", f"the micrographs show {shown} particles")


def _on_size(survey: MicrographSurvey, diameter: float, command: str | None) -> list[Finding]:
    size = survey.size
    if size is None:
        return [Finding(Level.note, "size", "the micrographs do not show how large the particles are")]
    span = f"{size.min_angstrom:.0f} to {size.max_angstrom:.0f} Å"
    found = []
    strength = max(each.at_least for each in survey.of(survey.taken_contrast))
    if not size.has_edge and strength < _STANDS_OUT:
        text = "what stands out is of no common size and stands out little, as ice and dirt do: look before you go on"
        found.append(Finding(Level.alarm, "dirt", text))
    elif not size.has_edge:
        text = "what stands out is of more than one size, as particles among ice and dirt are"
        found.append(Finding(Level.note, "dirt", text))
    if survey.is_elongated:
        span += " by their length, which is undecided, as they are elongated"
    if size.min_angstrom <= diameter <= size.max_angstrom:
        text = f"the diameter of {diameter:g} Å fits: the micrographs show particles of {span}"
        return [*found, Finding(Level.note if survey.is_elongated else Level.fact, "size", text)]
    level = Level.alarm if is_wrong_size(size, diameter) else Level.note
    text = f"a diameter of {diameter:g} Å was given, and the micrographs show particles of {span}"
    if not size.min_angstrom / _OF_OTHER_UNIT <= diameter <= size.max_angstrom * _OF_OTHER_UNIT:
        text += ": is the pixel size right, and in angstrom?"
    better = None if survey.is_elongated else changed(command, "--diameter", f"{size.diameter_angstrom:.0f}")
    return [*found, Finding(level, "size", text, better)]


def is_wrong_size(size: SizeEstimate, diameter_angstrom: float) -> bool:
    """Tell whether a diameter is far from the sizes that micrographs clearly show."""
    least, most = size.min_angstrom / _FAR_OFF, size.max_angstrom * _FAR_OFF
    return size.has_edge and not least <= diameter_angstrom <= most


def _on_fit(fit: FitReport | None) -> list[Finding]:
    if fit is None:
        return []
    if not fit.found_particles:
        return [NO_SIGNAL]
    if len(fit.micrographs) < FIT_MICROGRAPHS:
        seen = counted(len(fit.micrographs), "micrograph")
        text = f"learned from {seen} only: more of the set, given with the same --out, are learned from anew"
        return [Finding(Level.note, "fit", text)]
    return []


def changed(command: str | None, option: str, value: object) -> str | None:
    """Return a command with another value of an option, into a folder of its own; None without a command."""
    if command is None:
        return None
    words = shlex.split(command)
    words = _with_option(words, option, str(value))
    out = _value_of(words, "--out")
    if out is not None:
        words = _with_option(words, "--out", f"{out.rstrip('/')}-{str(value).replace('/', '_')}")
    return shlex.join(words)


def _value_of(words: list[str], option: str) -> str | None:
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            return value
        if word.startswith(option + "="):
            return word.removeprefix(option + "=")
    return None


def _with_option(words: list[str], option: str, value: str) -> list[str]:
    """Return the words with an option set, in its place if it is there, at the end else."""
    kept, skip = list[str](), False
    for word in words:
        if not skip and word != option and not word.startswith(option + "="):
            kept.append(word)
        skip = not skip and word == option
    return [*kept, option, value]
