"""Adaptive equalisation: OpenCV's, but for its rounding."""

import cv2
import numpy as np
import pytest
import torch
from tests.fields import noise_field

from cryoglean.preprocess.clahe import equalise_adaptively


def greys(shape, seed=0):
    """Whole grey values with a gradient across them."""
    image = 90 + 30 * noise_field(shape, seed) + np.linspace(0, 60, shape[1])
    return image.clip(0, 255).round().astype(np.uint8)


def equalised(image, clip, tiles):
    return equalise_adaptively(torch.from_numpy(image.astype(np.float32)), clip, tiles).numpy()


@pytest.mark.parametrize("shape", [(256, 256), (200, 333), (160, 171), (97, 64)])
@pytest.mark.parametrize("tiles", [(16, 16), (4, 7), (1, 1)])
@pytest.mark.parametrize("clip", [2.0, 1.0, 40.0])
def test_whole_grey_values_give_what_opencv_rounds(shape, tiles, clip):
    image = greys(shape)
    theirs = cv2.createCLAHE(clip, (tiles[1], tiles[0])).apply(image).astype(float)
    # OpenCV rounds each curve, then their mean
    assert np.abs(equalised(image, clip, tiles) - theirs).max() <= 1 + 1e-3


def test_between_grey_values_it_is_a_straight_line():
    image = greys((90, 110)).astype(np.float32)
    low = equalised(image, 2.0, (3, 4))
    middle = equalised(image + 0.25, 2.0, (3, 4))  # rounds to the same, so the histograms are alike
    assert (middle >= low - 1e-3).all()
    high = equalised(image + 0.49, 2.0, (3, 4))
    inside = image < 254
    np.testing.assert_allclose((middle - low)[inside] * (0.49 / 0.25), (high - low)[inside], atol=1e-2)


def test_without_a_limit_one_tile_is_plain_equalisation():
    image = greys((128, 128))
    ranks = np.cumsum(np.bincount(image.ravel(), minlength=256)) / image.size * 255
    np.testing.assert_allclose(equalised(image, 256.0, (1, 1)), ranks[image], atol=1e-3)


def test_an_even_image_stays_even():
    assert np.ptp(equalised(np.full((64, 80), 100, np.uint8), 2.0, (4, 5))) < 1e-3


@pytest.mark.parametrize("value", [0, 255])
def test_the_ends_of_the_scale_can_be_met(value):
    out = equalised(np.full((32, 32), value, np.uint8), 2.0, (2, 2))
    assert 0 <= out.min() <= out.max() <= 255


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_it_is_the_same_on_a_gpu():
    image = torch.from_numpy(greys((100, 120)).astype(np.float32))
    there = equalise_adaptively(image.cuda(), 2.0, (5, 6))
    torch.testing.assert_close(there.cpu(), equalise_adaptively(image, 2.0, (5, 6)), atol=1e-2, rtol=0)
