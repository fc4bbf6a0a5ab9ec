"""Micrographs that stand out of their set by how many picks they have."""

from __future__ import annotations

import math

import numpy as np


def outliers(counts: dict[str, int]) -> list[str]:
    """Name the micrographs that have far more picks than most: what floods one may be dirt.

    Args:
        counts: picks by micrograph.
    """
    if not counts:
        return []
    values = np.array(list(counts.values()), dtype=np.float64)
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - median))) + math.sqrt(max(median, 1.0))
    return [key for key, n in counts.items() if n > median + 5 * spread]
