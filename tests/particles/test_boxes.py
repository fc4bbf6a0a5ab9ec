"""The laws of boxes: where the centre goes, what scaling keeps, and what normalising makes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.particles.boxes import anchors, cut_boxes, normalise_background, scale_boxes

SIZES = st.integers(8, 41)


def blob(size, sigma, dx=0.0, dy=0.0):
    """A Gaussian at the box centre, or off it."""
    steps = torch.arange(size, dtype=torch.float64) - size // 2
    return torch.exp(-((steps[:, None] - dy) ** 2 + (steps[None, :] - dx) ** 2) / (2 * sigma**2))


def centre_of_mass(box):
    steps = torch.arange(box.shape[-1], dtype=torch.float64) - box.shape[-1] // 2
    return float((box.sum(0) * steps).sum() / box.sum()), float((box.sum(1) * steps).sum() / box.sum())


@given(SIZES, SIZES)
def test_a_delta_in_the_centre_stays_in_the_centre(size, new):
    box = torch.zeros(1, size, size, dtype=torch.float64)
    box[0, size // 2, size // 2] = 1
    scaled = scale_boxes(box, new)[0]
    assert np.unravel_index(int(scaled.argmax()), scaled.shape) == (new // 2, new // 2)
    centre = new // 2
    reach = min(centre, new - 1 - centre)
    rows = scaled[centre - reach : centre + reach + 1]
    assert torch.allclose(rows, rows.flip(0))


@given(st.floats(-3, 3), st.floats(-3, 3), st.sampled_from([(64, 32), (64, 31), (45, 30), (45, 31), (32, 48)]))
def test_a_sub_pixel_gaussian_goes_where_it_belongs(dx, dy, sizes):
    old, new = sizes
    scaled = scale_boxes(blob(old, 3.0, dx, dy)[None], new)[0]
    assert centre_of_mass(scaled) == pytest.approx((dx * new / old, dy * new / old), abs=1e-3)


@given(SIZES, SIZES)
def test_scaling_keeps_the_mean(size, new):
    box = torch.from_numpy(np.random.default_rng(size * 100 + new).normal(3, 1, (2, size, size)))
    assert torch.allclose(scale_boxes(box, new).mean(dim=(1, 2)), box.mean(dim=(1, 2)))


@pytest.mark.parametrize(("old", "new"), [(64, 40), (64, 41), (63, 40), (63, 41), (100, 64)])
def test_scaling_is_cropping_the_fourier_transform(old, new):
    """Two roads: matrix products, and the transform itself, cut out round frequency 0 (away from Nyquist)."""
    box = np.random.default_rng(0).normal(size=(old, old))
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(box)))
    first = old // 2 - new // 2
    cropped = spectrum[first : first + new, first : first + new].copy()
    if new % 2 == 0:
        cropped[0], cropped[:, 0] = 0, 0
    by_fft = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(cropped))).real * (new / old) ** 2
    ours = scale_boxes(torch.from_numpy(box)[None], new)[0].numpy()
    if new % 2 == 0:
        own = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(ours)))
        own[0], own[:, 0] = 0, 0
        ours = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(own))).real
    np.testing.assert_allclose(ours, by_fft, atol=1e-12)


def test_enlarging_and_shrinking_again_changes_nothing():
    box = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 31, 31)))
    assert torch.allclose(scale_boxes(scale_boxes(box, 50), 31), box)


@given(st.lists(st.tuples(st.floats(-20, 120), st.floats(-20, 120)), min_size=1, max_size=9), st.integers(8, 40))
def test_coordinate_is_anchor_minus_rest_and_the_rest_is_half_a_pixel_at_most(xy, size):
    centres = torch.tensor(xy, dtype=torch.float64)
    found = anchors(centres, size, slice(0, 90), slice(5, 100))
    assert torch.allclose(found.xy - found.rest_px, centres)
    assert float(found.rest_px.abs().max()) <= 0.5
    first = found.xy - size // 2
    for inside, (left, top) in zip(found.inside.tolist(), first.tolist(), strict=True):
        assert inside == (left >= 5 and top >= 0 and left + size <= 100 and top + size <= 90)
    assert not (found.inside & ~found.centre_inside).any()


def test_boxes_are_the_pixels_of_the_image_and_beyond_it_its_mirror():
    image = torch.from_numpy(np.random.default_rng(2).normal(size=(50, 61)))
    padded = np.pad(image.numpy(), 20, mode="reflect")
    xy = torch.tensor([[30, 25], [0, 0], [60, 49], [3, 44]])
    for size in (16, 17):
        for (x, y), box in zip(xy.tolist(), cut_boxes(image, xy, size), strict=True):
            top, left = y + 20 - size // 2, x + 20 - size // 2
            np.testing.assert_array_equal(box.numpy(), padded[top : top + size, left : left + size])


@given(st.floats(0.1, 1e4), st.floats(-1e4, 1e4), st.booleans())
def test_the_background_has_mean_zero_and_deviation_one_whatever_the_grey_scale(gain, offset, ramp):
    boxes = torch.from_numpy(np.random.default_rng(3).normal(size=(4, 32, 32))) * gain + offset
    boxes[:, 12:20, 12:20] += 7 * gain
    done, usable = normalise_background(boxes, 12.5, ramp=ramp)
    steps = torch.arange(32) - 16
    outside = torch.hypot(steps[:, None].double(), steps[None, :].double()) > 12.5
    assert usable.all()
    assert torch.allclose(done[:, outside].mean(1), torch.zeros(4, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(done[:, outside].std(1, correction=0), torch.ones(4, dtype=torch.float64))


def test_a_ramp_is_removed_whole():
    noise = torch.from_numpy(np.random.default_rng(4).normal(size=(2, 40, 40)))
    steps = torch.arange(40.0).double()
    tilted = noise + 3 * steps[:, None] - 2 * steps[None, :] + 50
    plain, _ = normalise_background(noise, 15, ramp=True)
    flattened, _ = normalise_background(tilted, 15, ramp=True)
    assert torch.allclose(plain, flattened)


@pytest.mark.parametrize("value", [0.0, 7.25, float("nan"), float("inf")])
def test_boxes_without_a_usable_background_are_named_and_never_nan(value):
    boxes = torch.from_numpy(np.random.default_rng(5).normal(size=(3, 24, 24)).astype(np.float32))
    boxes[1] = value
    done, usable = normalise_background(boxes, 9)
    assert usable.tolist() == [True, False, True]
    assert torch.isfinite(done).all()


def test_no_background_at_all_is_an_error():
    with pytest.raises(ValueError, match="no background"):
        normalise_background(torch.zeros(1, 16, 16), 40)
