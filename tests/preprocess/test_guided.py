"""The guided filter: window by window in plain NumPy gives the same; and what the paper says of its limits."""

import numpy as np
import pytest
import torch
from tests.fields import noise_field

from cryoglean.preprocess.guided import box_mean, guided_filter


def windows(shape, radius):
    for y in range(shape[0]):
        for x in range(shape[1]):
            yield (
                y,
                x,
                (slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1)),
            )


def reference(image, guide, radius, epsilon):
    slope, offset, result = (np.zeros(image.shape) for _ in range(3))
    for y, x, w in windows(image.shape, radius):
        covariance = (guide[w] * image[w]).mean() - guide[w].mean() * image[w].mean()
        slope[y, x] = covariance / (guide[w].var() + epsilon)
        offset[y, x] = image[w].mean() - slope[y, x] * guide[w].mean()
    for y, x, w in windows(image.shape, radius):
        result[y, x] = slope[w].mean() * guide[y, x] + offset[w].mean()
    return result


@pytest.mark.parametrize("shape", [(24, 31), (17, 12)])
@pytest.mark.parametrize("radius", [0, 2, 5, 40])
def test_it_is_the_definition(shape, radius):
    image, guide = noise_field(shape), noise_field(shape, 1)
    ours = guided_filter(torch.from_numpy(image), torch.from_numpy(guide), radius, 0.1).numpy()
    np.testing.assert_allclose(ours, reference(image.astype(float), guide.astype(float), radius, 0.1), atol=1e-4)


@pytest.mark.parametrize("radius", [0, 1, 3, 30])
def test_means_are_of_the_pixels_that_there_are(radius):
    image = noise_field((19, 23)) + 1000
    expected = np.zeros(image.shape)
    for y, x, w in windows(image.shape, radius):
        expected[y, x] = image[w].astype(float).mean()
    np.testing.assert_allclose(box_mean(torch.from_numpy(image), radius).numpy(), expected, rtol=1e-6)


def test_guided_by_itself_an_image_keeps_strong_edges_and_loses_weak_noise():
    image = 0.01 * noise_field((60, 60))
    image[:, 30:] += 1
    smooth = guided_filter(*[torch.from_numpy(image)] * 2, 4, 0.01).numpy()
    assert smooth[:, 31:34].mean() - smooth[:, 26:29].mean() > 0.95
    assert smooth[10:50, 5:20].std() < 0.3 * image[10:50, 5:20].std()


def test_a_linear_function_of_the_guide_is_kept():
    guide = torch.from_numpy(noise_field((40, 50)))
    torch.testing.assert_close(guided_filter(3 * guide - 2, guide, 3, 1e-6), 3 * guide - 2, atol=1e-4, rtol=0)
