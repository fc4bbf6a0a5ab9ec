"""Picks that overlap, which no picker makes, are told at the end of a job, in its JSON and in its report alike."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from tests.cli.test_pick import cryoglean

from cryoglean.findings import Level, findings_on_spacing
from cryoglean.io.coordinates import read_picks, write_picks
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.pick_report import gather
from cryoglean.jobs.verdict import verdict_on_picks
from cryoglean.picks import Picks
from cryoglean.report.html_page import audit_of
from cryoglean.report.pick_notices import notices
from examples import with_slow
from faint_fields import DIAMETER, PIXEL, write_faint

NAMES = ("a", "b")


@pytest.fixture(scope="module", params=with_slow([], slow=[["--pixel-size", str(PIXEL)]]), ids=["header", "told"])
def done(request, tmp_path_factory):
    """A job that is done, whose micrographs' pixel sizes are in their headers, or told: its call and its folder."""
    root = tmp_path_factory.mktemp("overlaps")
    images = write_faint(root / "images", [f"{name}.mrc" for name in NAMES])
    for path in images.iterdir():
        set_pixel_size(path)
    how = ("--method", "localpicker", "--diameter", str(DIAMETER), "--contrast", "dark", "--cpus", "1")
    call = ("pick", images, *how, *request.param)
    assert verdict_of(cryoglean(*call, "--out", root / "out", "--json")) == []
    return call, root / "out"


def set_pixel_size(path):
    with mrcfile.open(path, "r+") as file:
        file.voxel_size = PIXEL


def verdict_of(result):
    assert result.exit_code == 0, result.output
    return [each for each in json.loads(result.stdout)["verdict"] if each["topic"] == "overlap"]


def test_picks_added_by_hand_are_told_in_the_terminal_in_json_and_in_the_report(done, tmp_path):
    call, whole = done
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    path = PickFolder(out).picks_path("b")
    picks = read_picks(path)
    beside = replace(picks, x=picks.x + 1).take(np.arange(1))
    columns = (np.append(getattr(picks, name), getattr(beside, name)) for name in ("x", "y", "score"))
    write_picks(path, Picks(*columns, picks.score_kind, picks.fit), "b.mrc")
    (told,) = verdict_of(cryoglean(*call, "--out", out, "--json"))
    said = f"picks closer to another pick than the minimum distance of {DIAMETER / 2:g} Å in 1 micrograph: b"
    assert (told["level"], told["text"]) == ("alarm", said)
    shown = cryoglean(*call, "--out", out).stdout
    assert f"!! overlap    {said}" in shown
    facts = gather(out)
    assert f"{said[0].upper()}{said[1:]}." in [each.text for each in notices(facts, audit_of(facts))]


def test_what_is_wrong_with_distances_is_an_alarm_and_comes_first(done):
    facts = gather(done[1])
    assert audit_of(facts).crowded == ()
    verdict = verdict_on_picks(findings_on_spacing(["b"], 60.0), None, {"a": 3, "b": 4})
    assert (verdict[0].topic, verdict[0].level) == ("overlap", Level.alarm)
    assert findings_on_spacing([], 60.0) == []
