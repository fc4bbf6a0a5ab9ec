"""The sheets that a micrograph is drawn on: phase and transmission, with a frame so that nothing wraps round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Window(NamedTuple):
    """A part of the sheets.

    Attributes:
        where: its rows and columns.
        x: `(1, w)` columns, counted from a centre.
        y: `(h, 1)` rows, counted from it.
    """

    where: tuple[slice, slice]
    x: NDArray[np.float32]
    y: NDArray[np.float32]

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it lies on the sheets."""
        return self.x.size == 0 or self.y.size == 0


@dataclass(frozen=True, eq=False)
class Layers:
    """Sheets that the electrons pass, one value a pixel; `(h + 2 frame, w + 2 frame)` float32 each.

    Attributes:
        phase: phase shift in radians, above that of ice.
        attenuation: natural logarithm of the share of electrons that is lost.
        carbon: share of the pixel that is carbon film.
        frame_px: width of the frame.
    """

    phase: NDArray[np.float32]
    attenuation: NDArray[np.float32]
    carbon: NDArray[np.float32]
    frame_px: int

    @classmethod
    def framed(cls, shape: tuple[int, int], frame: tuple[int, int, int]) -> Layers:
        """Return sheets of nothing.

        Args:
            shape: (h, w) of the micrograph.
            frame: width of the frame at the top and left, at the bottom, and at the right, in pixels.
        """
        before, below, right = frame
        size = (shape[0] + before + below, shape[1] + before + right)
        phase, attenuation, carbon = (np.zeros(size, np.float32) for _ in range(3))
        return cls(phase, attenuation, carbon, before)

    def window(self, x: float, y: float, reach_px: float) -> Window:
        """Return the part within `reach_px` of (x, y) of the micrograph, as far as it lies on the sheets."""
        rows, columns = (self._span(v, reach_px, n) for v, n in ((y, self.phase.shape[0]), (x, self.phase.shape[1])))
        across = np.arange(columns.start, columns.stop, dtype=np.float32) - np.float32(x + self.frame_px)
        down = np.arange(rows.start, rows.stop, dtype=np.float32) - np.float32(y + self.frame_px)
        return Window((rows, columns), across[None, :], down[:, None])

    def whole(self, x: float, y: float) -> Window:
        """Return all there is, counted from (x, y) of the micrograph."""
        height, width = self.phase.shape
        across = np.arange(width, dtype=np.float32) - np.float32(x + self.frame_px)
        down = np.arange(height, dtype=np.float32) - np.float32(y + self.frame_px)
        return Window((slice(height), slice(width)), across[None, :], down[:, None])

    def add_projection(self, image: NDArray[np.float32], x: int, y: int) -> None:
        """Add an image of odd size to the phase, its middle at pixel (x, y) of the micrograph; what is off is cut."""
        half = image.shape[0] // 2
        top, left = y + self.frame_px - half, x + self.frame_px - half
        height, width = self.phase.shape
        rows = slice(max(top, 0), min(top + len(image), height))
        columns = slice(max(left, 0), min(left + len(image), width))
        if rows.start < rows.stop and columns.start < columns.stop:
            part = image[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
            self.phase[rows, columns] += part

    def _span(self, centre: float, reach: float, size: int) -> slice:
        first = min(max(int(np.floor(centre - reach)) + self.frame_px, 0), size)
        return slice(first, max(first, min(int(np.ceil(centre + reach)) + self.frame_px + 1, size)))
