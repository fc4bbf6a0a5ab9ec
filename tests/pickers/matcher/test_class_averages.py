"""Matching with class averages: templates at all turns, and the correlation of places with the best of them."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from tests.class_averages import BOX, DIAMETER, DIAMETER_PX, PIXEL, blobs, disc

from cryoglean.detect.peaks import Peaks
from cryoglean.pickers.matcher.class_averages import TURNS, ClassAverages, match, turned_templates
from cryoglean.preprocess.working import WorkingImage

WORKING_PX = 24.0


def averages(*images):
    return ClassAverages(np.stack(images).astype(np.float32), PIXEL)


def templates(*images):
    return turned_templates(averages(*images), DIAMETER, WORKING_PX)


def working(image, diameter_px=WORKING_PX):
    image = torch.from_numpy(np.asarray(image, dtype=np.float32))
    return WorkingImage(image, torch.zeros_like(image), diameter_px, 1)


def at(*places):
    x, y = np.array(places, dtype=float).T
    return Peaks(x, y, np.ones(len(x)))


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


def test_a_turn_of_the_particle_is_found_by_a_turn_of_the_template():
    row = templates(blobs())
    side = row.shape[-1]
    upright, turned = (blobs(box=side, diameter_px=WORKING_PX, psi=psi) for psi in (0, 84))
    place = at((side // 2, side // 2))
    best, other = (match(working(image), place, row)[0] for image in (upright, turned))
    assert other == pytest.approx(best, rel=0.02)
    only_upright = row[::TURNS]
    assert match(working(turned), place, only_upright)[0] < 0.9 * best


def test_matching_is_the_correlation_that_scipy_finds_at_every_place():
    rng = np.random.default_rng(0)
    image = rng.standard_normal((50, 61)).astype(np.float32)
    some = templates(blobs(), disc(9.0))[::7]
    maps = np.stack([ndimage.correlate(image, t, mode="constant") for t in some.numpy()])
    places = [(0, 0), (60, 49), (30, 20), (7, 44)]
    expected = [maps[:, y, x].max() for x, y in places]
    np.testing.assert_allclose(match(working(image), at(*places), some), expected, atol=1e-4)


def test_the_best_of_all_classes_counts():
    one, two = templates(blobs()), templates(disc(6.0))
    image = np.random.default_rng(1).standard_normal((60, 60))
    place = at((30, 30), (12, 50))
    both = match(working(image), place, torch.cat([one, two]))
    each = [match(working(image), place, t) for t in (one, two)]
    np.testing.assert_allclose(both, np.maximum(*each), rtol=1e-6)


def test_a_fainter_particle_matches_less_and_its_surroundings_do_not_count():
    row, side = templates(blobs()), 61
    image = blobs(box=side, diameter_px=WORKING_PX)
    beside = image.copy()
    beside[:, :12] += 5
    place = at((side // 2, side // 2))
    whole, half, framed = (match(working(v), place, row)[0] for v in (image, image / 2, beside))
    assert half == pytest.approx(whole / 2, rel=1e-5)
    assert framed == pytest.approx(whole, rel=1e-5)


def test_no_places_have_no_matches():
    nothing = Peaks(np.zeros(0), np.zeros(0), np.zeros(0))
    assert match(working(np.zeros((40, 40))), nothing, templates(blobs())).shape == (0,)


def test_averages_of_another_pixel_size_give_the_same_templates():
    coarse = turned_templates(averages(blobs()), DIAMETER, WORKING_PX)
    fine = ClassAverages(blobs(box=2 * BOX, diameter_px=2 * DIAMETER_PX)[None].astype(np.float32), PIXEL / 2)
    alike = torch.nn.functional.cosine_similarity(
        coarse.flatten(1), turned_templates(fine, DIAMETER, WORKING_PX).flatten(1)
    )
    assert alike.min() > 0.97
