"""Electrons and atoms: wavelength, phase shift, and what one atom in ice adds to the projected potential.

Scattering factors are the five-Gaussian fits of Peng, Ren, Dudarev and Whelan (Acta Cryst. A52, 257, 1996), table
4.3.2.2 of the International Tables for Crystallography, volume C, as gemmi carries them (`c4322`). The water that an
atom displaces is a Gaussian of the atom's volume (Fraser, MacRae and Suzuki, J. Appl. Cryst. 11, 693, 1978), so that a
particle shows by its contrast to the ice around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import gemmi
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROTEIN_DA_PER_CUBIC_ANGSTROM = 0.81
"""Mass of protein in its volume. Derived from a density of 1.35 g/cm3."""

_REST_ENERGY_EV = 510_998.95
"""Rest energy of the electron. Published (CODATA 2018)."""

_AVOGADRO_PER_CUBIC_ANGSTROM = 0.602214076
"""Molecules per cubic angstrom of 1 g/cm3 and 1 g/mol. Derived from Avogadro's number, which is exact."""

_ICE_DENSITY_G_PER_CM3 = 0.93
"""Density of vitreous ice. Chosen by hand; 0.92 to 0.94 are in use."""

_WATER_DA = 18.015
"""Mass of water. Published (standard atomic weights)."""

_BOND_TO_HYDROGEN_ANGSTROM = 1.05
"""Distance of a hydrogen from its atom. Chosen by hand, between O-H and N-H (1.0) and C-H (1.1)."""

_DISPLACED_CUBIC_ANGSTROM = {"H": 5.15, "C": 16.44, "N": 2.49, "O": 9.13, "S": 19.86, "P": 5.73}
"""Water that an atom displaces. Published (Fraser, MacRae and Suzuki, J. Appl. Cryst. 11, 693, 1978)."""

_DISPLACED_BY_OTHERS_CUBIC_ANGSTROM = 10.0
"""The same for all other elements. Chosen by hand, in the middle of the known ones; they are rare."""

_HYDROGENS_ON = {"C": 1.13, "N": 1.2, "O": 0.33}
"""Hydrogens per atom where a model leaves them out. Derived: the mean residue comes out right to a hundredth."""

_MEAN_RESIDUE = {"C": 4.9384, "H": 7.7583, "N": 1.3577, "O": 1.4773, "S": 0.0417}
"""Atoms of a mean residue. Published (Senko, Beu and McLafferty, J. Am. Soc. Mass Spectrom. 6, 229, 1995)."""

_RESIDUE_RADIUS_ANGSTROM = 1.9
"""Root mean square distance of a residue's atoms from their middle, along one axis. Chosen by hand."""


