"""Peaks: where they are to a tenth of a pixel, and how far apart."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.fields import noise_field

from cryoglean.detect.peaks import find_peaks, non_maximum_suppression


def blobs(centres, shape=(80, 90), sigma=4.0):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = sum(h * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)) for x, y, h in centres)
    return torch.from_numpy(np.asarray(image, dtype=np.float32))


@given(x=st.floats(15, 70), y=st.floats(15, 60), sigma=st.floats(1.5, 8))
def test_a_gaussian_blobs_centre_is_found_to_a_tenth_of_a_pixel(x, y, sigma):
    peaks = find_peaks(blobs([(x, y, 1)], sigma=sigma), 5)
    assert abs(peaks.x[0] - x) < 0.1
    assert abs(peaks.y[0] - y) < 0.1
    assert peaks.height[0] == pytest.approx(1, abs=0.15)


def test_peaks_come_highest_first():
    peaks = find_peaks(blobs([(20, 20, 1), (60, 20, 3), (40, 60, 2)]), 5)
    np.testing.assert_allclose(peaks.height[:3], [3, 2, 1], atol=0.05)
    np.testing.assert_allclose(peaks.x[:3], [60, 40, 20], atol=0.1)
    np.testing.assert_allclose(peaks.y[:3], [20, 60, 20], atol=0.1)


@given(seed=st.integers(0, 999), distance=st.floats(0, 30), height=st.integers(1, 50), width=st.integers(1, 50))
def test_peaks_keep_their_distance_and_stay_on_the_map(seed, distance, height, width):
    peaks = find_peaks(torch.from_numpy(noise_field((height, width), seed)), distance)
    apart = np.hypot(peaks.x[:, None] - peaks.x, peaks.y[:, None] - peaks.y)
    assert (apart[~np.eye(len(peaks.x), dtype=bool)] >= distance).all()
    assert ((peaks.x >= 0) & (peaks.x <= width - 1) & (peaks.y >= 0) & (peaks.y <= height - 1)).all()
    assert (np.diff(peaks.height) <= 0).all()


@given(
    points=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30),
    distance=st.sampled_from([0, 1, 2, 3, 5, 7.5]),
)
def test_suppression_is_the_plain_walk(points, distance):
    xy = np.array(points, float).reshape(-1, 2)
    np.testing.assert_array_equal(kept_of(xy, distance), walked(xy, distance))


@pytest.mark.parametrize("shape", [(1, 150), (150, 1), (24, 30)])
def test_points_that_wait_for_each_other_in_rows_are_kept_as_the_plain_walk_keeps_them(shape):
    rows, columns = np.indices(shape)
    xy = 2.0 * np.column_stack([columns.ravel(), rows.ravel()])
    for distance in (3.0, 5.0, 11.0):
        np.testing.assert_array_equal(kept_of(xy, distance), walked(xy, distance))


def kept_of(xy, distance):
    return np.flatnonzero(non_maximum_suppression(xy[:, 0], xy[:, 1], distance))


def walked(xy, distance):
    kept = []
    for i, point in enumerate(xy):
        if all(np.hypot(*(point - xy[j])) >= distance for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("value", [0.0, -3.0, float("nan"), float("inf"), -float("inf")])
def test_a_flat_map_has_no_peaks(value):
    assert len(find_peaks(torch.full((20, 30), value), 3).x) == 0


def test_values_that_are_not_finite_hide_no_peak_but_their_own():
    image = blobs([(20, 20, 1), (60, 40, 2)])
    image[40, 59], image[10, 10], image[5, 80] = float("nan"), float("inf"), -float("inf")
    peaks = find_peaks(image, 5)
    assert np.isfinite(np.concatenate(peaks)).all()
    np.testing.assert_allclose([peaks.x[0], peaks.y[0]], [60, 40], atol=0.6)
    np.testing.assert_allclose([peaks.x[1], peaks.y[1]], [20, 20], atol=0.1)


def test_a_plateau_is_one_peak():
    image = torch.zeros(30, 30)
    image[10:13, 14:17] = 1
    assert len(find_peaks(image, 6).x) == 1
