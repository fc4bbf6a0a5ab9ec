"""Comparison of pick sets without labels, by what Auto has found in their micrographs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryoglean.calibration.comparison import Places, compare
from cryoglean.errors import MicrographError, SettingsError, TableError
from cryoglean.findings import Finding, Level, alarms_first, is_unsound
from cryoglean.io.images import read_micrograph
from cryoglean.jobs.coordinate_check import checked_picks
from cryoglean.jobs.inputs import read_all
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.pick_sources import contrast_for, diameter_of, find_picks, pixel_size_of
from cryoglean.jobs.result import MicrographResult
from cryoglean.jobs.survey import read_survey, with_contrast
from cryoglean.jobs.verdict import findings_on_micrographs
from cryoglean.picks import Picks
from cryoglean.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryoglean.calibration.comparison import Comparison
    from cryoglean.evaluate.orientation import OrientationChoice
    from cryoglean.jobs.pick_sources import PickedMicrograph
    from cryoglean.jobs.progress import ProgressListener
    from cryoglean.micrograph import MicrographFile


@dataclass(frozen=True)
class ComparedSets:
    """Pick sets on one scale.

    Attributes:
        paths: where they are, the evidence first.
        micrographs: that all of them have picks of.
        comparison: of them.
        findings: on the evidence and the coordinates, what is wrong first.
    """

    paths: tuple[Path, ...]
    micrographs: int
    comparison: Comparison
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the evidence is of particles, as far as the micrographs show it."""
        return not any(is_unsound(each) for each in self.findings)

    @property
    def is_sure(self) -> bool:
        """Whether the best set is better than each other one beyond doubt."""
        return self.is_sound and self.comparison.is_sure


def compare_pick_sets(
    evidence: Path,
    others: Sequence[Path],
    orientation: OrientationChoice,
    progress: ProgressListener,
) -> ComparedSets:
    """Compare the picks of an output folder and other pick sets of its micrographs.

    Args:
        evidence: output folder of `cryoglean pick` with a picker whose scores are probabilities.
        others: one or more sets, as `find_picks` reads them.
        orientation: turn of coordinates that other programs wrote.
        progress: listens to the job.

    Raises:
        SettingsError: if the evidence tells no probabilities, or no micrograph has picks of all sets.
        TableError: if a table is broken.
        MicrographError: if not one micrograph can be read.
    """
    folder, diameter, pixel_size = PickFolder(evidence), diameter_of(evidence), pixel_size_of(evidence)
    files = folder.earlier_files([])
    if diameter is None or not files:
        raise SettingsError(
            f"{evidence} is no output folder of cryoglean pick: pick the micrographs, and name it first"
        )
    files = with_contrast(files, contrast_for(None, evidence, files, pixel_size, cpus=1))
    found: dict[Path, Mapping[str, PickedMicrograph]] = {}
    findings = list(alarms_on_evidence(evidence, diameter))
    for path in others:
        picked, lines = find_picks(path, files)
        checked = checked_picks(path, picked, orientation, diameter, pixel_size)
        found[path] = {each.file.key: each for each in checked.picked}
        findings += [
            replace(each, text=f"{path}: {each.text}") for each in checked.findings if each.level != Level.fact
        ]
        for line in (*lines, *checked.lines):
            progress.info(line)
    common = [file for file in files if all(file.key in each for each in found.values())]
    if not common:
        raise SettingsError(f"no micrograph of {evidence} has picks in all of {listed([str(path) for path in others])}")
    progress.begin(len(common), 0)

    def compared(file: MicrographFile) -> tuple[Places, list[Picks]]:
        micrograph = read_micrograph(file, pixel_size)[0]
        own, places = own_picks(folder, file.key)
        sets = [own, *(each[file.key].picks(micrograph) for each in found.values())]
        progress.report(MicrographResult(file, len(places)))
        return Places(places, diameter / micrograph.pixel_size_angstrom, micrograph.shape), sets

    fields, rejected = read_all(common, compared)
    for each in rejected.values():
        progress.report(each)
    if not fields:
        raise MicrographError(common[0].path, rejected[common[0].key].reason or "cannot be used")
    places, sets = zip(*fields, strict=True)
    comparison = compare(list(zip(*sets, strict=True)), places, folder.hidden_share)
    return ComparedSets((evidence, *others), len(fields), comparison, alarms_first(findings))


def alarms_on_evidence(evidence: Path, diameter_angstrom: float) -> tuple[Finding, ...]:
    """Return the alarms by which the picks of a folder may be of something else than particles.

    Args:
        evidence: the folder, with the survey of its micrographs.
        diameter_angstrom: of the particles.
    """
    found = findings_on_micrographs(read_survey(evidence), diameter_angstrom, None, None)
    return tuple(each for each in found if is_unsound(each))


def own_picks(folder: PickFolder, key: str) -> tuple[Picks, Picks]:
    """Return the picks of a micrograph, and these with the candidates below its threshold.

    Raises:
        SettingsError: if scores are no probabilities.
        TableError: if the picks are missing or damaged.
    """
    picks, below = folder.done_picks(key), folder.candidates(key)
    if picks is None:
        raise TableError(folder.picks_path(key), "missing or damaged: the same cryoglean pick makes it again")
    tables = [picks] if below is None else [picks, below]
    if {each.score_kind for each in tables} != {"probability"}:
        raise SettingsError(f"{folder.root}: its scores are no probabilities: give the folder of --method auto")
    return picks, Picks.joined(tables)


def finding_on_comparison(compared: ComparedSets) -> Finding:
    """Say which set is the best, by how much, and whether that is sure."""
    comparison, names = compared.comparison, [str(path) for path in compared.paths]
    if not compared.is_sound:
        text = "nothing is decided: what the probabilities rest on may be no particles, see above"
        return Finding(Level.note, "best", text)
    best = comparison.best
    others = [(name, lead) for n, (name, lead) in enumerate(zip(names, comparison.leads, strict=True)) if n != best]
    doubtful = [name for name, lead in others if not lead.is_sure]
    if doubtful:
        close = listed([names[best], *doubtful])
        return Finding(Level.note, "best", f"cannot be told apart beyond doubt: {close}")
    leads = [f"{lead.by.middle:.3f} ({lead.by.low:.3f} to {lead.by.high:.3f}) above {name}" for name, lead in others]
    return Finding(Level.fact, "best", f"{names[best]}: its F1 is {', '.join(leads)}")
