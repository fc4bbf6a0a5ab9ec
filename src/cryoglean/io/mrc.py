"""Reading of one image from an MRC file: the header leniently, the body whole or not at all.

The layout of the header is mrcfile's table. The body is read here, strip by strip straight into the float32 image, so
that every mode, byte order and compression takes one copy of the image and no more, and so that sizes are compared
before memory is asked for. Header fields that programs are known to get wrong (map identifier, machine stamp, cell,
statistics) may be wrong; those that say where the pixels are (mode, nx, ny, nz, nsymbt) must agree with the file.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE  # type: ignore[import-untyped]
from mrcfile.utils import byte_order_from_machine_stamp  # type: ignore[import-untyped]

from cryoglean.errors import MicrographError
from cryoglean.limits import is_same_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedIOBase
    from pathlib import Path

    from numpy.typing import NDArray

MAX_SIDE_PX = 100_000
"""Maximum side of an image in a header that is believed. Chosen by hand: detectors have some 10,000 pixels a side, and
a header in the wrong byte order gives millions."""

MAX_PIXELS = 2**30
"""Maximum number of pixels of an image. Resource: 4 GiB as float32."""

MAX_EXPANSION = 1100
"""Maximum ratio of an image to its compressed file. Format: DEFLATE expands no more than 1,032 times, a header comes on
top; micrographs are noise and shrink far less."""

HARMLESS_BYTES = 2**26
"""Size up to which an image may expand from a file of any size. Resource: 64 MiB."""

_HEADER_BYTES = 1024
"""Format: length of an MRC2014 header."""

_STRIP_BYTES = 2**22
"""Bytes that are read and converted at once. Resource: 4 MiB beside the image."""

_PADDING_BYTES = 4096
"""Maximum number of zeros after the image. Format: some programs round files up to whole blocks of the disk."""

_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_FOUR_BIT = 101
"""Format: mode of SerialEM's 4-bit images."""

_COMPLEX = (3, 4)
"""Format: modes of Fourier transforms."""

_IMOD_STAMP, _IMOD_SIGNED, _IMOD_PACKED = 1146047817, 1, 16
"""Format: IMOD's `imodStamp`, and its flags for signed bytes and for 4-bit values in mode 0."""

