"""Kpicker: the laws of every picker, and that the pass over a micrograph is the scan of its windows."""

import functools

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.fields import disc, f1_score, particle_field
from tests.pickers.contract import PickerContract

from cryoglean.micrograph import Micrograph
from cryoglean.nets.convolutional import scan_windows
from cryoglean.nets.kpicker_net import KpickerLayers
from cryoglean.pickers.kpicker.image import net_image, scan_image
from cryoglean.pickers.kpicker.picker import Kpicker, KpickerSettings
from cryoglean.pickers.kpicker.training import KpickerTraining, train_kpicker
from cryoglean.picks import Picks

SMALL = KpickerLayers(filters=(6, 12, 16), dense=48)
DIAMETER = 30.0
STEPS = 30


def picks_at(xy, score=1.0):
    return Picks(xy[:, 0], xy[:, 1], np.full(len(xy), score))


def trained(diameter=DIAMETER, pixel_size=1.4, noise=1.0, steps=STEPS):
    return _trained(diameter, pixel_size, noise, steps)


@functools.cache
def _trained(diameter, pixel_size, noise, steps):
    fields = [particle_field((480, 540), diameter, disc, noise=noise, seed=seed) for seed in (13, 14, 15)]
    return train_kpicker(
        [Micrograph(field.image, pixel_size, f"m{i}") for i, field in enumerate(fields)],
        [picks_at(field.xy) for field in fields],
        None,
        KpickerTraining(diameter_angstrom=diameter * pixel_size, layers=SMALL, min_steps=steps, max_steps=steps),
    )


def picker(diameter=DIAMETER, pixel_size=1.4, noise=1.0, **settings):
    model = trained(diameter, pixel_size, noise).model
    return Kpicker(KpickerSettings(**({"diameter_angstrom": diameter * pixel_size} | settings)), model)


class TestContract(PickerContract):
    score_kind = "probability"
    tolerance = 3.0

    def picker(self):
        return picker(self.diameter, self.pixel_size, self.noise)


@pytest.mark.numerical
def test_the_pass_over_a_micrograph_is_the_scan_of_its_windows():
    field = particle_field((150, 170), n=8, seed=4)
    image = net_image(Micrograph(field.image, 1.4), DIAMETER * 1.4).image
    net = trained().model.net
    windows = scan_windows(net, torch.nn.functional.pad(image, (32,) * 4), 4)
    whole = scan_image(net, image, 4)
    assert windows.shape == whole.shape
    assert (windows.sigmoid() - whole.sigmoid()).abs().max() < 1e-3


@pytest.mark.parametrize(("pixel_size", "factor"), [(1.4, 1), (0.7, 2), (2.1, 2 / 3)])
def test_there_and_back_again(pixel_size, factor):
    micrograph = Micrograph(particle_field((300, 331), n=20).image, pixel_size)
    image = net_image(micrograph, DIAMETER * 1.4)
    xy = np.random.default_rng(0).uniform(0, 200, (50, 2))
    np.testing.assert_allclose(image.to_stored(image.from_stored(xy)), xy, atol=1e-9)
    assert image.image.shape[0] == pytest.approx(300 * 32 / (DIAMETER * factor), abs=2)


def test_centres_are_found_below_the_pixel_of_the_scan():
    field = particle_field(seed=5, noise=1.0)
    found = picker().pick(Micrograph(field.image, 1.4)).xy
    apart = found[:, None] - field.xy[None]
    nearest = apart[np.arange(len(found)), np.hypot(*apart.transpose(2, 0, 1)).argmin(1)]
    good = nearest[np.hypot(*nearest.T) < 6]
    assert len(good) > 50
    assert np.sqrt((good**2).mean()) < 1.1  # a stride is 3.75 px: to its pixels alone it would be 1.08 along each axis
    assert np.abs(good.mean(axis=0)).max() < 0.8


@pytest.mark.numerical
def test_micrographs_of_another_pixel_size_are_picked_alike():
    field = particle_field((960, 1080), 2 * DIAMETER, disc, noise=2.0, seed=3)
    found = picker().pick(Micrograph(field.image, 0.7)).xy
    assert f1_score(found, field.xy, 2 * DIAMETER / 5) > 0.95


@pytest.mark.parametrize("distance", [0.0, 12.0, 33.0, 80.0])
def test_the_least_distance_is_the_users(distance):
    field = particle_field(seed=3)
    found = picker(min_distance_angstrom=distance, threshold=0.0).pick(Micrograph(field.image, 1.4)).xy
    apart = np.hypot(*(found[:, None] - found[None]).transpose(2, 0, 1))[~np.eye(len(found), dtype=bool)]
    assert apart.min() >= distance / 1.4 - 1e-9


def test_a_higher_threshold_keeps_the_best_of_the_same_picks():
    micrograph = Micrograph(particle_field(seed=3).image, 1.4)
    picks = picker(threshold=0.2).pick(micrograph)
    high = float(np.median(picks.score))
    np.testing.assert_array_equal(picker(threshold=high).pick(micrograph).xy, picks.at_least(high).xy)


@pytest.mark.parametrize("stride", [2, 8])
def test_other_strides_find_the_same(stride):
    micrograph = Micrograph(particle_field(seed=3, noise=1.0).image, 1.4)
    assert f1_score(picker(stride_px=stride).pick(micrograph).xy, picker().pick(micrograph).xy, 4) > 0.9


@pytest.mark.parametrize(
    "wrong",
    [
        {"diameter_angstrom": 0},
        {"threshold": 1.1},
        {"min_distance_angstrom": -1},
        {"stride_px": 3},
        {"edge_distance_diameters": 3},
        {"colour": "red"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        KpickerSettings(**({"diameter_angstrom": 30} | wrong))