@dataclass(frozen=True)
class Scatterer:
    """Something that scatters like a sum of Gaussians: f(k) = sum of `amplitudes` exp(-`widths` k^2 / 4).

    Attributes:
        amplitudes_angstrom: scattering lengths.
        widths_square_angstrom: B factors; k is the spatial frequency in 1/angstrom (twice sin(theta) / lambda).
        mass_da: mass.
    """

    amplitudes_angstrom: tuple[float, ...]
    widths_square_angstrom: tuple[float, ...]
    mass_da: float

    def at(self, frequency: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the scattering length in angstrom at spatial frequencies in 1/angstrom, any shape."""
        squared = np.asarray(frequency, np.float64) ** 2 / 4
        terms = zip(self.amplitudes_angstrom, self.widths_square_angstrom, strict=True)
        total: NDArray[np.float64] = sum((a * np.exp(-b * squared) for a, b in terms), np.zeros_like(squared))
        return total

    @property
    def forward_angstrom(self) -> float:
        """Scattering length at frequency 0."""
        return sum(self.amplitudes_angstrom)

    def times(self, factor: float) -> Scatterer:
        """Return `factor` of these in one place."""
        amplitudes = tuple(factor * a for a in self.amplitudes_angstrom)
        return Scatterer(amplitudes, self.widths_square_angstrom, factor * self.mass_da)

    def blurred(self, width_square_angstrom: float) -> Scatterer:
        """Return it smeared by a B factor."""
        widths = tuple(b + width_square_angstrom for b in self.widths_square_angstrom)
        return Scatterer(self.amplitudes_angstrom, widths, self.mass_da)

    def plus(self, other: Scatterer) -> Scatterer:
        """Return both in one place."""
        return Scatterer(
            self.amplitudes_angstrom + other.amplitudes_angstrom,
            self.widths_square_angstrom + other.widths_square_angstrom,
            self.mass_da + other.mass_da,
        )


def wavelength_angstrom(voltage_kv: float) -> float:
    """Return the relativistic wavelength of electrons.

    Kirkland, Advanced Computing in Electron Microscopy, with its constants put in.
    """
    volts = 1e3 * voltage_kv
    return 12.2643 / math.sqrt(volts * (1 + 0.97845e-6 * volts))


def phase_per_scattering_length(voltage_kv: float) -> float:
    """Return the phase shift, in radians times angstrom, of one angstrom of scattering length per square angstrom.

    The projected potential is h^2 / (2 pi m e) times the scattering factor and the phase 2 pi m' e lambda / h^2 times
    the potential (Kirkland), so that wavelength times relativistic mass ratio is left.
    """
    return wavelength_angstrom(voltage_kv) * (1 + 1e3 * voltage_kv / _REST_ENERGY_EV)


@cache
def water() -> Scatterer:
    """Return one molecule of water, as free atoms."""
    hydrogens = _free_atom("H").times(2).blurred(_spread(0.96))
    return _free_atom("O").plus(hydrogens)


def ice_molecules_per_cubic_angstrom() -> float:
    """Return the number density of vitreous ice."""
    return _ICE_DENSITY_G_PER_CM3 / _WATER_DA * _AVOGADRO_PER_CUBIC_ANGSTROM


def ice_scattering_density() -> float:
    """Return the mean scattering length of vitreous ice in angstrom per cubic angstrom."""
    return ice_molecules_per_cubic_angstrom() * water().forward_angstrom


@cache
def atom_in_ice(symbol: str, *, with_hydrogens: bool) -> Scatterer:
    """Return an atom minus the ice that it displaces.

    Args:
        symbol: chemical symbol; one without tabulated scattering factors counts as carbon.
        with_hydrogens: add the mean number of hydrogens bound to such an atom (for models that leave them out).
    """
    known = gemmi.Element(symbol)
    element = symbol if known.atomic_number > 0 and known.c4322 else "C"
    atom = _with_displaced_ice(element)
    if with_hydrogens and element in _HYDROGENS_ON:
        hydrogens = _with_displaced_ice("H").times(_HYDROGENS_ON[element])
        return atom.plus(hydrogens.blurred(_spread(_BOND_TO_HYDROGEN_ANGSTROM)))
    return atom


@cache
def residue_in_ice() -> Scatterer:
    """Return a mean residue, smeared over its size, minus the ice that it displaces."""
    parts = [_with_displaced_ice(symbol).times(number) for symbol, number in _MEAN_RESIDUE.items()]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.plus(part)
    return whole.blurred(8 * math.pi**2 * _RESIDUE_RADIUS_ANGSTROM**2)


def protein_contrast_density() -> float:
    """Return the scattering length of protein above ice, in angstrom per cubic angstrom."""
    volume = sum(number * _DISPLACED_CUBIC_ANGSTROM[symbol] for symbol, number in _MEAN_RESIDUE.items())
    return residue_in_ice().forward_angstrom / volume


def _free_atom(symbol: str) -> Scatterer:
    element = gemmi.Element(symbol)
    fit = element.c4322
    return Scatterer(tuple(fit.a), tuple(fit.b), element.weight)


def _with_displaced_ice(symbol: str) -> Scatterer:
    volume = _DISPLACED_CUBIC_ANGSTROM.get(symbol, _DISPLACED_BY_OTHERS_CUBIC_ANGSTROM)
    hole = Scatterer((-ice_scattering_density() * volume,), (4 * math.pi * volume ** (2 / 3),), 0.0)
    return _free_atom(symbol).plus(hole)


def _spread(distance_angstrom: float) -> float:
    """Return the B factor of something at a distance in a random direction: sin(x) / x is exp(-x^2 / 6) to begin."""
    return 8 * math.pi**2 * distance_angstrom**2 / 3
