"""The slider's steps count as the tables do; the micrographs shown are spread and hold the extremes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.picks import Picks
from cryoglean.report.score_steps import PARTS, STEPS, ScoreSteps, score_meaning, spread, steps_for

SCORES = st.lists(st.one_of(st.floats(0, 1), st.integers(0, 1000).map(lambda n: n / 1000)), max_size=40)


def picks_of(scores, kind="uncalibrated"):
    n = len(scores)
    return Picks(np.zeros(n), np.arange(n), scores, kind)


@given(SCORES)
def test_a_step_is_reached_just_where_the_score_is_no_lower(scores):
    score, steps = np.array(scores), ScoreSteps()
    reached = steps.of(score)[:, None] >= np.arange(STEPS + 1)
    assert (reached == (score[:, None] >= steps.thresholds)).all()


@given(SCORES, st.sampled_from([(0.0, 1.0), (-3.3, 12.7)]))
def test_parts_of_steps_agree_with_the_steps_and_are_finer(scores, ends):
    low, high = ends
    steps, score = ScoreSteps(low, high), low + (high - low) * np.array(scores)
    parts = steps.parts_of(score)
    assert (parts // PARTS == steps.of(score)).all()
    assert parts.max(initial=0) < 2**16
    assert np.abs(low + (high - low) * parts / (PARTS * STEPS) - score).max(initial=0) <= (high - low) * 2e-5


@given(SCORES)
def test_what_remains_is_what_a_table_would_keep(scores):
    picks, steps = picks_of(scores), ScoreSteps()
    kept = [len(picks.at_least(cut)) for cut in steps.thresholds[::25]]
    assert steps.remaining(picks.score)[::25].tolist() == kept


def test_thresholds_are_numbers_as_one_would_type_them():
    thresholds = ScoreSteps().thresholds[[0, 1, 300, 805, 1000]]
    assert [str(threshold) for threshold in thresholds] == [
        "0.0",
        "0.001",
        "0.3",
        "0.805",
        "1.0",
    ]


def test_foreign_scores_have_steps_of_their_own():
    steps = steps_for({"a": picks_of([-3.0, 12.0], "foreign"), "b": Picks.empty("foreign")})
    assert (steps.low, steps.high) == (-3.0, 12.0)
    assert steps.of(np.array([-3.0, 12.0])).tolist() == [0, STEPS]
    assert steps_for({"a": picks_of([4.0], "foreign")}).high > 4
    assert steps_for({}) == ScoreSteps()


@pytest.mark.parametrize(
    ("kind", "said"), [("probability", "are probabilities"), ("uncalibrated", "not calibrated"), ("foreign", "another")]
)
def test_what_scores_mean_is_said(kind, said):
    assert said in score_meaning({"a": picks_of([0.5], kind), "b": Picks.empty("foreign")})


@given(st.lists(st.integers(0, 500), min_size=1, max_size=200), st.integers(2, 24))
def test_the_shown_are_in_order_bounded_and_hold_the_extremes(numbers, most):
    counts = {f"m{i}": n for i, n in enumerate(numbers)}
    shown = spread(counts, most)
    assert len(shown) == min(most, len(counts))
    assert shown == [key for key in counts if key in set(shown)]
    assert min(counts.values()) in {counts[key] for key in shown}
    assert max(counts.values()) in {counts[key] for key in shown}


def test_the_shown_are_evenly_spread():
    shown = spread({f"{i}": i % 7 for i in range(2400)}, 24)
    gaps = np.diff([int(key) for key in shown])
    assert gaps.max() <= 2400 / 22 + 2
