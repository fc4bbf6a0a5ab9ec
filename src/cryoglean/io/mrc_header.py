"""Header of an MRC file, of one image or a stack, read leniently.

Fields that programs are known to get wrong (map identifier, machine stamp, cell, statistics) may be wrong; those that
say where the pixels are (mode, nx, ny, nz, nsymbt) must agree with the file. The layout is mrcfile's table.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE  # type: ignore[import-untyped]
from mrcfile.utils import byte_order_from_machine_stamp  # type: ignore[import-untyped]

from cryoglean.errors import MicrographError
from cryoglean.limits import is_same_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_SIDE_PX = 100_000
"""Maximum side of an image in a header that is believed. Chosen by hand: detectors have some 10,000 pixels a side, and
a header in the wrong byte order gives millions."""

HEADER_BYTES = 1024
"""Format: length of an MRC2014 header."""

PADDING_BYTES = 4096
"""Maximum number of zeros after the image. Format: some programs round files up to whole blocks of the disk."""

_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_FOUR_BIT = 101
"""Format: mode of SerialEM's 4-bit images."""

_COMPLEX = (3, 4)
"""Format: modes of Fourier transforms."""

_IMOD_STAMP, _IMOD_SIGNED, _IMOD_PACKED = 1146047817, 1, 16
"""Format: IMOD's `imodStamp`, and its flags for signed bytes and for 4-bit values in mode 0."""

_PLAUSIBLE_PIXEL_ANGSTROM = (1e-11, 1e4)
"""Numbers that are pixel sizes, though perhaps in another unit (`unit_remedy`). Chosen by hand: far around those of
cryo-EM, 0.3 to 20 angstrom, the smallest in metres."""

_ANGSTROM = {"nanometres": 10.0, "picometres": 0.01, "micrometres": 1e4, "metres": 1e10}
"""Angstrom in other units of length. Format: by the prefixes of the metre."""

_USUAL_ANGSTROM = (0.15, 50.0)
"""Pixel sizes of micrographs that particles are picked from. Chosen by hand: detectors have 0.3 to 4 angstrom, which
binned images multiply and super-resolution halves."""


@dataclass(frozen=True)
class Header:
    """Place and type of the pixels, as the header gives them."""

    width: int
    height: int
    frames: int
    mode: int
    extended_bytes: int
    order: Literal["<", ">"]
    unsigned_bytes: bool | None
    """Of mode 0; None where the header does not say it for certain."""

    statistics: tuple[float, float, float]
    """Minimum, maximum and mean, which may be wrong."""

    packed_bytes: bool
    has_map: bool
    pixel_size_angstrom: float | None

    @property
    def row_bytes(self) -> int:
        """Bytes of one row; rows of 4-bit pixels are filled up to whole bytes."""
        return (self.width + 1) // 2 if self.mode == _FOUR_BIT else self.width * self.dtype.itemsize

    @property
    def whole_bytes(self) -> int:
        """Bytes of a file of this header with nothing behind its images."""
        return self.first_byte + self.row_bytes * self.height * self.frames

    @property
    def first_byte(self) -> int:
        """Place of the first pixel."""
        return HEADER_BYTES + self.extended_bytes

    @property
    def is_of_unknown_sign(self) -> bool:
        """Whether the pixels are bytes of which nobody has said whether they are signed."""
        return self.mode == 0 and self.unsigned_bytes is None

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


def parse_header(path: Path, block: bytes, size: int | None) -> Header:
    """Interpret the header in the byte order that makes sense; the machine stamp is sometimes wrong.

    Args:
        path: of the file, for messages.
        block: its first `HEADER_BYTES` bytes.
        size: of the file, if it is not compressed.

    Raises:
        MicrographError: if these are not the first bytes of an MRC file of real numbers.
    """
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
    if header.mode in _COMPLEX:
        raise MicrographError(path, f"complex values (mode {header.mode}): a Fourier transform; give the real image")
    if header.packed_bytes:
        raise MicrographError(path, "4-bit pixels in mode 0, of an old SerialEM: rewrite it, e.g. with IMOD newstack")
    return header


