"""Verdicts on evaluate, simulate and size: evidence, what is unmatched, and commands that the program takes."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import typer
from tests.jobs.test_verdict import survey

from cryoglean.cli.main import app
from cryoglean.evaluate import Protocol, evaluate_picks
from cryoglean.findings import Level
from cryoglean.jobs.side_verdicts import verdict_on_evaluation, verdict_on_simulation, verdict_on_size
from cryoglean.micrograph import Contrast
from cryoglean.picks import Picks

COMMAND = "cryoglean evaluate OUT truth --diameter 100 --pixel-size 2"
OWN = {"picks": {"verdict": "own"}, "truth": {"verdict": "own"}}
UNCHECKED = {"picks": {"verdict": "own"}, "truth": {"verdict": "unchecked"}}


def picks(seed, count=20):
    return Picks(*np.random.default_rng(seed).uniform(0, 900, (2, count)), np.ones(count))


def compared(true, picked):
    return evaluate_picks(true, picked, Protocol(50.0))


def levels(findings):
    return {each.topic: each.level for each in findings}


SAME = compared({"a": picks(0)}, {"a": picks(0)})
MISSED = compared({"a": picks(0)}, {"a": Picks(np.full(3, 2000.0), np.arange(3) * 100.0, np.ones(3))})
UNMATCHED = compared({"a": picks(0), "b": picks(1)}, {"a": picks(0), "c": picks(2)})


@pytest.mark.parametrize(
    ("verdict", "level"),
    [
        ("own", Level.fact),
        ("as asked", Level.fact),
        ("fits", Level.fact),
        ("turned", Level.note),
        ("turned to agree", Level.note),
        ("unknown", Level.note),
        ("rescaled", Level.alarm),
        ("absent", Level.alarm),
    ],
)
def test_the_evidence_on_coordinates_is_told_at_the_level_of_what_was_found(verdict, level):
    values = {"verdict": verdict, "orientation": "flip-y", "signal": 5.25, "scale": 2.0}
    told = next(each for each in verdict_on_evaluation(SAME, {"picks": values}, COMMAND) if each.topic == "picks")
    assert told.level is level
    if "turned" in verdict:
        assert "flip-y" in told.text
    if verdict in ("fits", "turned"):
        assert "signal 5.2" in told.text


def test_coordinates_that_nothing_checked_are_a_note_unless_both_sides_agree():
    assert levels(verdict_on_evaluation(SAME, UNCHECKED, COMMAND))["truth"] is Level.fact
    (note,) = [each for each in verdict_on_evaluation(MISSED, UNCHECKED, COMMAND) if each.topic == "truth"]
    assert (note.level, note.command) == (Level.note, f"{COMMAND} --micrographs MICROGRAPHS")


def test_picks_that_all_miss_are_an_alarm_and_none_are_not():
    assert verdict_on_evaluation(MISSED, OWN, COMMAND)[0].topic == "hits"
    none = compared({"a": picks(0)}, {"a": Picks.empty()})
    assert "hits" not in levels(verdict_on_evaluation(none, OWN, COMMAND))


def test_micrographs_of_one_side_only_are_named():
    said = [each for each in verdict_on_evaluation(UNMATCHED, OWN, COMMAND) if each.topic == "unmatched"]
    assert [(each.level, each.command is None) for each in said] == [(Level.note, False), (Level.note, True)]
    assert "for 1 micrograph: b (counted as empty)" in said[0].text
    assert "for 1 micrograph: c (not counted)" in said[1].text


def test_micrographs_that_were_left_out_are_not_told_to_be_empty_nor_how_to_leave_them_out():
    left = evaluate_picks({"a": picks(0), "b": picks(1)}, {"a": picks(0)}, Protocol(50.0), only_with_picks=True)
    (said,) = [each for each in verdict_on_evaluation(left, OWN, COMMAND) if each.topic == "unmatched"]
    assert (said.level, said.command) == (Level.fact, None)
    assert "for 1 micrograph: b (left out)" in said.text


def test_rows_that_could_not_be_read_are_told():
    broken = {**OWN, "picks": {"verdict": "own", "faults": ["p.star: line 7: ..."]}}
    assert levels(verdict_on_evaluation(SAME, broken, COMMAND))["rows"] is Level.note
    assert "rows" not in levels(verdict_on_evaluation(SAME, OWN, COMMAND))


def test_a_simulation_tells_what_was_made_and_what_had_no_room():
    full = verdict_on_simulation({"a": 8, "b": 8}, 8, [129.6], 1.5, Path("SIM"))
    assert full[0].text == "16 particles in 2 micrographs, 130 Å across"
    assert "room" not in levels(full)
    part = verdict_on_simulation({"a": 8, "b": 5}, 8, [129.6, 80.0], 1.5, Path("SIM"))
    assert part[0].text.startswith("there was no room for 3 of 16 particles: ")
    assert "of 2 species, the largest 130 Å across" in part[1].text


def test_a_size_is_judged_as_that_of_picks_is():
    assert set(levels(verdict_on_size(survey(), [Path("m")], 2.0)).values()) == {Level.fact}
    guess = verdict_on_size(survey(has_edge=False), [Path("m")], 2.0)
    assert levels(guess)["dirt"] is Level.note
    rods = verdict_on_size(survey().model_copy(update={"is_elongated": True}), [Path("m")], None)
    assert [(each.topic, each.command) for each in rods if each.level is Level.note] == [("size", None)]
    unsure = verdict_on_size(survey(None), [Path("m")], None)
    assert levels(unsure)["contrast"] is Level.note
    nothing = survey().model_copy(update={"size": None})
    assert [each.level for each in verdict_on_size(nothing, [Path("m")], None)] == [Level.alarm]
    unusable = survey().model_copy(update={"micrographs": ()})
    assert levels(verdict_on_size(unusable, [Path("m")], None)) == {"micrographs": Level.alarm}


def test_each_command_that_is_told_is_one_of_the_program():
    told = [
        *verdict_on_evaluation(UNMATCHED, OWN, COMMAND),
        *verdict_on_evaluation(MISSED, UNCHECKED, COMMAND),
        *verdict_on_simulation({"a": 3}, 3, [129.6], 1.5, Path("my SIM")),
        *verdict_on_size(survey(Contrast.bright), [Path("my images"), Path("more")], 1.77),
        *verdict_on_size(survey(), [Path("images")], None),
    ]
    commands = [shlex.split(each.command) for each in told if each.command]
    assert [words[1] for words in commands] == ["evaluate", "evaluate", "pick", "evaluate", "pick", "pick"]
    program = typer.main.get_command(app)
    with program.make_context("cryoglean", ["doctor"]) as context:
        for name, command, *words in commands:
            assert name == "cryoglean"
            # raises if it lacks an option, or has an unknown one
            program.get_command(context, command).make_context(command, words, parent=context)
