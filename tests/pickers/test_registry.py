"""Laws of the registry: all that the program knows of a picker is its description, so a new one needs nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cryoglean.errors import SettingsError
from cryoglean.pickers.registry import default_method, describe, descriptions, presets
from html_page import Page
from tiny_loop import DIAMETER, grow

TOY = Path(__file__).parents[1] / "toy_picker.py"


def toy(*words):
    """Call the command line that knows the toy, too."""
    said = subprocess.run([sys.executable, TOY, *map(str, words)], capture_output=True, text=True, env=os.environ)
    return said.returncode, said.stdout, said.stderr


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return grow(tmp_path_factory.mktemp("toy"))


def picks_in(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "picks").glob("*.star"))}


@pytest.fixture(scope="module")
def picked(images, tmp_path_factory):
    """An output folder of the toy, the call, and what it said."""
    out = tmp_path_factory.mktemp("picked")
    call = ("pick", images, "--method", "toy", "--blur", "0.2", "--diameter", DIAMETER, "--cpus", 1, "--out", out)
    return out, call, toy(*call, "--plots", "--json")


@pytest.mark.slow
def test_a_toy_picker_of_one_file_picks_and_is_reported(picked):
    out, _, (status, said, told) = picked
    assert (status, "learning how dark" in told) == (0, True), told
    assert json.loads(said)["settings"]["blur_diameters"] == 0.2
    page = Page((out / "report.html").read_text())
    for words in ("Toy picker", "How dark a blob is", "Dark blobs of"):
        assert words in page.words
    assert len(picks_in(out)) == 3


@pytest.mark.slow
def test_a_job_of_a_toy_picker_is_resumed(picked):
    out, call, _ = picked
    before = picks_in(out)
    (out / "picks/m1_autopick.star").unlink()
    status, _, told = toy(*call)
    assert (status, "learning how dark" in told, picks_in(out)) == (0, False, before)


@pytest.mark.slow
def test_a_fit_of_a_toy_picker_is_applied_in_many_jobs(images, tmp_path):
    call = ("fit", images, "--method", "toy", "--blur", "0.2", "--diameter", DIAMETER, "--cpus", 1)
    status, said, told = toy(*call, "--out", tmp_path / "FIT", "--json")
    assert (status, "learning how dark" in told, json.loads(said)["picker"]["blur_diameters"]) == (0, True, 0.2), told
    shared = ("--fit", tmp_path / "FIT", "--cpus", 1, "--out")
    status, said, told = toy("pick", images, *shared, tmp_path / "whole", "--json")
    assert (status, "learning" in told, json.loads(said)["settings"]["blur_diameters"]) == (0, False, 0.2), told
    for i in (2, 0, 1):
        status, _, told = toy("pick", images / f"m{i}.mrc", *shared, tmp_path / f"job{i}")
        assert (status, "learning" in told) == (0, False), told
    assert len(picks_in(tmp_path / "whole")) == 3
    for i in range(3):
        for name, text in picks_in(tmp_path / f"job{i}").items():
            assert text == picks_in(tmp_path / "whole")[name]
    status, _, told = toy("pick", images, "--blur", "0.3", *shared, tmp_path / "other")
    assert (status, "--blur 0.3: --fit" in told, "was made with --blur 0.2" in told) == (2, True, True), told


@pytest.mark.slow
def test_options_that_a_toy_picker_does_not_have_are_refused(images, tmp_path):
    call = ("pick", images, "--method", "toy", "--diameter", DIAMETER, "--out", tmp_path)
    status, _, told = toy(*call, "--model", "weights")
    assert (status, "--model weights: has no effect with --method toy --preset default" in told) == (2, True)
    status, _, told = toy(*call[:3], "topaz", *call[4:])
    assert (status, "unknown method 'topaz'; choose from" in told) == (2, True)


@pytest.mark.slow
def test_the_loop_takes_its_candidates_from_a_toy_picker(images, tmp_path):
    call = ("run", images, "--candidates", "toy", "--diameter", DIAMETER, "--rounds", "0", "--out", tmp_path)
    status, _, told = toy(*call)
    assert status in (0, 5), told
    assert (tmp_path / "rounds/00/candidates/toy.json").exists()
    assert json.loads((tmp_path / "run.json").read_text())["settings"]["candidates"] == "toy"
    assert len(picks_in(tmp_path)) == 3


def test_what_a_description_says_is_consistent():
    for each in descriptions():
        implementation = each.load()
        fields = implementation.settings.model_fields
        assert (fields["method"].default, fields["preset"].default) == (each.method, each.preset)
        assert {option.field for option in each.options} <= set(fields)
        assert set(each.fit_files) <= set(each.results)
        assert each.threshold_is_score <= ("threshold" in fields)
        assert each.is_fitted or not each.fit_files


def test_unknown_pickers_are_refused_with_those_that_there_are():
    names = "auto, localpicker, kpicker, matcher, emmae"
    with pytest.raises(SettingsError, match=f"unknown method 'topaz'; choose from {names}"):
        describe("topaz")
    with pytest.raises(SettingsError, match="--preset paper: --method matcher has only default"):
        describe("matcher", "paper")
    with pytest.raises(SettingsError, match="unknown preset 'quick'; choose from default, paper"):
        default_method("quick")


def test_without_a_name_the_first_picker_that_has_the_preset_is_taken():
    for preset in presets():
        assert default_method(preset) == next(each.method for each in descriptions() if each.preset == preset)
    assert (default_method("default"), default_method("paper")) == ("auto", "localpicker")


def test_pickers_that_need_a_file_say_so_before_any_work():
    for each in descriptions():
        needed = [file.option for file in each.given if file.is_needed]
        if needed:
            with pytest.raises(SettingsError, match=f"--method {each.method} needs {needed[0]}, "):
                each.check_given({})
        else:
            each.check_given({})
