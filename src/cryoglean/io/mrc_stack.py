"""Reading of MRC stacks of images, as forgivingly as one image is read: what programs get wrong may be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.errors import MicrographError, TableError
from cryoglean.io.byte_sign import is_unsigned, sample_of_rows
from cryoglean.io.mrc_header import HEADER_BYTES, PADDING_BYTES, parse_header, refuse_tail, refuse_wrong_size, unpacked
from cryoglean.io.regular import size_of_regular

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryoglean.io.mrc_header import Header


def read_stack(
    path: str | Path, indices: Sequence[int] | None = None, *, must_be_finite: bool = True
) -> NDArray[np.float32]:
    """Read images of a stack.

    Args:
        path: an MRC stack; one image is a stack of one.
        indices: images to read, counted from 0, in this order; all by default.
        must_be_finite: refuse images with values that are not finite.

    Returns:
        (n, h, w) float32.

    Raises:
        TableError: if it cannot be read, has no such image, or holds values that are not finite and must not.
    """
    path = Path(path)
    header = _header(path)
    columns = header.row_bytes // header.dtype.itemsize
    shape = (header.frames, header.height, columns)
    stored: NDArray[np.generic] = np.memmap(path, header.dtype, mode="r", offset=header.first_byte, shape=shape)
    try:
        chosen = stored if indices is None else stored[list(indices)]
    except IndexError:
        reason = f"has {header.frames} images, but number {max(indices or ()) + 1} is asked for"
        raise TableError(path, reason) from None
    images = np.array(unpacked(chosen, header), dtype=np.float32)
    if header.is_of_unknown_sign and is_unsigned(sample_of_rows(stored.reshape(-1, columns)), header.statistics)[0]:
        images[images < 0] += 256
    bad = int((~np.isfinite(images).all(axis=(1, 2))).sum())
    if bad and must_be_finite:
        raise TableError(path, f"{bad} of {len(images)} images hold NaN or infinite values")
    return images


def stack_shape(path: str | Path) -> tuple[int, int, int]:
    """Return how many images a stack holds, and their height and width in pixels.

    Raises:
        TableError: if it cannot be read, or is not as long as its header says.
    """
    header = _header(Path(path))
    return header.frames, header.height, header.width


def stack_pixel_size(path: str | Path) -> float | None:
    """Return the pixel size in angstrom of a stack's header; None if there is none that can be believed.

    Raises:
        TableError: if it cannot be read.
    """
    return _header(Path(path)).pixel_size_angstrom


def _header(path: Path) -> Header:
    """Read the header of a stack, and see that the file is as long as it says.

    Raises:
        TableError: if it is not.
    """
    try:
        size = size_of_regular(path)
        with path.open("rb") as stream:
            header = parse_header(path, stream.read(HEADER_BYTES).ljust(HEADER_BYTES, b"\0"), size)
            refuse_wrong_size(path, header, size)
            stream.seek(header.whole_bytes)
            refuse_tail(path, header, stream.read(PADDING_BYTES + 1))
    except FileNotFoundError:
        raise TableError(path, "missing: no such stack of images") from None
    except MicrographError as error:
        raise TableError(path, f"not a whole MRC stack: {error.reason}") from None
    except OSError as error:
        raise TableError(path, f"cannot be read: {error.strerror or error}") from None
    return header
