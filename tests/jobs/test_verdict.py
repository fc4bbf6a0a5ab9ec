"""The verdict on picks: what is wrong first, and a command that does what it says."""

import shlex

import numpy as np
import pytest

from cryoglean.detect.skewness import Skewness
from cryoglean.expected import expected_of
from cryoglean.findings import Level
from cryoglean.jobs.fit_findings import findings_on_misfit
from cryoglean.jobs.verdict import changed, findings_on_micrographs, verdict_on_picks
from cryoglean.micrograph import Contrast
from cryoglean.pickers.localpicker.survey import MicrographSurvey, SizeEstimate
from cryoglean.picks import Picks

EXPECTED = expected_of(*(Picks(*np.zeros((2, n)), np.full(n, p), "probability") for n, p in ((50, 0.98), (42, 0.5))))
PROMISE = (
    "some 49 of 50 picks are expected to be particles (98%, 93% to 100%), of some 70 that there are (70%, 58% to 84%);"
)
COMMAND = "cryoglean pick 'my images' --diameter 300 --out OUT"


def survey(contrast=Contrast.dark, skewness=0.8, *, has_edge=True):
    found = (Skewness(skewness, 0.01, 0.01),)
    return MicrographSurvey(
        discs_angstrom=(120.0,),
        dark=found,
        bright=found,
        contrast=contrast,
        size=SizeEstimate(130.0, 100.0, 200.0, has_edge),
        micrographs=("a",) * 8,
    )


def levels(findings):
    return {each.topic: each.level for each in findings}


@pytest.mark.parametrize(
    ("diameter", "level"),
    [(130, Level.fact), (100, Level.fact), (200, Level.fact), (210, Level.note), (300, Level.alarm), (50, Level.alarm)],
)
def test_a_diameter_is_compared_with_what_the_micrographs_show(diameter, level):
    found = findings_on_micrographs(survey(), diameter, None, COMMAND)
    assert levels(found)["size"] is level
    assert all((each.command is None) == (each.level is Level.fact) for each in found if each.topic == "size")


@pytest.mark.parametrize(("diameter", "is_doubted"), [(300, False), (301, True), (67, False), (66, True)])
def test_a_diameter_of_half_as_much_again_lets_doubt_the_pixel_size(diameter, is_doubted):
    (found,) = [each for each in findings_on_micrographs(survey(), diameter, None, COMMAND) if each.topic == "size"]
    assert found.text.endswith("is the pixel size right, and in angstrom?") is is_doubted


@pytest.mark.parametrize(("diameter", "level"), [(120, Level.note), (180, Level.note), (300, Level.alarm)])
def test_of_elongated_particles_no_diameter_within_the_range_is_called_wrong_and_none_is_proposed(diameter, level):
    rods = survey().model_copy(update={"is_elongated": True})
    (said,) = [each for each in findings_on_micrographs(rods, diameter, None, COMMAND) if each.topic == "size"]
    assert (said.level, said.command) == (level, None)
    assert "undecided" in said.text


@pytest.mark.parametrize(
    ("shown", "given", "level"),
    [
        (Contrast.dark, None, Level.fact),
        (Contrast.bright, None, Level.note),
        (Contrast.bright, Contrast.bright, Level.fact),
        (Contrast.bright, Contrast.dark, Level.alarm),
        (Contrast.dark, Contrast.bright, Level.alarm),
        (None, None, Level.note),
    ],
)
def test_a_contrast_is_compared_with_what_the_micrographs_show(shown, given, level):
    assert levels(findings_on_micrographs(survey(shown), 130, given, COMMAND))["contrast"] is level


def test_what_has_no_common_size_is_told_and_what_hardly_stands_out_is_an_alarm():
    assert "dirt" not in levels(findings_on_micrographs(survey(), 130, None, None))
    assert levels(findings_on_micrographs(survey(has_edge=False), 130, None, None))["dirt"] is Level.note
    assert levels(findings_on_micrographs(survey(skewness=0.2, has_edge=False), 130, None, None))["dirt"] is Level.alarm


def test_what_is_wrong_comes_first():
    counts = {f"m{i}": 50 for i in range(9)} | {"none": 0, "far_too_many": 900}
    found = verdict_on_picks(findings_on_micrographs(survey(), 300, None, COMMAND), None, counts)
    assert [each.level.rank for each in found] == sorted(each.level.rank for each in found)
    assert found[0].topic == "size"
    said = " ".join(each.text for each in found)
    assert "no picks in 1 micrograph: none" in said
    assert "far_too_many" in said
    assert "precision" in levels(found)


@pytest.mark.parametrize(
    ("shown", "diameter", "is_promised"),
    [
        (survey(), 130, True),
        (survey(has_edge=False), 130, True),
        (survey(skewness=0.2, has_edge=False), 130, False),
        (survey(), 300, False),
        (survey(Contrast.bright), 130, False),
    ],
)
def test_no_precision_is_promised_of_what_may_be_dirt_or_has_another_size_or_sign(shown, diameter, is_promised):
    findings = findings_on_micrographs(shown, diameter, Contrast.dark, COMMAND)
    verdict = verdict_on_picks(findings, None, {"a": 50}, EXPECTED)
    (said,) = [each for each in verdict if each.topic == "precision"]
    assert said.text.startswith(PROMISE) == is_promised


def test_nothing_is_said_of_what_was_not_surveyed():
    assert findings_on_micrographs(None, 130, None, COMMAND) == ()
    assert verdict_on_picks((), None, {}) == ()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (COMMAND, ["cryoglean", "pick", "my images", "--diameter", "130", "--out", "OUT-130"]),
        ("cryoglean pick a --diameter=300 --out=X/", ["cryoglean", "pick", "a", "--diameter", "130", "--out", "X-130"]),
        ("cryoglean pick a", ["cryoglean", "pick", "a", "--diameter", "130"]),
    ],
)
def test_the_command_to_go_on_with_changes_one_option_and_the_folder(command, expected):
    assert shlex.split(changed(command, "--diameter", "130")) == expected


def test_no_command_is_made_of_none():
    assert changed(None, "--diameter", "130") is None


@pytest.mark.parametrize(
    ("shown", "diameter", "changes"),
    [
        (Contrast.dark, 130, {}),
        (Contrast.dark, 210, {}),
        (Contrast.dark, 300, {"--diameter": "130"}),
        (Contrast.bright, 130, {"--contrast": "bright"}),
        (Contrast.bright, 50, {"--contrast": "bright", "--diameter": "130"}),
    ],
)
def test_a_fit_is_held_against_what_the_micrographs_show(shown, diameter, changes):
    found = findings_on_misfit(survey(shown), diameter, Contrast.dark, str)
    assert all(each.level is (Level.alarm if changes else Level.fact) for each in found)
    assert {each.command for each in found} == ({str(changes)} if changes else {None})
    assert len(found) == max(len(changes), 1)


def test_what_the_micrographs_do_not_show_contradicts_no_fit():
    assert findings_on_misfit(survey(None), 300, Contrast.dark, str) == ()
    assert findings_on_misfit(None, 300, Contrast.dark, str) == ()
    unclear = findings_on_misfit(survey(has_edge=False), 300, Contrast.dark, str)
    assert levels(unclear) == {"contrast": Level.fact}
