"""Dead and padded borders: the part of a micrograph that was really exposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FROZEN_SHARE = 0.5
"""A line counts as frozen when it differs from the next one by less than this share of the usual difference. Chosen by
hand: a larger share takes quiet lines for frozen, a smaller one misses padding that a filter has stirred up."""

_BORDER_SHARE = 0.25
"""Widest border that is looked for, as a share of the side. Chosen by hand: the middle must be wide enough to tell what
is usual; a wider border stays in the image."""

_MAX_SAMPLES = 1024
"""Pixels of a line that are compared, up to twice as many: of longer lines every second, third and so on. Resource:
bounds the time of large micrographs."""


def live_area(image: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> tuple[slice, slice]:
    """Find the rectangle inside dead or padded borders.

    A border is frozen where its lines repeat each other: constant (dead lines, zero padding after motion correction)
    or padded by repeating the outermost line. Noise never does that, whatever its level, so the test needs no
    knowledge of the grey values. A filter run over a padded image stirs up its outermost lines, so a border is as wide
    as at least half of its lines are frozen.

    Args:
        image: (h, w) micrograph.
        mask: (h, w) booleans; lines at its edges that it marks from end to end are border, too.

    Returns:
        Slices of rows and of columns. The whole image where no border is frozen, or where all of it is.
    """
    if mask is not None:
        rows, columns = (_beside_mask(np.asarray(mask.all(axis=axis))) for axis in (1, 0))
        inner = live_area(image[rows, columns])
        return _within(rows, inner[0]), _within(columns, inner[1])
    every = max(1, max(image.shape) // _MAX_SAMPLES)
    return _live_lines(image[:, ::every]), _live_lines(image[::every].T)


def _beside_mask(is_masked: NDArray[np.bool_]) -> slice:
    """Return the slice of lines between the masked ones at both edges; all lines where all are masked."""
    free = np.flatnonzero(~is_masked)
    return slice(int(free[0]), int(free[-1]) + 1) if len(free) else slice(0, len(is_masked))


def _within(outer: slice, inner: slice) -> slice:
    return slice(outer.start + inner.start, outer.start + inner.stop)


def _live_lines(lines: NDArray[np.float32]) -> slice:
    """Return the slice of rows between the frozen ones at the start and at the end of `lines`."""
    most = int((len(lines) - 1) * _BORDER_SHARE)  # some line is left between two borders of that width
    inner = _steps(lines[most : len(lines) - most])
    usual = float(np.median(inner)) if len(inner) else 0.0
    if usual == 0:
        return slice(0, len(lines))
    first = _frozen_lines(_steps(lines[: most + 1]) < FROZEN_SHARE * usual)
    last = _frozen_lines(_steps(lines[::-1][: most + 1]) < FROZEN_SHARE * usual)
    return slice(first, len(lines) - last)


def _frozen_lines(frozen: NDArray[np.bool_]) -> int:
    """Return the width of the border: up to the innermost frozen line outside of which half or more are frozen."""
    share = np.cumsum(frozen) / np.arange(1, len(frozen) + 1)
    inside = np.flatnonzero(frozen & (share >= 0.5))
    return int(inside[-1]) + 2 if len(inside) else 0


def _steps(lines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean absolute difference between each row and the next."""
    steps: NDArray[np.float32] = np.abs(np.diff(lines, axis=0)).mean(axis=1, dtype=np.float32)
    return steps
