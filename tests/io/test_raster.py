"""Laws of the TIFF, PNG and JPEG readers: values and rows as stored; one whole grey image or a reason."""

import bz2
import gzip
import io
import lzma
import struct
import tracemalloc
import zlib

import mrcfile
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cryoglean.errors import MicrographError
from cryoglean.io.images import read_image
from examples import some
from small_pictures import image_or_reason, pixels


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"])
def test_a_tiff_of_any_grey_type_is_read_row_by_row_as_stored(tmp_path, dtype, order):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels(dtype), byteorder=order)
    image, pixel_size = read_image(path)
    np.testing.assert_array_equal(image, pixels(dtype).astype(np.float32))
    assert image.dtype == np.float32
    assert image.dtype.isnative
    assert image.flags.c_contiguous
    assert pixel_size is None


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True},
        {"compression": "lzma"},
        {"tile": (16, 16)},
        {"rowsperstrip": 5},
        {"bigtiff": True},
        {"imagej": True},
    ],
    ids=str,
)
def test_a_tiff_of_any_layout_gives_the_same_image(tmp_path, options):
    path = tmp_path / "a.tiff"
    try:
        tifffile.imwrite(path, pixels("u2"), **options)
    except (KeyError, ValueError, ImportError) as error:
        pytest.skip(f"this tifffile cannot write it: {error}")
    np.testing.assert_array_equal(read_image(path)[0], pixels("u2"))


@pytest.mark.parametrize("mode", ["u1", "u2", "f4"])
@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_a_compression_that_tifffile_lacks_is_read_too(tmp_path, compression, mode):
    path = tmp_path / "a.tif"
    Image.fromarray(pixels(mode)).save(path, compression=compression)
    np.testing.assert_array_equal(read_image(path)[0], pixels(mode).astype(np.float32))


@pytest.mark.parametrize(
    ("pixels_per_unit", "unit", "expected"),
    [
        (1e8 / 1.77, "CENTIMETER", 1.77),
        (2.54e8 / 0.83, "INCH", 0.83),
        (72, "INCH", None),
        (1e8, "CENTIMETER", None),
        (1e8 / 1.77, "NONE", None),
    ],
)
def test_the_resolution_of_a_tiff_is_its_pixel_size_where_plausible(tmp_path, pixels_per_unit, unit, expected):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels(), resolution=(int(pixels_per_unit), int(pixels_per_unit)), resolutionunit=unit)
    assert read_image(path)[1] == (expected and pytest.approx(expected, rel=1e-4))


@pytest.mark.parametrize("imagej", [False, True])
def test_a_tiff_of_several_pages_is_refused_as_a_stack(tmp_path, imagej):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([pixels()] * 5), imagej=imagej, photometric="minisblack")
    with pytest.raises(MicrographError, match="stack of 5 frames; motion-correct"):
        read_image(path)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_a_png_is_read_as_stored(tmp_path, dtype):
    path = tmp_path / "May08_03.13.02.png"
    stored = pixels(dtype) * (200 if dtype == "u2" else 1)
    Image.fromarray(stored).save(path)
    image, pixel_size = read_image(path)
    np.testing.assert_array_equal(image, stored.astype(np.float32))
    assert pixel_size is None


def test_a_jpeg_is_read_as_pillow_reads_it(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels()).save(path, quality=90)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(read_image(path)[0], np.asarray(picture))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_in_the_clothes_of_colour_is_grey(tmp_path, mode):
    path = tmp_path / "a.png"
    Image.fromarray(pixels()).convert(mode).save(path)
    np.testing.assert_array_equal(read_image(path)[0], pixels())


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_true_colour_is_refused(tmp_path, name):
    colour = np.stack([pixels(), pixels()[::-1], pixels()], axis=2)
    Image.fromarray(colour).save(tmp_path / name)
    with pytest.raises(MicrographError, match="colour"):
        read_image(tmp_path / name)


def test_one_bit_is_refused(tmp_path):
    for name in ("a.png", "a.tif"):
        Image.fromarray(pixels() > 100).save(tmp_path / name)
        with pytest.raises(MicrographError):
            read_image(tmp_path / name)


