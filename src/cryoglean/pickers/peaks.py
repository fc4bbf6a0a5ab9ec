"""From a response map to separate centres: local maxima, refined below the pixel, none closer than a distance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor


class Peaks(NamedTuple):
    """Maxima of a response map, highest first.

    Attributes:
        x: (n,) column of each maximum, in pixels of the map, refined below the pixel.
        y: (n,) row of each maximum.
        height: (n,) value at the maximum's pixel.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    height: NDArray[np.float64]

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Peaks:
        """Return the peaks at `which`, an index array or a mask."""
        return Peaks(self.x[which], self.y[which], self.height[which])


def find_peaks(response: Tensor, min_distance_px: float) -> Peaks:
    """Find the local maxima of a map, and of any two closer than a distance keep the higher.

    Args:
        response: `(h, w)` float; values that are not finite are never maxima.
        min_distance_px: least distance between two peaks, in pixels.

    Returns:
        The peaks, highest first (equal heights in order of row, then column). Refined positions stay within the map
        and keep the distance.
    """
    rows, columns = torch.nonzero(_local_maxima(response), as_tuple=True)
    dy, dx = _vertex_offsets(response, rows, columns)
    height = response[rows, columns].cpu().double().numpy()
    x, y = (columns + dx).cpu().double().numpy(), (rows + dy).cpu().double().numpy()
    highest_first = np.lexsort((columns.cpu().numpy(), rows.cpu().numpy(), -height))
    peaks = Peaks(x, y, height).take(highest_first)
    return peaks.take(separated(peaks.x, peaks.y, min_distance_px))


def separated(x: NDArray[np.float64], y: NDArray[np.float64], min_distance_px: float) -> NDArray[np.bool_]:
    """Walk through points in order and keep each that is not closer than a distance to one already kept.

    Args:
        x: (n,) coordinates, best point first.
        y: (n,) coordinates.
        min_distance_px: least distance between two points that are kept.

    Returns:
        (n,) mask of the points kept.
    """
    kept = np.ones(len(x), dtype=bool)
    if len(x) == 0 or min_distance_px <= 0:
        return kept
    tree = cKDTree(np.stack([x, y], axis=1))
    just_below = np.nextafter(min_distance_px, 0)  # points at exactly the distance may both stay
    pairs = tree.query_pairs(just_below, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]  # pairs come as (better, worse)
    for better, worse in pairs:
        if kept[better]:
            kept[worse] = False
    return kept


def _local_maxima(response: Tensor) -> Tensor:
    """Mask of pixels that are not below any of their eight neighbours and above one of them."""
    finite = torch.where(torch.isfinite(response), response, -torch.inf)
    around = torch.nn.functional.max_pool2d(finite[None, None], 3, stride=1, padding=1)[0, 0]
    lowest = -torch.nn.functional.max_pool2d(-finite[None, None], 3, stride=1, padding=1)[0, 0]
    return (finite == around) & (finite > lowest) & torch.isfinite(response)


def _vertex_offsets(response: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets of the vertices of two parabolas through each maximum and its neighbours, along rows and columns."""
    height, width = response.shape
    middle = response[rows, columns]
    above, below = response[(rows - 1).clamp_min(0), columns], response[(rows + 1).clamp_max(height - 1), columns]
    left, right = response[rows, (columns - 1).clamp_min(0)], response[rows, (columns + 1).clamp_max(width - 1)]
    inside_y, inside_x = (rows > 0) & (rows < height - 1), (columns > 0) & (columns < width - 1)
    return _vertex(above, middle, below) * inside_y, _vertex(left, middle, right) * inside_x


def _vertex(before: Tensor, middle: Tensor, after: Tensor) -> Tensor:
    curvature = before - 2 * middle + after
    offset = 0.5 * (before - after) / torch.where(curvature == 0, -1.0, curvature)
    return torch.where(torch.isfinite(offset), offset, 0.0).clamp(-0.5, 0.5)
