"""Laws of the MRC reader: every mode, byte order and compression gives the same image; nothing damaged gives one."""

import bz2
import gzip
import lzma
import struct
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mrcfile.dtypes import HEADER_DTYPE
from scipy.ndimage import gaussian_filter

from cryoglean.errors import MicrographError, TableError
from cryoglean.io.images import read_image, read_micrograph
from cryoglean.io.mrc import read_mrc
from cryoglean.io.mrc_stack import read_stack, stack_pixel_size
from cryoglean.micrograph import MicrographFile
from examples import some

DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
STAMPS = {"<": (0x44, 0x44, 0, 0), ">": (0x11, 0x11, 0, 0)}


def pixels(mode=2, shape=(20, 31)):
    low, high = {0: (-100, 100), 1: (-9000, 9000), 6: (0, 65000), 101: (0, 16)}.get(mode, (-9, 9))
    return np.random.default_rng(mode).integers(low, high, shape)


def pack_four_bit(image):
    padded = np.pad(image, ((0, 0), (0, image.shape[1] % 2))).astype(np.uint8)
    return (padded[:, 0::2] | padded[:, 1::2] << 4).tobytes()


def mrc_bytes(image, mode=2, order="<", extended=b"", pixel=1.5, **fields):
    header = np.zeros((), HEADER_DTYPE.newbyteorder(order))
    height, width = image.shape
    values = {"nx": width, "ny": height, "nz": 1, "mx": width, "my": height, "mz": 1, "mode": mode, "map": b"MAP "}
    values |= {"machst": STAMPS[order], "nsymbt": len(extended)} | fields
    header["cella"]["x"], header["cella"]["y"] = pixel * width, pixel * height
    for name, value in values.items():
        header[name] = value
    body = pack_four_bit(image) if mode == 101 else image.astype(order + DTYPES.get(mode, "f4")).tobytes()
    return header.tobytes() + extended + body


def patched(data, offset, layout, *values):
    data = bytearray(data)
    struct.pack_into(layout, data, offset, *values)
    return bytes(data)


def write(folder, data, name="a.mrc"):
    path = Path(folder) / name
    path.write_bytes(data)
    return path


def image_or_reason(path):
    try:
        return read_image(path)[0]
    except MicrographError as error:
        return error.reason


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", [*DTYPES, 101])
def test_every_mode_byte_order_and_compression_gives_the_same_image(tmp_path, mode, order, suffix):
    image = pixels(mode)
    path = write(tmp_path, PACKERS[suffix](mrc_bytes(image, mode, order, b"x" * 77)), "a.mrc" + suffix)
    read, pixel_size = read_image(path)
    np.testing.assert_array_equal(read, image)
    assert read.dtype == np.float32
    assert read.dtype.isnative
    assert read.flags.c_contiguous
    assert pixel_size == pytest.approx(1.5)


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2"])
@pytest.mark.parametrize("dtype", DTYPES.values())
def test_files_that_mrcfile_writes_are_read_as_mrcfile_reads_them(tmp_path, dtype, suffix):
    path = tmp_path / f"a.mrc{suffix}"
    compression = {"": None, ".gz": "gzip", ".bz2": "bzip2"}[suffix]
    with mrcfile.new(path, data=pixels(6).astype(dtype), compression=compression) as file:
        file.voxel_size = 2.25
        file.update_header_stats()
    read, pixel_size = read_image(path)
    np.testing.assert_array_equal(read, mrcfile.read(path).astype(np.float32))
    assert pixel_size == pytest.approx(2.25)


def test_four_bit_pixels_are_low_nibble_first_and_rows_are_whole_bytes(tmp_path):
    image = np.array([[1, 2, 3], [4, 5, 15]])
    data = mrc_bytes(image, 101)[:1024] + bytes([0x21, 0x03, 0x54, 0x0F])
    np.testing.assert_array_equal(read_mrc(write(tmp_path, data))[0], image)


def test_rows_are_kept_as_stored(tmp_path):
    image = np.arange(16.0 * 17).reshape(16, 17)
    read, _ = read_image(write(tmp_path, mrc_bytes(image)))
    assert read[0, 0] == 0
    assert read[0, 16] == 16
    assert read[15, 0] == 15 * 17


def test_an_image_of_many_strips_is_put_together_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("cryoglean.io.mrc._STRIP_BYTES", 300)
    np.testing.assert_array_equal(read_mrc(write(tmp_path, mrc_bytes(pixels(), extended=b"e" * 1000)))[0], pixels())


