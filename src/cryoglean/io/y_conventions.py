"""From which side each format counts rows: the one place where it is said.

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
    """The row that has y = 0: the first or the last one stored."""

    FIRST_ROW = "first row"
    LAST_ROW = "last row"

    def stored(self, y: NDArray[np.float64], height_px: int | None) -> NDArray[np.float64]:
        """Turn y of this convention into y from the first stored row, or back: each is its own inverse.

        Args:
            y: (n,) row coordinates in pixels.
            height_px: number of rows of the micrograph; needed by LAST_ROW only.

        Raises:
            ValueError: if LAST_ROW is asked for without a height.
        """
        if self is YConvention.FIRST_ROW:
            return y
        if height_px is None:
            raise ValueError("coordinates that count from the last row need the height of the micrograph in pixels")
        return height_px - 1 - y


RELION_MRC = YConvention.FIRST_ROW
"""RELION's y is the row of the MRC file as stored."""

RELION_TIFF = YConvention.LAST_ROW
"""RELION turns a TIFF upside down when it reads it, as IMOD, EMAN2 and MotionCor2 do (seen with 3.1.3)."""

CRYOPPP_CSV = YConvention.LAST_ROW
"""CryoPPP's coordinates fit its MRC files turned upside down; let `check_orientation` confirm it for a data set."""

PLAIN_CSV = YConvention.FIRST_ROW
"""Our own CSV."""


def relion_y_convention(micrograph_name: str | PurePath) -> YConvention:
    """Return what RELION takes y for in a coordinate file of this micrograph, judged by the suffix of its name."""
    return RELION_TIFF if PurePath(micrograph_name).suffix.lower() in (".tif", ".tiff") else RELION_MRC
