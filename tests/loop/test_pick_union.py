"""The union of two rounds: each place once, and both treated alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.loop.pick_union import draw_sample, from_single_round, merge_rounds
from cryoglean.loop.spacing import SpacingFinding, find_spacing, suppress_neighbours
from cryoglean.picks import Picks

DIAMETER = 20.0


def field(seed, count=60):
    random = np.random.default_rng(seed)
    return Picks(*random.uniform(0, 400, (2, count)), random.random(count))


@given(st.integers(0, 1000), st.integers(1, 80), st.integers(1, 80))
def test_every_pick_of_both_is_in_the_union_once(seed, first, second):
    reference, new = field(seed, first), field(seed + 1, second)
    union = merge_rounds({"m": reference}, {"m": new}, {"m": DIAMETER})["m"]
    assert union.of_reference.sum() == first
    assert union.of_new.sum() == second
    assert (union.of_reference | union.of_new).all()


@given(st.integers(0, 1000), st.integers(1, 80), st.integers(1, 80))
def test_the_best_of_both_are_equally_many(seed, first, second):
    union = merge_rounds({"m": field(seed, first)}, {"m": field(seed + 1, second)}, {"m": DIAMETER})["m"]
    assert union.is_best_reference.sum() == union.is_best_new.sum() == min(first, second)


def test_equal_rounds_share_all():
    picks = field(3)
    union = merge_rounds({"m": picks}, {"m": picks}, {"m": DIAMETER})["m"]
    assert len(union.picks) == len(picks)
    assert union.of_reference.all()
    assert union.of_new.all()


@pytest.mark.parametrize("empty_first", [True, False])
def test_an_empty_round_gives_the_other(empty_first):
    pair = (Picks.empty(), field(1)) if empty_first else (field(1), Picks.empty())
    union = merge_rounds({"m": pair[0]}, {"m": pair[1]}, {"m": DIAMETER})["m"]
    assert len(union.picks) == 60
    assert not (union.is_best_reference | union.is_best_new).any()


def test_a_sample_is_of_the_size_wanted_and_the_same_each_time():
    unions = from_single_round({"a": field(1), "b": field(2), "c": Picks.empty()})
    one, again, other = (draw_sample(unions, 50, seed) for seed in (0, 0, 1))
    assert sum(len(union.picks) for union in one.values()) == 50
    assert all(np.array_equal(one[k].picks.xy, again[k].picks.xy) for k in unions)
    assert not np.array_equal(one["a"].picks.xy, other["a"].picks.xy)
    assert draw_sample(unions, 500, 0) == unions
    assert draw_sample(unions, 0, 0) == unions, "0 takes all"


def spread(spacing_diameters, seed, count=2000, side=2000.0):
    """Places by random sequential adsorption, with scores by lot."""
    random = np.random.default_rng(seed)
    places = Picks(*random.uniform(0, side, (2, count)), random.random(count))
    return suppress_neighbours(places, spacing_diameters * DIAMETER)


def with_false_ones(true, seed):
    """Add weak picks anywhere, as noise gives."""
    sure, weak = Picks(true.x, true.y, 0.6 + 0.4 * true.score), spread(0.5, seed, count=3000)
    return Picks(*np.concatenate([sure.xy, weak.xy]).T, np.concatenate([sure.score, 0.5 * weak.score]))


@pytest.mark.parametrize("true", [0.7, 0.85, 0.95])
def test_spacing_is_found_beside_false_picks(true):
    picks = [with_false_ones(spread(true, seed), seed + 10) for seed in (1, 2)]
    assert true - 0.15 <= find_spacing(picks, [DIAMETER] * 2, [4e6] * 2).diameters <= true + 0.1


def test_where_all_picks_keep_the_spacing_none_is_asked_for():
    found = find_spacing([spread(0.9, 1), spread(0.9, 2)], [DIAMETER] * 2, [4e6] * 2)
    assert found.diameters == 0.5
    assert found.finding is SpacingFinding.nothing_to_remove


def test_a_minimum_distance_of_half_a_diameter_removes_nothing_and_is_not_told_as_a_finding():
    picks = [with_false_ones(spread(0.52, seed), seed + 10) for seed in (1, 2)]
    found = find_spacing(picks, [DIAMETER] * 2, [4e6] * 2)
    assert (found.diameters > 0.5) == (found.finding is SpacingFinding.overlaps)
    assert found.diameters == 0.5


def test_places_at_random_and_few_places_give_the_least_spacing():
    assert find_spacing([spread(0.5, 1)], [DIAMETER], [4e6]).diameters <= 0.55
    assert find_spacing([field(1, 5)], [DIAMETER], [4e6]).diameters == 0.5
    assert find_spacing([Picks.empty()], [DIAMETER], [4e6]).diameters == 0.5
