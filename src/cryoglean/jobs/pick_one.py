"""The part of a pick job that is done for each micrograph on its own, in any process and in any order."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

from cryoglean.errors import MicrographError, TableError
from cryoglean.expected import expected_of
from cryoglean.io.candidates import write_candidates
from cryoglean.io.coordinates import write_picks
from cryoglean.io.mask_files import MaskFormat, read_written_mask, write_mask
from cryoglean.io.regular import has_content
from cryoglean.jobs.result import MicrographResult
from cryoglean.jobs.usable import read_usable
from cryoglean.micrograph import Contrast
from cryoglean.pickers.candidates import PicksAndCandidates, pick_with_candidates
from cryoglean.report.overlay import draw_overlay
from cryoglean.report.spacing_audit import smallest_distance_px

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.jobs.pick_folder import PickFolder
    from cryoglean.micrograph import Micrograph, MicrographFile
    from cryoglean.pickers.protocol import Picker
    from cryoglean.picks import Picks


@dataclass(frozen=True)
class PickTask:
    """What to make of each micrograph.

    Attributes:
        folder: where.
        diameter_angstrom: particle diameter.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.
        csv: write the picks as CSV, too.
        plots: draw a picture with the picks.
        fit: short digest of what the picker has learned, which its picks carry.
        repick: make picks of other fits again.
        has_candidates: whether the picker finds candidates, too, as its description says.
        mask_format: of the files of what is left out.
        device: where to compute, as torch names it.
    """

    folder: PickFolder
    diameter_angstrom: float
    pixel_size_angstrom: float | None
    csv: bool = False
    plots: bool = False
    fit: str = ""
    repick: bool = False
    has_candidates: bool = False
    mask_format: MaskFormat = MaskFormat.png
    device: str = "cpu"

    def done(self, file: MicrographFile) -> MicrographResult | None:
        """Return the result for a micrograph of which nothing is missing."""
        paths = [self.folder.csv_path(file.key)] * self.csv + [self.folder.plot_path(file.key)] * self.plots
        picks, mask = self.kept_picks(file.key), self.kept_mask(file.key)
        if picks is None or not all(map(has_content, paths)) or mask is None:
            return None
        below = self.kept_candidates(file.key)
        return None if self.lacks_candidates(picks, below) else _result(file, picks, below, mask)

    def kept_mask(self, key: str) -> NDArray[np.uint8] | None:
        """Return what is left out of a micrograph, if its file is there and whole."""
        return read_written_mask(self.folder.mask_path(key, self.mask_format))

    def kept_candidates(self, key: str) -> Picks | None:
        """Return the candidates of a micrograph that are there and whole."""
        try:
            return self.folder.candidates(key)
        except TableError:
            return None

    def lacks_candidates(self, picks: Picks, below: Picks | None) -> bool:
        """Tell whether candidates are missing or damaged that can be made again: not those of older fits."""
        return self.has_candidates and picks.fit == self.fit and below is None

    def kept_picks(self, key: str) -> Picks | None:
        """Return the picks of a micrograph that are there, whole and to be kept."""
        picks = self.folder.done_picks(key)
        return None if picks is None or (self.repick and picks.fit != self.fit) else picks


def pick_one(task: PickTask, picker: Picker, file: MicrographFile) -> MicrographResult:
    """Make whatever is missing of one micrograph; if it is bad, say so in the result.

    Raises:
        OSError: if results cannot be written.
    """
    start = perf_counter()
    try:
        micrograph, note = read_usable(file, task.pixel_size_angstrom, task.diameter_angstrom)
    except MicrographError as error:
        return MicrographResult(file, reason=error.reason)
    picks = task.kept_picks(file.key)
    if picks is None:
        picks = _picked(task, picker, file, micrograph)
    elif task.lacks_candidates(picks, task.kept_candidates(file.key)):
        _keep_candidates(task, file, _found(task, picker, micrograph).candidates)
    if task.csv:
        write_picks(task.folder.csv_path(file.key), picks)
    mask = _mask(task, file, micrograph)
    if task.plots:
        _draw(task, file, micrograph, picks, mask)
    known = replace(file, pixel_size_angstrom=micrograph.pixel_size_angstrom)
    uneven = _unevenness(task, micrograph)
    result = _result(known, picks, task.kept_candidates(file.key), mask)
    return replace(result, unevenness=uneven, seconds=perf_counter() - start, note=note)


def _result(file: MicrographFile, picks: Picks, below: Picks | None, mask: NDArray[np.uint8]) -> MicrographResult:
    return MicrographResult(
        file,
        len(picks),
        fit=picks.fit,
        nearest_px=smallest_distance_px(picks),
        expected=expected_of(picks, below),
        left_out=float((mask > 0).mean()),
    )


def _picked(task: PickTask, picker: Picker, file: MicrographFile, micrograph: Micrograph) -> Picks:
    """Pick a micrograph and write what is found; the picks last, as they show that it is done."""
    folder = task.folder
    picks, candidates = _found(task, picker, micrograph)
    for path in folder.shown_of(file.key):  # what was made of other picks must not stay beside these
        path.unlink(missing_ok=True)
    _keep_candidates(task, file, candidates)
    picks = replace(picks, fit=task.fit)
    write_picks(folder.picks_path(file.key), picks, file.name, height_px=micrograph.shape[0])
    return picks


def _found(task: PickTask, picker: Picker, micrograph: Micrograph) -> PicksAndCandidates:
    found = pick_with_candidates(picker, micrograph)
    if (found.candidates is not None) != task.has_candidates:
        raise TypeError(f"{picker!r}: its description's threshold_is_score is {task.has_candidates}")
    return found


def _mask(task: PickTask, file: MicrographFile, micrograph: Micrograph) -> NDArray[np.uint8]:
    """Return what is left out of a micrograph, and write it unless it is there, in one format."""
    mask = task.kept_mask(file.key)
    if mask is None:
        import torch  # late: a job that is done needs none of it

        from cryoglean.preprocess.left_out import left_out

        mask = left_out(micrograph, task.diameter_angstrom, torch.device(task.device))
        for each in MaskFormat:
            task.folder.mask_path(file.key, each).unlink(missing_ok=True)
        binned = math.ceil(micrograph.shape[0] / mask.shape[0])
        write_mask(task.folder.mask_path(file.key, task.mask_format), mask, binned * micrograph.pixel_size_angstrom)
    return mask


def _unevenness(task: PickTask, micrograph: Micrograph) -> float:
    import torch  # late, as above

    from cryoglean.preprocess.left_out import unevenness

    return unevenness(micrograph, task.diameter_angstrom, torch.device(task.device))


def _keep_candidates(task: PickTask, file: MicrographFile, candidates: Picks | None) -> None:
    if candidates is not None:
        write_candidates(task.folder.candidates_path(file.key), candidates)


def _draw(task: PickTask, file: MicrographFile, micrograph: Micrograph, picks: Picks, mask: NDArray[np.uint8]) -> None:
    draw_overlay(
        task.folder.plot_path(file.key),
        -micrograph.image if file.contrast is Contrast.bright else micrograph.image,  # as it was recorded
        picks,
        task.diameter_angstrom / micrograph.pixel_size_angstrom,
        caption=file.key,
        pixel_size_angstrom=micrograph.pixel_size_angstrom,
        left_out=mask,
    )
