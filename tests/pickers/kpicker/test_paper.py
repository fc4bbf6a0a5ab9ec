"""Kpicker as published: its own rules, beside those of every picker."""

import functools

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.fields import disc, f1_score, particle_field
from tests.pickers.contract import PickerContract

from cryoglean.errors import SettingsError
from cryoglean.micrograph import Micrograph
from cryoglean.nets.kpicker_net import KpickerLayers
from cryoglean.pickers.kpicker.paper import PaperKpicker, PaperKpickerSettings, ResizedImage, resized_image
from cryoglean.pickers.kpicker.paper_training import (
    PaperKpickerTraining,
    _empty_places,
    _rotations,
    train_paper_kpicker,
)
from cryoglean.picks import Picks

SMALL = KpickerLayers(filters=(8, 8, 8), kernels=(4, 3, 3), dense=16)
DIAMETER, PIXEL_SIZE = 60.0, 1.4


def picks_at(xy):
    return Picks(xy[:, 0], xy[:, 1], np.ones(len(xy)))


def field_of(seed, shape=(540, 600), n=40):
    return particle_field(shape, DIAMETER, disc, n=n, noise=1.0, seed=seed)


@functools.cache
def trained(epochs=20):
    """At five times the published rate, in small batches: there are few particles."""
    fields = [field_of(seed) for seed in (13, 14, 15, 16)]
    settings = PaperKpickerTraining(
        diameter_angstrom=DIAMETER * PIXEL_SIZE, layers=SMALL, batch=10, rate=0.05, epochs=epochs
    )
    return train_paper_kpicker(
        [Micrograph(field.image, PIXEL_SIZE) for field in fields], [picks_at(field.xy) for field in fields], settings
    )


def picker(**settings):
    settings = {"diameter_angstrom": DIAMETER * PIXEL_SIZE} | settings
    return PaperKpicker(PaperKpickerSettings(**settings), trained().model)


@pytest.mark.slow  # windows one by one take their time
class TestContract(PickerContract):
    diameter = DIAMETER
    crowded_shape = (800, 900)
    bin_factor = 4
    tolerance = 12.0
    min_f1 = 0.95
    faintness = 3.0
    score_kind = "uncalibrated"

    def picker(self):
        return picker()

    def make_field(self, shape=(620, 660), seed=3):
        return field_of(seed, shape, n=60)


def test_a_box_becomes_a_window():
    image = resized_image(Micrograph(field_of(0).image, PIXEL_SIZE), 4, 65 * PIXEL_SIZE, torch.device("cpu"))
    assert image.image.shape == (540 * 64 // 65, 600 * 64 // 65)
    assert abs(float(image.image.mean())) < 0.02
    xy = np.random.default_rng(0).uniform(0, 500, (20, 2))
    np.testing.assert_allclose(image.to_stored(image.from_stored(xy)), xy, atol=1e-9)


def test_a_particle_is_where_it_was_after_resizing():
    shade = np.zeros((400, 440), np.float32)
    shade[198:206, 298:306] = -1
    image = resized_image(Micrograph(shade, 1.0), 4, 50.0, torch.device("cpu"))
    row, column = np.unravel_index(int(image.image.argmin()), image.image.shape)
    assert image.to_stored(np.array([[column, row]], float))[0] == pytest.approx((301.5, 201.5), abs=2)


@pytest.mark.slow
def test_picks_are_centres_of_windows_with_a_probability_of_nine_tenths():
    picks = picker().pick(Micrograph(field_of(3).image, PIXEL_SIZE))
    scale = 64 / (260 / 240 * DIAMETER)
    first = ((picks.xy + 0.5) * scale - 0.5 - 31.5) / 4
    np.testing.assert_allclose(first, np.rint(first), atol=1e-6)
    assert picks.score.min() >= 0.9


def test_random_negatives_keep_a_diameter_from_every_particle():
    field = field_of(5, n=20)
    image = resized_image(Micrograph(field.image, 1.0), 4, 65.0, torch.device("cpu"))
    particles = image.from_stored(field.xy)
    empty = _empty_places(image, particles, 59.0, 0, 0)
    assert 0 < len(empty) <= len(particles)
    assert np.hypot(*(empty[:, None] - particles[None]).transpose(2, 0, 1)).min() >= 59
    assert (empty >= 31.5).all()
    assert (empty <= np.array(image.image.shape[::-1]) - 32.5).all()


def test_empty_places_are_clear_of_particles_at_the_border_too_but_no_more_than_those_with_a_whole_window():
    image = ResizedImage(torch.zeros(400, 420), 1.0)
    inside, at_border = np.array([[200.0, 200.0]] * 5), np.array([[20.0, y] for y in range(0, 400, 20)])
    empty = _empty_places(image, np.concatenate([inside, at_border]), 59.0, 0, 0)
    assert len(empty) == len(inside)
    assert np.hypot(*(empty[:, None] - at_border[None]).transpose(2, 0, 1)).min() >= 59
    assert _empty_places(image, at_border, 59.0, 0, 0).shape == (0, 2), "none has a whole window"


def test_patches_are_turned_by_twenty_degrees_at_most_and_flipped():
    rotations = _rotations(PaperKpickerTraining(diameter_angstrom=100), 0, 4000)
    off_half_turn = np.abs((rotations.angle + np.pi / 2) % np.pi - np.pi / 2)
    assert off_half_turn.max() <= np.deg2rad(20) + 1e-12
    assert 0.4 < rotations.mirrored.mean() < 0.6
    assert 0.4 < (np.abs(rotations.angle) > 1).mean() < 0.6


@pytest.mark.slow
def test_an_epoch_is_a_point_of_the_curves():
    checks = trained().checks
    assert len(checks) == 20
    assert checks[-1].step == 20 * checks[0].step


@pytest.mark.slow
def test_more_epochs_find_more():
    assert trained().checks[-1].held_out_loss < trained(1).checks[-1].held_out_loss
    field = field_of(3)
    assert f1_score(picker().pick(Micrograph(field.image, PIXEL_SIZE)).xy, field.xy, 12) > 0.95


def test_too_few_particles_are_refused():
    settings = PaperKpickerTraining(diameter_angstrom=DIAMETER)
    with pytest.raises(SettingsError, match="3 particles"):
        train_paper_kpicker([Micrograph(field_of(0).image, 1.0)], [picks_at(field_of(0).xy[:3])], settings)


@pytest.mark.parametrize("wrong", [{"diameter_angstrom": 0}, {"bin_factor": 0}, {"epochs": 0}, {"views": 2}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        PaperKpickerTraining(**({"diameter_angstrom": 30} | wrong))
