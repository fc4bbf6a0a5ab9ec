"""Recentering moves picks by what the alignment found, and is undone by the opposite."""

import numpy as np
import pytest

from cryoglean.particles.recentring import recentred
from cryoglean.picks import Picks

RANDOM = np.random.default_rng(0)
PICKS = Picks(RANDOM.uniform(0, 500, 20), RANDOM.uniform(0, 300, 20), RANDOM.uniform(0, 1, 20))


def test_the_true_centre_is_the_coordinate_minus_the_origin_in_pixels():
    shifts = RANDOM.normal(0, 8, (20, 2))
    np.testing.assert_allclose(recentred(PICKS, shifts, 1.6).xy, PICKS.xy - shifts / 1.6)


def test_the_opposite_shift_brings_everything_back():
    shifts = RANDOM.normal(0, 8, (20, 2))
    back = recentred(recentred(PICKS, shifts, 1.6), -shifts, 1.6)
    np.testing.assert_allclose(back.xy, PICKS.xy)
    np.testing.assert_array_equal(back.score, PICKS.score)


def test_a_class_centre_goes_round_with_the_angle():
    still, quarter, half = (
        recentred(PICKS, (0, 0), 2.0, psi_degrees=psi, class_centre_angstrom=(6, 0)).xy - PICKS.xy
        for psi in (0, 90, 180)
    )
    np.testing.assert_allclose(still, np.tile([3.0, 0.0], (20, 1)), atol=1e-9)
    np.testing.assert_allclose(quarter, np.tile([0.0, -3.0], (20, 1)), atol=1e-9)
    np.testing.assert_allclose(half, -still, atol=1e-9)


@pytest.mark.parametrize("shifts", [np.zeros((3, 2)), np.zeros(5), np.full((20, 2), np.nan)])
def test_what_does_not_fit_is_an_error(shifts):
    with pytest.raises(ValueError, match=r"shape|finite|broadcast"):
        recentred(PICKS, shifts, 1.0)