_OPENERS: dict[str, Callable[[Path], BufferedIOBase]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
_PLAUSIBLE_PIXEL_ANGSTROM = (0.01, 1e4)
"""Pixel sizes that are believed. Chosen by hand: far around those of cryo-EM, 0.3 to 20 angstrom."""


@dataclass(frozen=True)
class _Header:
    """Place and type of the pixels, as the header gives them."""

    width: int
    height: int
    frames: int
    mode: int
    extended_bytes: int
    order: Literal["<", ">"]
    unsigned_bytes: bool
    packed_bytes: bool
    pixel_size_angstrom: float | None

    @property
    def row_bytes(self) -> int:
        """Bytes of one row; rows of 4-bit pixels are filled up to whole bytes."""
        return (self.width + 1) // 2 if self.mode == _FOUR_BIT else self.width * self.dtype.itemsize

    @property
    def whole_bytes(self) -> int:
        """Bytes of a file of this header with one image and nothing behind it."""
        return _HEADER_BYTES + self.extended_bytes + self.row_bytes * self.height

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of a stored pixel (of a stored pair of pixels in mode 101)."""
        if self.mode == _FOUR_BIT or self.unsigned_bytes:
            return np.dtype("u1")
        return np.dtype(_DTYPES[self.mode]).newbyteorder(self.order)

    @property
    def is_plausible(self) -> bool:
        """Whether some program may have written this; false for noise and for the wrong byte order."""
        known = self.mode in _DTYPES or self.mode in (_FOUR_BIT, *_COMPLEX)
        sides = 0 < self.width <= MAX_SIDE_PX and 0 < self.height <= MAX_SIDE_PX
        return known and sides and 0 < self.frames < 10**7 and self.extended_bytes >= 0


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
    size = path.stat().st_size
    opener = _OPENERS.get(path.suffix.lower())
    try:
        with opener(path) if opener else path.open("rb") as stream:
            return _read(path, stream, size, compressed=opener is not None)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise MicrographError(path, f"truncated or corrupt {path.suffix[1:]} data ({error})") from error


def _read(
    path: Path, stream: BufferedIOBase, size: int, *, compressed: bool
) -> tuple[NDArray[np.float32], float | None]:
    block = stream.read(_HEADER_BYTES)
    if len(block) < _HEADER_BYTES:
        raise MicrographError(path, f"truncated: {len(block)} bytes, and an MRC header alone has {_HEADER_BYTES}")
    header = _header(path, block, None if compressed else size)
    if compressed:
        _refuse_bomb(path, header, size)
    else:
        _refuse_wrong_size(path, header, size)
    for _ in _pieces(path, stream, header, header.extended_bytes):
        pass
    image = _read_body(path, stream, header)
    _refuse_tail(path, block, header, stream.read(_PADDING_BYTES + 1))  # to the end: checksums are checked there
    return image, header.pixel_size_angstrom


def _header(path: Path, block: bytes, size: int | None) -> _Header:
    """Interpret the header in the byte order that makes sense; the machine stamp is sometimes wrong."""
    stamp = np.frombuffer(block, HEADER_DTYPE)["machst"][0]
    try:
        is_big_endian, is_stamped = byte_order_from_machine_stamp(stamp) == ">", True
    except ValueError:
        is_big_endian, is_stamped = False, False
    headers = [_parse(block, "<"), _parse(block, ">")]
    if is_big_endian:
        headers.reverse()
    plausible = [header for header in headers if header.is_plausible]
    if not plausible:
        raise MicrographError(path, _implausible_reason(headers[0]))
    header = plausible[0]
    if not is_stamped and size is not None:
        header = next((h for h in plausible if h.mode not in _COMPLEX and h.whole_bytes == size), header)
    _refuse_unusable(path, header)
    return header


def _parse(block: bytes, order: Literal["<", ">"]) -> _Header:
    fields = np.frombuffer(block, HEADER_DTYPE.newbyteorder(order))[0]
    mode = int(fields["mode"])
    stamp, flags = struct.unpack_from(f"{order}2i", block, 152)
    from_imod = stamp == _IMOD_STAMP
    # Bytes are signed, except where IMOD says that they are not or the range is one that a signed byte cannot hold.
    beyond_signed = float(fields["dmin"]) >= 0 and 127 < float(fields["dmax"]) <= 255
    unsigned = mode == 0 and ((from_imod and not flags & _IMOD_SIGNED) or beyond_signed)
    return _Header(
        width=int(fields["nx"]),
        height=int(fields["ny"]),
        frames=int(fields["nz"]),
        mode=mode,
        extended_bytes=int(fields["nsymbt"]),
        order=order,
        unsigned_bytes=unsigned,
        packed_bytes=mode == 0 and from_imod and bool(flags & _IMOD_PACKED),
        pixel_size_angstrom=plausible_pixel_size(
            _ratio(fields["cella"]["x"], fields["mx"]), _ratio(fields["cella"]["y"], fields["my"])
        ),
    )


def _ratio(length: float, count: int) -> float:
    return float(length) / int(count) if count else math.nan


def plausible_pixel_size(x_angstrom: float, y_angstrom: float) -> float | None:
    """Return the pixel size that a header gives for x, in angstrom, if it can be believed, else None.

    Programs that do not know it write zero, one, negative, infinite or absurd values, or pixels whose sides differ by
    more than `PIXEL_SIZE_TOLERANCE`.
    """
    low, high = _PLAUSIBLE_PIXEL_ANGSTROM
    if not (low <= x_angstrom <= high and is_same_size(x_angstrom, y_angstrom)):
        return None
    return None if abs(x_angstrom - 1) < 1e-6 else x_angstrom


def _implausible_reason(header: _Header) -> str:
    if header.extended_bytes < 0:
        return f"not an MRC file, or its header is corrupt: nsymbt {header.extended_bytes}"
    return (
        f"not an MRC file, or its header is corrupt: mode {header.mode}, "
        f"nx, ny, nz = {header.width}, {header.height}, {header.frames}"
    )


def _refuse_unusable(path: Path, header: _Header) -> None:
    """Refuse what is an MRC file, but not one image of real numbers."""
    if header.mode in _COMPLEX:
        raise MicrographError(path, f"complex values (mode {header.mode}): a Fourier transform; give the real image")
    if header.frames > 1:
        raise MicrographError(path, stack_reason(header.frames))
    if header.packed_bytes:
        raise MicrographError(path, "4-bit pixels in mode 0, of an old SerialEM: rewrite it, e.g. with IMOD newstack")
    if header.width * header.height > MAX_PIXELS:
        raise MicrographError(path, f"{header.width} x {header.height} px: too large for a micrograph")


def stack_reason(frames: int) -> str:
    """Return why a file of several images is refused, and what to do."""
    return f"a stack of {frames} frames; motion-correct movies first, e.g. with relion_run_motioncorr"


def _refuse_wrong_size(path: Path, header: _Header, size: int) -> None:
    excess = size - header.whole_bytes
    if excess < 0:
        raise MicrographError(
            path, f"truncated: {-excess} of the {header.whole_bytes} bytes it should have are missing"
        )
    if excess > _PADDING_BYTES:
        raise MicrographError(path, _too_long_reason(header))


def _refuse_tail(path: Path, block: bytes, header: _Header, tail: bytes) -> None:
    """Refuse what follows the image, but for a padding of zeros: other bytes are pixels, and the image is misplaced.

    Files of the time before the map identifier are believed only if their size is right to the byte.
    """
    if tail and block[208:211] != b"MAP":
        raise MicrographError(path, "not an MRC file: no map identifier, and its size does not fit its header")
    if len(tail) > _PADDING_BYTES or any(tail):
        raise MicrographError(path, _too_long_reason(header))


def _too_long_reason(header: _Header) -> str:
    return (
        f"longer than the {header.whole_bytes} bytes its header announces: nx, ny, nz, mode or the length of the "
        "extended header (nsymbt) is wrong"
    )


def _refuse_bomb(path: Path, header: _Header, size: int) -> None:
    if header.whole_bytes > max(HARMLESS_BYTES, MAX_EXPANSION * size):
        raise MicrographError(
            path, f"announces {header.whole_bytes} bytes in a compressed file of {size}: truncated, or not a micrograph"
        )


def _pieces(
    path: Path, stream: BufferedIOBase, header: _Header, count: int, piece: int = _STRIP_BYTES
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


def _read_body(path: Path, stream: BufferedIOBase, header: _Header) -> NDArray[np.float32]:
    image = np.empty((header.height, header.width), np.float32)
    rows = max(1, _STRIP_BYTES // header.row_bytes)
    top = 0
    for data in _pieces(path, stream, header, header.row_bytes * header.height, rows * header.row_bytes):
        stored = np.frombuffer(data, header.dtype).reshape(-1, header.row_bytes // header.dtype.itemsize)
        strip = image[top : top + len(stored)]
        if header.mode == _FOUR_BIT:  # the left pixel of a pair is in the low four bits
            strip[:, 0::2] = stored & 15
            strip[:, 1::2] = (stored >> 4)[:, : header.width // 2]
        else:
            strip[:] = stored
        top += len(stored)
    return image