def test_an_animation_is_refused_as_a_stack(tmp_path):
    frames = [Image.fromarray(np.roll(pixels(), i)) for i in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(MicrographError, match="stack of 3 frames"):
        read_image(tmp_path / "a.png")


def test_a_large_micrograph_is_no_bomb_and_a_bomb_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 600)
    for name in ("a.png", "a.jpg"):
        Image.fromarray(pixels()).save(tmp_path / name)
        assert read_image(tmp_path / name)[0].shape == (24, 37)
    Image.fromarray(pixels()).save(tmp_path / "lzw.tif", compression="tiff_lzw")
    assert read_image(tmp_path / "lzw.tif")[0].shape == (24, 37)
    monkeypatch.undo()
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(MicrographError):
        read_image(tmp_path / "bomb.png")


SAVE = {
    "plain.tif": {},
    "deflate.tif": {"compression": "tiff_adobe_deflate"},
    "lzw.tif": {"compression": "tiff_lzw"},
    "a.png": {},
    "a.jpg": {},
}


@pytest.mark.parametrize("name", SAVE)
def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(pixels()).save(path, **SAVE[name])
    whole, data = read_image(path)[0], path.read_bytes()
    for cut in [*range(1, 30), *range(30, len(data), 41), *range(len(data) - 20, len(data))]:
        path.write_bytes(data[:cut])
        try:
            image, _ = read_image(path)
        except MicrographError:
            continue
        assert name.endswith(".tif"), f"cut at {cut} of {len(data)}"  # what was cut off was not of the image
        np.testing.assert_array_equal(image, whole)


LONG = 2**25


def lzw(data):
    stream = io.BytesIO()
    Image.fromarray(np.frombuffer(data, "u1").reshape(-1, 2**12)).save(
        stream, "TIFF", compression="tiff_lzw", tiffinfo={278: len(data)}
    )
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        (offset,), (count,) = file.pages.first.dataoffsets, file.pages.first.databytecounts
    return stream.getvalue()[offset : offset + count]


ENCODE = {
    "zlib": zlib.compress,
    "deflate": zlib.compress,
    "lzma": lambda data: lzma.compress(data, preset=0),  # a small dictionary
    "packbits": lambda data: (
        b"".join(b"\x7f" + data[i : i + 128] for i in range(0, 4096, 128))
        + b"\x81\x07" * min(len(data) // 128 - 32, 30_000)
    ),
    "lzw": lzw,
}


def peak_bytes(path):
    """Return the image or the reason why there is none, and how much memory was taken at once."""
    image_or_reason(path)  # loads what is loaded once
    tracemalloc.start()
    try:
        return image_or_reason(path), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def write_segments(path, segments, compression, height, tile):
    tifffile.imwrite(
        path,
        iter(segments),
        shape=(height, 64),
        dtype="u1",
        compression="zlib",  # for tifffile by itself cannot write all
        photometric="minisblack",
        **({"tile": (64, 64)} if tile else {"rowsperstrip": 64}),
    )
    number = {"zlib": 8, "deflate": 32946, "lzma": 34925, "packbits": 32773, "lzw": 5}[compression]
    path.write_bytes(with_tag(path.read_bytes(), 259, number))


def with_tag(data, tag, value):
    """Give a tag of a little-endian TIFF another value."""
    at = min(i for kind in (3, 4) if (i := data.find(struct.pack("<HHI", tag, kind, 1))) >= 0)
    return data[: at + 8] + struct.pack("<I", value) + data[at + 12 :]


@pytest.mark.parametrize("tile", [False, True])
@pytest.mark.parametrize("compression", ENCODE)
def test_a_tiff_that_inflates_beyond_its_size_is_not_inflated(tmp_path, compression, tile):
    sound = ENCODE[compression](pixels(shape=(64, 64)).tobytes())
    bomb = ENCODE[compression](pixels(shape=(64, 64)).tobytes() + bytes(LONG))
    path = tmp_path / "a.tif"
    write_segments(path, [sound, bomb], compression, 128, tile)
    result, peak = peak_bytes(path)
    assert peak < LONG / 4
    if compression == "lzw":  # libtiff stops where the strip is full
        np.testing.assert_array_equal(result, np.tile(pixels(shape=(64, 64)), (2, 1)))
    else:
        assert "inflates to more than 4096 bytes" in result


@pytest.mark.parametrize("compression", ENCODE)
def test_a_last_strip_that_is_filled_up_is_no_harm(tmp_path, compression):
    rows = pixels(shape=(64, 64))
    segments = [ENCODE[compression](rows.tobytes()), ENCODE[compression](rows.tobytes())]
    write_segments(tmp_path / "a.tif", segments, compression, 100, tile=False)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[0], np.concatenate([rows, rows[:36]]))


