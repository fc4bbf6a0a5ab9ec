"""Matcher: the laws of every picker, and what class averages add to a round template."""

import functools

import numpy as np
import pytest
from tests.fields import disc, f1_score, noise_field, particle_field, scattered
from tests.perturbations import jittered
from tests.pickers.contract import PickerContract

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.particles import write_stack
from cryoglean.micrograph import Micrograph
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker
from cryoglean.pickers.matcher.class_averages import ClassAverages
from cryoglean.pickers.matcher.files import read_class_averages
from cryoglean.pickers.matcher.picker import Matcher, MatcherFit, MatcherSettings, fit_matcher

BOX = 48


def average_of(profile, diameter, box=BOX):
    rows, columns = np.indices((box, box)) - box // 2
    return -profile(np.hypot(rows, columns), diameter).astype(np.float32)


def rods(shape=(640, 700), diameter=40.0, n=90, noise=1.0, seed=0):
    """Bars at any angle, with round blobs of as much density among them, which are no particles."""
    rng = np.random.default_rng(seed)
    xy = scattered(rng, shape, 1.1 * diameter, n, 0.6 * diameter)
    rows, columns = np.indices(shape)
    image = noise * rng.standard_normal(shape)
    is_rod = rng.random(len(xy)) < 0.6
    for (x, y), rod, angle in zip(xy, is_rod, rng.uniform(0, np.pi, len(xy)), strict=True):
        around = tuple(slice(max(0, int(c - diameter)), int(c + diameter)) for c in (y, x))
        dx, dy = columns[around] - x, rows[around] - y
        along = np.cos(angle) * dx + np.sin(angle) * dy
        across = -np.sin(angle) * dx + np.cos(angle) * dy
        blob = np.hypot(dx, dy) < 0.25 * diameter
        image[around] -= np.where(rod, (abs(along) < 0.48 * diameter) & (abs(across) < 0.1 * diameter), blob)
    return jittered(image.astype(np.float32)), xy[is_rod]


def rod_average(diameter, box=BOX):
    rows, columns = np.indices((box, box)) - box // 2
    return ((abs(columns) < 0.48 * diameter) & (abs(rows) < 0.1 * diameter)).astype(np.float32)


def matcher_of(settings, facts, averages):
    return Matcher(settings, facts.localpicker, facts.matched, averages)


class TestContract(PickerContract):
    @staticmethod
    @functools.cache
    def learned(diameter, pixel_size):
        field = particle_field(diameter=diameter, n=60, noise=1.0, seed=3)
        micrographs = [Micrograph(field.image, pixel_size)]
        averages = ClassAverages(average_of(disc, diameter)[None], pixel_size)
        shape = fit_localpicker(micrographs, diameter * pixel_size)
        return fit_matcher(micrographs, shape, averages), averages

    def picker(self):
        settings = MatcherSettings(diameter_angstrom=self.diameter * self.pixel_size)
        return matcher_of(settings, *self.learned(self.diameter, self.pixel_size))


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_averages_tell_particles_from_blobs_that_a_round_template_takes_for_them():
    (image, truth), diameter = rods(), 40.0
    micrographs = [Micrograph(image, 1.0)]
    shape = fit_localpicker(micrographs, diameter)
    averages = ClassAverages(rod_average(diameter)[None], 1.0)
    matcher = matcher_of(
        MatcherSettings(diameter_angstrom=diameter, threshold=0), fit_matcher(micrographs, shape, averages), averages
    )
    alone = Localpicker(LocalpickerSettings(diameter_angstrom=diameter, threshold=0), shape)
    n = len(truth)
    by_match, by_shape = (f1_score(p.pick(micrographs[0]).xy[:n], truth, diameter / 4) for p in (matcher, alone))
    assert by_match > by_shape + 0.1


def test_a_least_distance_is_kept_and_the_better_of_two_stays():
    field = particle_field((480, 540), 30.0, noise=1.0, distance=0.7, n=100)
    micrographs = [Micrograph(field.image, 1.0)]
    averages = ClassAverages(average_of(disc, 30.0)[None], 1.0)
    facts = fit_matcher(micrographs, fit_localpicker(micrographs, 30.0), averages)
    near, far = (
        matcher_of(MatcherSettings(diameter_angstrom=30.0, min_distance_angstrom=d), facts, averages).pick(
            micrographs[0]
        )
        for d in (None, 33.0)
    )
    apart = np.hypot(*(far.xy[:, None] - far.xy[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(far))
    assert apart.min() >= 33.0
    assert 10 < len(far) < len(near)
    assert tuple(far.xy[0]) == tuple(near.xy[0])


@pytest.mark.numerical
def test_where_no_particles_stand_out_nothing_is_picked():
    micrographs = [Micrograph(noise_field(), 1.0)]
    averages = ClassAverages(average_of(disc, 30.0)[None], 1.0)
    facts = fit_matcher(micrographs, fit_localpicker(micrographs, 30.0), averages)
    assert len(matcher_of(MatcherSettings(diameter_angstrom=30.0), facts, averages).pick(micrographs[0])) == 0


def test_a_flat_set_teaches_nothing_and_yields_nothing():
    micrographs = [Micrograph(np.ones((200, 220), np.float32), 1.0)]
    averages = ClassAverages(average_of(disc, 30.0)[None], 1.0)
    facts = fit_matcher(micrographs, fit_localpicker(micrographs, 30.0), averages)
    assert facts.matched is None
    assert len(matcher_of(MatcherSettings(diameter_angstrom=30.0), facts, averages).pick(micrographs[0])) == 0


def test_what_was_learned_survives_json():
    facts, _ = TestContract.learned(30.0, 1.4)
    assert MatcherFit.model_validate_json(facts.model_dump_json()) == facts


def test_averages_are_read_from_a_stack_without_the_empty_ones(tmp_path):
    images = np.stack([average_of(disc, 30.0), np.zeros((BOX, BOX), np.float32), average_of(disc, 20.0)])
    write_stack(tmp_path / "classes.mrcs", [images], 2.5)
    found = read_class_averages(tmp_path / "classes.mrcs", 75.0)
    assert found.pixel_size_angstrom == pytest.approx(2.5)
    np.testing.assert_allclose(found.images, images[[0, 2]], atol=0.05)  # round: there is nothing to smear


def test_averages_that_cannot_be_used_are_refused_with_the_reason(tmp_path):
    path = tmp_path / "classes.mrcs"
    with pytest.raises(TableError, match="missing"):
        read_class_averages(path, 75.0)
    write_stack(path, [average_of(disc, 30.0)[None]], 2.5)
    with pytest.raises(SettingsError, match="cannot hold particles of 130 A"):
        read_class_averages(path, 130.0)
    write_stack(path, [np.zeros((2, BOX, BOX), np.float32)], 2.5)
    with pytest.raises(SettingsError, match="all 2 images are empty"):
        read_class_averages(path, 75.0)
    write_stack(path, [-average_of(disc, 30.0)[None]], 2.5)
    with pytest.raises(SettingsError, match="is darker than what is around, and protein must be bright"):
        read_class_averages(path, 75.0)
    write_stack(path, [average_of(disc, 30.0)[None]], 0.0)
    with pytest.raises(SettingsError, match="pixel size"):
        read_class_averages(path, 75.0)
