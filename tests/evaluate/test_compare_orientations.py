"""Coordinates against others: the change that was made is found, and poor picks are left alone."""

import numpy as np
import pytest

from cryoglean.evaluate.agreement import compare_orientations
from cryoglean.evaluate.orientation import AS_IS, RESCALINGS, TURNS
from cryoglean.picks import Picks

SHAPE = (900, 1300)
SHAPES = {"a": SHAPE, "b": SHAPE}


def sets(seed=0, right=100, wrong=50):
    rng = np.random.default_rng(seed)
    fixed, moved = {}, {}
    for stem in SHAPES:
        xy = rng.uniform(0, np.array(SHAPE[::-1]), (150, 2))
        fixed[stem] = xy
        moved[stem] = np.concatenate([xy[:right] + rng.normal(0, 2, (right, 2)), rng.uniform(0, 900, (wrong, 2))])
    return fixed, moved


def as_picks(places):
    return {stem: Picks(*xy.T, np.ones(len(xy))) for stem, xy in places.items()}


@pytest.mark.parametrize("found", [*TURNS, *RESCALINGS[::5]])
def test_the_change_that_was_made_is_found(found):
    fixed, moved = sets()
    frame = SHAPE[::-1] if found.orientation.swaps else SHAPE
    foreign = {s: found.orientation.inverse.apply(xy, frame) / float(found.scale) for s, xy in moved.items()}
    result = compare_orientations(as_picks(fixed), as_picks(foreign), 40, SHAPES)
    assert result.best == found
    assert result.hits >= 200


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("right", [0, 8, 30])
def test_poor_picks_are_left_alone(seed, right):
    fixed, moved = sets(seed, right=right, wrong=150)
    assert compare_orientations(as_picks(fixed), as_picks(moved), 60, SHAPES).best == AS_IS


def test_without_sizes_it_says_that_not_all_was_tried():
    fixed, moved = sets()
    flipped = as_picks({stem: TURNS[1].apply(xy, SHAPE) for stem, xy in moved.items()})
    result = compare_orientations(as_picks(fixed), flipped, 40, {})
    assert result.best == AS_IS
    assert result.may_be_turned
    assert not compare_orientations(as_picks(fixed), as_picks(moved), 40, {}).may_be_turned


def test_nothing_in_common_says_nothing():
    result = compare_orientations({"a": Picks.empty()}, {"b": Picks.empty()}, 40, SHAPES)
    assert (result.best, result.total) == (AS_IS, 0)
