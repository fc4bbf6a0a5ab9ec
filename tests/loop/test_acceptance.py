"""A later round takes the place of an earlier one beyond doubt or not at all."""

import math

import pytest

from cryoglean.calibration.comparison import Lead
from cryoglean.expected import Interval
from cryoglean.loop.acceptance import (
    NUMERICAL_DEVIATIONS,
    SURE_DEVIATIONS,
    Acceptance,
    AcceptanceRule,
    Doubt,
    RoundComparison,
    doubt_of,
)
from cryoglean.loop.settings import LoopSettings

BETTER, WORSE = RoundComparison(200, 60, 200, 150), RoundComparison(200, 150, 200, 60)
IN_DOUBT = (
    RoundComparison(200, 100, 200, 104),
    RoundComparison(200, 104, 200, 100),
    RoundComparison(200, 100, 200, 100),
    RoundComparison(5, 0, 5, 5),
    RoundComparison(100, 100, 100, 100),
    RoundComparison(0, 0, 0, 0),
)


def near_the_limit(by):
    """Two rounds that differ by the limit and a little."""
    kept = next(k for k in range(100, 200) if RoundComparison(200, 100, 200, k).deviations >= SURE_DEVIATIONS + by)
    return RoundComparison(200, 100, 200, kept)


def test_a_clear_gain_accepts_the_later_round():
    assert AcceptanceRule.earlier_in_doubt.verdict(BETTER) is Acceptance.better
    assert Acceptance.better.is_accepted


@pytest.mark.parametrize("comparison", IN_DOUBT)
def test_in_doubt_the_earlier_round_stands(comparison):
    verdict = AcceptanceRule.earlier_in_doubt.verdict(comparison)
    assert verdict is Acceptance.undecided
    assert not verdict.is_accepted
    assert doubt_of(comparison.deviations) is Doubt.chance


def test_a_clear_loss_is_told_apart_from_doubt():
    assert AcceptanceRule.earlier_in_doubt.verdict(WORSE) is Acceptance.worse
    assert not Acceptance.worse.is_accepted


def test_a_gain_that_another_processor_may_not_see_is_undecided():
    near, clear = near_the_limit(0.01), near_the_limit(NUMERICAL_DEVIATIONS + 0.01)
    assert doubt_of(near.deviations) is Doubt.numerical
    assert AcceptanceRule.earlier_in_doubt.verdict(near) is Acceptance.undecided
    assert doubt_of(clear.deviations) is None
    assert AcceptanceRule.earlier_in_doubt.verdict(clear) is Acceptance.better


def lead_of(deviations):
    """A lead in the expected F1 that is so sure."""
    return Lead(Interval(-0.1, 0.0, 0.1), deviations)


@pytest.mark.parametrize(
    ("comparison", "deviations", "verdict"),
    [
        (BETTER, 5.0, Acceptance.better),
        (BETTER, 0.0, Acceptance.better),
        (BETTER, -5.0, Acceptance.undecided),
        (IN_DOUBT[0], 5.0, Acceptance.better),
        (IN_DOUBT[0], 0.0, Acceptance.undecided),
        (IN_DOUBT[0], -5.0, Acceptance.worse),
        (WORSE, 5.0, Acceptance.undecided),
        (WORSE, 0.0, Acceptance.worse),
        (WORSE, -5.0, Acceptance.worse),
    ],
)
def test_a_round_is_better_where_nothing_speaks_against_it(comparison, deviations, verdict):
    assert AcceptanceRule.earlier_in_doubt.verdict(comparison, lead_of(deviations)) is verdict
    assert AcceptanceRule.last_round.verdict(comparison, lead_of(deviations)).is_accepted


def test_a_lead_so_near_to_the_limit_that_another_processor_may_not_see_it_is_none():
    near = lead_of(SURE_DEVIATIONS + 0.5 * NUMERICAL_DEVIATIONS)
    assert AcceptanceRule.earlier_in_doubt.verdict(IN_DOUBT[0], near) is Acceptance.undecided


@pytest.mark.parametrize("comparison", [*IN_DOUBT, WORSE])
def test_as_published_the_last_round_is_accepted_whatever_its_classes_say(comparison):
    assert AcceptanceRule.last_round.verdict(comparison) is Acceptance.last_round
    assert Acceptance.last_round.is_accepted


@pytest.mark.parametrize("comparison", [*IN_DOUBT, WORSE])
def test_a_few_coordinates_that_were_given_make_place_for_the_first_network(comparison):
    verdict = AcceptanceRule.earlier_in_doubt.verdict(comparison, replaces_given=True)
    assert verdict is Acceptance.first_network
    assert verdict.is_accepted


@pytest.mark.parametrize(
    ("preset", "rule"), [("default", AcceptanceRule.earlier_in_doubt), ("paper", AcceptanceRule.last_round)]
)
def test_each_preset_has_its_rule_with_a_message(preset, rule):
    assert LoopSettings(diameter_angstrom=100, preset=preset).acceptance_rule is rule
    assert rule.message


def test_swapping_the_two_of_a_comparison_swaps_the_sign():
    assert RoundComparison(90, 30, 120, 80).deviations == pytest.approx(-RoundComparison(120, 80, 90, 30).deviations)
    assert math.isfinite(RoundComparison(0, 0, 0, 0).deviations)
