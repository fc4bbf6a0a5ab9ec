"""From coarse to fine."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.classes2d.native.schedule import Geometry, Progression
from cryoglean.classes2d.settings import ClassifySettings


def geometry_of(box=64, diameter_px=42.0, **settings):
    return Geometry.of(box, 2.0, ClassifySettings(diameter_angstrom=2 * diameter_px, **settings))


@given(st.integers(16, 300), st.floats(0.2, 0.98), st.integers(1, 40), st.integers(0, 200))
def test_rings_never_shrink_and_stay_within_the_box(box, share, iterations, supported):
    geometry = geometry_of(box, share * box)
    progress = Progression(geometry, iterations)
    before = 0
    for _ in range(iterations):
        assert before <= progress.rings <= progress.kept_rings <= geometry.max_rings <= box // 2
        assert torch.isfinite(progress.shifts(is_global=progress.is_global)).all()
        before = progress.rings
        progress.advance(supported)


def test_rings_grow_only_as_far_as_halves_agree():
    progress = Progression(geometry_of(), 20)
    for _ in range(20):
        progress.advance(9)
    assert progress.rings == 8


def test_all_shifts_within_reach_are_tried_at_first_and_neighbours_later():
    progress = Progression(geometry_of(max_shift_diameters=0.2), 20)
    wide = progress.shifts(is_global=progress.is_global)
    assert wide.norm(dim=1).max() == pytest.approx(8.4, abs=1.5)
    for _ in range(12):
        progress.advance(30)
    near = progress.shifts(is_global=progress.is_global)
    assert len(near) == 5
    assert near.norm(dim=1).max() <= 1
    for shifts in (wide, near):
        assert (shifts == 0).all(1).any()
        assert torch.allclose(shifts.sum(0), torch.zeros(2), atol=1e-4)


def test_no_reach_leaves_images_where_they_are():
    assert Progression(geometry_of(max_shift_diameters=0), 5).shifts(is_global=True).tolist() == [[0.0, 0.0]]


def test_the_mask_stays_within_the_box():
    tight = geometry_of(64, 64.0)
    assert tight.radius_px + tight.edge_px / 2 <= 32


def test_a_resolution_limit_is_a_limit_of_rings():
    assert geometry_of(resolution_limit_angstrom=16.0).max_rings == 8


@given(st.integers(1, 60), st.integers(1, 500_000), st.integers(1, 400))
def test_iterations_see_more_and_more_images_and_the_last_fifth_all(iterations, count, classes):
    progress = Progression(geometry_of(), iterations)
    seen = [progress.images_of(number, count, classes) for number in range(iterations)]
    assert seen == sorted(seen)
    assert seen[int(0.8 * iterations + 0.999) :] == [count] * (iterations // 5)
    assert min(seen) == min(count, max(100 * classes, 20_000), seen[-1]) or iterations == 1


def test_images_are_drawn_anew_each_time_and_come_in_their_order():
    progress, random = Progression(geometry_of(), 25), torch.Generator().manual_seed(0)
    one, other = (progress.chosen(50_000, 10, random) for _ in range(2))
    assert len(one) == len(other) == 20_000
    assert (one.diff() > 0).all()
    assert 7_000 < len(set(one.tolist()) & set(other.tolist())) < 9_000
    assert progress.chosen(20_000, 10, random).tolist() == list(range(20_000))


@given(st.integers(1, 40), st.integers(10, 300_000), st.integers(1, 300))
def test_there_are_more_classes_at_first_then_fewer_and_as_many_as_wanted_in_the_end(iterations, count, classes):
    progress = Progression(geometry_of(), iterations)
    before = progress.first_classes(count, classes)
    assert classes <= before <= 2 * classes
    assert before == classes or before * 20 <= count
    for _ in range(iterations):
        left = progress.classes_after(count, classes)
        assert classes <= left <= before
        progress.advance(10)
        before = left
    assert before == classes
