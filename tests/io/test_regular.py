"""Law of files that a user names: what is no regular file is refused at once, in one line, whoever would read it."""

import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest

from cryoglean.classes2d.selection import Selection
from cryoglean.classes2d.selection_file import edited
from cryoglean.classes2d.verdicts import ClassVerdict
from cryoglean.errors import CryogleanError
from cryoglean.io.coordinates import read_picks
from cryoglean.io.digests import file_digest
from cryoglean.io.images import read_image
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.models import read_model
from cryoglean.io.mrc_stack import read_stack, stack_pixel_size
from cryoglean.io.particles import read_particles
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.io.regular import is_there
from cryoglean.io.star import read_star
from cryoglean.jobs.micrograph_lists import LedgerRow, read_rows
from cryoglean.jobs.output_folder import FolderRecord
from cryoglean.jobs.records import read_record
from cryoglean.nets.weights import read_weights
from cryoglean.simulate.models import read_model as read_particle


@pytest.fixture(autouse=True)
def _not_waited_for():
    """Interrupt whoever waits."""

    def interrupt(*_):
        raise AssertionError("it was opened, and waited for")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def a_socket(path):
    short = Path(os.path.relpath(path))  # the name of a socket may have some 100 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short))


SPECIAL = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "socket": a_socket,
    "folder": Path.mkdir,
}
READERS = {
    "image": (read_image, "a.mrc"),
    "png": (read_image, "a.png"),
    "list": (lambda path: find_micrographs([path]), "a.txt"),
    "micrographs": (lambda path: find_micrographs([path]), "a.star"),
    "star": (read_star, "a.star"),
    "particles": (read_particles, "a.star"),
    "picks": (read_picks, "a.star"),
    "csv picks": (read_picks, "a.csv"),
    "box picks": (read_picks, "a.box"),
    "folder of picks": (read_picks_folder, "a.star"),
    "stack": (read_stack, "a.mrcs"),
    "pixel size of a stack": (stack_pixel_size, "a.mrcs"),
    "digest": (file_digest, "a.json"),
    "model": (lambda path: read_model(path, FolderRecord), "a.json"),
    "record": (lambda path: read_record(path, FolderRecord, "name another"), "a.json"),
    "rows": (lambda path: read_rows(path, LedgerRow), "a.csv"),
    "weights": (lambda path: read_weights(path, "mae", 1), "a.safetensors"),
    "atoms": (lambda path: read_particle(str(path)), "a.pdb"),
    "map": (lambda path: read_particle(str(path)), "a.mrc"),
    "selection": (lambda path: edited(path, Selection(np.ones(1), (ClassVerdict.kept_by_hand,), ("",))), "a.csv"),
}


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, monkeypatch, reader, kind):
    monkeypatch.chdir(tmp_path)
    read, name = READERS[reader]
    SPECIAL[kind](tmp_path / name)
    if kind == "folder" and reader == "folder of picks":
        assert read(tmp_path / name) == {}
        return
    with pytest.raises(CryogleanError) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
def test_the_reason_names_what_it_is(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    SPECIAL[kind](tmp_path / "a.star")
    with pytest.raises(CryogleanError, match=f"a {kind}, not a regular file"):
        read_star(tmp_path / "a.star")


def test_a_name_that_no_file_can_have_is_not_there_and_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    assert is_there(tmp_path / "file")
    assert not any(is_there(tmp_path / name) for name in ("", "missing", 300 * "x"))
