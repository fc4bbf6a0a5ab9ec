"""Verdicts on the commands beside the way from micrographs to classes: `evaluate`, `simulate` and `size`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryoglean.findings import Finding, Level, alarms_first
from cryoglean.jobs.coordinate_findings import UNREAD_ROWS, finding_on_coordinates
from cryoglean.jobs.step_verdicts import words_of
from cryoglean.jobs.verdict import findings_on_micrographs
from cryoglean.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryoglean.evaluate import Evaluation
    from cryoglean.pickers.localpicker.survey import MicrographSurvey

_AGREES = 0.5
"""Share of one side's places that must lie on the other's for coordinates to need no other evidence. Derived: the
half; by chance it is far below that, unless particles are as dense as they can be."""


def verdict_on_evaluation(
    result: Evaluation, sides: Mapping[str, Mapping[str, Any]], command: str | None
) -> tuple[Finding, ...]:
    """Judge a comparison of picks with the truth.

    Args:
        result: the comparison.
        sides: what was found of the coordinates of each side, by its name, as JSON values.
        command: by which they were compared, if it is known.
    """
    counts = result.overall
    found = [_on_coordinates(name, values, counts.f1 > 0, result, command) for name, values in sides.items()]
    for name, values in sides.items():
        if values.get("repeated"):
            text = f"{counted(values['repeated'], 'repeated place')}: all are counted"
            found.append(Finding(Level.note, name, text))
    if any(values.get("faults") for values in sides.values()):
        found.append(UNREAD_ROWS)
    if result.without_picks:
        found.append(_on_unmatched(result, command))
    if result.without_truth:
        text = _named("picks but no truth", result.without_truth, "not counted")
        found.append(Finding(Level.note, "unmatched", text))
    if counts.n_picks and counts.n_truth and not counts.n_hits:
        text = "not one pick lies on a true centre: is it the same set, pixel size and diameter?"
        found.append(Finding(Level.alarm, "hits", text))
    else:
        scores = f"recall {counts.recall:.3f}, precision {counts.precision:.3f}, F1 {counts.f1:.3f}"
        text = f"{scores}: {counted(counts.n_picks, 'pick')}, {counted(counts.n_truth, 'true particle')}"
        found.append(Finding(Level.fact, "score", text))
    return alarms_first(found)


def _on_unmatched(result: Evaluation, command: str | None) -> Finding:
    """Tell of micrographs that have truth and no picks, which count as empty unless they were left out."""
    what, stems = "no file of picks", result.without_picks
    if not {each.stem for each in result.micrographs} & {*stems}:
        return Finding(Level.fact, "unmatched", _named(what, stems, "left out"))
    again = None if command is None else f"{command} --only-with-picks"
    return Finding(Level.note, "unmatched", _named(what, stems, "counted as empty"), again, "to leave them out")


def _named(what: str, stems: Sequence[str], counted_as: str) -> str:
    return f"{what} for {counted(len(stems), 'micrograph')}: {listed(stems)} ({counted_as})"


def _on_coordinates(
    name: str, values: Mapping[str, Any], any_hits: bool, result: Evaluation, command: str | None
) -> Finding:
    """Tell on what evidence one side is compared as it is."""
    found = finding_on_coordinates(name, values)
    if found is not None:
        return found
    if any_hits and max(result.overall.recall, result.overall.precision) >= _AGREES:
        return Finding(Level.fact, name, "taken as they are: most of one side lie on the other")
    again = None if command is None else f"{command} --micrographs MICROGRAPHS"
    text = "not checked against micrographs: taken as they are"
    return Finding(Level.note, name, text, again, "to check them")


def verdict_on_simulation(
    counts: Mapping[str, int], wanted: int, diameters_angstrom: Sequence[float], pixel_size_angstrom: float, out: Path
) -> tuple[Finding, ...]:
    """Judge a simulation.

    Args:
        counts: particles of each micrograph.
        wanted: particles that each was to have.
        diameters_angstrom: of the species.
        pixel_size_angstrom: of the micrographs.
        out: the output folder.
    """
    if not counts:
        return ()
    found, total, diameter = [], sum(counts.values()), f"{max(diameters_angstrom):.0f}"
    if total < wanted * len(counts):
        text = (
            f"there was no room for {wanted * len(counts) - total:,} of {counted(wanted * len(counts), 'particle')}: "
        )
        advice = "fewer --particles, a smaller --spacing, or a larger --size"
        found.append(Finding(Level.note, "room", text + advice))
    kinds = f" of {len(diameters_angstrom)} species, the largest" if len(diameters_angstrom) > 1 else ","
    text = f"{counted(total, 'particle')} in {counted(len(counts), 'micrograph')}{kinds} {diameter} Å across"
    picks = f"{out}-picks"
    pick = words_of("pick", out / "micrographs.star", "--diameter", diameter, "--out", picks)
    found.append(Finding(Level.fact, "particles", text, pick))
    size = ("--diameter", diameter, "--pixel-size", f"{pixel_size_angstrom:g}")
    score = words_of("evaluate", picks, out / "truth", *size)
    found.append(Finding(Level.fact, "truth", f"the true centres are in {out / 'truth'}", score, "after picking"))
    return alarms_first(found)


def verdict_on_size(
    survey: MicrographSurvey, micrographs: Sequence[Path], pixel_size_angstrom: float | None
) -> tuple[Finding, ...]:
    """Judge an estimate of contrast and size.

    Args:
        survey: the estimate.
        micrographs: that were named.
        pixel_size_angstrom: that was given.
    """
    if not survey.micrographs:
        return (Finding(Level.alarm, "micrographs", "no micrograph could be used"),)
    if survey.size is None:
        text = "the micrographs do not show how large the particles are: are there any, and is the pixel size right?"
        return (Finding(Level.alarm, "size", text),)
    diameter = f"{survey.size.diameter_angstrom:.0f}"
    given = () if pixel_size_angstrom is None else ("--pixel-size", f"{pixel_size_angstrom:g}")
    pick = words_of("pick", *micrographs, "--diameter", diameter, *given, "--out", "OUT")
    judged = findings_on_micrographs(survey, survey.size.diameter_angstrom, survey.contrast, None)
    shown = [each for each in judged if each.topic != "size"]  # an estimate fits itself
    seen = counted(len(survey.micrographs), "micrograph")
    next_step = Finding(Level.fact, "diameter", f"{diameter} Å if the particles are round, by {seen}", pick)
    if survey.is_elongated:
        next_step = Finding(Level.note, "size", f"the diameter is {survey.size_in_words}: give pick their length")
    return alarms_first([*shown, next_step])
