"""Reading of one image from an MRC file: the header leniently, the body whole or not at all.

The body is read here, strip by strip straight into the float32 image, so that every mode, byte order and compression
takes one copy of the image and no more, and so that sizes are compared before memory is asked for.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import MicrographError
from cryoglean.io.mrc_header import HEADER_BYTES, PADDING_BYTES, parse_header, refuse_tail, refuse_wrong_size, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedIOBase
    from pathlib import Path

    from numpy.typing import NDArray

    from cryoglean.io.mrc_header import Header

MAX_PIXELS = 2**30
"""Maximum number of pixels of an image. Resource: 4 GiB as float32."""

MAX_EXPANSION = 1100
"""Maximum ratio of an image to its compressed file. Format: DEFLATE expands no more than 1,032 times, a header comes on
top; micrographs are noise and shrink far less."""

HARMLESS_BYTES = 2**26
"""Size up to which an image may expand from a file of any size. Resource: 64 MiB."""

_STRIP_BYTES = 2**22
"""Bytes that are read and converted at once. Resource: 4 MiB beside the image."""

_OPENERS: dict[str, Callable[[Path], BufferedIOBase]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


def read_mrc(path: Path) -> tuple[NDArray[np.float32], float | None]:
    """Read the one image of an MRC file, plain or compressed with gzip, bzip2 or xz (told by the suffix).

    Args:
        path: a regular file.

    Returns:
        The image, (h, w) float32, row 0 first as stored, and the pixel size of the header in angstrom; None where the
        header has 0, 1 (which programs write that do not know it) or nonsense. Pixel values are not checked here.

    Raises:
        MicrographError: if the file is not one whole image.
    """
    return read_noted_mrc(path)[:2]


def read_noted_mrc(path: Path) -> tuple[NDArray[np.float32], float | None, str | None]:
    """Read as `read_mrc`, and return what had to be decided by the image alone as a line for the user, or None."""
    size = path.stat().st_size
    opener = _OPENERS.get(path.suffix.lower())
    try:
        with opener(path) if opener else path.open("rb") as stream:
            return _read(path, stream, size, compressed=opener is not None)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise MicrographError(path, f"truncated or corrupt {path.suffix[1:]} data ({error})") from error


def _read(
    path: Path, stream: BufferedIOBase, size: int, *, compressed: bool
) -> tuple[NDArray[np.float32], float | None, str | None]:
    block = stream.read(HEADER_BYTES)
    if len(block) < HEADER_BYTES:
        raise MicrographError(path, f"truncated: {len(block)} bytes, and an MRC header alone has {HEADER_BYTES}")
    header = parse_header(path, block, None if compressed else size)
    if header.frames > 1:
        raise MicrographError(path, stack_reason(header.frames))
    if header.width * header.height > MAX_PIXELS:
        raise MicrographError(path, f"{header.width} x {header.height} px: too large for a micrograph")
    if compressed:
        _refuse_bomb(path, header, size)
    else:
        refuse_wrong_size(path, header, size)
    for _ in _pieces(path, stream, header, header.extended_bytes):
        pass
    image = _read_body(path, stream, header)
    refuse_tail(path, header, stream.read(PADDING_BYTES + 1))  # to the end: checksums are checked there
    return image, header.pixel_size_angstrom, _settle_sign(image, header)


def _settle_sign(image: NDArray[np.float32], header: Header) -> str | None:
    """Turn bytes that were read as signed, and are not, into what they are; return the note where the image decided."""
    if not header.is_of_unknown_sign:
        return None
    from cryoglean.io.byte_sign import is_unsigned, sample_of_rows  # for start-up time: few images are of bytes

    unsigned, is_by_image = is_unsigned(sample_of_rows(image), header.statistics)
    is_negative = image < 0
    if unsigned:
        image[is_negative] += 256
    if not is_by_image or not is_negative.any():
        return None
    kind = "unsigned" if unsigned else "signed"
    return f"its header does not say whether bytes are signed: read as {kind}, by how the image looks"


def stack_reason(frames: int) -> str:
    """Return why a file of several images is refused, and what to do."""
    return f"a stack of {frames} frames; motion-correct movies first, e.g. with relion_run_motioncorr"


def _refuse_bomb(path: Path, header: Header, size: int) -> None:
    if header.whole_bytes > max(HARMLESS_BYTES, MAX_EXPANSION * size):
        raise MicrographError(
            path, f"announces {header.whole_bytes} bytes in a compressed file of {size}: truncated, or not a micrograph"
        )


def _pieces(
    path: Path, stream: BufferedIOBase, header: Header, count: int, piece: int = _STRIP_BYTES
) -> Iterator[bytes]:
    """Yield the next `count` bytes in pieces of `piece` bytes (the last may be shorter), or refuse a short file."""
    left = count
    while left:
        wanted = min(left, piece)
        data = stream.read(wanted)
        if len(data) < wanted:
            raise MicrographError(path, f"truncated: fewer than the {header.whole_bytes} bytes its header announces")
        left -= wanted
        yield data


def _read_body(path: Path, stream: BufferedIOBase, header: Header) -> NDArray[np.float32]:
    image = np.empty((header.height, header.width), np.float32)
    rows = max(1, _STRIP_BYTES // header.row_bytes)
    top = 0
    for data in _pieces(path, stream, header, header.row_bytes * header.height, rows * header.row_bytes):
        stored = np.frombuffer(data, header.dtype).reshape(-1, header.row_bytes // header.dtype.itemsize)
        strip = image[top : top + len(stored)]
        strip[:] = unpacked(stored, header)
        top += len(stored)
    return image
