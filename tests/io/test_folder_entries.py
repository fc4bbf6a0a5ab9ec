"""Entries of folders that are no sound images: left out, kept to be rejected by name, or refused."""

import os
from pathlib import Path

import pytest

from cryoglean.errors import MicrographError, SettingsError
from cryoglean.io.images import read_micrograph
from cryoglean.io.inputs import find_inputs, find_micrographs
from empty_files import keys, make


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_broken_link_in_a_folder_is_kept_to_be_reported_as_missing():
    make("f/a.mrc")
    Path("f/b.mrc").symlink_to("nowhere.mrc")
    assert keys("f") == ["a", "b"]


def test_a_missing_image_is_kept_to_be_reported_as_missing():
    make("a.mrc")
    assert [f.path.name for f in find_micrographs([Path("a.mrc"), Path("gone.mrc")])] == ["a.mrc", "gone.mrc"]


def test_previews_beside_the_originals_are_left_out_of_a_folder_but_not_when_named():
    make("f/a.mrc", "f/a.jpg", "f/b.tif", "f/b.png", "f/c.png")
    assert [f.path.name for f in find_micrographs([Path("f")])] == ["a.mrc", "b.tif", "c.png"]
    assert [f.path.name for f in find_micrographs([Path("f/a.jpg")])] == ["a.jpg"]


def test_a_link_to_itself_is_kept_to_be_rejected_by_its_name():
    make("d/a.mrc")
    Path("d/b.mrc").symlink_to("b.mrc")
    Path("d/c.mrc").symlink_to("d.mrc")
    Path("d/d.mrc").symlink_to("c.mrc")
    files = find_micrographs([Path("d")])
    assert [file.key for file in files] == ["a", "b", "c", "d"]
    assert all(file.real_path for file in files)
    for file in files[1:]:
        with pytest.raises(MicrographError, match=r"cannot be read: Too many"):
            read_micrograph(file)


@pytest.mark.parametrize(("name", "shown"), [(b"a\nb.mrc", r"f/a\nb.mrc"), (b"\xff.mrc", r"f/\udcff.mrc")])
def test_a_name_that_no_table_can_hold_stops_no_other_of_a_folder_and_is_refused_alone(name, shown):
    strange = Path("f") / os.fsdecode(name)
    make(strange, "f/ö ü.mrc")
    found = find_inputs([Path("f")])
    assert [file.key for file in found.files] == ["ö ü"]
    assert [str(each.path) for each in found.left_out] == [shown]
    for given_path in (strange, strange.parent):
        Path("f/ö ü.mrc").unlink(missing_ok=True)
        with pytest.raises(SettingsError, match="control or undecodable characters in a file name"):
            find_inputs([given_path])


def test_a_name_too_long_for_its_results_is_rejected():
    make(*(f"{'é' * 118}{more}.mrc" for more in ("hello", "hello2")))
    long, longer = find_micrographs([Path()])
    with pytest.raises(MicrographError, match="empty"):
        read_micrograph(long)
    with pytest.raises(MicrographError, match=r"a name of 242 bytes is too long .* at most 241"):
        read_micrograph(longer)


def deny(monkeypatch, method, *denied):
    allowed = getattr(Path, method)

    def denying(path, *args, **kwargs):
        if path.name in denied:
            raise PermissionError(13, "Permission denied")
        return allowed(path, *args, **kwargs)

    monkeypatch.setattr(Path, method, denying)


def test_a_folder_that_cannot_be_listed_is_rejected_by_name_and_refused_alone(monkeypatch):
    make("d/a.mrc", "locked/b.mrc")
    deny(monkeypatch, "iterdir", "locked")
    assert keys("locked", "d") == ["locked", "a"]
    with pytest.raises(SettingsError, match="locked: a folder that cannot be listed"):
        find_micrographs([Path("locked")])


def test_an_entry_of_which_nothing_can_be_said_is_kept(monkeypatch):
    make("d/a.mrc", "d/b.mrc")
    deny(monkeypatch, "is_dir", "b.mrc")
    assert keys("d") == ["a", "b"]
