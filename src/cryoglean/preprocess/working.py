"""The working image: live area, binned to the particle's size, locally standardised, protein bright."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.preprocess.borders import live_area
from cryoglean.preprocess.exposure import cover_mask, cover_unexposed, exposed_blocks, spread_blocks
from cryoglean.preprocess.normalise import bin_by_mean, standardise_locally
from cryoglean.preprocess.robust import median_and_deviation

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

WORKING_DIAMETER_PX = 24
"""A particle is this many working pixels across, or up to twice as many: binning is by whole pixels. Chosen by hand:
fewer blur the profile and place picks less exactly, more take longer."""

MIN_WORKING_DIAMETER_PX = 10
"""Minimum working pixels of a particle, where the working image would be larger than `MAX_WORKING_PIXELS` otherwise.
Chosen by hand: below it disc and ring are a few pixels each."""

MAX_WORKING_PIXELS = 2**22
"""A working image is no larger, as long as particles keep `MIN_WORKING_DIAMETER_PX`. Resource: it bounds time and
memory."""

WINDOW_DIAMETERS = 2.0
"""Standard deviation of the standardising window, in particle diameters. Chosen by hand: a narrower one takes away part
of the particle, a wider one leaves the slopes of the ice."""

CONTRAST_WINDOW_DIAMETERS = 0.5
"""Standard deviation of the window under which contrast is measured. Chosen by hand: about one particle."""

CLIP_SIGMAS = 4.0
"""Grey values beyond this many local standard deviations (gold, ice, defective pixels) count as this much. Chosen by
hand: noise of so many pixels rarely gets there."""

OUTLIER_SIGMAS = 10.0
"""The same before, in robust standard deviations of the whole image: one hot pixel must not set its surroundings'
standard deviation. Chosen by hand: beyond anything that protein or noise gives."""


@dataclass(frozen=True, eq=False)
class WorkingImage:
    """The image that shape-based pickers work on.

    Attributes:
        image: `(h, w)` float32, local mean 0 and variance 1, protein bright.
        contrast: `(h, w)` natural logarithm of the local contrast before, over its median in the micrograph.
        diameter_px: particle diameter in working pixels.
        bin_factor: stored pixels per working pixel.
        left: first stored column of the live area.
        top: first stored row of the live area.
        exposed: `(h, w)` booleans, where there is noise of the microscope, and no mask; None where that is all of it.
            Elsewhere `image` is covered with noise alike (or is 0, `glaring.without_glaring`): no find is there.
    """

    image: Tensor
    contrast: Tensor
    diameter_px: float
    bin_factor: int
    left: int = 0
    top: int = 0
    exposed: Tensor | None = None

    def without(self, places: Tensor) -> WorkingImage:
        """Leave `(h, w)` places out, as if they had not been exposed."""
        exposed = ~places if self.exposed is None else self.exposed & ~places
        return replace(self, image=torch.where(places, 0.0, self.image), exposed=exposed)

    def halved(self) -> WorkingImage:
        """Return it binned by two more, its variance no longer 1."""
        image, contrast = (bin_by_mean(values, 2) for values in (self.image, self.contrast))
        return replace(
            self,
            image=image,
            contrast=contrast,
            diameter_px=self.diameter_px / 2,
            bin_factor=2 * self.bin_factor,
            exposed=_halved(self.exposed),
        )

    def halves(self) -> tuple[WorkingImage, WorkingImage]:
        """Return the upper and the lower half, or the left and the right one of a wide image."""
        height, width = self.image.shape
        middle = max(height, width) // 2
        if width > height:
            return self._part(slice(None), slice(middle)), self._part(slice(None), slice(middle, None))
        return self._part(slice(middle), slice(None)), self._part(slice(middle, None), slice(None))

    def _part(self, rows: slice, columns: slice) -> WorkingImage:
        return replace(
            self,
            image=self.image[rows, columns],
            contrast=self.contrast[rows, columns],
            left=self.left + self.bin_factor * (columns.start or 0),
            top=self.top + self.bin_factor * (rows.start or 0),
            exposed=None if self.exposed is None else self.exposed[rows, columns],
        )

    @property
    def exposed_share(self) -> float:
        """Share of the image that was exposed."""
        return 1.0 if self.exposed is None else float(self.exposed.float().mean())

    def to_stored(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Convert working coordinates to pixels of the micrograph as stored."""
        shift = (self.bin_factor - 1) / 2
        return x * self.bin_factor + shift + self.left, y * self.bin_factor + shift + self.top

    def from_stored(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert (n, 2) pixels of the micrograph as stored, x first, to working coordinates."""
        shift = (self.bin_factor - 1) / 2
        return np.asarray((xy - (self.left, self.top) - shift) / self.bin_factor)

    def contrast_at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (n,) local contrast, a logarithm, under places in working pixels; beyond the edges, as there."""
        return np.asarray(self.values_at(self.contrast, x, y).double().numpy())

    def is_exposed(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (n,) booleans, whether places in working pixels were exposed; beyond the edges, as there."""
        if self.exposed is None:
            return np.ones(len(x), dtype=bool)
        return np.asarray(self.values_at(self.exposed, x, y).numpy())

    def values_at(self, values: Tensor, x: NDArray[np.float64], y: NDArray[np.float64]) -> Tensor:
        """Return (n,) of `(h, w)` values at places in working pixels; beyond the edges, as there."""
        height, width = values.shape
        column, row = (torch.from_numpy(np.rint(v).astype(np.int64)) for v in (x, y))
        return values.cpu()[row.clamp(0, height - 1), column.clamp(0, width - 1)]


@dataclass(frozen=True, eq=False)
class ExposedImage:
    """The exposed part of a micrograph, binned.

    Attributes:
        image: `(h, w)` float32, protein dark as recorded, outliers clipped.
        bin_factor: stored pixels per binned pixel.
        left: first stored column of the live area.
        top: first stored row of the live area.
        exposed: `(h, w)` booleans as of `WorkingImage`.
    """

    image: Tensor
    bin_factor: int
    left: int
    top: int
    exposed: Tensor | None = None

    def halved(self) -> ExposedImage:
        """Return it binned by two more."""
        exposed = _halved(self.exposed)
        return ExposedImage(bin_by_mean(self.image, 2), 2 * self.bin_factor, self.left, self.top, exposed)


def exposed_image(
    image: NDArray[np.float32],
    diameter_px: float,
    device: torch.device | None = None,
    working_diameter_px: float = WORKING_DIAMETER_PX,
    mask: NDArray[np.bool_] | None = None,
) -> ExposedImage:
    """Cut a micrograph to its live area and bin it as far as the particle's size allows; flat where all is masked.

    Args:
        image: (h, w) micrograph as stored.
        diameter_px: particle diameter in stored pixels.
        device: where to compute; the CPU by default.
        working_diameter_px: the diameter in binned pixels, up to twice as many.
        mask: (h, w) booleans, what counts as not exposed; None leaves nothing out.
    """
    image = cover_mask(image, mask)  # what it hides must not tell the live area either
    rows, columns = live_area(image, mask)
    live = as_tensor(image[rows, columns])
    factor = _bin_factor(live.numel(), diameter_px, working_diameter_px)
    binned = bin_by_mean(live.to(device) if device else live, factor)
    exposed = _exposed(image[rows, columns], None if mask is None else mask[rows, columns], factor)
    if exposed is None:
        return ExposedImage(_without_outliers(binned), factor, columns.start, rows.start)
    if not exposed.any():
        return ExposedImage(torch.zeros_like(binned), factor, columns.start, rows.start)
    exposed = exposed.to(binned.device)
    covered = _without_outliers(cover_unexposed(binned, exposed))
    return ExposedImage(covered, factor, columns.start, rows.start, exposed)


def _exposed(live: NDArray[np.float32], mask: NDArray[np.bool_] | None, factor: int) -> Tensor | None:
    """Return which binned pixels were exposed, and have nothing masked in them; None where all is well."""
    blocks = exposed_blocks(live)
    is_alike, is_masked = bool(blocks.all() or not blocks.any()), mask is not None and bool(mask.any())
    if is_alike and not is_masked:
        return None
    height, width = (math.ceil(side / factor) for side in live.shape)
    exposed = torch.from_numpy(np.ones((height, width), bool) if is_alike else spread_blocks(blocks, (height, width)))
    return exposed & ~binned_mask(mask, factor) if mask is not None else exposed


def binned_mask(mask: NDArray[np.bool_], factor: int) -> Tensor:
    """Return which binned pixels have a masked one in them."""
    pool = torch.nn.functional.max_pool2d
    return pool(torch.from_numpy(mask.astype(np.float32))[None, None], factor, ceil_mode=True)[0, 0] > 0


def working_image(
    image: NDArray[np.float32],
    diameter_px: float,
    device: torch.device | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> WorkingImage:
    """Prepare a micrograph for shape-based picking.

    Args:
        image: (h, w) micrograph as stored, protein dark.
        diameter_px: particle diameter in stored pixels.
        device: where to compute; the CPU by default.
        mask: (h, w) booleans, what counts as not exposed; None leaves nothing out.

    Returns:
        The working image; every scaling is isotropic, whatever the micrograph's shape.
    """
    return standardised_image(exposed_image(image, diameter_px, device, mask=mask), diameter_px)


def standardised_image(exposed: ExposedImage, diameter_px: float) -> WorkingImage:
    """Do the second half of `working_image`."""
    diameter = diameter_px / exposed.bin_factor
    windows = (WINDOW_DIAMETERS * diameter, CONTRAST_WINDOW_DIAMETERS * diameter)
    level, contrast = standardise_locally(-exposed.image, *windows)
    level = level.clamp(-CLIP_SIGMAS, CLIP_SIGMAS)
    return WorkingImage(level, contrast, diameter, exposed.bin_factor, exposed.left, exposed.top, exposed.exposed)


def _halved(exposed: Tensor | None) -> Tensor | None:
    return None if exposed is None else bin_by_mean(exposed.float(), 2) > 0.5


def _bin_factor(pixels: int, diameter_px: float, working_diameter_px: float) -> int:
    usual = max(1, int(diameter_px / working_diameter_px))
    small_enough = math.ceil(math.sqrt(pixels / MAX_WORKING_PIXELS))
    return max(usual, min(small_enough, int(diameter_px / MIN_WORKING_DIAMETER_PX)))


def as_tensor(image: NDArray[np.float32]) -> Tensor:
    """Make a tensor; share memory where torch can: not with read-only arrays, nor with rows or columns in reverse."""
    shareable = image.flags.writeable and min(image.strides) > 0
    return torch.from_numpy(image if shareable else image.copy())


def _without_outliers(image: Tensor) -> Tensor:
    median, deviation = median_and_deviation(image)
    reach = OUTLIER_SIGMAS * deviation
    return image.clamp(median - reach, median + reach) if deviation > 0 else image
