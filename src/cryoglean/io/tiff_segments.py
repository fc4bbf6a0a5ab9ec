"""Sizes of the compressed strips and tiles of a TIFF file, found without taking more memory than they should need.

The decoders of tifffile inflate a segment to whatever it holds, and only then is it cut to what the tags announce.
"""

from __future__ import annotations

import lzma
import zlib
from typing import TYPE_CHECKING

from tifffile import COMPRESSION

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKED_RUN = 128
"""Format: code of PackBits that does nothing; codes above it repeat the next byte, those below it precede pixels."""


def inflated_bytes(compression: int, data: bytes, limit: int) -> int:
    """Return how many bytes a segment inflates to, at most one more than `limit`.

    Args:
        compression: of the TIFF page, one of `COUNTED`.
        data: the segment.
        limit: size beyond which nobody needs to know.

    Raises:
        zlib.error: or `lzma.LZMAError`, if the segment is corrupt.
    """
    return _COUNTS[compression](data, limit)


def _deflated(data: bytes, limit: int) -> int:
    return len(zlib.decompressobj().decompress(data, limit + 1))


def _lzma(data: bytes, limit: int) -> int:
    """Count as tifffile decodes: one stream after the other."""
    count = 0
    while data and count <= limit:
        decoder = lzma.LZMADecompressor()
        count += len(decoder.decompress(data, limit + 1 - count))
        data = decoder.unused_data
    return count


def _packed(data: bytes, limit: int) -> int:
    count = at = 0
    while at < len(data) and count <= limit:
        code = data[at]
        if code < _PACKED_RUN:
            count += code + 1
            at += code + 2
        else:
            count += 257 - code if code > _PACKED_RUN else 0
            at += 2 if code > _PACKED_RUN else 1
    return min(count, limit + 1)


_COUNTS: dict[int, Callable[[bytes, int], int]] = {
    COMPRESSION.ADOBE_DEFLATE: _deflated,
    COMPRESSION.DEFLATE: _deflated,
    COMPRESSION.LZMA: _lzma,
    COMPRESSION.PACKBITS: _packed,
}
COUNTED = frozenset(_COUNTS)
"""Compressions whose segments can be measured here."""
