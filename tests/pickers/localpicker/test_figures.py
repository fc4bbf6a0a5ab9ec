"""The template as a curve."""

import numpy as np
import pytest
from tests.learned_facts import PROFILE, localpicker_model

from cryoglean.pickers.localpicker.figures import radial_template


def test_the_curve_of_a_disc_has_no_net_weight_and_drops_at_its_radius():
    radius, value = radial_template(localpicker_model(profile=None))
    fine = np.linspace(0, radius[-1], 200_001)
    weight = np.interp(fine, radius, value) * fine
    assert abs(weight.sum()) < 1e-3 * np.abs(weight).sum()
    assert np.interp([47.9, 48.1], radius, value) == pytest.approx([1, -0.8])


def test_the_curve_of_a_learned_profile_is_in_angstrom_and_of_unit_height():
    radius, value = radial_template(localpicker_model(profile=tuple(3 * v for v in PROFILE)))
    assert radius[[0, 1, -1]] == pytest.approx([0, 120 / 32, 90])
    assert np.abs(value).max() == pytest.approx(1)
    assert np.corrcoef(value, PROFILE)[0, 1] == pytest.approx(1)
