"""Micrographs that stand out of their set by their number of picks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.preprocess.robust import MAD_TO_SIGMA

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEVIATIONS = 5
"""Standard deviations above the median that make an outlier. Chosen by hand: crowded micrographs of a set reach two or
three, a border or a patch of dirt that is picked all over far more."""


def outliers(counts: Mapping[str, int]) -> list[str]:
    """Find the micrographs that have far more picks than most, which may be dirt.

    The spread is that of most micrographs, by the median deviation, and that of counting (Poisson).

    Args:
        counts: picks by micrograph.

    Returns:
        Keys of the outliers, in the order given.
    """
    if not counts:
        return []
    values = np.array(list(counts.values()), dtype=np.float64)
    median = float(np.median(values))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(values - median))) + math.sqrt(max(median, 1.0))
    return [key for key, count in counts.items() if count > median + _DEVIATIONS * spread]
