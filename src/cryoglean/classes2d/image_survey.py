"""One look at all images of particles: which cannot be used, and whether their backgrounds are normalised."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.classes2d.particle_set import Images

_MAX_BACKGROUND_MEAN = 0.5
"""Median mean of backgrounds, in deviations, up to which they count as normalised. Chosen by hand: normalised ones have
0, but for the signal of neighbours."""

_BACKGROUND_DEVIATIONS = (0.5, 2.0)
"""Median standard deviation of backgrounds that count as normalised. Chosen by hand: normalised ones have 1, but for
another radius of the circle or another scale."""

_PIXELS_AT_A_TIME = 2**22
"""Resource: bounds memory."""

_MAX_PIXEL_DEVIATIONS = 1000.0
"""Robust deviations of a pixel from the others beyond which an image is broken. Chosen by hand: a gold bead is some
tens away, and a value that a defect has made is often many powers of ten."""


@dataclass(frozen=True)
class Survey:
    """What one look at n images has told.

    Attributes:
        faults: why an image cannot be used, or None.
        must_normalise: whether the backgrounds of those that can be used are not normalised, and can be.
        digest: of all images.
    """

    faults: list[str | None]
    must_normalise: bool
    digest: bytes


def survey(images: Images) -> Survey:
    """Look at all images once, some at a time.

    Raises:
        TableError: if images on disk cannot be read.
    """
    digest, faults, background = hashlib.blake2b(digest_size=8), list[str | None](), [np.zeros((0, 2))]
    count, *sides = images.shape
    part = max(_PIXELS_AT_A_TIME // math.prod(sides), 1)
    for start in range(0, count, part):
        some = images[slice(start, start + part)]
        digest.update(np.ascontiguousarray(some).data)
        faults += _faults(some)
        background.append(_background(some))
    good = np.array([fault is None for fault in faults], bool)
    return Survey(faults, _must_normalise(*np.concatenate(background)[good].T), digest.digest())


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
