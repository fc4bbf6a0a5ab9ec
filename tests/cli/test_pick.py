"""`cryoglean pick` as a user meets it: what it says, and with which status it leaves."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from typer.testing import CliRunner

from cryoglean.cli.main import app
from cryoglean.io.particles import write_stack
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.jobs.pick_folder import PickFolder
from faint_fields import PIXEL, write_faint
from html_page import Page
from shells import ShellField

BASE = ["--diameter", "120", "--cpus", "1"]


@pytest.fixture(scope="module")
def micrographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("micrographs")
    for seed in range(3):
        micrograph, _ = ShellField(height_px=140, width_px=167, particles=14, pixel_size_angstrom=8, seed=seed).render()
        with mrcfile.new(folder / f"m{seed}.mrc", micrograph.image) as file:
            file.voxel_size = 8.0
    return folder


def cryoglean(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def picked(micrographs, tmp_path_factory):
    """An output folder, and what was said while it was made."""
    out = tmp_path_factory.mktemp("picked") / "out"
    return out, cryoglean("pick", micrographs, *BASE, "--out", out, "-v")


@pytest.fixture
def out(picked, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(picked[0], tmp_path / "copy"))


def test_it_says_where_the_picks_are_and_what_was_learned(picked):
    out, result = picked
    assert result.exit_code == 0
    assert str(out / "picks") in result.stdout
    assert "[3/3] " in result.stderr
    assert "device cpu" in result.stderr
    assert "skewness" in result.stderr


def test_json_on_standard_output_is_all_there_is(micrographs, out):
    result = cryoglean("pick", micrographs, *BASE, "--out", out, "--json")
    said = json.loads(result.stdout)
    assert said["micrographs"] == 3
    assert said["picks"] == sum(said["picked"].values()) > 0
    assert said["settings"]["diameter_angstrom"] == 120
    assert said["fit"]["localpicker"]["micrographs"]


def test_the_verdict_tells_how_many_picks_are_particles_as_their_scores_do(micrographs, out):
    said = json.loads(cryoglean("pick", micrographs, *BASE, "--out", out, "--json").stdout)
    scores = np.concatenate([picks.score for picks in read_picks_folder(out).values()])
    below = sum(PickFolder(out).candidates(key).score.sum() for key in said["picked"])
    assert said["expected"]["hits"] == pytest.approx(scores.sum(), abs=1e-5)
    assert said["expected"]["particles"] - said["expected"]["hidden"] == pytest.approx(scores.sum() + below, abs=1e-5)
    for low, middle, high in (said["expected"][name].values() for name in ("precision", "recall")):
        assert 0 <= low <= middle <= high <= 1
    assert (
        json.loads(cryoglean("pick", micrographs, *BASE, "--out", out, "--json").stdout)["expected"] == said["expected"]
    )
    (told,) = [each["text"] for each in said["verdict"] if each["topic"] == "precision"]
    assert told.startswith(f"some {scores.sum():.0f} of {len(scores)} picks are expected to be particles")
    assert cryoglean("report", out).exit_code == 0
    assert told[1:] in Page((out / "report.html").read_text()).words


@pytest.mark.slow
def test_stricter_thresholds_leave_fewer_of_the_same(tmp_path):
    images, fit = write_faint(tmp_path / "images", ["a.mrc", "b.mrc"]), tmp_path / "FIT"
    words = [*BASE, "--pixel-size", PIXEL, "--method", "localpicker"]
    assert cryoglean("fit", images, *words, "--out", fit).exit_code == 0
    places = []
    for number, words in enumerate((["--fdr", "0.5"], ["--recall-first"], [], ["--fdr", "0.02"])):
        out = tmp_path / str(number)
        assert cryoglean("pick", images, "--fit", fit, "--cpus", "1", *words, "--out", out).exit_code == 0
        places.append({(key, *place) for key, p in read_picks_folder(out).items() for place in p.xy})
    half_false, recall_first, own, strict = places
    assert strict < own < half_false
    assert own < recall_first


def test_plots_bring_a_report_of_all_picks(micrographs, out):
    assert not (out / "report.html").exists()
    result = cryoglean("pick", micrographs, *BASE, "--out", out, "--plots")
    assert f"report, to be opened with a browser: {out / 'report.html'}" in result.stdout
    with (out / "micrographs.csv").open(newline="") as table:
        picks = sum(int(row["picks"]) for row in csv.DictReader(table))
    assert f"<dd>{picks}</dd><dt>picks</dt>" in (out / "report.html").read_text()


@pytest.mark.slow
def test_a_report_that_cannot_be_written_does_not_lose_the_picks(micrographs, tmp_path):
    out = tmp_path / "out"
    (out / "report.html").mkdir(parents=True)
    result = cryoglean("pick", micrographs, *BASE, "--out", out, "--plots", "--json")
    assert result.exit_code == 0
    assert "the report could not be written" in result.stderr
    said = json.loads(result.stdout)
    assert said["report"] is None
    assert said["picks"] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--diameter", "0"], "--diameter must be"),
        (["--diameter", "-5"], "--diameter must be"),
        (["--diameter", "nan"], "--diameter must be"),
        (["--diameter", "9999"], "larger than the micrograph"),
        (["--pixel-size", "0"], "--pixel-size must be"),
        (["--threshold", "1.5"], "--threshold must be"),
        (["--fdr", "0"], "--fdr must be"),
        (["--fdr", "0.1", "--threshold", "0.5"], "--threshold and --fdr choose the threshold in different ways"),
        (["--bin", "4"], "--bin 4: has no effect with --method auto --preset default"),
        (["--templates", "t.mrcs"], "--templates t.mrcs: has no effect with --method auto"),
        (["--method", "matcher"], "matcher needs --templates"),
        (["--method", "matcher", "--templates", "nowhere.mrcs"], "nowhere.mrcs"),
        (["--method", "matcher", "--preset", "paper"], "--preset paper: --method matcher has only default"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--device", "abacus"], "none of auto"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_before_any_work(micrographs, tmp_path, words, said):
    result = cryoglean("pick", micrographs, *BASE, "--out", tmp_path / "out", *words)
    assert result.exit_code == 2
    complaint = [line for line in result.stderr.splitlines() if line.startswith("cryoglean: ")]
    assert len(complaint) == 1
    assert said in complaint[0]
    assert not (tmp_path / "out").exists()


def test_an_input_that_is_not_there_is_named(tmp_path):
    result = cryoglean("pick", tmp_path / "nowhere", *BASE, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr


def test_some_rejected_and_all_rejected_have_their_own_status(micrographs, tmp_path):
    bad = tmp_path / "bad.mrc"
    bad.write_bytes(b"")
    some = cryoglean("pick", micrographs / "m0.mrc", bad, *BASE, "--out", tmp_path / "some")
    assert some.exit_code == 3
    assert "rejected" in some.stdout
    assert "bad.mrc" in some.stderr
    assert cryoglean("pick", bad, *BASE, "--out", tmp_path / "all").exit_code == 4


def test_a_call_that_can_use_no_micrograph_ends_with_a_verdict_that_tells_why(tmp_path):
    bad = [tmp_path / f"{name}.mrc" for name in "abc"]
    for path in bad:
        path.write_bytes(b"not an image")
    for words in ([], ["--json"]):
        result = cryoglean("pick", *bad, *BASE, "--plots", "--out", tmp_path / f"out{len(words)}", *words)
        assert result.exit_code == 4
        assert "rejected" in result.stdout.partition("verdict")[2]
    (said,) = json.loads(result.stdout)["verdict"]
    assert (said["topic"], said["level"]) == ("rejected", "alarm")
    assert said["text"].startswith("no micrograph could be used, most often for: truncated: 12 bytes")
    assert "No micrograph could be used" in (tmp_path / "out1/report.html").read_text()


@pytest.mark.slow
def test_class_averages_pick_and_go_on_where_they_were(micrographs, tmp_path):
    averages = tmp_path / "templates.mrcs"
    write_stack(averages, [shell_average()], 8.0)
    words = ["pick", micrographs, *BASE, "--method", "matcher", "--templates", averages, "--json"]
    whole = cryoglean(*words, "--out", tmp_path / "whole")
    assert whole.exit_code == 0, whole.output
    assert json.loads(whole.stdout)["picks"] > 30
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    before = json.loads((tmp_path / "parts/matcher.json").read_text())
    (tmp_path / "parts/picks/m1_autopick.star").unlink()
    again = cryoglean(*words, "--out", tmp_path / "parts")
    assert json.loads(again.stdout)["picked"] == json.loads(whole.stdout)["picked"]
    assert json.loads((tmp_path / "parts/matcher.json").read_text()) == before
    one, two = ((tmp_path / name / "picks/m1_autopick.star").read_bytes() for name in ("whole", "parts"))
    assert one == two
    write_stack(averages, [shell_average() ** 2], 8.0)
    refused = cryoglean(*words, "--out", tmp_path / "parts")
    assert refused.exit_code == 2
    assert "templates_sha256" in refused.stderr


def shell_average(box=24, radius=7.0):
    """Return what a shell looks like, painted in the plainest way."""
    rows, columns = np.indices((box, box)) - box // 2
    return np.exp(-((np.hypot(rows, columns) - 0.8 * radius) ** 2) / 2)[None].astype(np.float32)


def test_the_paper_preset_picks(micrographs, tmp_path):
    result = cryoglean(
        "pick", micrographs, *BASE, "--out", tmp_path / "out", "--preset", "paper", "--bin", "2", "--json"
    )
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert said["settings"]["preset"] == "paper"
    assert said["settings"]["bin_factor"] == 2
    assert said["fit"] is None


@pytest.mark.parametrize("command", [[], ["pick"], ["evaluate"], ["doctor"]])
def test_help_is_there(command):
    result = cryoglean(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_examples_of_help_name_options_that_exist():
    words = cryoglean("pick", "--help").stdout
    assert {"--diameter", "--pixel-size", "--out", "--plots", "--preset"} <= set(words.split())


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_picks_as_undisturbed(micrographs, tmp_path):
    command = [
        sys.executable,
        "-m",
        "cryoglean.cli",
        "pick",
        str(micrographs),
        "--diameter",
        "120",
        "--cpus",
        "2",
        "--plots",
    ]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    start = time.monotonic()
    subprocess.run([*command, "--out", str(whole)], check=True, capture_output=True)
    took = time.monotonic() - start
    for kill in range(8):
        process = subprocess.Popen(
            [*command, "--out", str(broken)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(took * (0.3 + 0.09 * kill))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for path in (broken / "picks").glob("*.star") if broken.exists() else ():
            assert path.read_bytes() == (whole / "picks" / path.name).read_bytes()
    subprocess.run([*command, "--out", str(broken)], check=True, capture_output=True)
    files = {p.relative_to(whole) for p in whole.rglob("*") if p.is_file()}
    assert {p.relative_to(broken) for p in broken.rglob("*") if p.is_file()} == files
    for path in (whole / "picks").glob("*.star"):
        assert path.read_bytes() == (broken / "picks" / path.name).read_bytes()


def test_an_interrupt_has_its_own_status_and_keeps_what_is_done(micrographs, tmp_path, monkeypatch):
    from cryoglean.jobs import pick as pick_job

    real, seen = pick_job.pick_one, []

    def interrupted(wanted, picker, file):
        if seen:
            raise KeyboardInterrupt
        seen.append(file.key)
        return real(wanted, picker, file)

    monkeypatch.setattr(pick_job, "pick_one", interrupted)
    result = cryoglean("pick", micrographs, *BASE, "--preset", "paper", "--bin", "2", "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert [p.name for p in Path(tmp_path / "out/picks").iterdir()] == [f"{seen[0]}_autopick.star"]
