"""Whether a micrograph was filtered before: counting noise is white, and a low-pass or a denoiser takes its high part.

Electrons are counted one by one, so an unfiltered micrograph has noise at every frequency that the detector passes, and
far above those at which a particle has any power it still has a good part of what it has at low ones. A micrograph that
was low-passed or denoised has next to nothing there.
"""

from __future__ import annotations

from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from cryoglean.preprocess.borders import live_area
from cryoglean.preprocess.exposure import cover_mask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

TILE_DIAMETERS = 4.0
"""Side of the tiles whose power is measured, in particle diameters. Chosen by hand: it tells frequencies of a cycle per
diameter, and dirt spoils a few tiles only."""

MAX_TILES = 32
"""Tiles of a micrograph that are looked at, spread over it. Resource: bounds the time of large micrographs."""

SIGNAL_CYCLES = (1.0, 3.0)
"""Frequencies at which particles and noise have their power, in cycles per diameter. Derived: those of a disc and of
its coarsest parts."""

NOISE_CYCLES = (6.0, 12.0)
"""Frequencies at which there is hardly anything but noise, in cycles per diameter. Derived: the upper half of those in
an image in which a particle is 24 px across, which is what networks see."""

MIN_NOISE_FLOOR = 0.0035
"""Power at high over that at low frequencies below which a micrograph was filtered before. Chosen by F1 on simulated
sets: with 0.0028 (a low-pass) filters of the network's own cost much, with 0.0047 (non-local means) they still gain
much. Those as recorded have 0.06 or more, published denoised ones 0.00004 or less."""


class Filtering(StrEnum):
    """What was done to micrographs before."""

    filtered = "filtered"
    unfiltered = "unfiltered"
    unknown = "unknown"

    @property
    def message(self) -> str:
        """It, for the user."""
        return {
            Filtering.filtered: "the micrographs were filtered before: they have next to no noise at high frequencies",
            Filtering.unfiltered: "the micrographs are not filtered: they have noise at high frequencies",
            Filtering.unknown: "the micrographs do not tell whether they were filtered before: taken as not filtered",
        }[self]


class SetFiltering(BaseModel):
    """What was done to a set of micrographs before.

    Attributes:
        filtering: it.
        noise_floor: what tells it, the median of those from `noise_floor`; None where none of them tells.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    filtering: Filtering = Filtering.unknown
    noise_floor: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @classmethod
    def of(cls, noise_floors: Iterable[float | None]) -> SetFiltering:
        """Tell it by the noise floors of micrographs."""
        known = [each for each in noise_floors if each is not None]
        if not known:
            return cls()
        typical = float(median(known))
        filtering = Filtering.filtered if typical < MIN_NOISE_FLOOR else Filtering.unfiltered
        return cls(filtering=filtering, noise_floor=typical)

    @property
    def message(self) -> str:
        """The finding with its figure, for the user."""
        if self.noise_floor is None:
            return self.filtering.message
        return f"{self.filtering.message} (noise floor {self.noise_floor:.2g}, limit {MIN_NOISE_FLOOR:g})"


def noise_floor(image: NDArray[np.float32], diameter_px: float, mask: NDArray[np.bool_] | None = None) -> float | None:
    """Measure the noise that a micrograph has at high frequencies.

    Args:
        image: (h, w) micrograph as stored, of any scale of grey values.
        diameter_px: particle diameter in stored pixels.
        mask: (h, w) booleans, what counts as not exposed; None leaves nothing out.

    Returns:
        Power at `NOISE_CYCLES` (the upper half of what there is, where pixels are coarser) over that at
        `SIGNAL_CYCLES`, the median of its tiles. None where nothing was exposed, or pixels are too coarse to tell.
    """
    image = cover_mask(image, mask)
    rows, columns = live_area(image, mask)
    live = image[rows, columns]
    side = min(round(TILE_DIAMETERS * diameter_px), *live.shape)
    highest = min(NOISE_CYCLES[1], diameter_px / 2)
    lowest = NOISE_CYCLES[0] * highest / NOISE_CYCLES[1]
    if lowest < SIGNAL_CYCLES[1]:
        return None
    cycles = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) * diameter_px
    signal, noise = ((low <= cycles) & (cycles < high) for low, high in (SIGNAL_CYCLES, (lowest, highest)))
    window = np.outer(np.hanning(side), np.hanning(side))
    floors = []
    for tile in _tiles(live, side, None if mask is None else mask[rows, columns]):
        power = np.abs(np.fft.rfft2((tile - tile.mean()) * window)) ** 2
        at_low = float(power[signal].mean())
        if at_low > 0:
            floors.append(float(power[noise].mean()) / at_low)
    return median(floors) if floors else None


def _tiles(image: NDArray[np.float32], side: int, mask: NDArray[np.bool_] | None) -> list[NDArray[np.float64]]:
    """Return square tiles, spread evenly over an image, with nothing masked in them."""
    corners = [
        (top, left)
        for top in range(0, image.shape[0] - side + 1, side)
        for left in range(0, image.shape[1] - side + 1, side)
        if mask is None or not mask[top : top + side, left : left + side].any()
    ]
    chosen = corners[:: max(1, -(-len(corners) // MAX_TILES))]
    return [image[top : top + side, left : left + side].astype(np.float64) for top, left in chosen]
