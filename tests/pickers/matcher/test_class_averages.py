"""Class averages as templates, in all turns."""

import numpy as np
import pytest
import torch
from tests.class_averages import BOX, DIAMETER, DIAMETER_PX, PIXEL, blobs, disc

from cryoglean.pickers.matcher.class_averages import TURNS, ClassAverages, turned_templates, without_neighbours

WORKING_PX = 24.0


def averages(*images):
    return ClassAverages(np.stack(images).astype(np.float32), PIXEL)


def templates(*images):
    return turned_templates(averages(*images), DIAMETER, WORKING_PX, 0.5)


def test_templates_have_zero_mean_unit_norm_and_nothing_outside_the_circle():
    found = templates(blobs(), disc(8.0)).numpy()
    assert found.shape[0] == 2 * TURNS
    assert found.shape[1] == found.shape[2]
    assert found.shape[1] % 2 == 1
    np.testing.assert_allclose(found.sum((1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=(1, 2)), 1, rtol=1e-5)
    rows, columns = np.indices(found.shape[1:]) - found.shape[1] // 2
    outside = np.hypot(rows, columns) > 0.55 * WORKING_PX
    assert outside.any()
    assert (found[:, outside] == 0).all()


def test_a_flat_average_matches_nothing():
    found = templates(np.full((BOX, BOX), 3.0))
    assert (found == 0).all()


def test_the_first_template_is_the_average_itself_scaled_to_the_image():
    first = templates(blobs())[0].numpy()
    side = first.shape[0]
    scaled = blobs(box=side, diameter_px=WORKING_PX)
    rows, columns = np.indices((side, side)) - side // 2
    inside = np.hypot(rows, columns) < 0.45 * WORKING_PX
    assert np.corrcoef(first[inside], scaled[inside])[0, 1] > 0.97


def test_averages_of_another_pixel_size_give_the_same_templates():
    coarse = turned_templates(averages(blobs()), DIAMETER, WORKING_PX, 0.5)
    fine = ClassAverages(blobs(box=2 * BOX, diameter_px=2 * DIAMETER_PX)[None].astype(np.float32), PIXEL / 2)
    alike = torch.nn.functional.cosine_similarity(
        coarse.flatten(1), turned_templates(fine, DIAMETER, WORKING_PX, 0.5).flatten(1)
    )
    assert alike.min() > 0.97


def test_a_neighbour_is_smeared_over_the_turns_and_the_particle_stays():
    alone, beside = blobs(), blobs(x=0.9 * DIAMETER_PX)
    found = without_neighbours(averages(alone + beside), DIAMETER).images[0]
    rows, columns = np.indices(alone.shape) - BOX // 2
    radius = np.hypot(rows, columns)
    inside = radius <= DIAMETER_PX / 2
    np.testing.assert_allclose(found[inside], (alone + beside)[inside], atol=1e-6)
    rings = np.rint(radius).astype(int)
    for ring in range(int(DIAMETER_PX / 2) + 2, BOX // 2):
        here = found[rings == ring]
        assert np.ptp(here) == pytest.approx(0, abs=1e-6)
        assert here.mean() == pytest.approx((alone + beside)[rings == ring].mean(), abs=1e-6)
