"""Orientations in RELION's convention: rot, tilt and psi in degrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def view_matrix(rot_deg: float, tilt_deg: float, psi_deg: float) -> NDArray[np.float64]:
    """Return the matrix that turns coordinates (x, y, z) of a model into those of the view; the beam is along z.

    It is RELION's matrix of the Euler angles: Rz(psi) Ry(tilt) Rz(rot), each turning the axes, not the object (Heymann,
    Chagoyen and Belnap, J. Struct. Biol. 151, 196, 2005).
    """
    rot, tilt, psi = np.radians([rot_deg, tilt_deg, psi_deg])
    return _about_z(psi) @ _about_y(tilt) @ _about_z(rot)


def random_view(random: np.random.Generator) -> tuple[float, float, float]:
    """Draw rot, tilt and psi evenly over all rotations, in degrees."""
    rot, psi = random.uniform(-180, 180, 2)
    tilt = np.degrees(np.arccos(random.uniform(-1, 1)))
    return float(rot), float(tilt), float(psi)


def preferred_view(
    random: np.random.Generator, rot_deg: float, tilt_deg: float, spread_deg: float
) -> tuple[float, float, float]:
    """Draw an orientation whose view lies about `spread_deg` around (rot, tilt), turned by any psi in the plane."""
    off_rot, off_tilt = random.normal(0, spread_deg, 2)
    return float(rot_deg + off_rot), float(tilt_deg + off_tilt), float(random.uniform(-180, 180))


def _about_z(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def _about_y(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
