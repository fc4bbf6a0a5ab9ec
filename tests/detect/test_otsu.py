"""Otsu's threshold: the largest variance between two groups, held against every other parting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.filters import threshold_otsu

from cryoglean.detect.otsu import otsu_threshold


def variance_between(values, threshold):
    above = values > threshold
    if not above.any() or above.all():
        return 0.0
    share = above.mean()
    return share * (1 - share) * (values[above].mean() - values[~above].mean()) ** 2


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=30))
def test_no_threshold_parts_better(values):
    values = np.array(values, dtype=float)
    best = variance_between(values, otsu_threshold(values))
    assert best >= max(variance_between(values, other) for other in values) * (1 - 1e-9)


def test_two_groups_are_parted_in_the_middle_between_them_wherever_they_lie():
    values = np.r_[np.linspace(0, 1, 50), np.linspace(5, 6, 10)]
    assert otsu_threshold(values) == 3
    assert otsu_threshold(values + 1e6) == pytest.approx(3 + 1e6)


@given(st.integers(0, 99))
def test_rounding_does_not_choose_between_partings_that_are_equally_good(seed):
    levels = np.repeat([0.0, 1.0, 2.0], [40, 9, 40])
    values = 0.1 + levels * (1 + 1e-15 * np.random.default_rng(seed).standard_normal(len(levels)))
    assert otsu_threshold(values) == pytest.approx(0.6)


def test_nothing_is_above_where_all_are_equal():
    assert not (np.ones(7) > otsu_threshold(np.ones(7))).any()


def test_it_is_within_a_bin_of_that_of_a_histogram():
    values = np.r_[np.random.default_rng(0).normal(0, 1, 3000), np.random.default_rng(1).normal(6, 1, 1000)]
    assert otsu_threshold(values) == pytest.approx(threshold_otsu(values), abs=np.ptp(values) / 256)
