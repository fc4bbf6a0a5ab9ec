"""Middle and spread of values that a few of them do not move."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation. Derived: 1 / its quantile at 3/4."""


def sampled(image: Tensor, exposed: Tensor | None = None) -> Tensor:
    """Return (n,) or `(h, w)` a quarter of an image's values, which tells the same as neighbours are alike.

    Args:
        image: `(h, w)`.
        exposed: `(h, w)` booleans, the part that counts; all of it by default.
    """
    quarter = image[::2, ::2]
    return quarter if exposed is None else quarter[exposed[::2, ::2]]


def median_and_deviation(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the median of values of any shape, and their robust standard deviation about it."""
    median = values.median()
    return median, MAD_TO_SIGMA * (values - median).abs().median()
