"""Electrons and atoms: published constants, and potentials that measurements know."""

import numpy as np
import pytest

from cryoglean.simulate.scattering import (
    atom_in_ice,
    ice_scattering_density,
    phase_per_scattering_length,
    protein_contrast_density,
    residue_in_ice,
    water,
    wavelength_angstrom,
)

VOLT_ANGSTROM_SQUARE = 47.878  # h^2 / (2 pi m e): potential of one angstrom of scattering length


@pytest.mark.parametrize(("kv", "angstrom"), [(100, 0.03701), (200, 0.02508), (300, 0.01969)])
def test_wavelengths_are_those_of_the_tables(kv, angstrom):
    assert wavelength_angstrom(kv) == pytest.approx(angstrom, abs=1e-5)


@pytest.mark.parametrize(("kv", "radian_per_volt_angstrom"), [(100, 9.244e-4), (200, 7.288e-4), (300, 6.526e-4)])
def test_the_phase_of_a_potential_is_the_interaction_constant_of_the_tables(kv, radian_per_volt_angstrom):
    phase = phase_per_scattering_length(kv) / VOLT_ANGSTROM_SQUARE
    assert phase == pytest.approx(radian_per_volt_angstrom, rel=2e-3)


def test_the_mean_inner_potential_of_ice_is_that_of_free_atoms_in_water():
    assert ice_scattering_density() * VOLT_ANGSTROM_SQUARE == pytest.approx(4.5, abs=0.2)


def test_protein_stands_out_of_ice_by_two_to_four_volts():
    assert 2 < protein_contrast_density() * VOLT_ANGSTROM_SQUARE < 4


def test_atoms_scatter_less_at_higher_angles():
    f = water().at(np.array([0.0, 0.2, 0.5, 1.0]))
    assert (np.diff(f) < 0).all()
    assert f[0] == pytest.approx(water().forward_angstrom)


def test_hydrogens_that_a_model_leaves_out_have_their_mass():
    bare, whole = (atom_in_ice("C", with_hydrogens=h) for h in (False, True))
    assert whole.mass_da - bare.mass_da == pytest.approx(1.13 * 1.008, rel=1e-3)


def test_a_mean_residue_weighs_111_da():
    assert residue_in_ice().mass_da == pytest.approx(111.05, abs=0.1)


def test_an_element_without_scattering_factors_counts_as_carbon():
    assert atom_in_ice("X", with_hydrogens=False) == atom_in_ice("C", with_hydrogens=False)
