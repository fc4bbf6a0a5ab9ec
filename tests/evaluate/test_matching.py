"""One-to-one matching: as good as the best over all pairs, and blind to what must not matter."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from cryoglean.evaluate import match
from cryoglean.evaluate.matching import MIN_IOU, box_iou
from examples import some


def full_iou(truth, picks, diameter):
    """Compute every pair's IoU from the corners of the boxes."""
    low = np.maximum(truth[:, None], picks[None]) - diameter / 2
    high = np.minimum(truth[:, None], picks[None]) + diameter / 2
    shared = np.clip(high - low, 0, None).prod(-1)
    return shared / (2 * diameter**2 - shared)


def fields(seed, n, m, size):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, size, (n, 2))
    picks = rng.uniform(0, size, (m, 2))
    k = min(n, m) // 2
    picks[:k] = truth[:k] + rng.normal(0, 8, (k, 2))
    return truth, picks


random_fields = st.builds(
    fields, st.integers(0, 2**31), st.integers(0, 40), st.integers(0, 40), st.sampled_from([100, 400, 3000])
)


@given(xy=random_fields)
@settings(max_examples=some(80), deadline=None)
def test_the_total_overlap_is_the_greatest_over_all_pairs(xy):
    truth, picks = xy
    pairs = match(truth, picks, 60)
    iou = full_iou(truth, picks, 60)
    assert pairs.iou.sum() == pytest.approx(iou[linear_sum_assignment(-iou)].sum())
    np.testing.assert_allclose(pairs.iou, iou[pairs.truth, pairs.picks])
    assert len(set(pairs.truth)) == len(set(pairs.picks)) == len(pairs.truth)
    assert (pairs.iou > 0).all()
    assert (np.diff(pairs.truth) > 0).all()


@given(xy=random_fields, shift=st.floats(-5000, 5000))
@settings(max_examples=some(40), deadline=None)
def test_matching_does_not_depend_on_place_order_or_who_is_who(xy, shift):
    truth, picks = xy
    pairs = match(truth, picks, 60)
    total = pytest.approx(pairs.iou.sum(), abs=1e-6)
    assert match(truth + shift, picks + shift, 60).iou.sum() == total
    assert match(truth[::-1], picks[::-1], 60).iou.sum() == total
    assert match(picks, truth, 60).iou.sum() == total
    assert match(truth[:, ::-1], picks[:, ::-1], 60).iou.sum() == total


def test_the_iou_of_boxes():
    centre = np.zeros(2)
    assert box_iou(centre, centre, 10) == 1
    assert box_iou(centre, np.array([10.0, 0]), 10) == 0
    assert box_iou(centre, np.array([5.0, 0]), 10) == pytest.approx(1 / 3)
    assert box_iou(centre, np.array([0, 2.5]), 10) == pytest.approx(MIN_IOU)
    assert box_iou(centre, np.array([1.34, 1.34]), 10) == pytest.approx(MIN_IOU, abs=0.001)


def test_a_pick_in_the_middle_serves_one_particle_only():
    truth = np.array([[0.0, 0], [4, 0]])
    assert len(match(truth, np.array([[2.0, 0]]), 10).iou) == 1
    both = match(truth, np.array([[2.0, 0], [-3, 0]]), 10)
    assert both.picks.tolist() == [1, 0]


def test_no_picks_or_no_particles_match_nothing():
    some, none = np.zeros((3, 2)), np.zeros((0, 2))
    for truth, picks in ((some, none), (none, some), (none, none), (some, some + 100)):
        assert len(match(truth, picks, 10).iou) == 0


def test_a_thousand_against_a_thousand_are_quick():
    truth, picks = fields(0, 1000, 1000, 4096)
    match(truth, picks, 108)
    best = min(_seconds(lambda: match(truth, picks, 108)) for _ in range(5))
    assert best < 0.1  # some 4 ms on an idle core


def _seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start
