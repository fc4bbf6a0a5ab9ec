"""Verdicts on the steps around picking: what the user should know of their results, and the command to go on with."""

from __future__ import annotations

import shlex
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from cryoglean.findings import Finding, Level, alarms_first
from cryoglean.io.relion_columns import CTF_MAX_RESOLUTION
from cryoglean.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.jobs.result import JobSummary
    from cryoglean.micrograph import MicrographFile

_MAJORITY = 0.5
"""Share of a set from which a loss is no longer one of single micrographs. Derived: the half."""

_DOMINANT = 0.8
"""Share of the particles in one class that makes the others say little. Chosen by hand: with two classes or more, a
class as large is mostly what the references fell into, or views that are all alike."""


def verdict_on_ctf(summary: JobSummary, known: Sequence[MicrographFile], out: Path) -> tuple[Finding, ...]:
    """Judge estimates of the CTF.

    Args:
        summary: of the job.
        known: the micrographs with their CTF.
        out: the output folder.
    """
    reasons = f"the reasons are in {out / 'rejected.csv'}"
    found = findings_on_rejected(summary, f"no CTF in most micrographs, {reasons}: is the pixel size right?")
    defocus = [each.defocus_angstrom for each in known if each.defocus_angstrom is not None]
    if defocus:
        spread = f"{min(defocus) / 1e4:.2f} to {max(defocus) / 1e4:.2f} µm, median {median(defocus) / 1e4:.2f}"
        table = out / "micrographs_ctf.star"
        again = words_of("extract", "PICKED", "--micrographs", table, "--out", "PARTICLES")
        found.append(Finding(Level.fact, "defocus", spread, again))
    reached = [float(each.row[CTF_MAX_RESOLUTION]) for each in known if CTF_MAX_RESOLUTION in each.row]
    if reached:
        text = f"fits reach {median(reached):.1f} Å (median), the worst {max(reached):.1f} Å"
        found.append(Finding(Level.fact, "fits", text))
    return alarms_first(found)


def verdict_on_particles(
    summary: JobSummary,
    without_ctf: Sequence[str],
    micrographs: Sequence[object],
    out: Path,
    on_places: Sequence[Finding] = (),
) -> tuple[Finding, ...]:
    """Judge extracted particles.

    Args:
        summary: of the job.
        without_ctf: names of micrographs without a CTF.
        micrographs: words that name the micrographs to a command, with their options.
        out: the output folder.
        on_places: findings on the places that were given.
    """
    found = [*on_places]
    found += findings_on_rejected(summary, "most micrographs gave no particles: do the picks belong to them?")
    counts = summary.counts
    if empty := [key for key, count in counts.items() if not count]:
        found.append(Finding(Level.note, "empty", f"no particles of {listed(empty)}"))
    if without_ctf:
        text = f"{counted(len(without_ctf), 'micrograph')} without a CTF: particles of low resolution only"
        ctf = f"{out}-ctf"
        advice = f"{text}, unless taken with --micrographs {shlex.quote(f'{ctf}/micrographs_ctf.star')}"
        found.append(Finding(Level.note, "ctf", advice, words_of("ctf", *micrographs, "--out", ctf)))
    if summary.total:
        text = f"{counted(summary.total, 'particle')} of {counted(len(counts) - len(empty), 'micrograph')}"
        found.append(Finding(Level.fact, "particles", text, words_of("classify", out, "--out", f"{out}-classes")))
    return alarms_first(found)


