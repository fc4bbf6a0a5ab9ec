"""Reading of the images that a particles STAR names; bad ones are rejected with their reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.classes2d.image_facts import NO_CTF, image_facts, with_optics
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.classes2d.usable_images import UsableImages
from cryoglean.errors import SettingsError, TableError
from cryoglean.io.particles import ParticleTable, read_particles
from cryoglean.io.relion_columns import IMAGE, MICROGRAPH
from cryoglean.io.stored_images import stored_images

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from cryoglean.io.stored_images import StoredImages

_MAX_BACKGROUND_MEAN = 0.5
"""Median mean of backgrounds, in deviations, up to which they count as normalised. Chosen by hand: normalised ones have
0, but for the signal of neighbours."""

_BACKGROUND_DEVIATIONS = (0.5, 2.0)
"""Median standard deviation of backgrounds that count as normalised. Chosen by hand: normalised ones have 1, but for
another radius of the circle or another scale."""

_MIN_BOX_PX = 8
"""Chosen by hand: smaller boxes have too few rings to align by."""

_IMAGES_AT_A_TIME = 1024
"""Resource: bounds memory."""

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
        digest: sums up all that results depend on: the images and what the table says of them.
        notes: what the user should know, a line each.
    """

    path: Path
    particles: ParticleSet
    table: ParticleTable
    digest: str
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()


def read_usable(star_path: str | Path) -> Reading:
    """Read the particles of a STAR file; images that are empty or hold values that are not finite are rejected.

    Origins and classes of an earlier alignment are not used.

    Args:
        star_path: of RELION 3.0 to 5; the CTF of a row goes before that of its optics group.

    Returns:
        The particles, whose images stay on disk until they are asked for, their rows, and what was rejected. Images
        whose background is not normalised are normalised outside the circle that fits the box, and a note says so.

    Raises:
        TableError: if the table or a stack cannot be read, or the CTF of some particles is known and of others not.
        SettingsError: if the images cannot be classified together, or their pixel size is not known.
    """
    path = Path(star_path)
    table = read_particles(path)
    if not len(table.particles):
        raise TableError(path, "holds no particles")
    facts = image_facts(path, table)
    images = stored_images(table, path)
    _refuse_shape(path, images)
    table = with_optics(path, table, facts.pixel_size_angstrom, images.width)
    seen = _survey(images)
    good = np.array([fault is None for fault in seen.faults])
    rows = table.particles.reset_index(drop=True)
    rejected = tuple(_rejected(rows.iloc[n], str(seen.faults[n])) for n in np.flatnonzero(~good))
    must_normalise = _must_normalise(seen.mean[good], seen.deviation[good])
    ctfs = None if facts.ctfs is None else tuple(facts.ctfs[n] for n in np.flatnonzero(good))
    notes = [NO_CTF] if ctfs is None else []
    notes += ["backgrounds were not normalised: brought to mean 0 and standard deviation 1"] if must_normalise else []
    usable = UsableImages(images.only(good), must_normalise)
    particles = ParticleSet(usable, facts.pixel_size_angstrom, ctfs, facts.is_phase_flipped)
    kept = ParticleTable(table.optics, rows[good].reset_index(drop=True))
    return Reading(path, particles, kept, _digest(seen.digest, kept), rejected, tuple(notes))


def _refuse_shape(path: Path, images: StoredImages) -> None:
    height, width = images.height, images.width
    if height != width or height < _MIN_BOX_PX:
        raise SettingsError(f"{path}: images of {width} x {height} px: squares of {_MIN_BOX_PX} px or more are needed")


@dataclass(frozen=True)
class _Survey:
    """What one look at all images has told.

    Attributes:
        faults: why an image cannot be used, or None.
        mean: (n,) of an image's background.
        deviation: (n,) standard deviation of it.
        digest: of all images.
    """

    faults: list[str | None]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    digest: bytes


def _survey(images: StoredImages) -> _Survey:
    """Look at all images once, some at a time."""
    digest, faults, background = hashlib.blake2b(digest_size=8), list[str | None](), [np.zeros((0, 2))]
    for start in range(0, len(images), _IMAGES_AT_A_TIME):
        some = images[slice(start, start + _IMAGES_AT_A_TIME)]
        digest.update(some.data)
        faults += _faults(some)
        background.append(_background(some))
    mean, deviation = np.concatenate(background).T
    return _Survey(faults, mean, deviation, digest.digest())


def _digest(images: bytes, table: ParticleTable) -> str:
    digest = hashlib.blake2b(images, digest_size=8)
    for frame in table:
        digest.update(repr((list(frame.columns), frame.to_numpy().tolist())).encode())
    return digest.hexdigest()


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


def _background(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return mean and standard deviation outside the circle that fits the box, `(n, 2)`."""
    steps = np.arange(images.shape[-1]) - images.shape[-1] // 2
    background = images[:, np.hypot(steps[:, None], steps) > images.shape[-1] / 2]
    with np.errstate(invalid="ignore", over="ignore"):
        return np.stack([background.mean(axis=1), background.std(axis=1)], axis=1).astype(np.float64)


def _must_normalise(mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> bool:
    """Return whether backgrounds are not normalised, and can be: those masked to one value cannot."""
    if not (deviation > 0).any():
        return False
    low, high = _BACKGROUND_DEVIATIONS
    return not (abs(float(np.median(mean))) <= _MAX_BACKGROUND_MEAN and low <= float(np.median(deviation)) <= high)
