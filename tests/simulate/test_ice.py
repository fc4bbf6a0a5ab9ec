"""Ice: its thickness, its spectrum, and that the noise drawn has that spectrum."""

import numpy as np
import pytest

from cryoglean.simulate.ice import carbon_spectrum, ice_spectrum, thickness_map
from cryoglean.simulate.settings import Ice


def test_thickness_has_its_mean_and_its_gradient():
    t = thickness_map(Ice(thickness_angstrom=500, gradient=0.4), (301, 401), 30)
    assert t.mean() == pytest.approx(500, rel=1e-3)
    assert np.ptp(t) == pytest.approx(200, rel=1e-3)


def test_it_grows_in_the_direction_said_and_is_nowhere_gone():
    t = thickness_map(Ice(gradient=1.5), (50, 60), 0)
    assert (np.diff(t[0]) >= 0).all()
    assert np.ptp(t[:, 10]) == 0
    assert t.min() > 0


def test_water_hardly_scatters_at_low_angles_and_most_at_its_ring():
    k = np.linspace(0.01, 0.5, 500)
    still = ice_spectrum(Ice(solute_phase_rad=0), k, 300, 1e-6)
    assert k[still.argmax()] == pytest.approx(1 / 3.7, abs=0.02)
    assert still[0] < 0.2 * still.max()


def test_more_dose_averages_more_of_the_ring_out():
    k = np.array([1 / 3.7])
    low, high = (ice_spectrum(Ice(solute_phase_rad=0), k, 300, dose)[0] for dose in (5, 50))
    assert high < low / 4


def test_what_is_dissolved_has_the_variance_that_was_asked_for():
    ice = Ice(noise=0, solute_phase_rad=0.05, solute_length_angstrom=20)
    k = np.linspace(0, 5, 200_001)
    variance = np.trapezoid(ice_spectrum(ice, k, 300, 40) * 2 * np.pi * k, k)
    assert variance == pytest.approx(0.05**2, rel=0.02)


def test_twice_as_thick_is_twice_the_power():
    k = np.array([0.1, 0.3])
    one, two = (ice_spectrum(Ice(thickness_angstrom=t, solute_phase_rad=0), k, 300, 40) for t in (300, 600))
    np.testing.assert_allclose(two, 2 * one)


def test_carbon_is_more_disordered_than_ice():
    k = np.array([0.05])
    assert carbon_spectrum(k, 300) > 3 * ice_spectrum(Ice(solute_phase_rad=0), k, 300, 40)
