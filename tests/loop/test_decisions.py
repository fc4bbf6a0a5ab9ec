"""The decisions of the loop depend on counts alone."""

import itertools
import math

import pytest

from cryoglean.errors import SettingsError
from cryoglean.jobs.outliers import outliers
from cryoglean.loop.acceptance import Acceptance
from cryoglean.loop.decisions import (
    AcceptanceDecision,
    Alarm,
    ClassEvaluationDecision,
    Convergence,
    RoundFacts,
    SampleDecision,
    convergence_of,
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


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (800, Convergence.converged),
        (569, Convergence.undecided),
        (560, Convergence.undecided),
        (551, Convergence.undecided),
        (400, Convergence.not_converged),
    ],
)
def test_convergence_near_its_limit_is_told_as_undecided(kept, expected):
    found = convergence_of(facts(kept=kept), 0.7)
    assert found is expected
    counts = dict.fromkeys(("only_reference", "only_reference_kept", "only_new", "only_new_kept"), 9)
    said = ClassEvaluationDecision(round=1, classified=800, kept=kept, convergence=found, **counts).message
    assert found.message in said


@pytest.mark.parametrize("acceptance", Acceptance)
def test_a_decision_on_a_round_names_it_and_says_why(acceptance):
    decision = AcceptanceDecision(round=2, acceptance=acceptance, reference=1, accepted=2, deviations=2.71)
    assert decision.message.startswith("round 2 accepted: " if acceptance.is_accepted else "round 2 not accepted: ")
    if acceptance is Acceptance.better:
        assert (
            decision.line
            == "round 2 accepted: better than round 1 beyond doubt (by its classes +2.7 standard deviations)"
        )


@pytest.mark.parametrize(("deviations", "why"), [(0.3, "chance may have made"), (-2.1, "another processor")])
def test_a_decision_in_doubt_says_which_round_stands_and_why(deviations, why):
    decision = AcceptanceDecision(
        round=1, acceptance=Acceptance.undecided, reference=0, accepted=0, deviations=deviations
    )
    assert decision.message.startswith("round 1 not accepted: undecided, and in doubt round 0 stands")
    assert why in decision.message


def test_a_decision_tells_both_kinds_of_evidence():
    values = {"round": 1, "reference": 0, "accepted": 0, "deviations": 3.0, "lead": -0.305, "lead_deviations": -9.1}
    said = AcceptanceDecision(acceptance=Acceptance.undecided, **values).message
    assert "by its classes +3.0 standard deviations; by an expected F1 that is -0.305, -9.1 standard dev" in said
    assert (
        AcceptanceDecision(acceptance=Acceptance.undecided, **values | {"lead": None}).message.count("deviations") == 1
    )


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
    names += ("needed", "source", "error", "rule")
    message = loop_end(outcome, **dict.fromkeys(names, 0.5)).message
    assert message
    assert not set("{}") & set(message)
    assert outcome.exit_status in (0, 4, 5, 6)


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


def test_the_subset_of_low_defocus_is_refused_where_there_is_none():
    near = files(30, lambda i: 3_000 + 100 * i)
    chosen, choice = training_subset(near, 12, low_defocus=True)
    assert (len(chosen), choice) == (12, SubsetChoice.low_defocus)
    assert max(file.defocus_angstrom for file in chosen) <= 5_000
    few, _ = training_subset(near[:3], 12, low_defocus=True)
    assert few == near[:3]
    for without in (files(30), files(30, lambda i: 9_000)):
        with pytest.raises(SettingsError, match="--low-defocus: none of 30 micrographs has a CTF to 4 Å"):
            training_subset(without, 12, low_defocus=True)


def test_a_sample_is_told_with_what_all_would_take():
    decision = SampleDecision(round=0, drawn=4000, places=13_000, classes=20, published_classes=65, seconds=60.0)
    assert decision.seconds_of_all == pytest.approx(195)
    assert decision.line.startswith("round 0: 4000 of 13000 places are classified, drawn by lot, in 20 classes")
    assert "in 65 classes as published, would take some 3 minutes a pass (--max-particles 0)" in decision.message


def test_a_share_of_nothing_is_zero():
    assert facts(classified=0, kept=0).kept_share == 0
