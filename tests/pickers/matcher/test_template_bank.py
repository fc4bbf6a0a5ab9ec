"""The bank of templates: what a few common images find is what all templates find."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from tests.class_averages import BOX, DIAMETER, PIXEL, blobs

from cryoglean.detect.peaks import find_peaks
from cryoglean.pickers.matcher.class_averages import ClassAverages, turned_templates
from cryoglean.pickers.matcher.template_bank import REACH_DIAMETERS, AveragesResponse, TemplateBank
from cryoglean.preprocess.fourier import padded_spectrum

AVERAGES = ClassAverages(np.stack([blobs(), blobs(x=3.0)]).astype(np.float32), PIXEL)


def image_of(angles, places, diameter_px, noise=0.0, shape=(150, 170)):
    """Particles at places, x first, each turned by an angle in degrees."""
    image = noise * np.random.default_rng(0).standard_normal(shape)
    scaled = blobs(box=2 * int(diameter_px) + 1, diameter_px=diameter_px)
    for angle, (x, y) in zip(angles, places, strict=True):
        turned = ndimage.rotate(scaled, angle, reshape=False, order=3)
        half = len(turned) // 2
        image[y - half : y + half + 1, x - half : x + half + 1] += turned
    return torch.from_numpy(image.astype(np.float32))


def response_to(image, diameter_px, averages=AVERAGES):
    response = AveragesResponse(averages, DIAMETER)
    return response(padded_spectrum(image, 1.5 * diameter_px), diameter_px)


def best_of_all(image, diameter_px):
    """The response by one filter a template."""
    templates = turned_templates(AVERAGES, DIAMETER, diameter_px, REACH_DIAMETERS).numpy()
    return np.max([ndimage.correlate(image.numpy(), each, mode="mirror") for each in templates], axis=0)


def test_a_few_images_find_what_all_templates_find():
    image = image_of([10, 200], [(50, 60), (110, 80)], 12.0, noise=1.0)
    found, wanted = response_to(image, 12.0).numpy(), best_of_all(image, 12.0)
    bank = TemplateBank.of(AVERAGES, DIAMETER, 12.0)
    assert len(bank.images) < len(bank.sums) / 3
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("diameter_px", [12.0, 23.0, 31.5])
def test_particles_in_any_turn_are_found_where_they_are(diameter_px):
    places = [(50, 60), (110, 80), (60, 110)]
    image = image_of([10, 200, 77], places, diameter_px, noise=0.02)
    peaks = find_peaks(response_to(image, diameter_px, ClassAverages(AVERAGES.images[:1], PIXEL)), diameter_px / 2)
    found = peaks.xy[:3]
    assert np.abs(found[np.lexsort(found.T)] - np.array(sorted(places, key=lambda p: (p[1], p[0])))).max() < 1.0


@pytest.mark.slow
def test_coarser_pixels_show_the_same_response_at_the_same_places():
    image = image_of([10, 200], [(40, 45), (85, 60)], 24.0, noise=1.0, shape=(100, 125))
    wanted = best_of_all(image, 24.0)
    assert np.corrcoef(response_to(image, 24.0).numpy().ravel(), wanted.ravel())[0, 1] > 0.95


def test_a_flat_average_finds_nothing():
    flat = ClassAverages(np.ones((1, BOX, BOX), np.float32), 2 * PIXEL)
    assert response_to(image_of([0], [(80, 80)], 20.0), 20.0, flat).abs().max() < 1e-3