@pytest.mark.parametrize("pixel", [0.0, 1.0, -1.5, np.nan, np.inf, 1e-12, 1e9])
def test_a_pixel_size_nobody_meant_is_unknown(tmp_path, pixel):
    assert read_image(write(tmp_path, mrc_bytes(pixels(), pixel=pixel)))[1] is None


def test_a_grid_of_zero_or_oblong_pixels_leave_the_pixel_size_unknown(tmp_path):
    assert read_image(write(tmp_path, mrc_bytes(pixels(), mx=0, my=0)))[1] is None
    assert read_image(write(tmp_path, mrc_bytes(pixels(), my=5)))[1] is None


def test_the_pixel_size_is_that_of_the_grid_and_not_of_the_image(tmp_path):
    assert read_image(write(tmp_path, mrc_bytes(pixels(), mx=310, my=200)))[1] == pytest.approx(0.15)


@pytest.mark.parametrize(
    "fields",
    [
        {"machst": (0, 0, 0, 0)},
        {"machst": (9, 9, 9, 9)},
        {"machst": "other"},
        {"map": b""},
        {"dmin": np.nan},
        {"mapc": 7},
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", [0, 2])
def test_fields_that_programs_get_wrong_may_be_wrong(tmp_path, mode, order, fields):
    if fields.get("machst") == "other":
        fields = {"machst": STAMPS["<" if order == ">" else ">"]}
    path = write(tmp_path, mrc_bytes(pixels(mode), mode, order, **fields))
    np.testing.assert_array_equal(read_image(path)[0], pixels(mode))


def test_bytes_are_unsigned_where_imod_or_the_statistics_say_so(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (20, 20))
    data = mrc_bytes(image.astype(np.uint8).view(np.int8), 0)
    for unsigned in (patched(data, 152, "<2i", 1146047817, 0), patched(data, 76, "<2f", 0, 255)):
        np.testing.assert_array_equal(read_image(write(tmp_path, unsigned))[0], image)
    for signed in (data, patched(data, 152, "<2i", 1146047817, 1), patched(data, 76, "<2f", -128, 127)):
        np.testing.assert_array_equal(read_image(write(tmp_path, signed))[0], image.astype(np.uint8).view(np.int8))


def field(smooth, shape=(150, 170)):
    """White noise or a smooth image, of mean 0 and deviation 1."""
    noise = np.random.default_rng(1).normal(size=shape)
    image = gaussian_filter(noise, smooth) if smooth else noise
    return (image - image.mean()) / image.std()


@pytest.mark.parametrize("smooth", [0, 1, 5])
@pytest.mark.parametrize("spread", [0.5, 3, 15, 40, 60])
@pytest.mark.parametrize("header", [(0, 0, 0), (0, -1, -2), (-3.5, 4.2, 0.1), (np.nan, np.nan, np.nan)])
def test_bytes_read_as_the_same_image_in_numbers_of_more_bits_whatever_their_level(tmp_path, smooth, spread, header):
    """Nobody has said whether they are signed: no stamp, and statistics that are absent or of another image."""
    for level in (20, 70, 110, 126, 127.5, 150, 235):
        image = np.clip(np.rint(level + spread * field(smooth)), 0, 255).astype(np.uint8)
        data = patched(mrc_bytes(image.view(np.int8), 0), 76, "<3f", *header)
        np.testing.assert_array_equal(read_image(write(tmp_path, data))[0], image, err_msg=f"level {level}")
    for level in (-60, -20, 0, 20, 60):
        image = np.clip(np.rint(level + spread * field(smooth)), -128, 127).astype(np.int8)
        data = patched(mrc_bytes(image, 0), 76, "<3f", *header)
        read = read_image(write(tmp_path, data))[0]
        offset = 256 if image.max() < 0 else 0  # of negative values alone it cannot be told, and nothing is inverted
        np.testing.assert_array_equal(read - offset, image, err_msg=f"signed level {level}")


def test_statistics_that_are_those_of_the_image_go_before_how_it_looks(tmp_path):
    image = np.clip(np.rint(128 + 5 * field(3)), 0, 255).astype(np.uint8).view(np.int8)
    data = patched(mrc_bytes(image, 0), 76, "<2f", image.min(), image.max())
    np.testing.assert_array_equal(read_image(write(tmp_path, data))[0], image)


@pytest.mark.parametrize("level", [60, 128, 200])
def test_a_mean_that_is_that_of_the_image_goes_before_how_it_looks(tmp_path, level):
    image = np.random.default_rng(0).permuted(np.arange(256).repeat(40)).reshape(80, 128)  # equally likely
    image = np.where(image < level, image, image // 2 + 128)
    data = patched(mrc_bytes(image.astype(np.uint8).view(np.int8), 0), 76, "<3f", 0, 0, image.mean())
    np.testing.assert_array_equal(read_image(write(tmp_path, data))[0], image)


def test_what_the_image_decided_is_told_and_nothing_else(tmp_path):
    image = np.clip(np.rint(128 + 5 * field(3)), 0, 255).astype(np.uint8).view(np.int8)
    path = write(tmp_path, mrc_bytes(image, 0))
    _, note = read_micrograph(MicrographFile(path, "a.mrc", "a"))
    assert "read as unsigned, by how the image looks" in note
    for data in (patched(mrc_bytes(image, 0), 152, "<2i", 1146047817, 0), mrc_bytes(pixels(2))):
        assert read_micrograph(MicrographFile(write(tmp_path, data), "a.mrc", "a"))[1] is None


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("cut", [1, 2, 207, 1023, 1024, 1030, 1034, 1035, 1035 + 31 * 4, 2000, -5, -1])
def test_a_body_that_is_not_whole_is_refused_wherever_it_was_cut(tmp_path, cut, suffix):
    data = mrc_bytes(pixels(), extended=b"x" * 11)
    with pytest.raises(MicrographError, match="truncated"):
        read_mrc(write(tmp_path, PACKERS[suffix](data[:cut]), "a.mrc" + suffix))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_a_compressed_file_is_refused_at_every_length_but_its_own(tmp_path, suffix):
    data = PACKERS[suffix](mrc_bytes(pixels(0), 0))
    for cut in [*range(1, 40), *range(40, len(data), 37), *range(len(data) - 30, len(data))]:
        with pytest.raises(MicrographError):
            read_image(write(tmp_path, data[:cut], "a.mrc" + suffix))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_a_checksum_that_does_not_fit_is_refused(tmp_path, suffix):
    data = bytearray(PACKERS[suffix](mrc_bytes(pixels(), 2)))
    data[len(data) // 2] ^= 16
    with pytest.raises(MicrographError):
        read_image(write(tmp_path, bytes(data), "a.mrc" + suffix))


@pytest.mark.parametrize("nsymbt", [-1, -1024, 100, 2**31 - 1])
def test_a_wrong_length_of_the_extended_header_is_refused(tmp_path, nsymbt):
    with pytest.raises(MicrographError, match=r"nsymbt|truncated"):
        read_mrc(write(tmp_path, mrc_bytes(pixels(), nsymbt=nsymbt)))


def test_an_extended_header_that_is_not_announced_is_refused_and_padding_is_not(tmp_path):
    for length in (100, 1024, 8192):
        with pytest.raises(MicrographError, match="nsymbt"):
            read_mrc(write(tmp_path, mrc_bytes(pixels(), extended=b"\0" * length, nsymbt=0)))
    np.testing.assert_array_equal(read_mrc(write(tmp_path, mrc_bytes(pixels()) + b"\0" * 512))[0], pixels())


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_without_the_map_identifier_the_size_must_be_right_to_the_byte(tmp_path, suffix):
    data = mrc_bytes(pixels(), map=b"")
    assert read_mrc(write(tmp_path, PACKERS[suffix](data), "a.mrc" + suffix))[0].shape == (20, 31)
    with pytest.raises(MicrographError, match="map identifier"):
        read_mrc(write(tmp_path, PACKERS[suffix](data + b"\0"), "a.mrc" + suffix))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"nz": 40}, "stack of 40 frames; motion-correct"),
        ({"nz": 0}, "corrupt"),
        ({"nx": 0}, "corrupt"),
        ({"ny": -20}, "corrupt"),
        ({"nx": 2**31 - 1, "ny": 2**31 - 1}, "corrupt"),
        ({"nx": 99_999, "ny": 99_999}, "too large"),
        ({"nx": 30_000, "ny": 30_000}, "truncated"),
        ({"mode": 3}, "Fourier"),
        ({"mode": 4}, "Fourier"),
        ({"mode": 16}, "mode 16"),
        ({"mode": -1}, "mode -1"),
        ({"mode": 7}, "mode 7"),
    ],
)
@pytest.mark.parametrize("suffix", PACKERS)
def test_a_header_that_is_not_of_one_image_is_refused_with_its_reason(tmp_path, fields, reason, suffix):
    with pytest.raises(MicrographError, match=reason):
        read_mrc(write(tmp_path, PACKERS[suffix](mrc_bytes(pixels(), **fields)), "a.mrc" + suffix))


