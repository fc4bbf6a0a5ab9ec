"""Masks: found by name, of any kind and scale, and refused in one line where they are none of their micrograph."""

import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image

from cryoglean.errors import MicrographError, SettingsError
from cryoglean.io.images import read_micrograph
from cryoglean.io.masks import with_masks
from cryoglean.micrograph import Micrograph, MicrographFile

SHAPE = (90, 121)
MASK = np.zeros(SHAPE, bool)
MASK[20:50, 60:] = True


def micrographs(folder, *keys):
    found = []
    for key in keys:
        path = folder / f"{key}.mrc"
        path.parent.mkdir(parents=True, exist_ok=True)
        with mrcfile.new(path, np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)) as file:
            file.voxel_size = 2.0
        found.append(MicrographFile(path, f"{key}.mrc", key))
    return found


@pytest.fixture
def file(tmp_path):
    return micrographs(tmp_path / "images", "a.b")[0]


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mrc":
        mrcfile.write(path, np.asarray(pixels))
    elif path.suffix == ".tif":
        tifffile.imwrite(path, np.asarray(pixels))
    else:
        Image.fromarray(np.asarray(pixels)).save(path)
    return path


def mask_of(file, path):
    (masked,) = with_masks([file], path)
    return read_micrograph(masked)[0].mask


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("a.b.png", np.uint8(255) * MASK),
        ("a.b_mask.png", np.uint8(1) * MASK),
        ("a.b.tif", MASK.astype(np.uint16)),
        ("a.b.mrc", MASK.astype(np.int8)),
        ("a.b.mrc", (MASK * 255).astype(np.uint8).view(np.int8)),
        ("a.b_mask.mrc", MASK.astype(np.float32)),
        ("a.b.mrc", np.where(MASK, 0.51, 0.49).astype(np.float32)),
        ("a.b.tif", np.where(MASK, np.float32(3), 0)),
    ],
)
def test_what_is_not_0_is_masked_whatever_the_format(tmp_path, file, name, pixels):
    write(tmp_path / "masks" / name, pixels)
    np.testing.assert_array_equal(mask_of(file, tmp_path / "masks"), MASK)
    np.testing.assert_array_equal(mask_of(file, tmp_path / "masks" / name), MASK)


@pytest.mark.parametrize("factor", [2, 3, 7])
def test_a_smaller_mask_holds_for_the_pixels_that_were_binned(tmp_path, file, factor):
    small = np.random.default_rng(1).random([-(-n // factor) for n in SHAPE]) < 0.4
    rows, columns = (np.arange(n) // factor for n in SHAPE)
    found = mask_of(file, write(tmp_path / "a.png", np.uint8(9) * small))
    np.testing.assert_array_equal(found, small[np.ix_(rows, columns)])


def test_a_mask_scaled_by_any_factor_lies_where_it_was(tmp_path, file):
    small = np.asarray(Image.fromarray(np.uint8(255) * MASK).resize((54, 40), Image.Resampling.NEAREST))
    found = mask_of(file, write(tmp_path / "a.png", small))
    edges = np.zeros(SHAPE, bool)
    edges[17:23, 56:] = edges[47:53, 56:] = edges[17:53, 56:64] = True
    assert (found == MASK)[~edges].all()


def test_a_mask_of_nothing_is_none(tmp_path, file):
    assert mask_of(file, write(tmp_path / "a.png", np.zeros(SHAPE, np.uint8))) is None


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((90, 130), np.uint8), "is 130 x 90 px, larger than its micrograph of 121 x 90 px"),
        (np.zeros((180, 242), np.uint8), "is 242 x 180 px, larger than"),
        (np.zeros((45, 121), np.uint8), "is 121 x 45 px, no scale of its micrograph of 121 x 90 px"),
        (np.ones(SHAPE, np.uint8), "marks all of it, and what is not 0 is left out: .* invert it"),
        (np.full(SHAPE, np.nan, np.float32), "has pixels that are NaN or infinite"),
    ],
)
def test_a_mask_that_does_not_fit_sets_its_micrograph_aside(tmp_path, file, pixels, reason):
    path = write(tmp_path / ("a.tif" if pixels.dtype == np.float32 else "a.png"), pixels)
    with pytest.raises(MicrographError, match=f"a.b.mrc: its mask {path}: {reason}") as raised:
        mask_of(file, path)
    assert raised.value.by_settings


def test_a_damaged_mask_is_named(tmp_path, file):
    path = write(tmp_path / "a.png", np.uint8(255) * MASK)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(MicrographError, match=f"its mask {path}: truncated"):
        mask_of(file, path)


def test_masks_lie_under_the_names_of_their_micrographs_or_in_such_folders(tmp_path):
    files = micrographs(tmp_path / "images", "one/a", "two/a", "two/b")
    pixels = np.uint8(255) * MASK
    masks = [write(tmp_path / "masks" / name, pixels) for name in ("one/a.png", "b_mask.png", "a.png")]
    write(tmp_path / "masks/c.jpg", pixels)
    (tmp_path / "masks/two").mkdir()
    assert [file.mask for file in with_masks(files, tmp_path / "masks")] == [masks[0], None, masks[1]]


def test_beside_its_micrograph_a_mask_is_told_by_its_ending(tmp_path):
    (file,) = micrographs(tmp_path, "a")
    path = write(tmp_path / "a_mask.mrc", MASK.astype(np.int8))
    assert [each.mask for each in with_masks([file], tmp_path)] == [path]


def test_masks_that_are_none_of_the_micrographs_are_refused_before_any_work(tmp_path):
    files = micrographs(tmp_path / "images", "a", "b")
    path = write(tmp_path / "masks/c.png", np.uint8(255) * MASK)
    with pytest.raises(
        SettingsError, match=r"no mask of any of 2 micrographs; that of a\.mrc would be called a.png or"
    ):
        with_masks(files, tmp_path / "masks")
    with pytest.raises(SettingsError, match=f"--mask {path}: one mask, and 2 micrographs: give a folder"):
        with_masks(files, path)
    with pytest.raises(SettingsError, match="nowhere: no such file or folder"):
        with_masks(files, tmp_path / "nowhere")
    write(tmp_path / "masks/b.png", np.uint8(255) * MASK)
    write(tmp_path / "masks/b_mask.mrc", MASK.astype(np.int8))
    with pytest.raises(SettingsError, match=r"b\.png and b_mask\.mrc are both of b\.mrc: keep one"):
        with_masks(files, tmp_path / "masks")


def test_a_mask_in_memory_has_the_shape_of_its_image():
    with pytest.raises(ValueError, match=r"Micrograph.mask is \(3, 4\)"):
        Micrograph(np.zeros(SHAPE, np.float32), 1.0, mask=np.zeros((3, 4), bool))
