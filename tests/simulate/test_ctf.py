"""The contrast transfer function against formulas of its own."""

import numpy as np
import pytest

from cryoglean.simulate.ctf import ContrastTransfer
from cryoglean.simulate.scattering import wavelength_angstrom


def along_x(transfer, k):
    return transfer.at(np.asarray(k, float), np.zeros(1))


def zeros(k, values):
    where = np.flatnonzero(np.diff(np.sign(values)))
    share = values[where] / (values[where] - values[where + 1])
    return k[where] + share * (k[1] - k[0])


@pytest.mark.parametrize("defocus", [5_000.0, 12_345.0, 30_000.0])
@pytest.mark.parametrize("kv", [200.0, 300.0])
def test_without_amplitude_contrast_and_aberration_zeros_lie_at_the_root_of_n_over_lambda_defocus(defocus, kv):
    transfer = ContrastTransfer(defocus, defocus, 0, kv, 0, 0)
    k = np.linspace(1e-3, 0.2, 20_001)
    found = zeros(k, along_x(transfer, k).astype(float))
    n = np.arange(1, len(found) + 1)
    np.testing.assert_allclose(found, np.sqrt(n / (wavelength_angstrom(kv) * defocus)), atol=2e-5)


def test_it_is_the_sine_of_the_textbook():
    transfer = ContrastTransfer(21_000, 18_000, 30, 300, 2.7, 0.07, 50)
    rng = np.random.default_rng(0)
    kx, ky = rng.uniform(-0.3, 0.3, (2, 200))
    k, angle, wavelength = np.hypot(kx, ky), np.arctan2(ky, kx), wavelength_angstrom(300)
    defocus = 18_000 + 3_000 * np.cos(angle - np.radians(30)) ** 2
    chi = np.pi * wavelength * defocus * k**2 - np.pi / 2 * 2.7e7 * wavelength**3 * k**4
    expected = -(np.sqrt(1 - 0.07**2) * np.sin(chi) + 0.07 * np.cos(chi)) * np.exp(-50 * k**2 / 4)
    np.testing.assert_allclose(transfer.at(kx, ky), expected, atol=1e-5)


def test_protein_is_dark_under_focus_and_bright_over_it():
    assert along_x(ContrastTransfer(15_000, 15_000), [0.02])[0] < 0
    assert along_x(ContrastTransfer(-15_000, -15_000), [0.02])[0] > 0


def test_at_frequency_zero_only_amplitude_contrast_is_left():
    assert along_x(ContrastTransfer(15_000, 15_000, amplitude_contrast=0.12), [0.0])[0] == pytest.approx(-0.12)


@pytest.mark.parametrize("shape", [(64, 64), (65, 48), (31, 33)])
def test_the_grid_is_that_of_an_rfft(shape):
    transfer = ContrastTransfer(9_000, 8_000, 20)
    grid = transfer.on_grid(shape, 2.0)
    assert grid.shape == (shape[0], shape[1] // 2 + 1)
    row, column = 3, 5
    expected = transfer.at(np.array([column / shape[1] / 2]), np.array([row / shape[0] / 2]))
    np.testing.assert_allclose(grid[row, column], expected[0], rtol=1e-4)


def test_the_axis_of_astigmatism_turns_with_its_angle():
    one = ContrastTransfer(12_000, 9_000, 0).at(np.array([0.08]), np.array([0.0]))
    other = ContrastTransfer(12_000, 9_000, 90).at(np.array([0.0]), np.array([0.08]))
    assert one[0] == pytest.approx(other[0], abs=1e-6)


def test_fine_detail_is_displaced_by_the_slope_of_the_phase():
    transfer = ContrastTransfer(20_000, 20_000, spherical_aberration_mm=0)
    assert transfer.reach_angstrom(0.1) == pytest.approx(wavelength_angstrom(300) * 20_000 * 0.1)
