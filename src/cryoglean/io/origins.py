"""Origins of particles: what an alignment has to take off a coordinate to get the particle's true centre."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryoglean.io.relion_columns import (
    ANGSTROM_PER_MICROMETRE,
    DETECTOR_PIXEL_SIZE,
    GROUP,
    IMAGE_PIXEL_SIZE,
    MAGNIFICATION,
    ORIGIN_X,
    ORIGIN_X_PX,
    ORIGIN_Y,
    ORIGIN_Y_PX,
    ORIGINAL_PIXEL_SIZE,
    PIXEL_SIZE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray


def origin_columns(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns of origins that count: those in angstrom, else those in pixels of before RELION 3.1."""
    pairs = ((ORIGIN_X, ORIGIN_Y), (ORIGIN_X_PX, ORIGIN_Y_PX))
    return next((pair for pair in pairs if {*pair} <= set(table.columns)), ())


def origins(
    numbers: Mapping[str, NDArray[np.float64]], image_pixel_size: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the origins of n particles, each in the unit in which it is known.

    Args:
        numbers: (n,) of each column of origins that there is.
        image_pixel_size: (n,) in angstrom, of the particles' images: RELION 3.0 has origins in its pixels. None takes
            them for pixels of the micrograph.

    Returns:
        (n, 2) in angstrom, and (n, 2) in pixels of the micrograph, x first; the true centre is the coordinate minus
        both.
    """
    count = len(next(iter(numbers.values())))
    nothing = np.zeros((count, 2))
    if ORIGIN_X in numbers:
        return np.stack([numbers[ORIGIN_X], numbers[ORIGIN_Y]], axis=1), nothing
    if ORIGIN_X_PX not in numbers:
        return nothing, nothing
    pixels = np.stack([numbers[ORIGIN_X_PX], numbers[ORIGIN_Y_PX]], axis=1)
    return (nothing, pixels) if image_pixel_size is None else (pixels * image_pixel_size[:, None], nothing)


def image_pixel_sizes(table: pd.DataFrame, optics: pd.DataFrame | None) -> NDArray[np.float64] | None:
    """Return (n,) the pixel size in angstrom of each particle's image, or None if it is not known."""
    size = _values(table, optics, IMAGE_PIXEL_SIZE)
    detector, magnification = (_values(table, optics, name) for name in (DETECTOR_PIXEL_SIZE, MAGNIFICATION))
    if size is None and detector is not None and magnification is not None:
        return _sound(detector * ANGSTROM_PER_MICROMETRE / magnification)
    return size


def micrograph_pixel_sizes(table: pd.DataFrame, optics: pd.DataFrame | None) -> NDArray[np.float64] | None:
    """Return (n,) the pixel size in angstrom of each particle's micrograph, or None if it is not known."""
    own = _values(table, optics, PIXEL_SIZE)
    return _values(table, optics, ORIGINAL_PIXEL_SIZE) if own is None else own


def _values(table: pd.DataFrame, optics: pd.DataFrame | None, column: str) -> NDArray[np.float64] | None:
    """Return a column of the particles, else that of their optics groups; None unless all of it is above 0."""
    if column in table.columns:
        return _numbers(table[column])
    if optics is None or column not in optics.columns or not len(optics):
        return None
    if GROUP not in table.columns or GROUP not in optics.columns:
        return _numbers([optics[column].iloc[0]] * len(table))
    return _numbers(table[GROUP].map(dict(zip(optics[GROUP], optics[column], strict=True))))


def _numbers(cells: pd.Series[str] | list[str]) -> NDArray[np.float64] | None:
    try:
        return _sound(np.array(cells, dtype=np.float64))
    except ValueError:
        return None


def _sound(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    return values if bool((np.isfinite(values) & (values > 0)).all()) else None
