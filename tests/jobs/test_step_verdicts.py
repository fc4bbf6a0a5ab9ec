"""Verdicts on the steps around picking: alarms where most is lost, a command to go on with, words that fit numbers."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

from cryoglean.cli.main import app
from cryoglean.findings import Level
from cryoglean.jobs.result import JobSummary, MicrographResult
from cryoglean.jobs.step_verdicts import (
    verdict_on_classes,
    verdict_on_ctf,
    verdict_on_particles,
    verdict_on_selection,
    verdict_on_training,
)
from cryoglean.micrograph import MicrographFile

OUT = Path("my out")


def summary(*counts):
    """A summary with so many particles of each micrograph; None is a rejected one."""
    return JobSummary(
        [
            MicrographResult(file_of(i), count or 0, reason="broken" if count is None else None)
            for i, count in enumerate(counts)
        ]
    )


def file_of(number, **row):
    return MicrographFile(Path(f"m{number}.mrc"), f"m{number}.mrc", f"m{number}", row=row)


def levels(findings):
    return {each.topic: each.level for each in findings}


def is_in_order(findings):
    return [each.level.rank for each in findings] == sorted(each.level.rank for each in findings)


@pytest.mark.parametrize(
    ("counts", "level"), [((3, 4, 5), None), ((3, 4, None), Level.note), ((3, None, None), Level.alarm)]
)
def test_what_was_rejected_is_a_note_and_most_of_the_set_an_alarm(counts, level):
    for verdict in (
        verdict_on_ctf(summary(*counts), [], OUT),
        verdict_on_particles(summary(*counts), [], ["m"], OUT),
        verdict_on_training(summary(*counts), {}, {}),
    ):
        assert levels(verdict).get("rejected") is level
        assert is_in_order(verdict)


def test_each_command_that_is_told_is_one_of_the_program():
    known = [file_of(0, rlnDefocusU="9000", rlnDefocusV="11000", rlnCtfMaxResolution="4.5")]
    told = [
        *verdict_on_ctf(summary(1), known, OUT),
        *verdict_on_particles(summary(1, 0), ["m1.mrc"], ["my images", "--pixel-size", 1.5], OUT),
        *verdict_on_classes(np.array([5, 5]), np.array([9.0, 12.0]), OUT),
        *verdict_on_selection(0, 9, (0, 3), Path("classes"), OUT),
    ]
    told += verdict_on_training(summary(1), {"particle": 1}, {"--method": "kpicker", "--diameter": "120"})
    commands = [shlex.split(each.command) for each in told if each.command]
    assert {words[1] for words in commands} == {"extract", "ctf", "classify", "select", "pick"}
    program = typer.main.get_command(app)
    with program.make_context("cryoglean", ["doctor"]) as context:
        for name, command, *words in commands:
            assert name == "cryoglean"
            # raises if it lacks an option, or has an unknown one
            program.get_command(context, command).make_context(command, words, parent=context)


def test_the_defocus_and_the_worst_fit_are_told():
    files = [
        file_of(i, rlnDefocusU=str(u), rlnDefocusV=str(u), rlnCtfMaxResolution=r)
        for i, (u, r) in enumerate([(10000, "4.0"), (20000, "5.0"), (15000, "9.0")])
    ]
    said = {each.topic: each.text for each in verdict_on_ctf(summary(1, 1, 1), files, OUT)}
    assert said["defocus"] == "1.00 to 2.00 µm, median 1.50"
    assert said["fits"] == "fits reach 5.0 Å (median), the worst 9.0 Å"


@pytest.mark.parametrize(
    ("counts", "resolution", "topics"),
    [
        ([50, 40, 10], [8.0, 9.0, 20.0], {"detail": Level.fact}),
        ([95, 4, 1], [8.0, 9.0, 20.0], {"classes": Level.note, "detail": Level.fact}),
        ([60, 40, 0, 0, 0], [8.0, 9.0, np.inf, np.inf, np.inf], {"classes": Level.note, "detail": Level.fact}),
        ([50, 50], [np.inf, np.inf], {"detail": Level.alarm}),
        ([100], [7.0], {"detail": Level.fact}),
        ([0, 0], [np.inf, np.inf], {}),
    ],
)
def test_classes_are_judged_by_their_sizes_and_by_what_is_resolved(counts, resolution, topics):
    verdict = verdict_on_classes(np.array(counts), np.array(resolution), OUT)
    assert levels(verdict) == topics
    assert is_in_order(verdict)


def test_a_training_tells_what_it_learned_from_in_words_that_fit_and_how_to_pick():
    pick_with = {"--model": OUT / "weights", "--preset": None}
    (only,) = verdict_on_training(summary(3), {"particle": 3, "micrograph": 1}, pick_with)
    assert only.text == "from 3 particles, 1 micrograph"
    assert shlex.split(only.command)[2:] == ["MICROGRAPHS", "--model", "my out/weights", "--out", "PICKED"]


@pytest.mark.parametrize(("kept", "level"), [(0, Level.alarm), (49, Level.note), (50, Level.fact), (100, Level.fact)])
def test_a_selection_that_keeps_little_says_how_to_change_it(kept, level):
    (only,) = verdict_on_selection(kept, 100, (1, 3), Path("classes"), OUT)
    assert only.level is level
    assert (only.command is None) == (level is Level.fact)
    if only.command:
        assert str(OUT / "selection.csv") in shlex.split(only.command)
