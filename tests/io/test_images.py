"""Laws of the door for images: one checked image and its pixel size, or one line that says why not."""

import os
import pickle
import time
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from PIL import Image

from cryoglean.errors import MicrographError
from cryoglean.io.images import (
    MIN_SIDE_PX,
    SUFFIXES,
    image_stem,
    image_suffix,
    pixel_size_of,
    read_image,
    read_micrograph,
)
from cryoglean.micrograph import MicrographFile

NOISE = np.random.default_rng(3).normal(size=(40, 50)).astype(np.float32)


def write_mrc(path, image=NOISE, pixel=1.5):
    with mrcfile.new(path, data=np.zeros(image.shape, np.float32), overwrite=True) as file:
        file.voxel_size = pixel
        file.data[:] = image  # mrcfile warns of what set_data() is given
    return path


def spoiled(value, count=3):
    image = NOISE.copy()
    image.flat[7 : 7 + count] = value
    return image


def refusal(path):
    with pytest.raises(MicrographError) as caught:
        read_image(path)
    assert caught.value.path == path
    assert "\n" not in caught.value.reason
    return caught.value.reason


def test_a_missing_file_is_missing(tmp_path):
    assert "missing" in refusal(tmp_path / "a.mrc")
    assert "cannot be read" in refusal(tmp_path / ("long" * 200 + ".mrc"))
    assert "cannot be read" in refusal(write_mrc(tmp_path / "a.mrc") / "b.mrc")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file_and_a_folder_are_named_as_such(tmp_path, suffix):
    (tmp_path / f"a{suffix}").touch()
    (tmp_path / f"b{suffix}").mkdir()
    assert "empty" in refusal(tmp_path / f"a{suffix}")
    assert "folder" in refusal(tmp_path / f"b{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"\0", b"hello", b"\x1f\x8b", os.urandom(5000), b"\0" * 5000])
def test_what_is_no_image_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert refusal(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.mrc")
    start = time.monotonic()
    assert "regular" in refusal(tmp_path / "a.mrc")
    assert time.monotonic() - start < 30


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_an_unreadable_file_says_so(tmp_path):
    path = write_mrc(tmp_path / "a.mrc")
    path.chmod(0)
    assert "Permission" in refusal(path)


def test_a_renamed_file_is_named_for_what_it_is(tmp_path):
    Image.fromarray((NOISE * 30 + 128).astype(np.uint8)).save(tmp_path / "a.png")
    for name in ("a.mrc", "a.tif", "a.mrc.gz", "a.jpg"):
        (tmp_path / name).write_bytes((tmp_path / "a.png").read_bytes())
        assert "but it holds PNG" in refusal(tmp_path / name)
        assert "name it .png" in refusal(tmp_path / name)
    write_mrc(tmp_path / "b.mrc").rename(tmp_path / "b.png")
    assert "but it holds MRC" in refusal(tmp_path / "b.png")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.eer", "motion-correct"),
        ("a.dm4", "dm2mrc"),
        ("a.mrc.zst", "zstd -d"),
        ("a.txt", "recognised"),
        ("a", ".mrc"),
    ],
)
def test_what_is_not_read_here_comes_with_a_hint(tmp_path, name, reason):
    (tmp_path / name).write_bytes(b"II*\0" + bytes(3000))
    assert reason in refusal(tmp_path / name)


def test_a_stack_of_one_is_an_image_and_a_stack_of_two_is_not(tmp_path):
    write_mrc(tmp_path / "one.mrcs", NOISE[None])
    np.testing.assert_array_equal(read_image(tmp_path / "one.mrcs")[0], NOISE)
    write_mrc(tmp_path / "two.mrcs", np.stack([NOISE, NOISE]))
    assert "stack of 2 frames" in refusal(tmp_path / "two.mrcs")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite_are_counted(tmp_path, value, monkeypatch):
    monkeypatch.setattr("cryoglean.io.images._STRIP_PIXELS", 100)
    assert "3 of 2000 pixels are NaN" in refusal(write_mrc(tmp_path / "a.mrc", spoiled(value)))
    assert "2000 of 2000" in refusal(write_mrc(tmp_path / "a.mrc", NOISE * np.nan))


def test_a_constant_image_and_absurd_values_are_refused(tmp_path):
    assert "constant: every pixel is 5" in refusal(write_mrc(tmp_path / "a.mrc", NOISE * 0 + 5))
    assert "not intensities" in refusal(write_mrc(tmp_path / "a.mrc", spoiled(-1e30)))


def test_the_smallest_side_is_sixteen_pixels(tmp_path):
    assert read_image(write_mrc(tmp_path / "a.mrc", NOISE[:MIN_SIDE_PX]))[0].shape == (16, 50)
    assert "too small" in refusal(write_mrc(tmp_path / "a.mrc", NOISE[: MIN_SIDE_PX - 1]))
    assert "too small" in refusal(write_mrc(tmp_path / "a.mrc", NOISE[:, : MIN_SIDE_PX - 1]))


