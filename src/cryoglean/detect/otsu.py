"""Otsu's threshold of values themselves, without the bins of a histogram, so that outliers make it no coarser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TIE = 1e-9
"""Relative difference in variance within which partings are equally good. Derived: above the rounding of sums of some
thousand values in double precision, which must not decide."""


def otsu_threshold(values: NDArray[np.float64]) -> float:
    """Return what parts values into two groups of the largest variance between them (Otsu, IEEE Trans. SMC 9, 1979).

    Args:
        values: (n,), n of 2 or more.

    Returns:
        The middle between the two groups, the lowest of those equally good; no value is above it if all are equal.
    """
    ordered = np.sort(values)
    below = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)[:-1]
    mean_below, mean_above = sums / below, (ordered.sum() - sums) / (len(ordered) - below)
    between = below * (len(ordered) - below) * (mean_above - mean_below) ** 2
    best = int(np.argmax(between >= (1 - _TIE) * between.max()))
    return float(ordered[best : best + 2].mean())
