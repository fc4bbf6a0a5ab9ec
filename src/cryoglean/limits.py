"""Limits that hold everywhere, each said once."""

from __future__ import annotations

MIN_DIAMETER_PX = 4.0
"""A particle must be this many stored pixels across to have a shape. Derived: two samples for each half of a profile
that falls and rises again (Nyquist)."""

DEFAULT_SPACING_DIAMETERS = 0.5
"""Minimum distance between two picks, in particle diameters, where the user gives none. Derived: neighbours of crowded
fields come as near as 0.75 diameters, and two peaks within a radius are of one particle."""

SAME_PLACE_DIAMETERS = 0.25
"""Distance in diameters up to which two centres are those of one particle. Derived: what an IoU of 0.6 allows along one
axis, and half the default minimum distance, so that nothing is as near to two picks."""

PIXEL_SIZE_TOLERANCE = 0.01
"""Pixel sizes, and diameters, that differ by no more than this share of themselves are taken for equal. Derived: over a
box of 1.5 diameters of 50 px, a percent is less than a pixel."""


def is_same_size(one: float, other: float) -> bool:
    """Tell whether two lengths are equal within `PIXEL_SIZE_TOLERANCE` of the smaller; NaN equals none."""
    return abs(one - other) <= PIXEL_SIZE_TOLERANCE * min(one, other)


def min_distance_angstrom(given_angstrom: float | None, diameter_angstrom: float) -> float:
    """Return the minimum distance between two picks: the one given, else `DEFAULT_SPACING_DIAMETERS`."""
    return DEFAULT_SPACING_DIAMETERS * diameter_angstrom if given_angstrom is None else given_angstrom
