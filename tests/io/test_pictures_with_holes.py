"""PNG and JPEG files of which a part is lost: refused, however little it is, and sound ones of any layout are not."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from cryoglean.io.images import read_image
from small_pictures import FLAT, image_or_reason, pixels


def textured(shape=(200, 300)):
    """Return pixels that compress as micrographs do: smooth structure under noise."""
    y, x = np.indices(shape)
    waves = 40 * np.sin(x / 23) * np.cos(y / 17)
    return (128 + waves + np.random.default_rng(5).normal(0, 12, shape)).clip(0, 255).astype("u1")


def damaged(data, kind, start, count):
    """Cut the body, blacken a part of it or take a part out; the end of the file stays."""
    end = min(start + count, len(data) - 40)
    return data[:start] + {"cut": data[-12:], "zeroed": bytes(end - start) + data[end:], "removed": data[end:]}[kind]


PICTURES = {
    "a.jpg": {"quality": 90},
    "optimised.jpg": {"quality": 60, "optimize": True},
    "restarts.jpg": {"quality": 90, "restart_marker_rows": 1},
    "a.png": {},
    "stored.png": {"compress_level": 0},
}


@pytest.mark.parametrize("kind", ["cut", "zeroed", "removed"])
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_with_a_hole_is_refused(tmp_path, name, kind):
    path = tmp_path / name
    Image.fromarray(textured()).save(path, **PICTURES[name])
    data, draw = path.read_bytes(), np.random.default_rng(11)
    for _ in range(40):
        start, count = int(draw.integers(700, len(data) - 200)), int(2 ** draw.uniform(6, 12))
        path.write_bytes(damaged(data, kind, start, count))
        assert "truncated" in str(image_or_reason(path)), (start, count)


@pytest.mark.parametrize("quality", [75, 90, 98])
@pytest.mark.parametrize("smooth", [False, True])
def test_a_progressive_jpeg_with_a_hole_is_refused(tmp_path, quality, smooth):
    path = tmp_path / "a.jpg"
    image = textured()
    picture = Image.fromarray(image if not smooth else ndimage.gaussian_filter(image, 3))
    picture.save(path, quality=quality, progressive=True)
    data, draw = path.read_bytes(), np.random.default_rng(12)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 3
    for _ in range(40):
        start, count = int(draw.integers(scans[0] + 20, len(data) - 200)), int(2 ** draw.uniform(7, 12))
        path.write_bytes(damaged(data, "zeroed", start, count))
        assert "truncated" in str(image_or_reason(path)), (start, count)


@pytest.mark.parametrize(("first", "last"), [(1, 2), (2, 4)])
def test_a_png_without_some_of_its_blocks_is_refused(tmp_path, first, last):
    path = tmp_path / "a.png"
    Image.fromarray(textured((600, 700))).save(path, compress_level=0)
    before, *blocks = path.read_bytes().split(b"IDAT")
    path.write_bytes(b"IDAT".join([before, *blocks[:first], *blocks[last:]]))
    assert "truncated" in image_or_reason(path)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(
    "options",
    [
        {"quality": 1},
        {"quality": 100, "subsampling": 0},
        {"optimize": True},
        {"progressive": True},
        {"restart_marker_blocks": 3},
        {"comment": b"notes", "exif": b"Exif\0\0" + bytes(100)},
    ],
    ids=str,
)
def test_a_sound_jpeg_of_any_layout_is_read_as_pillow_reads_it(tmp_path, mode, options):
    half_flat = textured()
    half_flat[:, 100:] = 128
    for name, image in {"a.jpg": textured(), "b.jpg": half_flat, "c.jpg": np.kron(pixels(shape=(5, 7)), FLAT)}.items():
        path = tmp_path / name
        Image.fromarray(image).convert(mode).save(path, **options)
        with Image.open(path) as picture:
            expected = np.asarray(picture.convert("RGB"))[..., 0]
        path.write_bytes(path.read_bytes() + b"appended by a camera")
        np.testing.assert_array_equal(read_image(path)[0], expected)
