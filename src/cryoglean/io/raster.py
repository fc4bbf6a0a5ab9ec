"""Reading of one grey image from a TIFF, PNG or JPEG file, rows as stored.

tifffile reads TIFF (Pillow's libtiff takes over for codecs that tifffile lacks), Pillow reads PNG and the headers of
JPEG. Both are lenient with damaged files in places, so that completeness is checked here.
"""

from __future__ import annotations

import ctypes
import logging
import lzma
import math
import struct
import warnings
import zlib
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, _imaging
from tifffile import COMPRESSION

from cryoglean.errors import MicrographError
from cryoglean.io.jpeg import decode_jpeg
from cryoglean.io.mrc import HARMLESS_BYTES, MAX_EXPANSION, MAX_PIXELS, stack_reason
from cryoglean.io.mrc_header import plausible_pixel_size
from cryoglean.io.tiff_segments import COUNTED, inflated_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# tifffile reports oddities by logging; unless the program listens, that is noise between the lines of a run.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

# Errors that the two libraries raise for damaged or hostile files (tifffile.TiffFileError is a ValueError; Pillow uses
# SyntaxError). Warnings are here because they arrive as exceptions where the program makes them errors.
_LIBRARY_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    Image.DecompressionBombError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)
_ANGSTROM_PER_UNIT = {2: 2.54e8, 3: 1e8}
"""Format: TIFF's ResolutionUnit, inch and centimetre."""

_FILLED_UP = 2
"""Ratio by which the one strip of an image may be longer than the image. Chosen by hand: some programs fill up the last
strip to the rows that a strip has, and these may be any number."""

_TAIL_BYTES = 2**16
"""Bytes at the end of a file in which the end mark is sought. Chosen by hand: room for metadata that is appended."""

_END_MARKS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}
_STRIP_ROWS = 256
"""Rows that are compared at once. Resource: three channels of a strip 10,000 px wide take some 30 MB in float32."""

_GREY_TOLERANCE = 2
"""Levels by which the channels of a grey image may differ. Chosen by hand: as JPEG's rounding lets them differ."""


def read_tiff(path: Path) -> tuple[NDArray[np.float32], float | None]:
    """Read the one image of a TIFF file.

    Args:
        path: a regular file.

    Returns:
        The image, (h, w) float32, and the pixel size in angstrom of the resolution tags where they are plausible.

    Raises:
        MicrographError: if the file is not one whole grey image.
    """
    try:
        with tifffile.TiffFile(path) as file:
            page = _single_page(path, file)
            _refuse_incomplete_tiff(path, page, file.filehandle.size)
            image = _grey(path, _tiff_pixels(path, file, page))
            if image.shape != (page.imagelength, page.imagewidth):
                raise MicrographError(path, f"not a 2-D image: shape {image.shape}")
            return image, _tiff_pixel_size(page)
    except _LIBRARY_ERRORS as error:
        raise MicrographError(path, f"truncated or corrupt TIFF ({_one_line(error)})") from error


def _single_page(path: Path, file: tifffile.TiffFile) -> tifffile.TiffPage:
    frames = len(file.pages)
    if file.is_imagej:  # ImageJ keeps all planes of a large stack behind one page
        frames = max(frames, int((file.imagej_metadata or {}).get("images", 1)))
    if frames > 1:
        raise MicrographError(path, stack_reason(frames))
    page = file.pages.first
    if page.imagedepth > 1:
        raise MicrographError(path, stack_reason(page.imagedepth))
    return page


def _refuse_incomplete_tiff(path: Path, page: tifffile.TiffPage, size: int) -> None:
    """Compare what the tags announce with the size of the file, before memory is asked for.

    tifffile fills segments that are absent with a constant, which must not pass for a micrograph.
    """
    if page.dtype is None or page.dtype.kind not in "iuf" or page.dtype.itemsize > 8 or page.bitspersample % 8:
        raise MicrographError(path, f"pixels of {page.bitspersample} bits in a format that is not supported")
    _refuse_absurd(path, page.imagewidth, page.imagelength, page.dtype.itemsize * page.samplesperpixel, size)
    if _segment_bytes(page) > max(HARMLESS_BYTES, page.nbytes):
        raise MicrographError(path, f"announces tiles of {_segment_bytes(page)} bytes: corrupt TIFF")
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    is_whole = len(segments) >= math.prod(page.chunked) and all(o > 0 and 0 < n <= size - o for o, n in segments)
    if not is_whole or (page.compression == 1 and sum(n for _, n in segments) < page.nbytes):
        raise MicrographError(path, "truncated or corrupt TIFF: parts of the image are not in the file")


