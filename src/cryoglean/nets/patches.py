"""Patches of images around given places, turned and mirrored at will."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cryoglean.nets.kpicker_net import WINDOW_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_CROP_PX = 96
"""Side of the crop out of which a patch is turned. Derived: it holds a window at any angle (91 px from corner to
corner), with the two pixels that the interpolation needs all round."""

_BEFORE_PX = _CROP_PX // 2 - 1
"""Column and row of the pixel before the patch's centre in its crop. Derived from the crop's side."""


class Places(NamedTuple):
    """Places in images.

    Attributes:
        image: (n,) which image.
        xy: (n, 2) column and row, in pixels of it.
    """

    image: NDArray[np.int64]
    xy: NDArray[np.float64]

    def take(self, which: NDArray[np.intp] | NDArray[np.int64] | NDArray[np.bool_]) -> Places:
        """Return the places at `which`, an index array or a mask."""
        return Places(self.image[which], self.xy[which])


class Rotations(NamedTuple):
    """Rotations and reflections of patches.

    Attributes:
        angle: (n,) in radians.
        mirrored: (n,) whether columns are taken in reverse, before the rotation.
    """

    angle: NDArray[np.float64]
    mirrored: NDArray[np.bool_]

    @classmethod
    def none(cls, n: int) -> Rotations:
        """Leave n patches as they are."""
        return cls(np.zeros(n), np.zeros(n, dtype=bool))


class PatchSource:
    """Images that patches are cut from; beyond their edges they are 0.

    Args:
        images: `(h, w)` float32 each, on one device.
    """

    def __init__(self, images: Sequence[Tensor]) -> None:
        self._padded = [functional.pad(image, (_CROP_PX // 2,) * 4) for image in images]

    def cut(self, places: Places, rotations: Rotations) -> Tensor:
        """Cut `(n, 64, 64)` patches, interpolated by cubic splines: a linear one would smooth the noise.

        Args:
            places: n centres, inside their images; a patch's centre lies between its pixels 31 and 32.
            rotations: n rotations about the centre.
        """
        base = np.floor(places.xy).astype(np.int64)
        crops = torch.stack([self._crop(i, x, y) for i, (x, y) in zip(places.image, base, strict=True)])
        grid = _grid(places.xy - base, rotations).to(crops)
        cut = functional.grid_sample(crops[:, None], grid, mode="bicubic", align_corners=True)
        return cut[:, 0]

    def _crop(self, image: int, x: int, y: int) -> Tensor:
        return self._padded[image][y + 1 : y + 1 + _CROP_PX, x + 1 : x + 1 + _CROP_PX]


def _grid(fraction: NDArray[np.float64], rotations: Rotations) -> Tensor:
    """Return the `(n, 64, 64, 2)` places of the patches' pixels in the crops, from -1 to 1."""
    steps = np.arange(WINDOW_PX) - (WINDOW_PX - 1) / 2
    column = np.where(rotations.mirrored, -1.0, 1.0)[:, None, None] * steps[None, None, :]
    row = steps[None, :, None]
    cosine, sine = np.cos(rotations.angle)[:, None, None], np.sin(rotations.angle)[:, None, None]
    x = _BEFORE_PX + fraction[:, :1, None] + cosine * column - sine * row
    y = _BEFORE_PX + fraction[:, 1:, None] + sine * column + cosine * row
    return torch.from_numpy(np.stack([x, y], axis=-1) * (2 / (_CROP_PX - 1)) - 1)