@pytest.mark.parametrize("compression", ["zlib", "deflate", "lzma", "packbits"])
@pytest.mark.parametrize("tile", [False, True])
def test_a_strip_or_tile_that_inflates_to_more_than_it_may_hold_is_refused(tmp_path, compression, tile):
    sound, long = (ENCODE[compression](pixels(shape=(64, 64)).tobytes() + bytes(more)) for more in (0, 256))
    for segments in ([long, sound], [sound, long]):
        write_segments(tmp_path / "a.tif", segments, compression, 128, tile)
        assert "inflates to more than 4096 bytes" in image_or_reason(tmp_path / "a.tif")


@pytest.mark.parametrize("rows", [50, 64, 90])
def test_the_one_strip_of_an_image_may_be_filled_up_to_the_rows_of_a_strip(tmp_path, rows):
    image = pixels(shape=(50, 64))
    write_segments(tmp_path / "a.tif", [zlib.compress(image.tobytes() + bytes(64 * (rows - 50)))], "zlib", 50, False)
    (tmp_path / "a.tif").write_bytes(with_tag((tmp_path / "a.tif").read_bytes(), 278, rows))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[0], image)


def test_a_tiff_of_absurd_tiles_is_refused(tmp_path):
    write_segments(tmp_path / "a.tif", [zlib.compress(bytes(100))], "zlib", 64, tile=True)
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(with_tag(with_tag(data, 322, 65_520), 323, 65_520))
    assert "tiles of 4292870400 bytes" in image_or_reason(tmp_path / "a.tif")


def test_a_corrupt_lzma_strip_is_a_reason(tmp_path):
    write_segments(tmp_path / "a.tif", [lzma.compress(bytes(4096))[:-20] + bytes(20)], "lzma", 64, tile=False)
    assert "corrupt TIFF" in image_or_reason(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", ENCODE["lzma"])]
)
def test_a_compressed_mrc_is_inflated_no_further_than_its_header_says(tmp_path, suffix, compress):
    with mrcfile.new(tmp_path / "a.mrc", pixels("f4", (64, 64))):
        pass
    path = tmp_path / f"a.mrc{suffix}"
    path.write_bytes(compress((tmp_path / "a.mrc").read_bytes() + bytes(LONG)))
    result, peak = peak_bytes(path)
    assert peak < LONG / 4
    assert "longer than the 17408 bytes" in result


def test_a_jpeg_far_longer_than_its_pixels_is_not_loaded(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels()).save(path)
    data = path.read_bytes()
    with path.open("r+b") as stream:
        stream.truncate(2**36)
        stream.seek(2**36 - len(data))
        stream.write(data)
    assert "68719476736 bytes for 37 x 24 px" in image_or_reason(path)


@settings(max_examples=some(150), deadline=3000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(SAVE)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
)
def test_a_damaged_picture_gives_a_clear_error_or_a_finite_image(tmp_path, name, damage):
    path = tmp_path / name
    Image.fromarray(pixels()).save(path, **SAVE[name])
    data = bytearray(path.read_bytes())
    for where, value in damage:
        data[int(where**3 * len(data))] = value  # mostly in the header
    path.write_bytes(data)
    result = image_or_reason(path)
    if isinstance(result, str):
        assert len(result.splitlines()) == 1
    else:
        assert np.isfinite(result).all()
