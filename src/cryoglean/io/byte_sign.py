"""Signed or unsigned: what the bytes of an MRC file of mode 0 are, told from the file where nobody says it.

The format has said "signed" since 2000, and programs have written either ever since. A wrong reading wraps the image
round at 128 and inverts the contrast of all that crosses it. In this order the following decides:

1. IMOD's stamp in the header, with its flag (`imodFlags`, bit 0: signed).
2. Minimum and maximum in the header, if exactly one of the readings lies between them: others are of another image, or
   were never filled in. Else the mean, if it is that of exactly one of them; one near 0 was mostly never filled in.
3. The image. Its neighbouring pixels differ between the readings only where one is below 128 and the other is not; read
   wrongly, such a pair is a jump of 256 less the true step. So a mean step beyond 128 speaks for the other reading.
4. Unsigned where hardly a pair of pixels can tell (a dark or bright image of small spread: as unsigned bytes no counts
   are below zero, and the readings differ by a constant or in a few pixels), signed otherwise, as the format has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLE_PIXELS = 2**22
"""Pixels that are looked at. Resource: some 50 ms; a share of rows spread over the image."""

_EVEN_STEP = 128
"""Step between a byte below 128 and one not below that is the same by both readings. Derived: half of 256."""

_MIN_DEVIATIONS = 4.0
"""Standard errors by which the mean step must differ from `_EVEN_STEP` to decide. Chosen by hand: noise of bytes that
are all equally likely, of which nobody can tell, reaches it once in 16,000 images."""

_MIN_SHARE = 1e-3
"""Share of pairs of pixels below which an undecided image is one of small spread. Chosen by hand: even a tail of three
standard deviations gives some."""

_ROUNDING = 0.5
"""Slack of the header's range. Derived: some programs round their pixels and not the statistics."""


_UNFILLED_MEAN = 1.0
"""Mean of a header up to which it may never have been filled in, and by which it may differ from that of the pixels
looked at. Derived: the means of the two readings differ by 256 times the share of pixels not below 128."""


def sample_of_rows(rows: NDArray[np.generic]) -> NDArray[np.int8]:
    """Return some of the (n, width) rows of an image as signed bytes, spread over it."""
    stride = max(1, -(-rows.size // _SAMPLE_PIXELS))
    return rows[::stride].astype(np.int8)


def is_unsigned(rows: NDArray[np.int8], statistics: tuple[float, float, float]) -> tuple[bool, bool]:
    """Tell whether bytes are unsigned, and whether that was told by the image alone.

    Args:
        rows: (n, width) of the image, read as signed.
        statistics: minimum, maximum and mean by the header, whatever they are.
    """
    for fits in (_fits_range, _fits_mean):
        as_signed, as_unsigned = fits(rows, statistics), fits(rows.view(np.uint8), statistics)
        if as_signed != as_unsigned:
            return as_unsigned, False
    return _is_smoother_unsigned(rows), True


def _fits_range(rows: NDArray[np.int8] | NDArray[np.uint8], statistics: tuple[float, float, float]) -> bool:
    low, high, _ = statistics
    return bool(low < high and low - _ROUNDING <= rows.min() and rows.max() <= high + _ROUNDING)


def _fits_mean(rows: NDArray[np.int8] | NDArray[np.uint8], statistics: tuple[float, float, float]) -> bool:
    low, high, mean = statistics
    is_filled = abs(mean) > _UNFILLED_MEAN and mean >= min(low, high)  # below both it says that it is not known
    return bool(is_filled and abs(mean - rows.mean()) <= _UNFILLED_MEAN)


def _is_smoother_unsigned(rows: NDArray[np.int8]) -> bool:
    left, right = rows[:, :-1].astype(np.int16), rows[:, 1:].astype(np.int16)
    is_crossing = (left < 0) != (right < 0)
    steps = np.abs(left - right)[is_crossing].astype(np.float64)
    if len(steps) > 1:
        excess, error = steps.mean() - _EVEN_STEP, max(steps.std(), 1.0) / np.sqrt(len(steps))
        if abs(excess) > _MIN_DEVIATIONS * error:
            return bool(excess > 0)
    return bool(len(steps) < _MIN_SHARE * is_crossing.size)
