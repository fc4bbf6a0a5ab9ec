"""From a response map to separate centres: local maxima, refined below the pixel, none closer than a distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryoglean.picks import Picks

_MAX_CELLS = 2048
"""Most cells along a side in which neighbours are looked up. Resource: bounds memory; no result depends on it."""


_MAX_ROUNDS = 20
"""Rounds after which points are walked. Resource: noise takes 11 to 13; no result depends on it."""


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

    @property
    def xy(self) -> NDArray[np.float64]:
        """(n, 2) places, x first."""
        return np.column_stack([self.x, self.y])

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Peaks:
        """Return the peaks at `which`, an index array or a mask."""
        return Peaks(self.x[which], self.y[which], self.height[which])


def distance_to_nearest(xy: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (n,) distances of (n, 2) points to the nearest of (m, 2) others; infinite where there are none."""
    return np.asarray(cKDTree(others).query(xy)[0]) if len(others) else np.full(len(xy), np.inf)


def find_peaks(response: Tensor, min_distance_px: float) -> Peaks:
    """Find the local maxima of a map, and of any two closer than a distance keep the higher.

    Args:
        response: `(h, w)` float; values that are not finite are never maxima.
        min_distance_px: minimum distance between two peaks, in pixels.

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
    return peaks.take(non_maximum_suppression(peaks.x, peaks.y, min_distance_px))


def non_maximum_suppression(
    x: NDArray[np.float64], y: NDArray[np.float64], min_distance_px: float
) -> NDArray[np.bool_]:
    """Keep each point, best first, that is not nearer than a distance to one already kept.

    Done for all points at once: in rounds, a point that comes before all undecided ones around it is kept, and what is
    too close to it is not. That gives what the walk gives, as a point depends on nothing else. Where points wait for
    each other in long rows, as on a lattice, the rest is walked.

    Args:
        x: (n,) coordinates, best point first.
        y: (n,) coordinates.
        min_distance_px: minimum distance between two points that are kept.

    Returns:
        (n,) mask of the points kept.
    """
    if min_distance_px <= 0:
        return np.ones(len(x), dtype=bool)
    if len(x) == 0:
        return np.ones(0, dtype=bool)
    kept = np.zeros(len(x), dtype=bool)
    side = max(min_distance_px, float(max(np.ptp(x), np.ptp(y))) / _MAX_CELLS)
    column, row = (np.floor((v - v.min()) / side).astype(np.int64) + 1 for v in (x, y))
    across = int(column.max()) + 2  # an empty cell all round: neighbours need no check for the border
    cell = row * across + column
    cells = (int(row.max()) + 2) * across
    near = [dy * across + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    undecided, rounds = np.arange(len(x)), 0
    while len(undecided):
        if rounds == _MAX_ROUNDS:
            kept[_walked(undecided, x, y, cell, across, min_distance_px)] = True
            break
        rounds += 1
        first = np.full(cells, len(x))  # of the undecided points in each cell
        np.minimum.at(first, cell[undecided], undecided)
        best_around = np.min([first[cell[undecided] + step] for step in near], axis=0)
        winners = undecided[undecided == best_around]
        kept[winners] = True
        undecided = _not_close_to(winners, undecided, x, y, cell, cells, near, min_distance_px)
    return kept


def _walked(
    points: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    cell: NDArray[np.int64],
    across: int,
    distance: float,
) -> list[int]:
    """Keep each point, best first, unless one nearer than a distance is kept; as many steps as are kept."""
    by_cell = points[np.argsort(cell[points], kind="stable")]
    cells, kept = cell[by_cell], list[int]()
    free = np.zeros(len(x), dtype=bool)
    free[points] = True
    for point in points.tolist():
        if not free[point]:
            continue
        kept.append(point)
        for row in (cell[point] - across, cell[point], cell[point] + across):  # three cells of each lie side by side
            around = by_cell[slice(*np.searchsorted(cells, (row - 1, row + 2)))]
            free[around[(x[around] - x[point]) ** 2 + (y[around] - y[point]) ** 2 < distance**2]] = False
    return kept


def _not_close_to(
    winners: NDArray[np.int64],
    points: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    cell: NDArray[np.int64],
    cells: int,
    near: Sequence[int],
    distance: float,
) -> NDArray[np.int64]:
    """Drop the winners, of which no two lie in neighbouring cells, and what is closer to one than the distance."""
    winner_in = np.full(cells, -1)
    winner_in[cell[winners]] = winners
    free = np.ones(len(points), dtype=bool)
    for step in near:
        winner = winner_in[cell[points] + step]
        close = (x[points] - x[winner]) ** 2 + (y[points] - y[winner]) ** 2 < distance**2
        free &= ~((winner >= 0) & (close | (winner == points)))
    return points[free]


def _local_maxima(response: Tensor) -> Tensor:
    """Mask of pixels that are not below any of their eight neighbours and above one of them."""
    finite = torch.where(torch.isfinite(response), response, -torch.inf)
    highest, lowest = _extreme_around(finite, torch.maximum), _extreme_around(finite, torch.minimum)
    return (finite == highest) & (finite > lowest) & torch.isfinite(response)


def _extreme_around(image: Tensor, extreme: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return the extreme of each pixel and its eight neighbours: of rows, then of columns, many times as fast as 2D."""
    padded = torch.nn.functional.pad(image[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    rows = extreme(extreme(padded[:-2], padded[1:-1]), padded[2:])
    return extreme(extreme(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


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


def inside(places: Peaks | Picks, shape: Sequence[int], margin_px: float) -> NDArray[np.bool_]:
    """Mask of the places that are not closer than a margin to an edge of a map of (height, width)."""
    height, width = shape
    inside_x = (places.x >= margin_px) & (places.x <= width - 1 - margin_px)
    return inside_x & (places.y >= margin_px) & (places.y <= height - 1 - margin_px)
