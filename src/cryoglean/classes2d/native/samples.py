"""Polar samples of the images: made of what lies in memory or on disk, and kept while they fit in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cryoglean.particles.boxes import scale_boxes

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.classes2d.native.polar import PolarGrid
    from cryoglean.classes2d.particle_set import Images

_KEPT_BYTES = 2**30
"""Most bytes of samples that are kept from one iteration to the next. Resource: what is not kept is made anew, which
takes longer where there are few classes, and hardly where there are many."""


class Samples:
    """Samples of images on one polar grid, each image masked around its particle's place.

    Args:
        images: n images.
        polar: the grid; its boxes may be smaller than the images, which are scaled then.
        centre: (n, 2) whole pixels of the grid's boxes, y and x, by which each image is moved before it is masked.
    """

    def __init__(self, images: Images, polar: PolarGrid, centre: Tensor) -> None:
        self._images, self._polar, self._centre = images, polar, centre
        count, values = len(centre), polar.rings * polar.angles // 2
        fits = count * values * torch.complex64.itemsize <= _KEPT_BYTES
        shape = (count if fits else 0, polar.rings, polar.angles // 2)
        self._kept = torch.empty(shape, dtype=torch.complex64, device=polar.device)
        self._is_kept = torch.zeros(count, dtype=torch.bool)

    def of(self, rows: Tensor) -> Tensor:
        """Return the samples `(m, rings, angles / 2)` of some images.

        Threads may ask side by side, as long as no two ask for the same image.

        Args:
            rows: (m,) on the CPU.
        """
        if bool(self._is_kept[rows].all()):
            return self._kept[rows.to(self._polar.device)]
        made = self._made(rows)
        if len(self._kept):
            self._kept[rows.to(self._polar.device)] = made
            self._is_kept[rows] = True
        return made

    def _made(self, rows: Tensor) -> Tensor:
        box, device = self._polar.box_px, self._polar.device
        images = torch.from_numpy(self._images[rows.numpy()]).to(device)
        scaled = images if images.shape[-1] == box else scale_boxes(images, box)
        return self._polar.samples(_moved(scaled, self._centre[rows.to(device)]))


def _moved(images: Tensor, pixels: Tensor) -> Tensor:
    """Move `(n, box, box)` images by `(n, 2)` whole pixels, around the border."""
    box = images.shape[-1]
    place = torch.arange(box, device=images.device)
    row, column = (place - pixels[:, :1]) % box, (place - pixels[:, 1:]) % box
    which = torch.arange(len(images), device=images.device)[:, None, None]
    return images[which, row[:, :, None], column[:, None, :]]
