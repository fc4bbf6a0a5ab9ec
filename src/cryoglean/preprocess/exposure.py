"""The part of a micrograph that was exposed: where there is noise. Constants, shades and hot lines show nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from scipy.ndimage import binary_erosion

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_MAX_SAMPLES = 1024
"""Pixels along a side that are looked at, up to twice as many. Resource: bounds the time of large micrographs."""

_BLOCK_SAMPLES = 32
"""Sampled pixels along a block's side. Chosen by hand: a thousand in a block tell a few hot pixels from noise, and a
block stays about a particle wide."""

_MIN_NOISY_SHARE = 0.005
"""Share of a block's pixels that stand out of their rows and columns, above which it was exposed. Chosen by hand:
single frames of a fiftieth of a count per pixel have four times as many, a block with a few hot pixels a fifth."""

_PART_SAMPLES = 4
"""Least side of the parts of a block, in sampled pixels. Chosen by hand: a fraction of a particle's width, and enough
pixels to tell noise from none where every pixel stands out."""

_PART_NOISY = 16
"""Pixels that stand out in a part of usual noise, at least. Chosen by hand: half as many are then four standard
deviations from none."""

_ROUNDING = 64.0
"""Second differences up to this many times the resolution of float32 are rounding. Chosen by hand: four numbers, each
rounded once by whoever wrote them and once here, make 8; what else was computed loses a few bits more. Electrons
that are counted differ by a thousand times as much."""


_MIXED = 2.0
"""By how much more second differences along both sides may be rounded. Derived: the squares of their nine weights are
six times those of one side's three, and errors add up as the root."""

_STEP_SAMPLES = 64
"""Pixels along a side that tell the step of grey values. Resource: some thousand values show any step, at once."""

_OFF_STEP = 0.01
"""By how much of a step grey values may lie off it. Chosen by hand: far above rounding of float32."""

_ROUNDED = 0.6
"""Steps from the local mean within which a pixel is rounded, no more. Derived: half a step, and some for the mean."""

_MEAN_PX = 11
"""Side of the square whose mean is local. Chosen by hand: of 11, 17 and 33 it leaves least of curved shades that were
rounded to whole numbers."""

_MEAN_SAMPLES = 5
"""Least side of it, in sampled pixels. Derived: the mean of so many is known to a sixteenth of a step."""


