"""The decisions of the loop depend on counts alone."""

import itertools
import math

import pytest

from cryoglean.jobs.outliers import outliers
from cryoglean.loop.decisions import (
    Acceptance,
    AcceptanceDecision,
    Alarm,
    RoundComparison,
    RoundFacts,
    accept_round,
    find_alarm,
    is_converged,
)
from cryoglean.loop.outcomes import Outcome, loop_end
from cryoglean.loop.subset import SubsetChoice, training_subset
from cryoglean.micrograph import MicrographFile


def facts(**changes):
    return RoundFacts(1, 800, 80.0, 800, 640, 12.0)._replace(**changes)


def test_convergence_is_more_than_the_share():
    assert not is_converged(facts(kept=560), 0.7)
    assert is_converged(facts(kept=561), 0.7)
    assert not is_converged(facts(classified=0, kept=0), 0.7)


def test_a_like_round_raises_no_alarm():
    assert find_alarm(facts(number=0), facts()) is None
    assert find_alarm(facts(number=0), facts(median_picks=60.0, kept=520, best_resolution_angstrom=14.0)) is None


@pytest.mark.parametrize(
    ("changes", "alarm", "message"),
    [
        ({"picks": 0}, Alarm.no_picks, "the network picks nothing"),
        ({"median_picks": 20.0}, Alarm.collapse, "picks collapse: 20 (before: 80) per micrograph (median)"),
        ({"median_picks": 300.0}, Alarm.flood, "picks flood: 300 (before: 80) per micrograph (median)"),
        ({"kept": 0}, Alarm.no_class_kept, "no class is kept"),
        ({"kept": 400}, Alarm.classes_worse, "classes get worse: 50% (before: 80%) of the picks in kept classes"),
        ({"best_resolution_angstrom": 25.0}, Alarm.resolution_lost, "resolution: 25.0 Å (before: 12.0 Å)"),
        (
            {"best_resolution_angstrom": math.inf},
            Alarm.resolution_lost,
            "classes lose resolution: none (before: 12.0 Å)",
        ),
    ],
)
def test_an_alarm_is_a_value_with_a_message(changes, alarm, message):
    found = find_alarm(facts(number=0), facts(**changes))
    assert (found.alarm, found.round, found.accepted) == (alarm, 1, 0)
    assert found.message.endswith(message)


@pytest.mark.parametrize("acceptance", Acceptance)
def test_a_decision_on_a_round_names_it_and_says_why(acceptance):
    decision = AcceptanceDecision(round=2, acceptance=acceptance, reference=1, accepted=2, deviations=2.31)
    assert decision.message.startswith("round 2 accepted: " if acceptance.is_accepted else "round 2 not accepted: ")
    if acceptance is Acceptance.as_good:
        assert decision.line == "round 2 accepted: as good as round 1"


@pytest.mark.parametrize("outcome", Outcome)
def test_every_end_has_a_message_without_gaps(outcome):
    names = (
        "number",
        "kept",
        "classified",
        "share",
        "accepted",
        "rounds",
        "table",
        "alarm",
        "advice",
        "reason",
        "picks",
    )
    names += ("needed", "source", "error")
    message = loop_end(outcome, **dict.fromkeys(names, 0.5)).message
    assert message
    assert not set("{}") & set(message)
    assert outcome.exit_status in (0, 4, 5, 6)


def test_a_comparison_is_won_by_a_larger_kept_share_beyond_doubt():
    assert RoundComparison(200, 60, 200, 150).is_won
    assert not RoundComparison(200, 150, 200, 60).is_won
    assert not RoundComparison(200, 100, 200, 104).is_won, "within chance"
    assert not RoundComparison(5, 0, 5, 5).is_won, "too few to tell"
    assert not RoundComparison(100, 100, 100, 100).is_won, "classes that keep all tell nothing"


def test_a_difference_within_chance_is_undecided_whoever_is_ahead():
    assert RoundComparison(200, 100, 200, 104).is_undecided
    assert RoundComparison(200, 104, 200, 100).is_undecided
    assert RoundComparison(5, 0, 5, 5).is_undecided
    assert not RoundComparison(200, 60, 200, 150).is_undecided
    assert not RoundComparison(200, 150, 200, 60).is_undecided


def test_in_doubt_a_converged_round_is_accepted_and_another_does_not():
    doubt, worse, better = (
        RoundComparison(200, 100, 200, 104),
        RoundComparison(200, 150, 200, 60),
        RoundComparison(200, 60, 200, 150),
    )
    assert accept_round(facts(kept=700), doubt, 0.7) is Acceptance.as_good
    assert accept_round(facts(kept=400), doubt, 0.7) is Acceptance.not_better
    assert accept_round(facts(kept=700), RoundComparison(200, 104, 200, 100), 0.7) is Acceptance.worse
    assert accept_round(facts(kept=700), RoundComparison(200, 100, 200, 100), 0.7) is Acceptance.as_good
    assert accept_round(facts(kept=700), worse, 0.7) is Acceptance.worse
    assert accept_round(facts(kept=400), better, 0.7) is Acceptance.better


def test_swapping_the_two_of_a_comparison_swaps_the_sign():
    assert RoundComparison(90, 30, 120, 80).deviations == pytest.approx(-RoundComparison(120, 80, 90, 30).deviations)


def test_outliers_have_far_more_than_most():
    counts = {f"m{i}": 100 + i for i in range(9)}
    assert outliers(counts) == []
    assert outliers(counts | {"dirt": 900}) == ["dirt"]
    assert outliers({}) == []


def files(count, defocus=None, resolution="3.5"):
    row = {} if defocus is None else {"rlnCtfMaxResolution": resolution}
    made = []
    for i in range(count):
        z = {} if defocus is None else {"rlnDefocusU": str(defocus(i)), "rlnDefocusV": str(defocus(i))}
        optics = {"rlnVoltage": "300", "rlnSphericalAberration": "2.7", "rlnAmplitudeContrast": "0.1"}
        ctf = {} if defocus is None else {"rlnDefocusAngle": "0", **optics}
        made.append(MicrographFile(f"m{i}.mrc", f"m{i}.mrc", f"m{i}", row=row | z | ctf))
    return made


def test_of_few_micrographs_all_are_taken():
    assert training_subset(files(12), 30) == (files(12), SubsetChoice.every)


def test_without_a_ctf_the_subset_is_spread_evenly():
    chosen, choice = training_subset(files(100), 25)
    places = [int(file.key[1:]) for file in chosen]
    assert len(places) == 25
    assert {b - a for a, b in itertools.pairwise(places)} == {4}
    assert choice is SubsetChoice.spread_ctf_unknown


def test_with_a_ctf_half_of_the_subset_is_below_one_micrometre():
    chosen, choice = training_subset(files(200, lambda i: 5_000 + 100 * i), 30)
    near = sum(file.defocus_angstrom < 10_000 for file in chosen)
    assert (near, len(chosen), choice) == (15, 30, SubsetChoice.by_defocus)
    assert max(file.defocus_angstrom for file in chosen) < 20_000


def test_a_share_of_nothing_is_zero():
    assert facts(classified=0, kept=0).kept_share == 0
    assert math.isfinite(RoundComparison(0, 0, 0, 0).deviations)
