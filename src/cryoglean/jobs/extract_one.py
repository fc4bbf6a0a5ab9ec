"""Extraction of the particles of one micrograph, in any process and in any order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.ctf.model import ctf_2d, ctf_of
from cryoglean.errors import CryogleanError, MicrographError, TableError
from cryoglean.io.coordinates import YConvention, relion_y_convention
from cryoglean.io.images import read_micrograph
from cryoglean.io.particles import ParticleTable, read_particles, write_particles, write_stack
from cryoglean.io.relion_project import path_from_project
from cryoglean.jobs.result import MicrographResult
from cryoglean.particles.boxes import Anchors, anchors, cut_boxes, normalise_background, scale_boxes
from cryoglean.particles.tables import PICK_ID, ToldOfParticles, particle_table, told_of
from cryoglean.picks import Picks
from cryoglean.preprocess.borders import live_area
from cryoglean.preprocess.fourier import filtered, padded_spectrum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.ctf.model import Ctf
    from cryoglean.jobs.extract_settings import ExtractJob
    from cryoglean.jobs.pick_sources import PickedMicrograph
    from cryoglean.micrograph import Micrograph, MicrographFile

_CHUNK_PIXELS = 2**23
"""Pixels of boxes cut at a time. Resource: 32 MiB of float32, and some copies of it."""

_DIGEST = "made from: "
_LAYOUT = 2
"""Format: of the tables of micrographs; those of an earlier one, which lack columns, are made again."""


@dataclass(frozen=True)
class ExtractTask:
    """Settings of an extraction and its output folder, the same for every micrograph.

    Attributes:
        root: the output folder.
        job: how.
    """

    root: Path
    job: ExtractJob

    def stack_path(self, file: MicrographFile) -> Path:
        """Return the path of the boxes of a micrograph."""
        return self.root / "particles" / f"{file.key}.mrcs"

    def star_path(self, file: MicrographFile) -> Path:
        """Return the path of their table; written last, it is the mark of a whole result."""
        return self.root / "particles" / f"{file.key}.star"


def done(task: ExtractTask, item: PickedMicrograph) -> ParticleTable | None:
    """Return the particles of a micrograph that is done, from the same picks and with the same CTF; else None."""
    path = task.star_path(item.file)
    try:
        with path.open(encoding="utf-8") as lines:
            said = lines.readline().removeprefix("# ").strip()
        table = read_particles(path)
        rows = table.particles
        whole = not len(rows) or (PICK_ID in rows.columns and task.stack_path(item.file).is_file())
        return table if whole and said == _DIGEST + _digest(item) else None
    except (FileNotFoundError, TableError, UnicodeDecodeError):
        return None


def _digest(item: PickedMicrograph) -> str:
    """Sum up what boxes of one micrograph depend on besides the settings: its picks, its CTF and where it is."""
    file = item.file
    said = (
        _LAYOUT,
        item.digest(),
        sorted(file.row.items()),
        sorted(file.optics.items()),
        str(file.real_path),
        file.contrast.value,
    )
    return hashlib.blake2b(repr(said).encode(), digest_size=8).hexdigest()


def extract_one(task: ExtractTask, item: PickedMicrograph) -> MicrographResult:
    """Write the boxes of one micrograph and their table; if it is bad, say so in the result.

    Raises:
        OSError: if results cannot be written.
    """
    start = perf_counter()
    try:
        micrograph, note = read_fitting(task.job, item.file)
        picks = item.picks(micrograph)
        told = told_of(item.file, item.carried(), len(picks))
        ctfs = _ctfs(task.job, item, told)
    except MicrographError as error:
        return MicrographResult(item.file, reason=error.reason)
    except (CryogleanError, ValueError) as error:
        return MicrographResult(item.file, reason=f"its picks cannot be used: {error}")
    if not len(picks) and (faults := item.faults()):
        return MicrographResult(item.file, reason=f"its picks cannot be used: {faults[0]}")
    boxes = _Boxes(task, item, micrograph, picks, told, ctfs)
    particles = boxes.write()
    notes = [said for said in (note, boxes.losses()) if said]
    return MicrographResult(item.file, particles, perf_counter() - start, note="; ".join(notes) or None)


def read_fitting(job: ExtractJob, file: MicrographFile) -> tuple[Micrograph, str | None]:
    """Read a micrograph that boxes fit in, and the note on its pixel size.

    Raises:
        MicrographError: if it cannot be read, or the settings do not fit it.
    """
    micrograph, note = read_micrograph(file, job.pixel_size_angstrom)
    box, (height, width) = job.box_px(micrograph.pixel_size_angstrom), micrograph.shape
    said = f"a box of {box} px at {micrograph.pixel_size_angstrom:.4g} A/px"
    reason = None
    if box > min(height, width):
        reason = f"{said} is larger than the micrograph of {width} x {height} px"
    elif job.diameter_angstrom is not None and box * micrograph.pixel_size_angstrom < job.diameter_angstrom:
        reason = f"{said} is smaller than the particle of {job.diameter_angstrom:g} A: take a larger box"
    if reason:
        raise MicrographError(file.path, reason, by_settings=True)
    return micrograph, note


def _ctfs(job: ExtractJob, item: PickedMicrograph, told: ToldOfParticles) -> list[Ctf | None] | None:
    """Return the CTF of each pick if it is needed.

    Raises:
        MicrographError: if it is needed and not one is known, or one is broken.
    """
    if not job.phase_flip:
        return None
    try:
        ctfs = told.ctfs() or [ctf_of(item.file)]
    except ValueError as error:
        raise MicrographError(item.file.path, str(error)) from error
    if not any(ctfs):
        raise MicrographError(item.file.path, "no CTF, and --phase-flip needs one: run cryoglean ctf first")
    return ctfs if len(told.rows) else []


def has_ctf(item: PickedMicrograph) -> bool:
    """Tell whether a micrograph, or any of its particles by the table of picks, has a CTF that can be used."""
    try:
        if ctf_of(item.file) is not None:
            return True
        carried = item.carried()
        return carried is not None and any(told_of(item.file, carried, len(carried.rows)).ctfs())
    except (CryogleanError, ValueError):
        return False


class _Boxes:
    """The boxes of one micrograph on their way to disk.

    RELION turns a TIFF upside down when it reads it. The images and coordinates written are those that it would have
    cut itself, so a TIFF is turned here as well.
    """

    def __init__(
        self,
        task: ExtractTask,
        item: PickedMicrograph,
        micrograph: Micrograph,
        picks: Picks,
        told: ToldOfParticles,
        ctfs: list[Ctf | None] | None,
    ) -> None:
        self._task, self._job, self._item, self._picks, self._told = task, task.job, item, picks, told
        self._pixel_size = micrograph.pixel_size_angstrom
        self._box = self._job.box_px(self._pixel_size)
        self._size = self._job.scale_to or self._box
        convention = relion_y_convention(item.file.name)
        is_turned = convention is YConvention.LAST_ROW
        image = micrograph.image[::-1].copy() if is_turned else micrograph.image
        y = convention.convert(picks.y, micrograph.shape[0])
        self._anchors = _anchors(image, picks.x, y, self._box)
        whole = self._anchors.centre_inside if self._job.pad else self._anchors.inside
        self._outside = int((~whole).sum())
        if ctfs is not None:
            whole = whole & torch.tensor([ctf is not None for ctf in ctfs], dtype=torch.bool)
        self._kept = torch.nonzero(whole)[:, 0]
        self._image = torch.from_numpy(image)
        self._ctfs = None if ctfs is None else [ctf for n in self._kept if (ctf := ctfs[int(n)]) is not None]
        if self._ctfs and len({*self._ctfs}) == 1:  # of the micrograph: what is spread beyond the box comes back, too
            self._image = phases_flipped(self._image, self._ctfs[0], self._pixel_size, margin_px=self._box)
            self._ctfs = None
        self._usable: list[Tensor] = []

    def write(self) -> int:
        """Write stack and table; return the number of particles."""
        task, file = self._task, self._item.file
        stack = task.stack_path(file)
        task.star_path(file).unlink(missing_ok=True)  # first: it is the mark of a whole result
        stack.unlink(missing_ok=True)
        pixel_size = self._pixel_size * self._box / self._size
        count = write_stack(stack, self._chunks(), pixel_size, float16=self._job.float16)
        usable = self._kept[torch.cat(self._usable)] if self._usable else self._kept
        anchor = Anchors(*(column[usable] for column in self._anchors))
        score = self._picks.score[usable.numpy()]
        table = particle_table(
            file,
            path_from_project(stack),
            anchor,
            score,
            usable.numpy() + 1,
            self._pixel_size,
            pixel_size,
            self._size,
            self._job.phase_flip,
            self._told,
        )
        write_particles(task.star_path(file), table, [_DIGEST + _digest(self._item)])
        return count

    def losses(self) -> str | None:
        """Return how many particles were left out, and why; None if none."""
        total, kept, outside = len(self._picks), len(self._kept), self._outside
        flat = kept - sum(int(usable.sum()) for usable in self._usable)
        said = [f"{outside} of {total} left out, as their boxes leave the micrograph"] if outside else []
        if total - outside > kept:
            said.append(f"{total - outside - kept} of {total} left out, as phases cannot be flipped without a CTF")
        if flat:
            said.append(f"{flat} of {total} left out, as their background is flat")
        return "; ".join(said) or None

    def _chunks(self) -> Iterator[NDArray[np.float32]]:
        xy = self._anchors.xy[self._kept]
        most = max(1, _CHUNK_PIXELS // self._box**2)
        for start in range(0, len(xy), most):
            boxes = scale_boxes(self._cut(xy, slice(start, start + most)), self._size)
            radius = self._job.background_radius * self._size / 2
            boxes, usable = normalise_background(-boxes if self._job.invert else boxes, radius, ramp=self._job.ramp)
            self._usable.append(usable)
            yield boxes[usable].numpy()

    def _cut(self, xy: Tensor, which: slice) -> Tensor:
        """Cut boxes; where each particle has a CTF of its own, its phases are flipped in a field of three boxes."""
        if not self._ctfs:
            return cut_boxes(self._image, xy[which], self._box)
        middle = torch.tensor([[3 * self._box // 2, 3 * self._box // 2]])
        fields = (cut_boxes(self._image, place[None], 3 * self._box)[0] for place in xy[which])
        flipped = (
            phases_flipped(field, ctf, self._pixel_size, margin_px=0)
            for field, ctf in zip(fields, self._ctfs[which], strict=True)
        )
        return torch.cat([cut_boxes(field, middle, self._box) for field in flipped])


def _anchors(image: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64], box: int) -> Anchors:
    rows, columns = live_area(image)
    return anchors(torch.from_numpy(np.stack([x, y], axis=1)), box, rows, columns)


def phases_flipped(image: Tensor, ctf: Ctf, pixel_size_angstrom: float, *, margin_px: float) -> Tensor:
    """Turn back the phases that the CTF has turned: multiply the transform by the sign of the CTF.

    Args:
        image: `(h, w)` float32 whole micrograph, so that signal spread beyond a box comes back.
        ctf: its CTF.
        pixel_size_angstrom: size of its pixels.
        margin_px: how far the micrograph is reflected at its edges.

    Returns:
        `(h, w)` image of the same contrast: the CTF is positive at low resolution.
    """
    spectrum = padded_spectrum(image, margin_px)
    sign = torch.sign(ctf_2d(ctf, spectrum.padded_shape, pixel_size_angstrom, image.device))
    sign[0, 0] = 1
    return filtered(spectrum, sign)