def exposed_blocks(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which blocks of an image show noise.

    Noise makes a pixel differ from what its neighbours along the row, and those along the column, lead to expect, and
    from what is the same in neighbouring rows; a constant, a ramp, a bowl, or a hot row or column does not.

    Args:
        image: (h, w).

    Returns:
        (ny, nx) booleans of equal blocks that cover the image; see `spread_blocks`. They are smaller where only a part
        of it was exposed, so that none of them has grey values of both.
    """
    step = max(1, max(image.shape) // _MAX_SAMPLES)
    stands_out = np.pad(_stands_out(image, step), 1)  # pixels of the outermost lines have no neighbours to tell by
    ny, nx = (max(1, round(side / _BLOCK_SAMPLES)) for side in stands_out.shape)
    shares = _shares(stands_out, ny, nx)
    exposed = shares > _MIN_NOISY_SHARE
    if exposed.all() or not exposed.any():
        return exposed
    return _without_border(stands_out, exposed, float(np.median(shares[exposed])))


def _shares(marked: NDArray[np.bool_], ny: int, nx: int) -> NDArray[np.float64]:
    """Return (ny, nx) the share of marked pixels in equal blocks."""
    height, width = marked.shape
    tops, lefts = (np.arange(n) * side // n for n, side in ((ny, height), (nx, width)))
    numbers = np.add.reduceat(np.add.reduceat(marked, tops, axis=0, dtype=np.int64), lefts, axis=1)
    return np.asarray(numbers / np.outer(np.diff([*tops, height]), np.diff([*lefts, width])))


def _without_border(stands_out: NDArray[np.bool_], exposed: NDArray[np.bool_], usual_share: float) -> NDArray[np.bool_]:
    """Divide blocks into the smallest parts that tell noise from none, and leave out those that touch the unexposed."""
    parts = int(_BLOCK_SAMPLES * min(1 / _PART_SAMPLES, (usual_share / _PART_NOISY) ** 0.5))
    if parts < 2:
        return exposed
    ny, nx = (parts * n for n in exposed.shape)
    noisy = _shares(stands_out, ny, nx) > usual_share / 2
    inner = _shrunk(exposed, times=2)  # the next block may be dark but for a corner, and count as exposed
    return _shrunk(spread_blocks(inner, (ny, nx)) | (spread_blocks(exposed, (ny, nx)) & noisy))


def _shrunk(exposed: NDArray[np.bool_], times: int = 1) -> NDArray[np.bool_]:
    """Leave out what touches the unexposed, also by a corner; beyond the edges of the image is none."""
    return np.asarray(binary_erosion(exposed, np.ones((3, 3), bool), times, border_value=1))


def spread_blocks(blocks: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Give every pixel of an image of a shape what holds for its block."""
    rows, columns = (np.arange(side) * n // side for side, n in zip(shape, blocks.shape, strict=True))
    return np.asarray(blocks[rows[:, None], columns])


def cover_unexposed(image: Tensor, exposed: Tensor) -> Tensor:
    """Put grey values of the exposed part, in any order, where nothing was exposed, so that nothing stands out there.

    Args:
        image: `(h, w)`.
        exposed: `(h, w)` booleans, some of them true.
    """
    values, wanted = image[exposed].cpu(), int((~exposed).sum())
    drawn = torch.randint(len(values), (wanted,), generator=torch.Generator().manual_seed(0))
    covered = image.clone()
    covered[~exposed] = values[drawn].to(image.device)
    return covered


def cover_mask(image: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Return an image with what a mask marks covered, as `cover_unexposed`; a constant where it marks all of it.

    Args:
        image: (h, w).
        mask: (h, w) booleans, if there is one.
    """
    if mask is None or not mask.any():
        return image
    if mask.all():
        return np.zeros_like(image)
    values, covered = image[~mask], image.copy()
    covered[mask] = values[np.random.default_rng(0).integers(len(values), size=image.size - len(values))]
    return covered


def _stands_out(image: NDArray[np.float32], step: int) -> NDArray[np.bool_]:
    """Mark sampled pixels that neither row nor column explains, nor what both of them have in common."""
    height, width = image.shape
    lines = [image[first : height - 2 + first : step] for first in range(3)]  # before, at and after the sampled rows
    sides = [[line[:, first : width - 2 + first : step] for first in range(3)] for line in lines]
    along_rows = [_second_difference(*side) for side in sides]
    along_columns = _second_difference(*(side[1] for side in sides))
    mixed = _second_difference(*along_rows)
    around = (sides[1][1], sides[0][1], sides[2][1], sides[1][0], sides[1][2])
    resolution = _ROUNDING * np.finfo(np.float32).eps * np.max(np.abs(around), axis=0)
    stands_out = (np.abs(along_rows[1]) > resolution) & (np.abs(along_columns) > resolution)
    return np.asarray(stands_out & (np.abs(mixed) > _MIXED * resolution) & ~_is_rounded(image, step))


def _is_rounded(image: NDArray[np.float32], step: int) -> NDArray[np.bool_]:
    """Mark sampled pixels that are no farther from the local mean than rounding to whole steps of grey takes them."""
    sampled = np.ascontiguousarray(image[1:-1:step, 1:-1:step])
    grey_step = _grey_step(sampled)
    if not grey_step:
        return np.zeros(sampled.shape, bool)
    side = max(_MEAN_SAMPLES, _MEAN_PX // step // 2 * 2 + 1)
    reach = min(side // 2, *(n - 1 for n in sampled.shape))
    beyond = np.pad(sampled, reach, mode="reflect", reflect_type="odd")  # slopes go on
    inner = tuple(slice(reach, reach + n) for n in sampled.shape)
    return np.asarray(np.abs(sampled - cv2.blur(beyond, (side, side))[inner]) <= _ROUNDED * grey_step)


def _grey_step(image: NDArray[np.float32]) -> float:
    """Return the step that all grey values are whole multiples of, from the least one on; 0 if there is none."""
    rows, columns = (slice(None, None, max(1, side // _STEP_SAMPLES)) for side in image.shape)
    values = np.unique(image[rows, columns]).astype(float)
    if len(values) < 2:
        return 0.0
    step = float(np.diff(values).min())
    multiples = (values - values[0]) / step
    return step if np.abs(multiples - np.rint(multiples)).max() < _OFF_STEP else 0.0


def _second_difference(
    before: NDArray[np.float32], middle: NDArray[np.float32], after: NDArray[np.float32]
) -> NDArray[np.float32]:
    return before - middle + (after - middle)
