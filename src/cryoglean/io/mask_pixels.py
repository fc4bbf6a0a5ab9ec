"""Masks: images that mark what is to be left out of a micrograph, as carbon, contamination and crystals of ice.

A pixel that is not 0 is left out, as MicrographCleaner has it, and of its fractions those above a half. A mask is as
large as its micrograph, or as one that was scaled down.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import MicrographError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LEFT_OUT_ABOVE = 0.5
"""Magnitude of a pixel above which it is left out. Published: the threshold in the examples of MicrographCleaner
(Sanchez-Garcia et al., J. Struct. Biol. 210, 107498, 2020), whose masks are 0 where it is clean and 1 where not."""


def mask_from(path: Path, pixels: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Make the mask of a micrograph of an image.

    Args:
        path: the image's file, for what is said of it.
        pixels: (h, w) of the image.
        shape: height and width of the micrograph.

    Returns:
        Booleans of its shape, true where it is left out; None where nothing is.

    Raises:
        MicrographError: if it does not fit the micrograph, or leaves nothing of it.
    """
    if not np.isfinite(pixels).all():
        raise MicrographError(path, "has pixels that are NaN or infinite: a pixel is 0, or is left out")
    factor = _factor(path, shape, pixels.shape)
    rows, columns = (_of_pixels(side, n, factor) for side, n in zip(shape, pixels.shape, strict=True))
    mask = np.abs(pixels) > LEFT_OUT_ABOVE
    if mask.all():
        raise MicrographError(path, "marks all of it, and what is not 0 is left out: where 0 marks that, invert it")
    return mask[rows[:, None], columns] if mask.any() else None


def _factor(path: Path, shape: tuple[int, ...], of_mask: tuple[int, ...]) -> float:
    """Return by how much a micrograph is larger than its mask.

    Raises:
        MicrographError: if not by as much along both sides, up to a pixel of the mask, or it is smaller.
    """
    factor = max(side / n for side, n in zip(shape, of_mask, strict=True))
    whole = round(factor)
    if all(math.ceil(side / max(whole, 1)) == n for side, n in zip(shape, of_mask, strict=True)):
        return whole
    if min(side / n for side, n in zip(shape, of_mask, strict=True)) < 1:
        raise MicrographError(path, f"is {_size(of_mask)}, larger than its micrograph of {_size(shape)}")
    if any(abs(side / factor - n) > 1 for side, n in zip(shape, of_mask, strict=True)):
        raise MicrographError(path, f"is {_size(of_mask)}, no scale of its micrograph of {_size(shape)}")
    return factor


def _of_pixels(side: int, of_mask: int, factor: float) -> NDArray[np.intp]:
    """Return which pixel of a mask each pixel of a micrograph lies in, along a side."""
    return np.asarray(np.minimum((np.arange(side) + 0.5) / factor, of_mask - 1), dtype=np.intp)


def _size(shape: tuple[int, ...]) -> str:
    height, width = shape
    return f"{width} x {height} px"
