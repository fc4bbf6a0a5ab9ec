"""From a micrograph in memory to boxes: cut out, scaled, normalised. Pure functions of tensors, all boxes at once.

The centre of a box of n pixels is at index n // 2, before and after every step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

_FLAT_SHARE = 1e-5
"""A background whose standard deviation is a smaller share of the box's largest value is flat. Derived: float32 rounds
to 6e-8 of a value, and sums over a box to some hundred times that."""


class Anchors(NamedTuple):
    """Centres of boxes in whole pixels, and what rounding leaves over.

    Attributes:
        xy: `(n, 2)` int64 pixel that becomes the box's centre, x first.
        rest_px: `(n, 2)` float64, `xy` minus the true centre: the origin in RELION's sense.
        inside: `(n,)` bool, whether the whole box lies in the area.
        centre_inside: `(n,)` bool, whether at least the centre does.
    """

    xy: Tensor
    rest_px: Tensor
    inside: Tensor
    centre_inside: Tensor


def anchors(xy: Tensor, box_size_px: int, rows: slice, columns: slice) -> Anchors:
    """Round centres to pixels, halves upwards, and see which boxes stay in an area of the micrograph.

    Args:
        xy: `(n, 2)` float64 centres in pixels, x first.
        box_size_px: side of a box.
        rows: the area's rows, as a slice with both ends.
        columns: the area's columns.
    """
    whole = torch.floor(xy + 0.5)
    low = torch.tensor([columns.start, rows.start])
    high = torch.tensor([columns.stop, rows.stop])
    first = whole - box_size_px // 2
    inside = ((first >= low) & (first + box_size_px <= high)).all(dim=1)
    centre_inside = ((whole >= low) & (whole < high)).all(dim=1)
    return Anchors(whole.long(), whole - xy, inside, centre_inside)


def cut_boxes(image: Tensor, xy: Tensor, box_size_px: int) -> Tensor:
    """Cut boxes out of an image; what lies outside of it is the image reflected at its edge.

    Args:
        image: `(h, w)`.
        xy: `(n, 2)` int64, the pixels that come to index `box_size_px // 2`, x first.
        box_size_px: side of a box.

    Returns:
        `(n, box_size_px, box_size_px)`.
    """
    steps = torch.arange(box_size_px, device=image.device) - box_size_px // 2
    rows = _reflected(xy[:, 1, None] + steps, image.shape[0])
    columns = _reflected(xy[:, 0, None] + steps, image.shape[1])
    return image[rows[:, :, None], columns[:, None, :]]


def _reflected(index: Tensor, size: int) -> Tensor:
    period = max(2 * (size - 1), 1)
    index = index.remainder(period)
    return torch.minimum(index, period - index).clamp_max(size - 1)


def scale_boxes(boxes: Tensor, new_size_px: int) -> Tensor:
    """Scale boxes by cropping (or, to enlarge, padding) their Fourier transforms; the centre stays the centre.

    Band-limited resampling is linear and the same along rows and columns: two matrix products do it for all boxes. The
    mean of a box is kept.

    Args:
        boxes: `(n, size, size)`.
        new_size_px: new side.

    Returns:
        `(n, new_size_px, new_size_px)`.
    """
    size = boxes.shape[-1]
    if size == new_size_px:
        return boxes
    kernel = _resampling(size, new_size_px).to(boxes)
    return kernel @ boxes @ kernel.T


def _resampling(size: int, new_size: int) -> Tensor:
    """Return the `(new_size, size)` matrix that crops the Fourier series of a signal of period 1.

    At the Nyquist frequency of the smaller, even size the positive and the negative term are averaged.
    """
    smaller = min(size, new_size)
    k = torch.arange(-((smaller - 1) // 2), smaller // 2 + 1, dtype=torch.float64)
    old = (torch.arange(size, dtype=torch.float64) - size // 2) / size
    new = (torch.arange(new_size, dtype=torch.float64) - new_size // 2) / new_size
    after, before = (2 * torch.pi * k * place[:, None] for place in (new, old))
    return (after.cos() @ before.cos().T + after.sin() @ before.sin().T) / size


class Normalised(NamedTuple):
    """Boxes on a common grey scale.

    Attributes:
        boxes: `(n, size, size)`, mean 0 and standard deviation 1 in the background; zeros where it cannot be had.
        usable: `(n,)` bool: false where the background is flat or not finite.
    """

    boxes: Tensor
    usable: Tensor


def normalise_background(boxes: Tensor, radius_px: float, *, ramp: bool = False) -> Normalised:
    """Give the background, all that is farther from the centre than a radius, mean 0 and standard deviation 1.

    Args:
        boxes: `(n, size, size)`.
        radius_px: of the circle that holds the particle.
        ramp: subtract the plane that fits the background best, not only its mean.

    Raises:
        ValueError: if no background is left outside the radius.
    """
    size = boxes.shape[-1]
    steps = torch.arange(size, device=boxes.device, dtype=torch.float64) - size // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    outside = (torch.hypot(x, y) > radius_px).flatten()
    if int(outside.sum()) < 4:
        raise ValueError(f"no background outside a radius of {radius_px:g} px in a box of {size} px")
    terms = torch.stack([torch.ones_like(x), x / size, y / size], dim=-1).reshape(-1, 3)[:, : 3 if ramp else 1]
    flat = boxes.flatten(1).double()
    level = flat - flat[:, outside] @ torch.linalg.pinv(terms[outside]).T @ terms.T
    deviation = level[:, outside].std(dim=1, correction=0)
    usable = deviation.isfinite() & (deviation > _FLAT_SHARE * flat.abs().amax(dim=1))
    scaled = torch.where(usable[:, None], level / deviation[:, None], 0.0)
    return Normalised(scaled.to(boxes.dtype).reshape(boxes.shape), usable)
