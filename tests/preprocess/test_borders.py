"""The live area: frozen borders are cut off, whatever froze them, and nothing else is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from tests.fields import noise_field, particle_field

from cryoglean.preprocess.borders import live_area


def bounds(image):
    rows, columns = live_area(image)
    return rows.start, rows.stop, columns.start, columns.stop


@given(
    before=st.tuples(st.integers(0, 30), st.integers(0, 30)),
    after=st.tuples(st.integers(0, 30), st.integers(0, 30)),
    mode=st.sampled_from(["constant", "edge"]),
    seed=st.integers(0, 99),
)
def test_padding_is_found_to_the_line(before, after, mode, seed):
    image = 100 + noise_field((150, 180), seed)
    widths = tuple(zip(before, after, strict=True))
    padded = np.pad(image, widths, mode=mode)
    top, bottom, left, right = bounds(padded)
    found = (top, len(padded) - bottom, left, padded.shape[1] - right)
    for lines, width in zip(found, before[:1] + after[:1] + before[1:] + after[1:], strict=True):
        if mode == "edge":  # the line that is repeated goes with its copies
            assert lines == (width + 1 if width else 0)
        else:  # one line of zeros repeats nothing
            assert lines == (width if width > 1 else 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (2, 3), (4, 4), (5, 5), (16, 16), (17, 200), (333, 401)])
def test_there_is_always_something_alive(shape):
    for image in (noise_field(shape), np.zeros(shape, np.float32), np.indices(shape)[0].astype(np.float32) // 2):
        top, bottom, left, right = bounds(np.ascontiguousarray(image, dtype=np.float32))
        assert 0 <= top < bottom <= shape[0]
        assert 0 <= left < right <= shape[1]


@pytest.mark.parametrize("sigma", [0, 1, 3, 8])
def test_no_more_of_a_whole_micrograph_is_lost_than_a_filter_made_alike_at_its_edges(sigma):
    image = gaussian_filter(particle_field().image, sigma)
    assert np.abs(np.array(bounds(image)) - (0, 480, 0, 540)).max() <= sigma


def test_a_constant_micrograph_stays_whole():
    assert bounds(np.full((60, 70), 5, np.float32)) == (0, 60, 0, 70)


@pytest.mark.parametrize("gain", [1e-6, 1e6])
def test_the_level_of_the_noise_does_not_matter(gain):
    padded = np.pad(gain * noise_field((150, 180)), 20, constant_values=7 * gain)
    assert bounds(padded.astype(np.float32)) == (20, 170, 20, 200)


def test_outer_lines_that_a_filter_stirred_up_belong_to_the_border():
    padded = np.pad(noise_field((300, 320)), 40, mode="edge")
    padded[:5] = noise_field((5, 400), 1)
    top, *_ = bounds(padded)
    assert 40 <= top <= 41


def test_lines_that_a_mask_marks_from_end_to_end_are_border_wherever_the_image_is_frozen():
    image, mask = np.pad(noise_field((150, 180)), ((9, 0), (0, 4))), np.zeros((159, 184), bool)
    mask[:5], mask[-20:], mask[:, :11], mask[60:80, 60:80] = True, True, True, True
    assert live_area(image.astype(np.float32), mask) == (slice(9, 139), slice(11, 180))
    assert live_area(image.astype(np.float32), ~np.zeros_like(mask)) == live_area(image.astype(np.float32))
