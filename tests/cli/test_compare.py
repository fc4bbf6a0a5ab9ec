"""`cryoglean compare` as a user meets it: a folder of picks, other picks of its micrographs, and which are better."""

import json
import shutil

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cryoglean.cli.compare import compare
from cryoglean.cli.main import guarded
from cryoglean.io.candidates import write_candidates
from cryoglean.io.coordinates import read_picks, write_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.jobs.pick import PickJob, run_pick_job
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.pickers.localpicker.paper import PaperLocalpickerSettings
from cryoglean.pickers.localpicker.picker import LocalpickerSettings
from cryoglean.picks import Picks
from faint_fields import DIAMETER, PIXEL, write_faint
from listeners import Listener

NAMES = ("faint.0", "faint.1")
app = typer.Typer()
app.command()(guarded(compare))


def cryoglean(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def told(*words):
    result = cryoglean(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def pick(images, out, picker):
    job = PickJob(picker=picker, pixel_size_angstrom=PIXEL, contrast="dark")
    run_pick_job(find_micrographs([images]), job, out, Listener())
    return out


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Micrographs, and picks of them: by Localpicker, and every other one of these, and few surest."""
    root = tmp_path_factory.mktemp("compare")
    images = write_faint(root / "images", [f"{name}.mrc" for name in NAMES])
    pick(images, root / "out", LocalpickerSettings(diameter_angstrom=DIAMETER))
    for name in NAMES:
        own = read_picks(root / f"out/picks/{name}_autopick.star")
        write_picks(root / "half" / f"{name}.csv", own.take(np.arange(len(own)) % 2 == 0))
        write_picks(root / "one" / f"{name}.csv", own.take(np.arange(len(own)) < 1))
    return root


def test_the_better_set_is_named_with_what_it_is_ahead_by(work):
    result = cryoglean(work / "out", work / "half", "--orientation", "as-is")
    assert result.exit_code == 0, result.output
    for piece in ("precision", "recall", "F1", "verdict:", f"{work / 'out'}: its F1 is", f"above {work / 'half'}"):
        assert piece in " ".join(result.stdout.split())
    said = told(work / "out", work / "half", work / "one", "--orientation", "as-is")
    assert (said["best"], said["is_sure"], said["micrographs"]) == (str(work / "out"), True, len(NAMES))
    own, half, one = said["sets"]
    assert own["picks"] > half["picks"] > one["picks"] > 0
    assert own["recall"]["middle"] > half["recall"]["middle"] > one["recall"]["middle"]
    assert own["behind"]["middle"] == 0 < half["behind"]["low"] < one["behind"]["low"]


def test_the_same_picks_are_not_told_apart(work, tmp_path):
    shutil.copytree(work / "out/picks", tmp_path / "same")
    said = told(work / "out", tmp_path / "same", "--orientation", "as-is")
    assert not said["is_sure"]
    assert said["verdict"][-1]["level"] == "note"
    assert "cannot be told apart" in said["verdict"][-1]["text"]
    assert said["sets"][0]["f1"] == said["sets"][1]["f1"]


def test_only_micrographs_that_all_sets_have_are_compared(work, tmp_path):
    shutil.copy(work / f"half/{NAMES[0]}.csv", tmp_path)
    assert told(work / "out", tmp_path, "--orientation", "as-is")["micrographs"] == 1


def test_where_dirt_is_an_alarm_nothing_is_decided(work, tmp_path):
    out = shutil.copytree(work / "out", tmp_path / "out")
    survey = json.loads((out / "survey.json").read_text())
    survey["size"] = {
        "diameter_angstrom": 4.0 * DIAMETER,
        "min_angstrom": 3.0 * DIAMETER,
        "max_angstrom": 5.0 * DIAMETER,
    }
    survey["size"]["has_edge"] = True
    (out / "survey.json").write_text(json.dumps(survey))
    said = told(out, work / "half", "--orientation", "as-is")
    assert not said["is_sure"]
    assert [each["level"] for each in said["verdict"]] == ["alarm", "note"]


def test_what_tells_no_probabilities_is_no_evidence(work, tmp_path):
    paper = pick(work / "images", tmp_path / "paper", PaperLocalpickerSettings(diameter_angstrom=DIAMETER))
    for folder in (paper, work / "half", work / "images"):
        result = cryoglean(folder, work / "out")
        assert result.exit_code == 2, result.output
        assert str(folder) in result.output


def test_a_micrograph_in_which_nothing_was_found_is_compared_too(work, tmp_path):
    out = shutil.copytree(work / "out", tmp_path / "out")
    write_picks(PickFolder(out).picks_path(NAMES[0]), Picks.empty("probability"), f"{NAMES[0]}.mrc")
    write_candidates(PickFolder(out).candidates_path(NAMES[0]), Picks.empty("probability"))
    said = told(out, work / "half", "--orientation", "as-is")
    assert said["micrographs"] == len(NAMES)
    assert (
        0 < said["sets"][0]["picks"] < told(work / "out", work / "half", "--orientation", "as-is")["sets"][0]["picks"]
    )


def test_missing_picks_and_micrographs_are_named(work, tmp_path):
    out = shutil.copytree(work / "out", tmp_path / "out")
    assert "nowhere" in cryoglean(out, tmp_path / "nowhere").output
    unfinished = shutil.copytree(work / "out", tmp_path / "unfinished")
    (unfinished / "micrographs.star").unlink()
    assert "is no output folder of cryoglean pick" in cryoglean(unfinished, work / "half").output
    PickFolder(out).picks_path(NAMES[0]).unlink()
    result = cryoglean(out, work / "half", "--orientation", "as-is")
    assert result.exit_code == 2
    assert f"{NAMES[0]}_autopick.star" in result.output
    write_picks(tmp_path / "others" / "other.csv", Picks.empty())
    assert cryoglean(out, tmp_path / "others").exit_code == 2