def _tiff_pixels(path: Path, file: tifffile.TiffFile, page: tifffile.TiffPage) -> NDArray[np.generic]:
    """Decode the image in no more memory than its tags announce; libtiff stops there by itself."""
    if _needs_libtiff(page):
        return _read_by_libtiff(path)
    if page.compression in COUNTED:
        _refuse_tiff_bomb(path, file, page)
    return page.asarray(maxworkers=1)


def _segment_bytes(page: tifffile.TiffPage) -> int:
    """Return the size of an inflated strip or tile."""
    return math.prod(page.chunks) * (page.dtype.itemsize if page.dtype else 1)


def _refuse_tiff_bomb(path: Path, file: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    limit = _segment_bytes(page)
    rows = int(page.tags.valueof("RowsPerStrip", default=0))
    if rows > page.imagelength:
        limit = limit * min(rows, _FILLED_UP * page.imagelength) // page.imagelength
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        file.filehandle.seek(offset)
        if inflated_bytes(page.compression, file.filehandle.read(count), limit) > limit:
            raise MicrographError(path, f"a strip or tile inflates to more than {limit} bytes: corrupt TIFF")


def _refuse_absurd(path: Path, width: int, height: int, pixel_bytes: int, size: int) -> None:
    """Refuse an image that cannot be in a file of `size` bytes, whatever its compression."""
    announced = width * height * pixel_bytes
    if not 0 < width * height <= MAX_PIXELS or announced > max(HARMLESS_BYTES, MAX_EXPANSION * size):
        raise MicrographError(path, f"announces {width} x {height} px in {size} bytes: corrupt, or not a micrograph")


def _needs_libtiff(page: tifffile.TiffPage) -> bool:
    """Tell whether tifffile by itself, without the optional imagecodecs, lacks a codec for this page."""
    return (
        page.compression not in (COMPRESSION.NONE, *COUNTED)
        or page.compression not in tifffile.TIFF.DECOMPRESSORS
        or page.predictor not in tifffile.TIFF.UNPREDICTORS
    )


@cache
def _silence_libtiff() -> None:
    """Let Pillow's libtiff print nothing on standard error: what is wrong with a file is said in its reason.

    It prints all the same where Pillow hides the library's functions, as it does where it is linked into Pillow's own.
    """
    with suppress(OSError, AttributeError):
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        set_handler(None)


def _read_by_libtiff(path: Path) -> NDArray[np.generic]:
    _silence_libtiff()
    with warnings.catch_warnings():  # its size has been held against the file's: this is no bomb
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with path.open("rb") as stream, TiffImagePlugin.TiffImageFile(stream) as picture:
            try:
                return np.asarray(picture)
            except OSError as error:
                if error.errno is not None:  # of the file, not of its content
                    raise
                raise MicrographError(path, "corrupt TIFF: a strip or tile cannot be decoded") from error


def _tiff_pixel_size(page: tifffile.TiffPage) -> float | None:
    unit = _ANGSTROM_PER_UNIT.get(int(page.resolutionunit))
    x, y = page.resolution
    if unit is None or not (x > 0 and y > 0):
        return None
    return plausible_pixel_size(unit / x, unit / y)


def read_png(path: Path) -> tuple[NDArray[np.float32], None]:
    """Read a PNG file of 8 or 16 bit: (h, w) float32, and None, for PNG has no believable pixel size.

    Raises:
        MicrographError: if the file is not one whole grey image.
    """
    return _read_picture(path, "PNG"), None


def read_jpeg(path: Path) -> tuple[NDArray[np.float32], None]:
    """Read a JPEG file: (h, w) float32, and None, for JPEG has no believable pixel size.

    Raises:
        MicrographError: if the file is not one whole grey image.
    """
    return _read_picture(path, "JPEG"), None


def _read_picture(path: Path, kind: str) -> NDArray[np.float32]:
    plugin = PngImagePlugin.PngImageFile if kind == "PNG" else JpegImagePlugin.JpegImageFile
    try:
        size = path.stat().st_size
        _refuse_unfinished(path, kind, size)
        if kind == "PNG":
            _refuse_broken_png(path)
        # The plugin is called itself: Image.open would take a large micrograph for a decompression bomb.
        with path.open("rb") as stream, plugin(stream) as picture:
            return _decode(path, picture, size)
    except _LIBRARY_ERRORS as error:
        raise MicrographError(path, f"truncated or corrupt {kind} ({_one_line(error)})") from error


def _refuse_unfinished(path: Path, kind: str, size: int) -> None:
    """Refuse a file that lacks its end mark: Pillow is content once it has all rows."""
    with path.open("rb") as stream:
        stream.seek(max(0, size - _TAIL_BYTES))
        if _END_MARKS[kind] not in stream.read():
            raise MicrographError(path, f"truncated: the end mark of a {kind} file is missing")


def _refuse_broken_png(path: Path) -> None:
    """Compare all checksums: Pillow looks at no more than it needs for its rows."""
    with path.open("rb") as stream:
        PngImagePlugin.PngImageFile(stream).verify()


def _decode(path: Path, picture: ImageFile.ImageFile, size: int) -> NDArray[np.float32]:
    width, height = picture.size
    _refuse_absurd(path, width, height, max(1, len(picture.getbands())), size)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        raise MicrographError(path, stack_reason(frames))
    if picture.mode in ("P", "PA"):
        picture.load()
        return _grey(path, np.asarray(picture.convert("RGB")))
    if picture.mode not in ("L", "LA", "RGB", "RGBA", "I", "F") and not picture.mode.startswith("I;16"):
        raise MicrographError(path, f"not a grey image (mode {picture.mode}): save it in grey, 8 or 16 bit")
    return _grey(path, _jpeg_pixels(path, picture, size) if picture.format == "JPEG" else np.asarray(picture))


def _jpeg_pixels(path: Path, picture: ImageFile.ImageFile, size: int) -> NDArray[np.uint8]:
    if size > HARMLESS_BYTES + math.prod(picture.size) * len(picture.getbands()):
        raise MicrographError(path, f"{size} bytes for {picture.width} x {picture.height} px: not a micrograph")
    return decode_jpeg(path.read_bytes(), "GRAY" if picture.mode == "L" else "RGB")


def _grey(path: Path, image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Convert (h, w) or (h, w, channels) of any real type into (h, w) float32; an alpha channel is dropped."""
    if image.ndim == 3 and image.shape[2] in (3, 4):
        if _is_coloured(image):
            raise MicrographError(path, "a colour image is not a micrograph: save it in grey, 8 or 16 bit")
        image = image[..., 0]
    elif image.ndim == 3 and image.shape[2] in (1, 2):
        image = image[..., 0]
    if image.ndim != 2:
        raise MicrographError(path, f"not a 2-D image: shape {image.shape}")
    with np.errstate(over="ignore"):  # a float64 that is too large becomes infinite, and is counted as such
        return np.ascontiguousarray(image, dtype=np.float32)


def _is_coloured(image: NDArray[np.generic]) -> bool:
    """Tell whether the first three channels of (h, w, channels) differ by more than rounding, strip by strip."""
    for top in range(0, len(image), _STRIP_ROWS):
        red, green, blue = (image[top : top + _STRIP_ROWS, :, c].astype(np.float32) for c in range(3))
        if max(np.abs(green - red).max(), np.abs(blue - red).max()) > _GREY_TOLERANCE:
            return True
    return False


def _one_line(error: BaseException) -> str:
    text = " ".join(f"{error or type(error).__name__}".split())[:120]
    return "".join(c if c.isprintable() else "?" for c in text)
