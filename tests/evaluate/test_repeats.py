"""Particles that stand in a table twice: the better one stays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.evaluate.repeats import Repeats, count_repeats, repeated
from cryoglean.picks import Picks


def grid(n=6, step=20.0):
    x, y = np.meshgrid(np.arange(n) * step, np.arange(n) * step)
    return x.ravel(), y.ravel()


def test_a_table_without_repeats_has_none():
    x, y = grid()
    picks = Picks(x, y, np.ones(len(x)))
    assert not repeated(picks, 4).any()
    assert not len(repeated(Picks.empty(), 4))


def test_the_better_of_two_stays_and_of_equals_the_first():
    picks = Picks([10, 11, 50, 50, 90], [10, 10, 50, 50, 90], [0.2, 0.9, 0.5, 0.5, 0.1])
    np.testing.assert_array_equal(repeated(picks, 4), [True, False, False, True, False])
    assert count_repeats(picks, 4) == Repeats(same=1, near=1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_copies_are_counted_and_dropped(seed, copies):
    rng = np.random.default_rng(seed)
    x, y = grid()
    score = rng.uniform(size=len(x))
    order = rng.permutation(len(x) * copies)
    many = Picks(np.tile(x, copies)[order], np.tile(y, copies)[order], np.tile(score, copies)[order])
    kept = many.take(~repeated(many, 4))
    assert sorted(zip(kept.x, kept.y, strict=True)) == sorted(zip(x, y, strict=True))
    assert count_repeats(many, 4) == Repeats(same=len(x) * (copies - 1))


@given(st.integers(0, 2**32 - 1))
def test_of_what_is_kept_no_two_are_near_and_what_is_dropped_is_near_to_what_is_kept(seed):
    xy = np.random.default_rng(seed).uniform(0, 30, (60, 2))
    picks = Picks(*xy.T, np.linspace(0, 1, 60))
    dropped = repeated(picks, 4)
    far = np.linalg.norm(xy[:, None] - xy[~dropped][None], axis=2)
    assert (np.sort(far[~dropped], axis=1)[:, 1] > 4).all()
    assert (far[dropped].min(axis=1) <= 4).all()
