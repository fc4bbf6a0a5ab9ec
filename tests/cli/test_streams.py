"""A reader that goes away, as `head` does, ends no job; one that stays gets every byte, and none of another program."""

import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from cryoglean.cli.main import app

LINES = 20_000
OURS = ("3 micrographs, ", "learning the particle's shape", "[1/3] ", "[2/3] ", "[3/3] ")
"""How the lines begin that picking three micrographs prints."""

WORK = f"""
import sys
from cryoglean.cli.streams import outlive_readers
outlive_readers()
for number in range({LINES}):
    print(f"é {{number}}", file=sys.stderr)
    print(f"é {{number}}")
open(sys.argv[1], "x").close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("leaves", ["stdout", "stderr", "both", "neither"])
def test_work_goes_on_without_readers(tmp_path, leaves):
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", WORK, tmp_path / "done"], **pipes) as process:
        for name in pipes:
            if leaves in (name, "both"):
                getattr(process, name).readline()
                getattr(process, name).close()
                setattr(process, name, None)
        texts = [text.decode().splitlines() for text in process.communicate(timeout=60) if text is not None]
    assert process.returncode == 0
    assert (tmp_path / "done").exists()
    assert all(text == [f"é {number}" for number in range(LINES)] for text in texts)


def write_broken_lzw(path: Path, image: np.ndarray) -> None:
    """Write a TIFF of 8 bits whose first strip has codes that its table lacks."""
    Image.fromarray(image).save(path, compression="tiff_lzw")
    with tifffile.TiffFile(path) as file:
        start, size = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start + size // 2 : start + size // 2 + 40] = b"\xff" * 40
    path.write_bytes(content)


@pytest.fixture
def with_a_broken_strip(tmp_path):
    """A folder of images, one of which libtiff cannot decode."""
    images, rng = tmp_path / "images", np.random.default_rng(0)
    images.mkdir()
    for name in ("good0.mrc", "good1.mrc"):
        mrcfile.write(images / name, rng.standard_normal((200, 240), np.float32), voxel_size=4.0)
    write_broken_lzw(images / "broken.tif", rng.integers(0, 256, (200, 240), np.uint8))
    return images


def words_for(images, out, cpus):
    return ["pick", str(images), *f"--diameter 120 --pixel-size 4 --cpus {cpus} --out".split(), str(out)]


def assert_rejected_and_nothing_else_said(out, status, lines):
    assert status in (3, 6)
    assert "broken.tif" in (out / "rejected.csv").read_text()
    assert "corrupt TIFF: a strip or tile cannot be decoded" in (out / "rejected.csv").read_text()
    assert all(line.startswith(OURS) for line in lines if line), lines


@pytest.mark.slow
def test_libtiff_prints_no_lines_of_its_own_about_a_broken_strip(with_a_broken_strip, tmp_path, capfd):
    done = CliRunner().invoke(app, words_for(with_a_broken_strip, tmp_path / "out", 1))
    past_python = capfd.readouterr().err
    lines = [*done.stderr.splitlines(), *past_python.splitlines()]
    assert_rejected_and_nothing_else_said(tmp_path / "out", done.exit_code, lines)


@pytest.mark.slow
def test_nor_do_the_workers(with_a_broken_strip, tmp_path):
    words = words_for(with_a_broken_strip, tmp_path / "out", 2)
    done = subprocess.run([sys.executable, "-m", "cryoglean.cli", *words], capture_output=True, text=True, check=False)
    assert_rejected_and_nothing_else_said(tmp_path / "out", done.returncode, done.stderr.splitlines())
