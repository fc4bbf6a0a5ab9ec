"""Decoding of JPEG files, whole or not at all.

simplejpeg makes errors of libjpeg's warnings: elsewhere a file with a hole gives an image half of which is grey or
displaced, and no error. What libjpeg cannot tell is a hole after which it finds its way by chance to the right number
of blocks; so zeros, of which holes on disks consist, are looked for as well. A progressive file may still hide one in
its later scans: they mostly add the last bits of each value, but not always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import simplejpeg  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

_ZERO_RUN = bytes(64)
"""Run of zeros that no image gives. Derived: where a code of zero bits does not end a block, it is one of coefficients,
takes 3 bits or a few more with the sign, and these 512 bits are a whole block whose coefficients are all the same."""

_SEQUENTIAL = (0xC0, 0xC1)
"""Format: marker codes of frames whose blocks are stored one after the other, whole, in Huffman's code."""

_TABLES, _SCAN = 0xC4, 0xDA
"""Format: marker codes of Huffman tables and of the beginning of a scan."""

_IMAGE_END = b"\xff\xd9"


def decode_jpeg(data: bytes, colours: Literal["GRAY", "RGB"]) -> NDArray[np.uint8]:
    """Decode a JPEG file into (h, w, 1) or (h, w, 3).

    Raises:
        ValueError: if any part of it is missing or damaged, as far as that can be told.
    """
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colours, strict=True)
    if _has_hole(data):
        raise ValueError(f"a hole of at least {len(_ZERO_RUN)} zeros in its data")
    return pixels


def _has_hole(data: bytes) -> bool:
    """Tell whether the one scan of a sequential file holds zeros that stand for no flat area."""
    if _ZERO_RUN not in data:
        return False
    segments = list(_segments(data))
    kinds = {kind for kind, _, _ in segments}
    _, scan, _ = segments[-1]
    if not kinds & set(_SEQUENTIAL) or data.count(bytes((0xFF, _SCAN)), scan) != 1:
        return False
    tables = (data[start:end] for kind, start, end in segments if kind == _TABLES)
    if any(_ends_blocks_by_zeros(table) for table in tables):
        return False
    return _ZERO_RUN in data[scan : data.find(_IMAGE_END, scan)]


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield kind, start and end of the segments of a sound header; the last is that of the first scan."""
    at, kind = 2, 0
    while kind != _SCAN:
        while data[at + 1] == 0xFF:  # markers may be filled up
            at += 1
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        yield kind, at, at + 2 + length
        at += 2 + length


def _ends_blocks_by_zeros(segment: bytes) -> bool:
    """Tell whether a segment of Huffman tables has one of coefficients whose code of zero bits is a block's end."""
    at = 4
    while at < len(segment):
        is_of_coefficients, first = segment[at] >= 16, segment[at + 17]
        if is_of_coefficients and first == 0:
            return True
        at += 17 + sum(segment[at + 1 : at + 17])
    return False