def verdict_on_classes(counts: NDArray[np.int64], resolution: NDArray[np.float64], out: Path) -> tuple[Finding, ...]:
    """Judge classes.

    Args:
        counts: (k,) particles of each.
        resolution: (k,) in angstrom; infinite where nothing stands out of the noise.
        out: the output folder.
    """
    total, filled = int(counts.sum()), int((counts > 0).sum())
    if not total:
        return ()
    found, largest = [], float(counts.max()) / total
    if len(counts) > 1 and largest > _DOMINANT:
        text = f"one class holds {largest:.0%} of the particles: the others say little. See {out / 'gallery.png'}"
        found.append(Finding(Level.note, "classes", text))
    elif filled < _MAJORITY * len(counts):
        text = f"{len(counts) - filled} of {len(counts)} classes are empty: {filled} are enough for these particles"
        found.append(Finding(Level.note, "classes", text))
    seen = resolution[(counts > 0) & (resolution < float("inf"))]
    text = f"the best of {counted(filled, 'class', 'classes')} reaches {seen.min():.1f} Å" if seen.size else ""
    text = text or "no class stands out of its noise: are they particles?"
    level = Level.fact if seen.size else Level.alarm
    found.append(Finding(level, "detail", text, words_of("select", out, "--out", f"{out}-selected")))
    return alarms_first(found)


def verdict_on_selection(
    kept: int, total: int, classes: tuple[int, int], source: Path, out: Path
) -> tuple[Finding, ...]:
    """Judge a selection of classes.

    Args:
        kept: particles.
        total: particles that were classified.
        classes: kept ones, and all.
        source: the classes.
        out: the output folder.
    """
    table = out / "selection.csv"
    again = words_of("select", source, "--out", f"{out}-edited", "--selection", table)
    remedy = f"after editing {table}"
    if not kept:
        text = f"no class was kept: look at {out / 'gallery.png'}"
        return (Finding(Level.alarm, "selection", text, again, remedy),)
    text = f"{kept} of {total} particles kept ({kept / total:.0%}), in {classes[0]} of {classes[1]} classes"
    if kept < (1 - _MAJORITY) * total:
        return (Finding(Level.note, "selection", f"{text}: most were dropped", again, remedy),)
    return (Finding(Level.fact, "selection", text),)


def verdict_on_training(
    summary: JobSummary,
    learned: Mapping[str, int],
    pick_with: Mapping[str, object],
    on_places: Sequence[Finding] = (),
) -> tuple[Finding, ...]:
    """Judge a training.

    Args:
        summary: of the job.
        learned: how many of what it was learned from, by its noun; empty where nothing was.
        pick_with: options of `cryoglean pick` for what was learned; what is None is left out.
        on_places: findings on the places that were given.
    """
    found = [*on_places, *findings_on_rejected(summary, "most micrographs could not be used")]
    if learned:
        text = ", ".join(counted(number, noun) for noun, number in learned.items())
        options = [word for each in pick_with.items() if each[1] is not None for word in each]
        again = words_of("pick", "MICROGRAPHS", *options, "--out", "PICKED")
        found.append(Finding(Level.fact, "learned", f"from {text}", again))
    return alarms_first(found)


def findings_on_unusable(summary: JobSummary, out: Path) -> list[Finding]:
    """Return what is to say of micrographs that could not be used: where it is all of them, their commonest reason."""
    most, reasons = "most micrographs could not be used", f"the reasons are in {out / 'rejected.csv'}"
    if summary.rejected and not summary.done:
        ((commonest, _),) = Counter(result.reason for result in summary.rejected).most_common(1)
        most = f"no micrograph could be used, most often for: {commonest}"
    return findings_on_rejected(summary, f"{most}; {reasons}")


def findings_on_rejected(summary: JobSummary, most: str) -> list[Finding]:
    """Return what is to say of rejected micrographs; in other words if they are most of the set."""
    rejected = [result.file.name for result in summary.rejected]
    if not rejected:
        return []
    if len(rejected) > _MAJORITY * len(summary.results):
        return [Finding(Level.alarm, "rejected", most)]
    return [Finding(Level.note, "rejected", f"{counted(len(rejected), 'micrograph')} rejected: {listed(rejected)}")]


def words_of(*words: object) -> str:
    """Return a command of this program, as it is typed."""
    return shlex.join(["cryoglean", *map(str, words)])