def test_old_packed_bytes_are_refused(tmp_path):
    data = patched(mrc_bytes(pixels(0), 0), 152, "<2i", 1146047817, 16)
    with pytest.raises(MicrographError, match="4-bit"):
        read_mrc(write(tmp_path, data))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_a_decompression_bomb_is_refused_before_it_goes_off(tmp_path, suffix):
    announced = PACKERS[suffix](mrc_bytes(pixels(), nx=30_000, ny=30_000))
    with pytest.raises(MicrographError, match="truncated"):
        read_mrc(write(tmp_path, announced, "a.mrc" + suffix))
    endless = PACKERS[suffix](mrc_bytes(pixels()) + bytes(2**25))
    with pytest.raises(MicrographError, match="longer"):
        read_mrc(write(tmp_path, endless, "b.mrc" + suffix))


@settings(max_examples=some(150), deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_gives_a_clear_error_or_an_image_of_the_size_it_announces(tmp_path, data):
    mode = data.draw(st.sampled_from([*DTYPES, 101]))
    suffix = data.draw(st.sampled_from(["", "", ".gz", ".bz2", ".xz"]))
    damaged = bytearray(mrc_bytes(pixels(mode), mode, data.draw(st.sampled_from("<>")), b"x" * 64))
    if suffix:
        damaged = bytearray(PACKERS[suffix](bytes(damaged)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(damaged), 300) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    path = write(tmp_path, bytes(damaged), "a.mrc" + suffix)
    result = image_or_reason(path)
    if isinstance(result, str):
        assert len(result.splitlines()) == 1
    else:
        assert np.isfinite(result).all()
        assert result.size < 3 * 20 * 31 * 4


@settings(max_examples=some(100), deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=3000))
def test_noise_is_no_micrograph(tmp_path, noise):
    with pytest.raises(MicrographError):
        read_image(write(tmp_path, noise))


FORGIVEN = [
    {"map": b""},
    {"machst": (0, 0, 0, 0)},
    {"machst": (9, 9, 9, 9), "map": b""},
    {"machst": "other"},
    {"dmin": np.nan},
    {"mapc": 7},
]


@pytest.mark.parametrize("fields", FORGIVEN)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", [*DTYPES, 101])
def test_a_stack_is_read_as_forgivingly_as_one_image(tmp_path, mode, order, fields):
    if fields.get("machst") == "other":
        fields = {"machst": STAMPS["<" if order == ">" else ">"]}
    images = [np.roll(pixels(mode), n) for n in range(3)]
    one = mrc_bytes(images[0], mode, order, b"x" * 77, nz=3, mz=1, **fields)
    data = one + b"".join(mrc_bytes(image, mode, order)[1024:] for image in images[1:])
    path = write(tmp_path, data, "a.mrcs")
    np.testing.assert_array_equal(read_stack(path), images)
    np.testing.assert_array_equal(read_stack(path, [2, 0]), [images[2], images[0]])
    assert stack_pixel_size(path) == pytest.approx(1.5)
    for broken in (data[:-1], data[:1000], data + b"\1", data + bytes(5000)):
        with pytest.raises(TableError, match="not a whole MRC stack"):
            read_stack(write(tmp_path, broken, "b.mrcs"))


def test_bytes_of_a_stack_have_the_sign_of_the_whole_stack_whichever_images_are_read(tmp_path):
    images = np.clip(np.rint(128 + 10 * field(2, (3 * 40, 50))), 0, 255).astype(np.uint8).reshape(3, 40, 50)
    flat = images.view(np.int8)
    data = mrc_bytes(flat[0], 0, nz=3) + flat[1:].tobytes()
    path = write(tmp_path, data, "a.mrcs")
    np.testing.assert_array_equal(read_stack(path), images)
    np.testing.assert_array_equal(read_stack(path, [1]), images[1:2])
