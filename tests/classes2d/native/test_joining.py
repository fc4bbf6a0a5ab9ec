"""Joining of classes that show the same."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.classes2d.native.joining import join_alike
from cryoglean.classes2d.native.polar import PolarGrid
from cryoglean.classes2d.native.references import Sums
from perturbations import jittered

pytestmark = pytest.mark.numerical

POLAR = PolarGrid(32, 8, 11.0, 3.0, torch.device("cpu"))
WEIGHTS = POLAR.members[:6]


def views(count, seed=0):
    """Return the harmonics `(count, rings, harmonics)` of images of nothing but chance."""
    images = torch.randn(count, 32, 32, generator=torch.Generator().manual_seed(seed))
    return POLAR.harmonics(POLAR.samples(torch.from_numpy(jittered(images.numpy()))))


def turned(harmonics, steps):
    order = torch.arange(POLAR.harmonics_count)
    return harmonics * torch.polar(torch.ones_like(POLAR.twice), math.tau * steps / POLAR.angles * order)


def sums_of(averages, images):
    """Return the sums over so many images of each class, CTF 1, half of them in each half set."""
    sums = Sums.empty(len(averages), POLAR)
    half = torch.tensor(images, dtype=torch.float32) / 2
    sums.numerator[:] = averages * half[:, None, None]
    sums.denominator[:], sums.mass[:] = half[:, None], half
    sums.count = sum(images)
    return sums


@given(st.lists(st.integers(0, POLAR.angles - 1), min_size=6, max_size=6), st.permutations(range(6)), st.integers(0, 9))
def test_views_that_were_divided_among_classes_are_whole_again_whatever_their_turns(turns, order, seed):
    """Three views, two classes each, in any order: each pair becomes one class of twice the images."""
    view = torch.tensor([order[k] // 2 for k in range(6)])
    averages = views(3, seed)[view]
    each = torch.stack([turned(one, turn) for one, turn in zip(averages, turns, strict=True)])
    joined, place = join_alike(POLAR, sums_of(each, [40] * 6), WEIGHTS, 3)
    for k in range(3):
        assert place[view == k].unique().numel() == 1
        first = int(torch.nonzero(view == k)[0])
        average = joined.numerator.sum(0)[place[first]] / joined.denominator.sum(0)[place[first]][:, None]
        torch.testing.assert_close(average, each[first], rtol=1e-3, atol=1e-2)
    assert place.unique().tolist() == [0, 1, 2]


@given(st.integers(1, 7), st.integers(0, 20))
def test_no_image_is_lost_and_every_class_has_a_place(wanted, seed):
    sums = sums_of(views(7, seed), [10, 80, 3, 40, 40, 5, 22])
    joined, place = join_alike(POLAR, sums, WEIGHTS, wanted)
    assert joined.mass.shape == (2, wanted)
    assert sorted(place.unique().tolist()) == list(range(wanted))
    mass = torch.zeros(2, wanted).index_add_(1, place, sums.mass)
    torch.testing.assert_close(joined.mass, mass)
    torch.testing.assert_close(joined.denominator.sum(1), sums.denominator.sum(1))


def test_as_many_as_wanted_are_left_as_they_are():
    sums = sums_of(views(4), [40, 30, 20, 10])
    joined, place = join_alike(POLAR, sums, WEIGHTS, 4)
    assert place.tolist() == [0, 1, 2, 3]
    assert torch.equal(joined.numerator, sums.numerator)


@pytest.mark.parametrize("rare", [10, 20])
def test_a_rare_view_stays_while_a_common_one_has_several_classes(rare):
    """What is unlike all others is kept, if it has few images, too."""
    common, other = views(2)
    averages = torch.stack([common, turned(common, 5), other, turned(common, 11)])
    noisy = averages + 0.05 * views(4, seed=5)
    _, place = join_alike(POLAR, sums_of(noisy, [100, 120, rare, 80]), WEIGHTS, 2)
    assert place.tolist() == [0, 0, 1, 0]


def test_a_few_odd_images_do_not_take_the_place_of_a_view():
    """Not even if the two views are nearly alike."""
    one, more, odd = views(3)
    _, place = join_alike(POLAR, sums_of(torch.stack([one, one + 0.25 * more, odd]), [100, 100, 4]), WEIGHTS, 2)
    assert place[0] != place[1]


def test_classes_of_little_contrast_are_not_joined_because_they_are_weak():
    """Two of weak junk, unlike each other, stay apart; two of one view, a little unlike by noise, are joined."""
    view, junk, more = views(3)
    averages = torch.stack([view, 0.3 * junk, turned(view, 9) + 0.5 * views(1, seed=8)[0], 0.3 * more])
    _, place = join_alike(POLAR, sums_of(averages, [100] * 4), WEIGHTS, 3)
    assert place.tolist() == [0, 1, 0, 2]
