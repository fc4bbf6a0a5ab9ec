"""Units of pixel sizes: headers give them in angstrom, and some programs in another unit."""

from __future__ import annotations

_ANGSTROM = {"nanometres": 10.0, "picometres": 0.01, "micrometres": 1e4, "metres": 1e10}
"""Angstrom in other units of length. Format: by the prefixes of the metre."""

_USUAL_ANGSTROM = (0.15, 50.0)
"""Pixel sizes of micrographs that particles are picked from. Chosen by hand: detectors have 0.3 to 4 angstrom, which
binned images multiply and super-resolution halves."""


def is_usual(pixel_size_angstrom: float) -> bool:
    """Tell whether a micrograph may have pixels of this size."""
    low, high = _USUAL_ANGSTROM
    return low <= pixel_size_angstrom <= high


def unit_remedy(pixel_size_angstrom: float) -> str | None:
    """Return what is wrong with a pixel size that is none of a micrograph, with what to give; None if it may be right.

    The unit is the first of `_ANGSTROM` in which the number is usual: 0.1 is 1 A in nanometres.
    """
    if is_usual(pixel_size_angstrom):
        return None
    wrong = f"the header's pixel size of {pixel_size_angstrom:.4g} Å is none of a micrograph"
    usual = {unit: pixel_size_angstrom * factor for unit, factor in _ANGSTROM.items()}
    for unit, size in usual.items():
        if is_usual(size):
            return f"{wrong}: if it is in {unit}, give --pixel-size {size:.4g}"
    return f"{wrong}: give --pixel-size"
