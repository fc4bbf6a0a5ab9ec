"""Middle and spread of values that a few of them do not move."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation. Derived: 1 / its quantile at 3/4."""


def median_and_deviation(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the median of values of any shape, and their robust standard deviation about it."""
    median = values.median()
    return median, MAD_TO_SIGMA * (values - median).abs().median()
