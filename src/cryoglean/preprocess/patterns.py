"""Micrographs that are a regular pattern: what they show comes again elsewhere. No noise of a microscope does that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_REPEATED = 0.95
"""Correlation of a place with others from which it is one pattern, four times as strong as all that differs. Chosen by
hand: real and simulated micrographs were seen to reach 0.67 at most."""

_BINNINGS = (1, 3)
"""Pixels that are averaged along a side. Chosen by hand: patterns of single pixels, and such as are wider than a
particle, each in as few pixels as tell them."""

_PATCH_PX = 320
"""Side of a patch. Resource: three take 10 ms, and what comes again within a fifth of it is seen."""

_MIN_PATCH_PX = 200
"""Least side of a patch. Chosen by hand: what is found in fewer pixels is alike by chance."""

_LEVEL = 1 / 20
"""Standard deviation of the window whose mean is taken away, over the side of a patch. Chosen by hand: no shade is
left, and most of any pattern that comes again within the patch."""

_MARGIN = 3.0
"""Edge of a patch that is cut off, in standard deviations of that window. Derived: beyond it mirrored pixels are less
than a hundredth of the mean."""

_TOO_NEAR = 1 / 20
"""Distance, over the side of a patch, within which anything smooth is alike. Derived: the width of that window."""

_PLACES = (0.25, 0.5, 0.75)
"""Middles of the patches along both sides. Chosen by hand: off the edges, and the median of three leaves out dirt."""

_OUTERMOST = (0.1, 99.9)
"""Percentiles that grey values are cut off at. Chosen by hand: a few hot pixels must not hide what is around them."""

_EVERY = 7
"""Every so many pixels tell these percentiles. Chosen by hand: no pattern has its period."""

_DIRECTIONS = 4
"""Sectors of directions, in each of which a pattern comes again. Derived: an edge does so along itself alone."""


def is_pattern(image: NDArray[np.float32]) -> bool:
    """Tell whether an image is a regular pattern, with noise of a quarter of it at most.

    Args:
        image: (h, w); what is too small to tell counts as no pattern.
    """
    return any(_repetition(image, binning) > _REPEATED for binning in _BINNINGS)


def _repetition(image: NDArray[np.float32], binning: int) -> float:
    """Return how well an image correlates with itself elsewhere in all directions, most patches alike."""
    found = [_likeness(patch) for patch in _patches(image, binning)]
    if not found:
        return 0.0
    likeness = np.median(found, axis=0)
    sector = _sectors(likeness.shape)
    return float(min(likeness[sector == each].max() for each in range(_DIRECTIONS)))


def _sectors(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Number the directions of shifts, those of opposite ones alike; the middle is no shift."""
    rows, columns = np.indices(shape)
    angle = np.arctan2(rows - shape[0] // 2, columns - shape[1] // 2)
    return np.asarray(np.rint(angle * _DIRECTIONS / np.pi).astype(int) % _DIRECTIONS)


def _patches(image: NDArray[np.float32], binning: int) -> Iterator[NDArray[np.float32]]:
    """Yield equal binned patches of an image along its diagonal, as far as they are large enough."""
    sides = [min(_PATCH_PX, side // binning) for side in image.shape]
    if min(sides) < _MIN_PATCH_PX:
        return
    for place in _PLACES:
        starts = (int(place * (full - binning * side)) for full, side in zip(image.shape, sides, strict=True))
        rows, columns = (slice(start, start + binning * side) for start, side in zip(starts, sides, strict=True))
        yield np.asarray(cv2.resize(image[rows, columns], sides[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _likeness(patch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how well the middle of a patch correlates with what is around it, by shift; 0 where all is too near."""
    level = _without_shade(patch)
    height, width = (side // 2 for side in level.shape)
    top, left = height // 2, width // 2
    middle = np.ascontiguousarray(level[top : top + height, left : left + width])
    if middle.std() == 0:
        return np.zeros([n - m + 1 for n, m in zip(level.shape, middle.shape, strict=True)], np.float32)
    found = cv2.matchTemplate(level, middle, cv2.TM_CCOEFF_NORMED)
    rows, columns = np.indices(found.shape)
    is_far = np.hypot(rows - top, columns - left) > _TOO_NEAR * max(patch.shape)
    return np.where(is_far & np.isfinite(found), found, 0)


def _without_shade(patch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inner part of a patch without its local mean, in standard deviations."""
    window_px = _LEVEL * min(patch.shape)
    centred = patch - np.median(patch)
    clipped = np.clip(centred, *np.percentile(centred.ravel()[::_EVERY], _OUTERMOST).astype(np.float32))
    margin = int(_MARGIN * window_px)
    inner = (clipped - cv2.GaussianBlur(clipped, (0, 0), window_px))[margin:-margin, margin:-margin]
    deviation = inner.std()
    return np.asarray(inner / deviation if deviation > 0 else inner, np.float32)
