"""Ice: how thick it is, how many electrons it lets through, and the noise of its structure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.simulate.scattering import (
    atom_in_ice,
    ice_molecules_per_cubic_angstrom,
    phase_per_scattering_length,
    water,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.simulate.settings import Ice

_MIN_SHARE = 0.05
"""Thinnest ice over the mean. Chosen by hand: particles need some to lie in."""

_COMPRESSED = 0.06
"""Structure factor of water for long waves: molecules keep their distance. Derived: n k T times the compressibility of
liquid water at 25 degrees Celsius."""

_PEAK_FREQUENCY = 1 / 3.7
"""Diffuse ring of vitreous ice, in 1/angstrom. Published (McMullan, Vinothkumar and Henderson, Ultramicroscopy 158, 26,
2015)."""

_PEAK_WIDTH, _PEAK_HEIGHT, _RISE_WIDTH = 0.03, 1.0, 0.015
"""Width and height of the ring, and width of the rise before it. Chosen by hand, by eye; not measured."""

_MOTION_SQUARE_ANGSTROM_PER_DOSE = 1.1
"""Mean squared distance that water moves, for each electron per square angstrom. Published (McMullan et al. 2015, as
above)."""

CARBON_THICKNESS_ANGSTROM = 200.0
"""Thickness of the carbon film. Chosen by hand, in the order of holey films'."""

CARBON_FREE_PATH_ANGSTROM = 1_600.0
"""Thickness of carbon that lets a share of 1 / e through. Chosen by hand: it makes the film an eighth darker."""

_CARBON_ATOMS_PER_CUBIC_ANGSTROM = 0.1
"""Derived from a density of 2 g/cm3."""

_CARBON_DISORDER = 1.0
"""Structure factor of amorphous carbon. Chosen by hand: that of atoms which know nothing of each other."""


def thickness_map(
    ice: Ice, shape: tuple[int, int], slope_deg: float, frame: tuple[int, int, int] = (0, 0, 0)
) -> NDArray[np.float32]:
    """Return the thickness in angstrom, `(h, w)` with the frame: an inclined plane round the mean.

    It is nowhere less than a twentieth of the mean.

    Args:
        ice: thickness and gradient.
        shape: (h, w) of the micrograph, in whose middle it has its mean.
        slope_deg: direction in which it becomes thicker, from the x axis towards y.
        frame: width of the frame at the top and left, at the bottom, and at the right, in pixels.
    """
    (height, width), (before, below, right) = shape, frame
    angle = math.radians(slope_deg)
    across = abs(math.cos(angle)) * (width - 1) + abs(math.sin(angle)) * (height - 1)
    x = (np.arange(-before, width + right) - (width - 1) / 2) * (math.cos(angle) / max(across, 1))
    y = (np.arange(-before, height + below) - (height - 1) / 2) * (math.sin(angle) / max(across, 1))
    plane = 1 + ice.gradient * (y[:, None] + x[None, :])
    return (ice.thickness_angstrom * np.maximum(plane, _MIN_SHARE)).astype(np.float32)


def ice_spectrum(
    ice: Ice, frequency: NDArray[np.floating], voltage_kv: float, dose_electrons_per_square_angstrom: float
) -> NDArray[np.float64]:
    """Return the power spectrum of the phase of ice of mean thickness, in square radians times square angstrom.

    Water molecules scatter like those of a liquid that hardly lets itself be compressed, with its diffuse ring at
    3.7 angstrom, and wander under the beam, 1.1 square angstrom in the mean for each electron per square angstrom
    (McMullan, Vinothkumar and Henderson, Ultramicroscopy 158, 26, 2015), which the sum of all frames averages out. What
    is dissolved has an exponential correlation function.

    Args:
        ice: the settings.
        frequency: spatial frequencies in 1/angstrom, any shape.
        voltage_kv: acceleration voltage.
        dose_electrons_per_square_angstrom: total dose.
    """
    k = np.asarray(frequency, np.float64)
    molecules = ice.thickness_angstrom * ice_molecules_per_cubic_angstrom()
    single = (phase_per_scattering_length(voltage_kv) * water().at(k)) ** 2
    moved = _motion_average(k, _MOTION_SQUARE_ANGSTROM_PER_DOSE * dose_electrons_per_square_angstrom)
    length = ice.solute_length_angstrom
    solute = ice.solute_phase_rad**2 * 2 * math.pi * length**2 / (1 + (2 * math.pi * k * length) ** 2) ** 1.5
    total: NDArray[np.float64] = ice.noise**2 * (molecules * single * _structure_factor(k) * moved) + solute
    return total


def carbon_spectrum(frequency: NDArray[np.floating], voltage_kv: float) -> NDArray[np.float64]:
    """Return the power spectrum of the phase of a film of amorphous carbon, as `ice_spectrum`; it does not move."""
    k = np.asarray(frequency, np.float64)
    atoms = CARBON_THICKNESS_ANGSTROM * _CARBON_ATOMS_PER_CUBIC_ANGSTROM * _CARBON_DISORDER
    single = phase_per_scattering_length(voltage_kv) * atom_in_ice("C", with_hydrogens=False).at(np.maximum(k, 0.1))
    spectrum: NDArray[np.float64] = atoms * single**2
    return spectrum


def _structure_factor(k: NDArray[np.float64]) -> NDArray[np.float64]:
    rise = 1 / (1 + np.exp(np.clip((_PEAK_FREQUENCY - 0.04 - k) / _RISE_WIDTH, -60, 60)))
    peak = _PEAK_HEIGHT * np.exp(-(((k - _PEAK_FREQUENCY) / _PEAK_WIDTH) ** 2) / 2)
    factor: NDArray[np.float64] = _COMPRESSED + (1 - _COMPRESSED) * rise + peak
    return factor


def _motion_average(k: NDArray[np.float64], square_angstrom: float) -> NDArray[np.float64]:
    """Return what is left of the power when scatterers diffuse: the mean of exp(-x |s - t|) for s, t in 0 to 1."""
    x = np.maximum((2 * math.pi * k) ** 2 * square_angstrom / 6, 1e-4)
    left: NDArray[np.float64] = 2 * (np.exp(-x) - 1 + x) / x**2
    return left
