"""What is expected of picks: against particles that are drawn, and against what the comparison of pick sets says."""

import numpy as np
import pytest

from cryoglean.calibration.comparison import Places, compare
from cryoglean.expected import Expected, expected_of, shifted
from cryoglean.picks import Picks

DIAMETER = 40.0


def picks_of(score, kind="probability"):
    """Picks in rows, well apart, so that each is a place of its own."""
    number = np.arange(len(score))
    return Picks(100.0 + 100 * (number % 50), 100.0 + 100 * (number // 50), np.asarray(score, float), kind)


def halves(seed, number=400):
    """Picks, and candidates beside them, of probabilities of every kind."""
    every = picks_of(np.random.default_rng(seed).beta(0.4, 0.6, number))
    return every.take(every.score >= 0.5), every.take(every.score < 0.5)


def test_the_middle_is_the_sum_of_the_probabilities():
    picks, candidates = halves(0)
    expected = expected_of(picks, candidates)
    assert expected.hits == pytest.approx(picks.score.sum())
    assert expected.particles == pytest.approx(picks.score.sum() + candidates.score.sum())
    assert expected.precision(len(picks)).middle == pytest.approx(picks.score.mean())
    assert expected.recall.middle == pytest.approx(expected.hits / expected.particles)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_intervals_are_those_of_the_comparison_which_draws_them(share):
    picks, candidates = halves(1)
    expected = expected_of(picks, candidates).beside_hidden(share)
    places = Places(Picks.joined([picks, candidates]), DIAMETER, (2000, 6000))
    drawn = compare([[picks], [picks]], [places], share).qualities[0]
    on_centre = drawn.precision.middle / expected.precision(len(picks)).middle  # some hits are too far off the centre
    for told, found in ((expected.precision(len(picks)), drawn.precision), (expected.recall, drawn.recall)):
        assert np.array(told) * on_centre == pytest.approx(np.array(found), abs=0.03)


def test_of_truth_that_is_drawn_nine_in_ten_lie_in_the_intervals():
    covered = []
    for seed in range(40):
        picks, candidates = halves(seed, 200)
        random = np.random.default_rng(100 + seed)
        hits, missed = ((random.random(len(each)) < each.score).sum() for each in (picks, candidates))
        expected = expected_of(picks, candidates)
        precision, recall = expected.precision(len(picks)), expected.recall
        covered.append(precision.low <= hits / len(picks) <= precision.high)
        covered.append(recall.low <= hits / (hits + missed) <= recall.high)
    assert np.mean(covered) >= 0.9


def test_the_sum_over_micrographs_is_that_of_all_picks():
    parts, whole = [halves(0), halves(1)], [Picks.joined(each) for each in zip(halves(0), halves(1), strict=True)]
    total = Expected.total(expected_of(*part) for part in parts)
    assert total == pytest.approx(expected_of(*whole))


def test_of_scores_that_are_no_probabilities_nothing_is_told():
    other = picks_of([0.5, 0.7], "uncalibrated")
    assert expected_of(other, None) is None
    assert Expected.total([Expected(), expected_of(other, None)]) is None
    assert expected_of(picks_of([], "uncalibrated"), None) == Expected()


def test_hidden_particles_are_beside_those_that_are_seen():
    seen = expected_of(*halves(0))
    expected = seen.beside_hidden(0.25)
    assert expected.hits == seen.hits
    assert expected.hidden / expected.particles == pytest.approx(0.25)
    assert expected.particles - expected.hidden == pytest.approx(seen.particles)
    assert expected.recall.middle == pytest.approx(0.75 * seen.recall.middle)
    assert expected.precision(100) == seen.precision(100)
    assert seen.beside_hidden(0.0) == seen


@pytest.mark.parametrize("score", [[], [0.0], [1.0], [1e-9] * 3, [1.0] * 500])
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_intervals_are_shares_in_their_order_whatever_is_known(score, share):
    expected = expected_of(picks_of(score), None).beside_hidden(share)
    for low, middle, high in (expected.precision(max(len(score), 1)), expected.recall):
        assert 0 <= low <= middle <= high <= 1


def test_shifts_of_odds_go_up_down_and_back():
    probability = np.linspace(0.01, 0.99, 9)
    up = shifted(probability, 1.0)
    assert (up > probability).all()
    assert up / (1 - up) == pytest.approx(np.e * probability / (1 - probability))
    assert shifted(up, -1.0) == pytest.approx(probability)
    assert shifted(probability, [[-1.0], [0.0]]).shape == (2, 9)
