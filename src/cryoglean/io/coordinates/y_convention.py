"""The row that a coordinate file counts y from, and the conversion.

Inside the program `y` counts down from the first row as stored, the first pixel's centre at 0. An image of `height_px`
rows has the centre of its last row at `height_px - 1`, so the two conventions differ by `y -> height_px - 1 - y`.
"""

from __future__ import annotations

from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class YConvention(Enum):
    """Row that has y = 0: the first or the last one stored."""

    FIRST_ROW = "first row"
    LAST_ROW = "last row"

    def convert(self, y: NDArray[np.float64], height_px: int | None) -> NDArray[np.float64]:
        """Convert y of this convention into y from the first stored row, or back: each is its own inverse.

        Args:
            y: (n,) row coordinates in pixels.
            height_px: number of rows of the micrograph; needed by LAST_ROW only.

        Raises:
            ValueError: if LAST_ROW is converted without a height.
        """
        if self is YConvention.FIRST_ROW:
            return y
        if height_px is None:
            raise ValueError("coordinates that count from the last row need the height of the micrograph in pixels")
        return height_px - 1 - y


def relion_y_convention(micrograph_name: str | PurePath) -> YConvention:
    """Return the row that RELION takes for y = 0 in a micrograph, judged by the suffix of its name.

    An MRC file is read as it is stored. A TIFF is turned upside down on reading, as IMOD, EMAN2 and MotionCor2 do (seen
    with RELION 3.1.3).
    """
    is_tiff = PurePath(micrograph_name).suffix.lower() in (".tif", ".tiff")
    return YConvention.LAST_ROW if is_tiff else YConvention.FIRST_ROW
