"""Decoding of JPEG files, whole or not at all.

simplejpeg makes errors of libjpeg's warnings: elsewhere a file with a hole gives an image half of which is grey or
displaced, and no error. What libjpeg cannot tell is a hole after which it finds its way by chance to the right number
of blocks; so zeros, of which holes on disks consist, are looked for as well. A progressive file from which a
piece was cut out may still pass (31 of 360 did): each of its scans may end by chance with the last block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import simplejpeg  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

_ZERO_RUN = bytes(64)
"""Run of zeros that no image gives. Derived: where a code of zero bits does not end a block, it is one of coefficients,
takes 3 bits or a few more with the sign, and these 512 bits are a whole block whose coefficients are all the same."""

_FRAMES = (0xC0, 0xC1, 0xC2)
"""Format: marker codes of frames in Huffman's code: sequential, and progressive, in several scans of parts of the
values."""

_TABLES, _SCAN, _END = 0xC4, 0xDA, 0xD9
"""Format: marker codes of Huffman tables, of the beginning of a scan and of the end of the image."""

_OF_AVERAGES, _OF_DETAILS = 0, 1
"""Format: kinds of Huffman tables."""

_RUN_OF_ZEROS = 0xF0
"""Format: symbol of sixteen zeros within a block; others with a low half of 0 end blocks."""


def decode_jpeg(data: bytes, colours: Literal["GRAY", "RGB"]) -> NDArray[np.uint8]:
    """Decode a JPEG file into (h, w, 1) or (h, w, 3).

    Raises:
        ValueError: if any part of it is missing or damaged, as far as that can be told.
    """
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colours, strict=True)
    if _has_hole(data):
        raise ValueError(f"a hole of at least {len(_ZERO_RUN)} zeros in its data")
    return pixels


class _Scan(NamedTuple):
    """One scan of a file.

    Attributes:
        data: its bytes in Huffman's code.
        components: of each component the numbers of its tables of averages and of details.
        first: first value of a block in it; 0 is the average.
        last: last value.
        is_refinement: whether it adds a bit to values that earlier scans gave.
    """

    data: bytes
    components: tuple[tuple[int, int], ...]
    first: int
    last: int
    is_refinement: bool


def _has_hole(data: bytes) -> bool:
    """Tell whether a scan of a file holds zeros that stand for no flat area."""
    if _ZERO_RUN not in data:
        return False
    tables: dict[tuple[int, int], int | None] = {}
    for part in _parts(data):
        if isinstance(part, _Scan):
            if _ZERO_RUN in part.data and not _may_be_flat(part, tables):
                return True
        else:
            tables |= part
    return False


def _may_be_flat(scan: _Scan, tables: Mapping[tuple[int, int], int | None]) -> bool:
    """Tell whether a flat area may be written as zeros: a bit a block, or a code of zero bits that says "as before"."""
    if scan.first == 0 and scan.is_refinement:
        return True
    ends = []
    if scan.last > 0:
        symbols = [tables.get((_OF_DETAILS, details)) for _, details in scan.components]
        ends += [symbol is None or (symbol % 16 == 0 and symbol != _RUN_OF_ZEROS) for symbol in symbols]
    elif scan.first == 0:
        ends += [tables.get((_OF_AVERAGES, averages)) in (None, 0) for averages, _ in scan.components]
    return any(ends)


def _parts(data: bytes) -> Iterator[_Scan | dict[tuple[int, int], int | None]]:
    """Yield scans of a sound file, and Huffman tables: by kind and number the symbol of the code of zero bits.

    Of files in another code no scans are yielded.
    """
    at, is_known = 2, False
    while at + 4 <= len(data):
        while data[at + 1] == 0xFF:  # markers may be filled up
            at += 1
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _END:
            return
        segment = data[at + 4 : at + 2 + length]
        is_known = is_known or kind in _FRAMES
        at += 2 + length
        if kind == _TABLES:
            yield _zero_symbols(segment)
        elif kind == _SCAN:
            end = _scan_end(data, at)
            if is_known:
                yield _scan(segment, data[at:end])
            at = end


def _scan(header: bytes, data: bytes) -> _Scan:
    count = header[0]
    components = tuple((header[2 + 2 * n] >> 4, header[2 + 2 * n] & 15) for n in range(count))
    first, last, bits = header[1 + 2 * count : 4 + 2 * count]
    return _Scan(data, components, first, last, bits >> 4 > 0)


def _scan_end(data: bytes, at: int) -> int:
    """Return where the marker after a scan is; in it are zeros after 0xFF, and marks of restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        if data[at + 1] not in (0, 0xFF) and not 0xD0 <= data[at + 1] < 0xD8:
            return at
        at += 1


def _zero_symbols(segment: bytes) -> dict[tuple[int, int], int | None]:
    """Return the symbol of the code of zero bits of each table of a segment: the first of the shortest codes."""
    at, found = 0, dict[tuple[int, int], int | None]()
    while at + 17 <= len(segment):
        count = sum(segment[at + 1 : at + 17])
        found[segment[at] >> 4, segment[at] & 15] = segment[at + 17] if count else None
        at += 17 + count
    return found
