"""Folders know micrographs by key and content: moved and respelled they are the same, replaced they are others."""

import json
import os
import shutil
from pathlib import Path

import pytest

from cryoglean.errors import SettingsError
from cryoglean.io.coordinates import write_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.relion import read_autopick_star
from cryoglean.io.relion_project import path_from_project, project_above
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.jobs.pick import PickSummary, _write_lists
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.result import MicrographResult
from cryoglean.loop.settings import LoopSettings
from cryoglean.loop.state import open_run
from cryoglean.picks import Picks

SETTINGS = {"diameter_angstrom": 120.0}


def images(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.mrc").write_bytes(name.encode() * 50_000)


def pick(given, out):
    """What a pick job does to its folder, without looking at an image; returns the names in its list."""
    folder = PickFolder(Path(out))
    files = folder.with_known_keys(find_micrographs([Path(given)]))
    folder.claim(SETTINGS, files, force=False)
    for file in files:
        if not folder.picks_path(file.key).exists():
            write_picks(folder.picks_path(file.key), Picks.empty(), file.name, height_px=10)
    _write_lists(folder, PickSummary([MicrographResult(file) for file in files]), 1.0)
    return read_autopick_star(folder.autopick_path)


@pytest.fixture
def project(tmp_path, monkeypatch):
    images(tmp_path / "project/mics", "a", "b")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


NAMES = [("mics/a.mrc", "out/picks/a_autopick.star"), ("mics/b.mrc", "out/picks/b_autopick.star")]


@pytest.mark.parametrize("mark", ["", "default_pipeline.star", ".gui_projectdir"])
def test_names_count_from_the_project_whoever_calls_from_wherever(project, monkeypatch, mark):
    (project / mark).touch()
    (project / "below").mkdir()
    (project / "mics_link").symlink_to("mics")
    (project / "out_link").symlink_to("out")
    if mark:
        monkeypatch.chdir(project / "below")
    assert pick(project / "mics" if mark else "mics", project / "out" if mark else "out") == NAMES
    for folder, given, out in [
        (project, "mics/", "./out"),
        (project, "mics_link", "out_link"),
        (project / "below", "../mics", "../out/"),
        (project.parent, "project/mics", "project/out"),
        (Path("/"), project / "mics", project / "below/../out"),
    ]:
        monkeypatch.chdir(folder)
        assert pick(given, out) == NAMES
    images(project / "mics", "c")
    assert pick(project / "mics", project / "out")[2] == ("mics/c.mrc", "out/picks/c_autopick.star")


def test_a_project_that_has_moved_is_resumed_and_its_tables_stay(project, monkeypatch):
    pick("mics", "out")
    before = (project / "out/autopick.star").read_bytes()
    moved = project.rename(project.with_name("moved"))
    for file in (moved / "mics").iterdir():
        os.utime(file, (1, 1))  # as a copy would
    monkeypatch.chdir(moved)
    assert pick("mics", "out") == NAMES
    assert (moved / "out/autopick.star").read_bytes() == before
    assert PickFolder(moved / "out").inputs() == {key: str(moved / f"mics/{key}.mrc") for key in "ab"}


def test_another_image_of_the_same_name_elsewhere_is_refused(project):
    pick("mics", "out")
    images(project / "other", "a", "b")
    (project / "other/a.mrc").write_bytes(b"other")
    with pytest.raises(SettingsError, match=r"holds results of .*mics/a\.mrc as 'a', the name of other/a\.mrc"):
        pick("other", "out")
    shutil.copyfile(project / "mics/a.mrc", project / "other/a.mrc")
    assert pick("other", "out") == NAMES, "a copy is the same image"


@pytest.mark.parametrize("content", [b"x" * 50_000, b"shorter"])
def test_an_image_that_was_replaced_is_picked_again_alone(project, content):
    pick("mics", "out")
    folder = PickFolder(project / "out")
    for key in "ab":
        folder.picks_path(key).write_text(f"marked {key}")
    (project / "mics/a.mrc").write_bytes(content)
    pick("mics", "out")
    assert not folder.picks_path("a").read_text().startswith("marked")
    assert folder.picks_path("b").read_text() == "marked b"


def test_an_image_that_was_only_touched_is_the_same(project):
    pick("mics", "out")
    folder = PickFolder(project / "out")
    folder.picks_path("a").write_text("marked")
    os.utime(project / "mics/a.mrc")
    pick("mics", "out")
    assert folder.picks_path("a").read_text() == "marked"


def test_where_results_are_of_all_micrographs_together_a_replaced_image_is_refused(project):
    folder, files = OutputFolder(project / "net", "train", ()), find_micrographs([Path("mics")])
    folder.claim(SETTINGS, files, force=False)
    (project / "mics/a.mrc").write_bytes(b"other")
    with pytest.raises(SettingsError, match=r"mics/a\.mrc holds another image than when .*net was made: .*--force"):
        folder.claim(SETTINGS, files, force=False)
    folder.claim(SETTINGS, files, force=True)


def test_lists_name_what_is_there_and_each_micrograph_once(project):
    pick("mics", "out")
    folder = PickFolder(project / "out")
    folder.picks_path("a").unlink()
    b = folder.with_known_keys(find_micrographs([project / "mics/b.mrc"]))[0]
    assert list(folder.record_results([MicrographResult(b, 0)])) == ["b"]
    folder.record_results([MicrographResult(b, reason="dirty")])
    assert folder.rejected_before([b]) == {"b"}
    assert folder.ledger() == {}
    folder.record_results([])
    assert folder.rejected_before([b]) == {"b"}, "one that is not looked at stays rejected"
    folder.record_results([MicrographResult(b, 5)])
    assert folder.rejected_before([b]) == set()
    assert list(folder.ledger()) == ["b"]


def test_a_run_is_resumed_from_anywhere_and_refuses_other_images(project, monkeypatch):
    settings = LoopSettings(diameter_angstrom=120, start_from=project / "mics")
    open_run(Path("run"), settings, find_micrographs([Path("mics")]))
    moved = project.rename(project.with_name("moved"))
    monkeypatch.chdir("/")
    settings = LoopSettings(diameter_angstrom=120, start_from=moved / "mics")
    _, files = open_run(moved / "run", settings, find_micrographs([moved / "mics"]))
    assert [(file.key, file.name) for file in files] == [("a", "mics/a.mrc"), ("b", "mics/b.mrc")]
    stored = json.loads((moved / "run/run.json").read_text())["micrographs"]
    assert stored["a"]["path"] == str(moved / "mics/a.mrc")
    (moved / "mics/b.mrc").write_bytes(b"other")
    with pytest.raises(SettingsError, match=r"b\.mrc holds another image"):
        open_run(moved / "run", settings, find_micrographs([moved / "mics"]))


@pytest.mark.parametrize(
    ("path", "project"),
    [
        ("/data/MotionCorr/job002/Movies/a.mrc", "/data"),
        ("/data/MotionCorr/job1234/a.mrc", "/data"),
        ("/data/job02/a.mrc", None),
        ("/data/micrographs/a.mrc", None),
    ],
)
def test_a_folder_of_a_job_shows_the_project_above_it(path, project, monkeypatch):
    monkeypatch.chdir("/")
    assert project_above(Path(path)) == (None if project is None else Path(project))
    assert path_from_project(Path(path)) == str(Path(path).relative_to(project or "/"))
