"""Calibration: what made the labels is found again."""

import numpy as np
import pytest
from scipy.special import expit

from cryoglean.pickers.kpicker.calibration import calibrate


def drawn(slope, offset, share, n=6000, seed=0):
    random = np.random.default_rng(seed)
    odds = random.normal(0, 4, n)
    return odds, random.random(n) < share * expit(slope * odds + offset)


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("offset", [-3.0, 0.0, 1.0])
@pytest.mark.parametrize("share", [0.6, 0.9])
def test_the_function_that_drew_the_labels_is_found(slope, offset, share):
    found = calibrate(*drawn(slope, offset, share))
    grid = np.linspace(-12, 12, 200)
    assert np.abs(found.probability(grid) - expit(slope * grid + offset)).max() < 0.08
    if slope >= 1:  # a flatter function hardly reaches its end
        assert found.labelled_share == pytest.approx(share, abs=0.05)


def test_scale_and_shift_of_the_odds_do_not_matter():
    odds, labelled = drawn(1.0, 0.5, 0.9)
    first, second = calibrate(odds, labelled), calibrate(10 * odds + 3, labelled)
    np.testing.assert_allclose(first.probability(odds), second.probability(10 * odds + 3), atol=0.01)


@pytest.mark.parametrize("labelled", [[True] * 5, [False] * 5])
def test_with_one_kind_only_the_network_is_believed(labelled):
    odds = np.linspace(-2, 2, 5)
    np.testing.assert_allclose(calibrate(odds, np.array(labelled)).probability(odds), expit(odds))


def test_kinds_that_are_apart_give_a_finite_slope():
    odds = np.concatenate([np.linspace(-9, -5, 50), np.linspace(5, 9, 50)])
    found = calibrate(odds, odds > 0)
    assert np.isfinite(found.slope)
    assert found.probability(np.array([-5.0]))[0] < 0.05
    assert found.probability(np.array([5.0]))[0] > 0.95


def test_probability_rises_with_the_odds():
    random = np.random.default_rng(3)
    odds, labelled = random.normal(size=300), random.random(300) < 0.5  # labels that mean nothing
    assert (np.diff(calibrate(odds, labelled).probability(np.linspace(-5, 5, 50))) > 0).all()
