"""Where images lie in a picture of panels, kept in the PNG file: a dark page turns the paper dark, and them never."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from matplotlib.collections import QuadMesh

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_KEYWORD = b"Cryoglean images"
_END = b"\0\0\0\0IEND"
_SIGNATURE = 8
"""Bytes before the first part of a PNG file. Format: of PNG."""


class Box(NamedTuple):
    """Part of a picture, in shares of its width and height from its top left corner."""

    left: float
    top: float
    width: float
    height: float


def image_boxes(canvas: Canvas) -> list[Box]:
    """Return where the images and colour bars of a figure lie that has been drawn."""
    shown = [axes for axes in canvas.axes if axes.images or any(isinstance(c, QuadMesh) for c in axes.collections)]
    places = [axes.get_position() for axes in shown]
    return [Box(place.x0, 1 - place.y1, place.width, place.height) for place in places]


def with_images(png: bytes, boxes: list[Box]) -> bytes:
    """Return a PNG file that tells where its images lie."""
    text = _KEYWORD + b"\0" + json.dumps([[round(side, 4) for side in box] for box in boxes]).encode()
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))
    end = png.rindex(_END)
    return png[:end] + chunk + png[end:]


def images_in(png: bytes) -> tuple[Box, ...] | None:
    """Return where images lie in a PNG file; None where it does not tell."""
    at = _SIGNATURE
    while at + 8 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        text = png[at + 8 : at + 8 + length]
        if kind == b"tEXt" and text.startswith(_KEYWORD + b"\0"):
            return _boxes(text[len(_KEYWORD) + 1 :])
        at += length + 12
    return None


def _boxes(text: bytes) -> tuple[Box, ...] | None:
    try:
        return tuple(Box(*(float(side) for side in box)) for box in json.loads(text))
    except (ValueError, TypeError):
        return None
