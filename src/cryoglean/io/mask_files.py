"""Files of what was left out of micrographs, as `mask_pixels` understands them."""

from __future__ import annotations

import io
from enum import StrEnum
from typing import TYPE_CHECKING

import mrcfile  # type: ignore[import-untyped]
import numpy as np
from PIL import Image

from cryoglean.errors import MicrographError
from cryoglean.io.atomic import atomic_path, write_atomic_bytes
from cryoglean.io.images import read_pixels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_LABEL = b"Cryoglean: what was left out"

_PNG_EFFORT = 1
"""zlib level. Resource: areas of one value are small at any level, and higher ones only take longer."""


class MaskFormat(StrEnum):
    """Format of the masks that are written."""

    png = "png"
    mrc = "mrc"


def write_mask(path: Path, left_out: NDArray[np.uint8], pixel_size_angstrom: float) -> None:
    """Write what was left out of a micrograph, values up to 127, as PNG, or MRC by the file's suffix.

    Raises:
        OSError: if the file cannot be written.
    """
    if path.suffix != ".mrc":
        encoded = io.BytesIO()
        Image.fromarray(left_out).save(encoded, "png", compress_level=_PNG_EFFORT)
        write_atomic_bytes(path, encoded.getvalue())
        return
    with atomic_path(path) as temporary, mrcfile.new(str(temporary), overwrite=True) as file:
        file.set_data(left_out.astype(np.int8))
        file.voxel_size = pixel_size_angstrom
        file.header.label[0] = _LABEL.ljust(80)  # mrcfile would put the time there
        file.header.nlabl = 1


def read_written_mask(path: Path) -> NDArray[np.uint8] | None:
    """Read what `write_mask` wrote; None where there is no such file, or it is damaged."""
    try:
        return read_pixels(path).astype(np.uint8)
    except MicrographError:
        return None