@pytest.mark.parametrize("name", ["a b.mrc", "Ångström-粒子.mrc", "May08_03.13.02.mrc", "#1'\".mrc", "A.MRC"])
def test_names_may_hold_what_file_systems_allow(tmp_path, name):
    np.testing.assert_array_equal(read_image(write_mrc(tmp_path / name))[0], NOISE)


def test_the_image_is_the_callers_own(tmp_path):
    Image.fromarray((NOISE * 30 + 128).astype(np.uint8)).save(tmp_path / "a.png")
    for path in (write_mrc(tmp_path / "a.mrc"), tmp_path / "a.png"):
        image, _ = read_image(path)
        image += 1


@pytest.mark.parametrize(
    ("name", "stem", "suffix"),
    [
        ("a.mrc", "a", ".mrc"),
        ("a.mrc.gz", "a", ".mrc.gz"),
        ("May08_03.13.02.png", "May08_03.13.02", ".png"),
        ("A.B.MRC.XZ", "A.B", ".MRC.XZ"),
        ("a.tif", "a", ".tif"),
        ("a.eer", "a", ""),
        ("a", "a", ""),
        (".mrc", ".mrc", ""),
    ],
)
def test_the_stem_is_the_name_without_the_image_suffix(name, stem, suffix):
    assert image_stem(name) == stem
    assert image_suffix(name) == suffix


@pytest.mark.parametrize(
    ("option", "star", "header", "expected"),
    [
        (1.0, 2.0, 3.0, 1.0),
        (None, 2.0, 3.0, 2.0),
        (None, None, 3.0, 3.0),
        (1.0, None, None, 1.0),
        (None, 2.0, None, 2.0),
    ],
)
def test_the_pixel_size_is_the_options_then_the_tables_then_the_headers(option, star, header, expected):
    file = MicrographFile(Path("a.mrc"), "a.mrc", "a", star)
    value, note = pixel_size_of(file, option, header)
    assert value == expected
    known = [size for size in (option, star, header) if size is not None]
    assert (note is None) == (len(known) == 1)


def test_a_difference_of_one_percent_is_no_disagreement():
    file = MicrographFile(Path("a.mrc"), "a.mrc", "a", 1.505)
    assert pixel_size_of(file, 1.5, 1.51) == (1.5, None)
    _, note = pixel_size_of(file, 1.5, 3.0)
    assert note == "pixel sizes disagree: --pixel-size 1.5, header 3 Å; --pixel-size is used"


def test_an_unknown_pixel_size_is_an_error_that_says_what_to_give(tmp_path):
    path = write_mrc(tmp_path / "a.mrc", pixel=0)
    with pytest.raises(MicrographError, match="pixel size unknown: give --pixel-size") as caught:
        read_micrograph(MicrographFile(path, "a.mrc", "a"))
    assert pickle.loads(pickle.dumps(caught.value)).reason == caught.value.reason


@pytest.mark.parametrize(
    ("header", "remedy"),
    [
        (0.1, "if it is in nanometres, give --pixel-size 1"),
        (0.0885, "if it is in nanometres, give --pixel-size 0.885"),
        (150, "if it is in picometres, give --pixel-size 1.5"),
        (1.5e-4, "if it is in micrometres, give --pixel-size 1.5"),
        (1.5e-10, "if it is in metres, give --pixel-size 1.5"),
    ],
)
def test_a_pixel_size_of_another_unit_is_named_with_its_remedy_and_never_taken(tmp_path, header, remedy):
    path = write_mrc(tmp_path / "a.mrc", pixel=header)
    with pytest.raises(MicrographError, match=f"{remedy}$"):
        read_micrograph(MicrographFile(path, "a.mrc", "a"))
    told, note = read_micrograph(MicrographFile(path, "a.mrc", "a"), 1.5)
    assert (told.pixel_size_angstrom, note is not None) == (1.5, True)


def test_a_micrograph_knows_its_name_pixel_size_and_defocus(tmp_path):
    path = write_mrc(tmp_path / "a.mrc")
    row = {"rlnDefocusU": "10000", "rlnDefocusV": "12000"}
    micrograph, _ = read_micrograph(MicrographFile(path, "job/a.mrc", "a", row=row))
    np.testing.assert_array_equal(micrograph.image, NOISE)
    assert micrograph.pixel_size_angstrom == pytest.approx(1.5)
    assert micrograph.name == "job/a.mrc"
    assert micrograph.defocus_angstrom == 11000
    failed, note = read_micrograph(MicrographFile(path, "a", "a", row=row | {"rlnDefocusU": "nan"}), 3.0)
    assert failed.defocus_angstrom is None
    assert "disagree" in note
