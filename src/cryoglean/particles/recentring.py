"""Picks moved to where an alignment found the particles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryoglean.picks import Picks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def recentred(
    picks: Picks,
    shifts_angstrom: ArrayLike,
    pixel_size_angstrom: float,
    *,
    psi_degrees: ArrayLike = 0.0,
    class_centre_angstrom: ArrayLike = (0.0, 0.0),
) -> Picks:
    """Move picks to the particles' true centres: coordinate - origin / pixel size, as in RELION.

    If the class averages themselves are off centre, the point in them that should be the centre is carried into each
    particle by its in-plane angle: RELION's `--recenter_x` and `--recenter_y`, seen with 3.1.3.

    Args:
        picks: (n,) picks, as they were when their boxes were cut.
        shifts_angstrom: (n, 2) or (2,) `rlnOriginX/YAngst` of each particle, x first.
        pixel_size_angstrom: size of a pixel of the micrograph.
        psi_degrees: (n,) or one in-plane angle `rlnAnglePsi`.
        class_centre_angstrom: (n, 2) or (2,) point of the class average to be the new centre, from its present one.

    Returns:
        The picks at the new centres, in the same order.

    Raises:
        ValueError: if the arrays do not fit the picks, or hold a value that is not finite.
    """
    shifts = np.broadcast_to(np.asarray(shifts_angstrom, dtype=np.float64), (len(picks), 2))
    wanted = np.broadcast_to(np.asarray(class_centre_angstrom, dtype=np.float64), (len(picks), 2))
    psi = np.radians(np.broadcast_to(np.asarray(psi_degrees, dtype=np.float64), (len(picks),)))
    cos, sin = np.cos(psi), np.sin(psi)
    x = cos * wanted[:, 0] + sin * wanted[:, 1] - shifts[:, 0]
    y = cos * wanted[:, 1] - sin * wanted[:, 0] - shifts[:, 1]
    return Picks(picks.x + x / pixel_size_angstrom, picks.y + y / pixel_size_angstrom, picks.score, picks.score_kind)
