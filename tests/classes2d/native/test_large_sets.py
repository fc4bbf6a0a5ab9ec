"""Sets too large for memory and for one sitting: parts of the images first, kept samples or none, interruptions."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from cryoglean.classes2d.native import classify, samples, schedule, search, state
from cryoglean.classes2d.settings import ClassifySettings
from turned_shapes import bar, comma, ring, shape_set

SETTINGS = ClassifySettings(diameter_angstrom=90, classes=3, iterations=12)


@pytest.fixture(scope="module")
def three():
    """Three shapes in noise, and what the engine finds."""
    particles, kind, _, _ = shape_set((comma, ring, bar), 70, 0.5)
    return particles, kind, classify(particles, SETTINGS)


class Kept:
    """A checkpoint in memory, which ends the classification after some iterations."""

    def __init__(self, until):
        self.until, self.state = until, None

    def load(self):
        return self.state

    def save(self, state):
        self.state = {name: tensor.clone() for name, tensor in state().items()}
        self.until -= 1
        if not self.until:
            raise KeyboardInterrupt


def assert_same(one, other):
    for part in ("classes", "particles"):
        for field in dataclasses.fields(getattr(one, part)):
            first, second = (getattr(getattr(found, part), field.name) for found in (one, other))
            assert np.array_equal(first, second), field.name


@pytest.mark.numerical
@pytest.mark.parametrize("done", [1, 4, 7, 11])
def test_what_is_interrupted_ends_as_what_is_not(three, done):
    particles, _, whole = three
    checkpoint, told = Kept(done), []
    with pytest.raises(KeyboardInterrupt):
        classify(particles, SETTINGS, checkpoint=checkpoint)
    checkpoint.until = -1
    found = classify(particles, SETTINGS, threads=2, on_iteration=told.append, checkpoint=checkpoint)
    assert [each.number for each in told] == list(range(done + 1, 13))
    assert_same(whole, found)


@pytest.mark.numerical
def test_samples_that_are_not_kept_are_made_anew_and_are_the_same(three, monkeypatch):
    particles, _, whole = three
    monkeypatch.setattr(samples, "_KEPT_BYTES", 1000)
    assert_same(whole, classify(particles, SETTINGS))


@pytest.mark.numerical
def test_the_size_of_a_block_changes_nothing_that_counts(three, monkeypatch):
    particles, _, whole = three
    monkeypatch.setattr(search, "_BLOCK_ROWS", (7, 7))
    found = classify(particles, SETTINGS)
    assert adjusted_rand_score(whole.particles.class_index, found.particles.class_index) > 0.95


@pytest.mark.numerical
def test_with_parts_of_the_images_at_first_all_are_told_apart_in_the_end(three, monkeypatch):
    particles, kind, _ = three
    monkeypatch.setattr(schedule, "_FIRST_IMAGES", 60)
    monkeypatch.setattr(schedule, "_FIRST_IMAGES_PER_CLASS", 20)
    told = []
    found = classify(particles, SETTINGS, on_iteration=told.append)
    assert [each.images for each in told] == [60] * 6 + [180] * 4 + [210] * 2
    assert [each.images_left for each in told[-3:]] == [420, 210, 0]
    assert found.particles.class_index.min() >= 0
    assert adjusted_rand_score(kind, found.particles.class_index) > 0.95


@pytest.mark.numerical
def test_small_batches_find_the_same(three, monkeypatch):
    particles, _, whole = three
    monkeypatch.setattr(state, "_BATCH_VALUES", 1)
    found = classify(particles, SETTINGS)
    assert adjusted_rand_score(whole.particles.class_index, found.particles.class_index) > 0.95