def unpacked(stored: NDArray[np.generic], header: Header) -> NDArray[np.generic]:
    """Return (..., width) pixels of rows as stored; of two pixels in a byte, the left is in the low four bits."""
    if header.mode != _FOUR_BIT:
        return stored
    pairs = stored.astype(np.uint8)
    return np.stack([pairs & 15, pairs >> 4], axis=-1).reshape(*stored.shape[:-1], -1)[..., : header.width]


def _parse(block: bytes, order: Literal["<", ">"]) -> Header:
    fields = np.frombuffer(block, HEADER_DTYPE.newbyteorder(order))[0]
    mode = int(fields["mode"])
    stamp, flags = struct.unpack_from(f"{order}2i", block, 152)
    from_imod = stamp == _IMOD_STAMP
    return Header(
        width=int(fields["nx"]),
        height=int(fields["ny"]),
        frames=int(fields["nz"]),
        mode=mode,
        extended_bytes=int(fields["nsymbt"]),
        order=order,
        unsigned_bytes=not flags & _IMOD_SIGNED if mode == 0 and from_imod else None,
        statistics=(float(fields["dmin"]), float(fields["dmax"]), float(fields["dmean"])),
        packed_bytes=mode == 0 and from_imod and bool(flags & _IMOD_PACKED),
        has_map=block[208:211] == b"MAP",
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


def _is_usual(pixel_size_angstrom: float) -> bool:
    """Tell whether a micrograph may have pixels of this size."""
    low, high = _USUAL_ANGSTROM
    return low <= pixel_size_angstrom <= high


def unit_remedy(pixel_size_angstrom: float) -> str | None:
    """Return what is wrong with a pixel size that is none of a micrograph, with what to give; None if it may be right.

    The unit is the first of `_ANGSTROM` in which the number is usual: 0.1 is 1 A in nanometres.
    """
    if _is_usual(pixel_size_angstrom):
        return None
    wrong = f"the header's pixel size of {pixel_size_angstrom:.4g} Å is none of a micrograph"
    usual = {unit: pixel_size_angstrom * factor for unit, factor in _ANGSTROM.items()}
    for unit, size in usual.items():
        if _is_usual(size):
            return f"{wrong}: if it is in {unit}, give --pixel-size {size:.4g}"
    return f"{wrong}: give --pixel-size"


def _implausible_reason(header: Header) -> str:
    if header.extended_bytes < 0:
        return f"not an MRC file, or its header is corrupt: nsymbt {header.extended_bytes}"
    return (
        f"not an MRC file, or its header is corrupt: mode {header.mode}, "
        f"nx, ny, nz = {header.width}, {header.height}, {header.frames}"
    )


def refuse_wrong_size(path: Path, header: Header, size: int) -> None:
    """Refuse a file that is shorter than its header announces, or longer than a padding would make it.

    Raises:
        MicrographError: if it is.
    """
    excess = size - header.whole_bytes
    if excess < 0:
        raise MicrographError(
            path, f"truncated: {-excess} of the {header.whole_bytes} bytes it should have are missing"
        )
    if excess > PADDING_BYTES:
        raise MicrographError(path, _too_long_reason(header))


def refuse_tail(path: Path, header: Header, tail: bytes) -> None:
    """Refuse what follows the images, but for a padding of zeros: other bytes are pixels, and the image is misplaced.

    Files of the time before the map identifier are believed only if their size is right to the byte.

    Args:
        path: of the file, for messages.
        header: of the file.
        tail: what follows the images, up to one byte more than a padding has.

    Raises:
        MicrographError: if it is to be refused.
    """
    if tail and not header.has_map:
        raise MicrographError(path, "not an MRC file: no map identifier, and its size does not fit its header")
    if len(tail) > PADDING_BYTES or any(tail):
        raise MicrographError(path, _too_long_reason(header))


def _too_long_reason(header: Header) -> str:
    return (
        f"longer than the {header.whole_bytes} bytes its header announces: nx, ny, nz, mode or the length of the "
        "extended header (nsymbt) is wrong"
    )
