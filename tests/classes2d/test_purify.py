"""The loop of classifying and selecting: where it ends, what it keeps, and that particles come to the middle."""

import numpy as np
import pytest

from class_averages import BOX, DIAMETER, PIXEL, blobs, half_plane
from cryoglean.classes2d.centring import shifted, subset
from cryoglean.classes2d.classification import Assignments, Classes, Classification
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.classes2d.purify import PurifySettings, Reextracted, purify
from cryoglean.classes2d.selection import Rule
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.errors import SettingsError

SETTINGS = ClassifySettings(diameter_angstrom=DIAMETER)


class Engine:
    """Sorts images into those with much density in the right half of the box (class 1) and others; moves none.

    `lost` particles of each call are put to the junk as well.
    """

    def __init__(self, lost=0, shift=(0.0, 0.0)):
        self.lost, self.shift, self.calls = lost, shift, []

    def __call__(self, particles, settings):
        self.calls.append((len(particles), settings.classes_for(len(particles)), particles))
        right = particles.images[:, :, BOX // 2 + 14 :].mean(axis=(1, 2)) > 0.5
        index = right.astype(np.int64)
        index[: self.lost] = 1
        good = particles.images[index == 0]
        averages = np.float32([good.mean(axis=0) if len(good) else 3 * blobs(), 3 * half_plane()])
        counts = np.bincount(index, minlength=2)
        snr = np.where(np.arange(BOX // 2 + 1) < 12, 0.5, 0) * np.maximum(counts, 1)[:, None]
        resolution = np.where(counts > 0, 16.0, np.inf)
        classes = Classes(averages, averages, counts, resolution, snr / (1 + snr), snr)
        n = len(particles)
        shifts = np.tile(np.asarray(self.shift, float), (n, 1))
        return Classification(classes, Assignments(index, np.zeros(n), shifts, np.ones(n), np.ones(n)), PIXEL)


def particles(good=40, junk=20, x=0.0):
    images = [3 * blobs(x=x)] * good + [3 * half_plane()] * junk
    return ParticleSet(np.float32(images), PIXEL)


def test_junk_goes_and_it_ends_when_nearly_all_is_kept():
    engine = Engine()
    found = purify(particles(), SETTINGS, engine)
    assert found.kept.tolist() == list(range(40))
    assert [(len(p.which), len(p.kept)) for p in found.passes] == [(60, 40), (40, 40)]
    assert [count for count, _, _ in engine.calls] == [60, 40]
    assert found.notes == ()
    assert found.passes[0].best_resolution_angstrom == 16
    assert str(found.passes[0]) == "40 of 60 particles kept, in 1 of 2 classes, the best at 16.0 A"


def test_one_pass_is_enough_for_a_clean_set():
    assert len(purify(particles(junk=4), SETTINGS, Engine()).passes) == 1


def test_the_share_is_exceeded_not_reached():
    """Of 100 particles 90 are not more than 90 %."""
    assert len(purify(particles(90, 10), SETTINGS, Engine()).passes) == 2
    assert len(purify(particles(91, 9), SETTINGS, Engine()).passes) == 1


def test_a_set_that_does_not_settle_ends_after_the_passes_allowed_and_says_so():
    told = []
    found = purify(particles(40), SETTINGS, Engine(lost=6), PurifySettings(max_passes=3), on_pass=told.append)
    assert [len(p.which) for p in found.passes] == [60, 34, 28]
    assert len(found.kept) == 22
    assert "after 3 passes" in found.notes[0]
    assert told == list(found.passes)


def test_the_number_of_classes_follows_the_particles_unless_it_is_given():
    engine = Engine()
    purify(particles(420, 200), SETTINGS, engine)
    assert [k for _, k, _ in engine.calls] == [3, 2]
    engine = Engine()
    purify(particles(420, 200), SETTINGS.model_copy(update={"classes": 5}), engine)
    assert [k for _, k, _ in engine.calls] == [5, 5]


def test_it_gives_the_same_twice():
    one, other = (purify(particles(), SETTINGS, Engine(lost=3)) for _ in range(2))
    assert one.kept.tolist() == other.kept.tolist()
    assert (one.passes[-1].moved_angstrom == other.passes[-1].moved_angstrom).all()


def test_an_off_centre_class_is_in_the_middle_in_the_next_pass():
    engine = Engine()
    found = purify(particles(x=2.0), SETTINGS, engine)
    again = engine.calls[1][2].images.mean(axis=0)
    assert np.abs(again - 3 * blobs()).max() < 0.6 * np.abs(3 * blobs(x=2.0) - 3 * blobs()).max()
    assert found.passes[1].moved_angstrom[:, 0].mean() == pytest.approx(2 * PIXEL, abs=0.6 * PIXEL)
    assert found.passes[1].moved_angstrom[:, 1].mean() == pytest.approx(0, abs=0.6 * PIXEL)


def test_alignment_moves_by_minus_the_origin_in_every_pass():
    found = purify(particles(40), SETTINGS, Engine(lost=6, shift=(4.0, -8.0)), PurifySettings(max_passes=3))
    for number, each in enumerate(found.passes):
        # Shifted images make the average drift, which centring takes back: only the first step is free of it.
        if number == 1:
            assert each.moved_angstrom.mean(axis=0) == pytest.approx([-4, 8], abs=0.5 * PIXEL)


def test_re_extraction_is_asked_for_the_places_and_may_lose_particles():
    asked = []
    whole = particles()

    def reextract(which, moved):
        asked.append((which, moved))
        left = np.arange(len(which))[2:]
        return Reextracted(subset(whole, which[left]), left)

    found = purify(whole, SETTINGS, Engine(), reextract=reextract)
    assert asked[0][0].tolist() == list(range(40))
    assert asked[0][1].shape == (40, 2)
    assert found.kept.tolist() == list(range(2, 40))


def test_shifting_there_and_back_changes_nothing():
    rng = np.random.default_rng(0)
    images = np.stack([blobs(x=x) for x in (0, 1, 2)]).astype(np.float32)
    some = ParticleSet(images, PIXEL)
    steps = rng.uniform(-8, 8, (3, 2))
    there = shifted(some, steps)
    assert np.abs(shifted(there, -steps).images - images).max() < 1e-3
    assert (some.images == images).all()


@pytest.mark.parametrize("steps", [(2, 0), (0, -3), (1, 4)])
def test_a_place_that_is_shifted_comes_to_the_middle(steps):
    image = np.zeros((1, BOX, BOX), np.float32)
    image[0, BOX // 2 + steps[1], BOX // 2 + steps[0]] = 1
    moved = shifted(ParticleSet(image, PIXEL), np.float64([steps]) * PIXEL).images[0]
    assert np.unravel_index(moved.argmax(), moved.shape) == (BOX // 2, BOX // 2)


def test_too_few_particles_are_refused_with_a_remedy():
    with pytest.raises(SettingsError, match="too few for two classes"):
        purify(particles(3, 0), SETTINGS, Engine())


def test_no_class_kept_is_said_with_what_to_try():
    with pytest.raises(SettingsError, match=r"no class of 2 is kept.*--diameter"):
        purify(particles(0, 20), SETTINGS, Engine())


def test_other_rules_work_as_well():
    found = purify(particles(), SETTINGS, Engine(), PurifySettings(rule=Rule.literal, threshold=3.0))
    assert found.kept.tolist() == list(range(40))
