"""`run.json` is gone on with, or refused with the reason and nothing lost."""

import json
from pathlib import Path

import pytest

from cryoglean.errors import SettingsError
from cryoglean.loop.state import open_run
from cryoglean.micrograph import MicrographFile

SETTINGS = {"diameter_angstrom": 120.0, "seed": 0}


def files(folder, *names):
    return [MicrographFile(folder / f"{name}.mrc", f"{name}.mrc", name) for name in names]


@pytest.fixture
def run(tmp_path):
    run, _ = open_run(tmp_path / "run", SETTINGS, files(tmp_path, "a", "b"))
    run.add(0, "candidates", {"picks": 7}, 1.5)
    return run


def test_what_is_recorded_is_there_again(run, tmp_path):
    again, _ = open_run(run.root, SETTINGS, files(tmp_path, "a", "b"))
    assert again.found(0, "candidates") == {"picks": 7}
    assert again.found(1, "candidates") is None
    assert again.data == run.data


def test_a_decision_is_new_once(run):
    assert run.decide(0, "subset", 2, "all")
    assert not run.decide(0, "subset", 2, "all")


def test_a_run_may_grow_and_keeps_its_keys(run, tmp_path):
    renamed = [MicrographFile(tmp_path / "a.mrc", "a.mrc", "x/a"), *files(tmp_path, "b", "c")]
    again, keyed = open_run(run.root, SETTINGS, renamed)
    assert [file.key for file in keyed] == ["a", "b", "c"]
    assert sorted(again.data["micrographs"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 99}, "layout 99"),
        ({"version": "0.0.1"}, "cryoglean 0.0.1"),
        ({"settings": {"diameter_angstrom": 90.0, "seed": 0}}, "diameter_angstrom 90.0, now 120.0"),
    ],
)
def test_another_run_is_refused_and_left_alone(run, tmp_path, change, said):
    run.path.write_text(json.dumps(run.data | change))
    before = run.path.read_bytes()
    with pytest.raises(SettingsError, match=said) as caught:
        open_run(run.root, SETTINGS, files(tmp_path, "a", "b"))
    assert "name another --out" in str(caught.value)
    assert run.path.read_bytes() == before


def test_a_micrograph_that_is_missing_now_is_named(run, tmp_path):
    with pytest.raises(SettingsError, match=r"b\.mrc"):
        open_run(run.root, SETTINGS, files(tmp_path, "a"))


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_damaged_file_is_refused(run, tmp_path, text):
    run.path.write_text(text)
    with pytest.raises(SettingsError, match="name another --out"):
        open_run(run.root, SETTINGS, files(tmp_path, "a", "b"))


@pytest.mark.parametrize("name", ["settings.json", "picks", "rounds"])
def test_a_folder_of_another_command_is_refused(tmp_path, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    with pytest.raises(SettingsError, match="other results"):
        open_run(tmp_path / "run", SETTINGS, files(Path(tmp_path), "a"))
