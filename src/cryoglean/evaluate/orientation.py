"""Orientations and scales that coordinates of other programs may have against the image as stored.

Programs disagree on where y counts from (and some on which column is x), and files do not say; picks of a binned or
enlarged image are those of the image divided or multiplied by a whole number, or by one and a half.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.picks import Picks


class Orientation(Enum):
    """Turn that makes coordinates fit the image as stored: x and y are swapped first, then flipped, as the name says.

    `inverse` undoes a turn, in the foreign frame: height and width are exchanged there if x and y are swapped.
    """

    IDENTITY = "identity"
    FLIP_Y = "flip-y"
    FLIP_X = "flip-x"
    ROTATE_180 = "rotate-180"
    SWAP = "swap"
    SWAP_FLIP_Y = "swap-flip-y"
    SWAP_FLIP_X = "swap-flip-x"
    SWAP_ROTATE_180 = "swap-rotate-180"

    @property
    def swaps(self) -> bool:
        """Whether x and y change places."""
        return self.value.startswith("swap")

    @property
    def flips_x(self) -> bool:
        """Whether x counts from the last column."""
        return self.value.endswith(("flip-x", "rotate-180"))

    @property
    def flips_y(self) -> bool:
        """Whether y counts from the last row."""
        return self.value.endswith(("flip-y", "rotate-180"))

    @property
    def inverse(self) -> Orientation:
        """The turn that undoes it."""
        exchanged = {Orientation.SWAP_FLIP_Y: Orientation.SWAP_FLIP_X, Orientation.SWAP_FLIP_X: Orientation.SWAP_FLIP_Y}
        return exchanged.get(self, self)

    def apply(self, xy: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return the turned (n, 2) coordinates, x first, for an image of `shape` (height, width) in pixels."""
        height, width = shape
        x, y = (xy[:, 1], xy[:, 0]) if self.swaps else (xy[:, 0], xy[:, 1])
        return np.stack([width - 1 - x if self.flips_x else x, height - 1 - y if self.flips_y else y], axis=1)


def turned(picks: Picks, orientation: Orientation, shape: tuple[int, int]) -> Picks:
    """Return picks turned to fit an image of `shape` (height, width); the very same if they fit as they are."""
    if orientation is Orientation.IDENTITY:
        return picks
    x, y = orientation.apply(picks.xy, shape).T
    return replace(picks, x=x, y=y)


class OrientationChoice(StrEnum):
    """What a user may ask for: the image decides, the coordinates stay as they are, or they are turned."""

    auto = "auto"
    as_is = "as-is"
    flip_y = "flip-y"
    flip_x = "flip-x"
    rotate_180 = "rotate-180"
    swap = "swap"
    swap_flip_y = "swap-flip-y"
    swap_flip_x = "swap-flip-x"
    swap_rotate_180 = "swap-rotate-180"

    @property
    def orientation(self) -> Orientation | None:
        """The turn that was asked for; None where the image decides."""
        if self is OrientationChoice.auto:
            return None
        return Orientation.IDENTITY if self is OrientationChoice.as_is else Orientation(self.value)


SCALES = tuple(Fraction(*pair) for pair in ((1, 2), (2, 1), (1, 3), (3, 1), (1, 4), (4, 1), (2, 3), (3, 2)))
"""Factors that coordinates are multiplied by. Chosen by hand: super-resolution and the usual binnings."""


class Hypothesis(NamedTuple):
    """What coordinates need to fit an image: they are multiplied by `scale`, then turned."""

    orientation: Orientation = Orientation.IDENTITY
    scale: Fraction = Fraction(1)

    def apply(self, xy: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return the (n, 2) coordinates as they fit an image of `shape` (height, width) in pixels, x first."""
        return self.orientation.apply(xy if self.scale == 1 else xy * float(self.scale), shape)

    def words(self) -> str:
        """Say it as in "the coordinates fit when multiplied by 2 and turned (flip-y)"."""
        is_over = self.scale < 1
        scaled = f"{'divided' if is_over else 'multiplied'} by {float(1 / self.scale if is_over else self.scale):g}"
        parts = [scaled] * (self.scale != 1) + [f"turned ({self.orientation.value})"] * (
            self.orientation is not Orientation.IDENTITY
        )
        return " and ".join(parts) or "as they are"


AS_IS = Hypothesis()
"""Coordinates that fit as they are. Derived: neither scaled nor turned."""

TURNS = tuple(Hypothesis(orientation) for orientation in Orientation)
"""All turns, that of coordinates as they are first. Derived: the eight of a rectangle."""

RESCALINGS = tuple(Hypothesis(orientation, scale) for scale in SCALES for orientation in Orientation)
"""All turns of coordinates of another scale. Derived: from `SCALES`."""
