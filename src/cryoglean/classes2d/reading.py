"""Reading of the images that a particles STAR names; bad ones are rejected with their reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.classes2d.image_facts import NO_CTF, image_facts, with_optics
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.errors import SettingsError, TableError
from cryoglean.io.particles import ParticleTable, read_images, read_particles
from cryoglean.io.relion_columns import IMAGE, MICROGRAPH
from cryoglean.particles.boxes import normalise_background

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_MAX_BACKGROUND_MEAN = 0.5
"""Median mean of backgrounds, in deviations, up to which they count as normalised. Chosen by hand: normalised ones have
0, but for the signal of neighbours."""

_BACKGROUND_DEVIATIONS = (0.5, 2.0)
"""Median standard deviation of backgrounds that count as normalised. Chosen by hand: normalised ones have 1, but for
another radius of the circle or another scale."""

_MIN_BOX_PX = 8
"""Chosen by hand: smaller boxes have too few rings to align by."""

_MAX_PIXEL_DEVIATIONS = 1000.0
"""Robust deviations of a pixel from the others beyond which an image is broken. Chosen by hand: a gold bead is some
tens away, and a value that a defect has made is often many powers of ten."""


@dataclass(frozen=True)
class Rejected:
    """A particle that cannot be used.

    Attributes:
        image: as the table names it.
        micrograph: it was cut from; empty if the table does not say.
        reason: what is wrong.
    """

    image: str
    micrograph: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """The particles of a STAR file.

    Attributes:
        path: the file.
        particles: those that can be used.
        table: their rows, in the same order, in the layout of RELION 3.1.
        rejected: the others.
        notes: what the user should know, a line each.
    """

    path: Path
    particles: ParticleSet
    table: ParticleTable
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Sum up all that results depend on: the images and what the table says of them."""
        digest = hashlib.blake2b(digest_size=8)
        digest.update(np.ascontiguousarray(self.particles.images).data)
        for frame in self.table:
            digest.update(repr((list(frame.columns), frame.to_numpy().tolist())).encode())
        return digest.hexdigest()


def read_usable(star_path: str | Path) -> Reading:
    """Read the particles of a STAR file; images that are empty or hold values that are not finite are rejected.

    Origins and classes of an earlier alignment are not used.

    Args:
        star_path: of RELION 3.0 to 5; the CTF of a row goes before that of its optics group.

    Returns:
        The particles, their rows, and what was rejected. Images whose background is not normalised are normalised
        outside the circle that fits the box, and a note says so.

    Raises:
        TableError: if the table or a stack cannot be read, or the CTF of some particles is known and of others not.
        SettingsError: if the images cannot be classified together, or their pixel size is not known.
    """
    path = Path(star_path)
    table = read_particles(path)
    if not len(table.particles):
        raise TableError(path, "holds no particles")
    facts = image_facts(path, table)
    images = read_images(table, path, must_be_finite=False)
    _refuse_shape(path, images)
    table = with_optics(path, table, facts.pixel_size_angstrom, images.shape[-1])
    reasons = _faults(images)
    good = np.array([reason is None for reason in reasons])
    rows = table.particles.reset_index(drop=True)
    rejected = [_rejected(rows.iloc[n], str(reasons[n])) for n in np.flatnonzero(~good)]
    if rejected:
        images = images[good]
    images, is_changed = _normalised(images)
    ctfs = None if facts.ctfs is None else tuple(facts.ctfs[n] for n in np.flatnonzero(good))
    notes = [NO_CTF] if ctfs is None else []
    notes += ["backgrounds were not normalised: brought to mean 0 and standard deviation 1"] if is_changed else []
    particles = ParticleSet(images, facts.pixel_size_angstrom, ctfs, facts.is_phase_flipped)
    kept = ParticleTable(table.optics, rows[good].reset_index(drop=True))
    return Reading(path, particles, kept, tuple(rejected), tuple(notes))


def _refuse_shape(path: Path, images: NDArray[np.float32]) -> None:
    height, width = images.shape[1:]
    if height != width or height < _MIN_BOX_PX:
        raise SettingsError(f"{path}: images of {width} x {height} px: squares of {_MIN_BOX_PX} px or more are needed")


def _faults(images: NDArray[np.float32]) -> list[str | None]:
    """Return for each image why it cannot be used, or None."""
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(images).all(axis=(1, 2))
        flat = np.ptp(images, axis=(1, 2)) == 0
    faults: NDArray[np.object_] = np.full(len(images), None, dtype=object)
    faults[flat], faults[~finite] = "all its pixels are alike", "NaN or infinite values"
    for n in np.flatnonzero(finite & ~flat):
        if (far := _farthest(images[n])) > _MAX_PIXEL_DEVIATIONS:
            faults[n] = f"a pixel {far:.3g} deviations from the others"
    return list(faults)


def _farthest(image: NDArray[np.float32]) -> float:
    """Return how far the farthest pixel is from the median, in robust deviations; a gold bead is some tens."""
    low, middle, high = np.quantile(image.astype(np.float64), (0.16, 0.5, 0.84))
    return float(np.abs(image - middle).max() / max((high - low) / 2, 1e-30))


def _rejected(row: pd.Series[str], reason: str) -> Rejected:
    return Rejected(str(row[IMAGE]), str(row.get(MICROGRAPH, "")), reason)


def _normalised(images: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """Return images with a normalised background, and whether that had to be done."""
    steps = np.arange(images.shape[-1]) - images.shape[-1] // 2
    radius = images.shape[-1] / 2
    background = images[:, np.hypot(steps[:, None], steps) > radius]
    mean, deviation = background.mean(axis=1), background.std(axis=1)
    low, high = _BACKGROUND_DEVIATIONS
    if not len(images) or (
        abs(float(np.median(mean))) <= _MAX_BACKGROUND_MEAN and low <= float(np.median(deviation)) <= high
    ):
        return images, False
    boxes, usable = normalise_background(torch.from_numpy(images), radius)
    return np.where(usable.numpy()[:, None, None], boxes.numpy(), images), bool(usable.any())
