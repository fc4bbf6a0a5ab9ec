"""Elongation of what a set's best disc finds: whether most go on in one direction, beyond the edge of their profile.

A disc fits the width of a rod, and the mean profile around it has the edge of that width. So each find is followed in
the direction in which it is best about its edge: a rod goes on there, a round particle ends, and between it and its
neighbour is a gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryoglean.detect.peaks import Peaks
    from cryoglean.detect.responses import FilteredMicrograph

_RADII = np.linspace(0, 1, 11)
"""Radii that are looked at, in diameters of the edge. Chosen by hand: up to where neighbours begin."""

_CHOOSING, _INSIDE, _OUTSIDE = slice(4, 7), slice(0, 7), slice(6, None)
"""Radii by which the direction is chosen, on both sides of the edge; where the particle is; where only a rod goes on.
Derived: from `_RADII`, in which the edge is at 0.5."""

_DIRECTIONS = 48
"""Directions that are tried. Chosen by hand: 7.5 degrees apart, less than the width of a rod's end."""

_WEDGE = np.arange(-2, 3)
"""Directions that are averaged. Chosen by hand: 37 degrees, a rod's width at its own distance."""

_SMOOTH_DIAMETERS = 0.1
"""Deviation of the Gaussian that the image is smoothed with. Chosen by hand: noise falls, edges of particles stay."""

_TRIMMED = 0.25
"""Share of the finds left out at either end of each mean. Chosen by hand: what lies in or beside dirt is among them."""

_GOES_ON = 0.03
"""Contrast outside, over that inside, from which finds are elongated. Chosen on simulated sets: -0.14 to 0 for round
particles, also crowded and among dirt, and on EMPIAR-10017 and 10146; 0.06 to 0.17 for rods of 2.2 and 3.3 times their
width, seeds 1 to 3 of the hard suite among them."""

_MIN_FINDS = 20
"""Fewer finds tell nothing. Chosen by hand: as many as make a mean profile."""


def is_elongated(fields: Sequence[FilteredMicrograph], finds: Sequence[Peaks], edges_px: Sequence[float]) -> bool:
    """Tell whether most finds go on beyond the edge of their mean profile in one direction.

    Args:
        fields: micrographs, particles high.
        finds: in each of them.
        edges_px: diameter of the edge in each of them.
    """
    rings = [_rings(*each) for each in zip(fields, finds, edges_px, strict=True)]
    along = _along(np.concatenate(rings))
    if len(along) < _MIN_FINDS:
        return False
    rest = int(_TRIMMED * len(along))
    mean = np.sort(along, axis=0)[rest : len(along) - rest].mean(axis=0)
    return bool(mean[_OUTSIDE].min() > _GOES_ON * mean[_INSIDE].max() > 0)


def _rings(field: FilteredMicrograph, finds: Peaks, edge_px: float) -> NDArray[np.float64]:
    """Return (n, radii, directions) the image around finds; those whose last ring leaves it are left out."""
    image = gaussian_filter(field.working.image.cpu().double().numpy(), _SMOOTH_DIAMETERS * edge_px)
    height, width = image.shape
    reach = _RADII[-1] * edge_px
    whole = (np.minimum(finds.x, finds.y) >= reach) & (finds.x < width - 1 - reach) & (finds.y < height - 1 - reach)
    angle = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    y, x = (
        at[whole][:, None, None] + edge_px * _RADII[:, None] * shift
        for at, shift in ((finds.y, np.sin(angle)), (finds.x, np.cos(angle)))
    )
    found: NDArray[np.float64] = map_coordinates(image, [y, x], order=1)
    return found


def _along(rings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, radii) the mean in a wedge around the direction of each find that is best about its edge."""
    near = rings[:, _CHOOSING].mean(axis=1)
    best = sum(np.roll(near, turn, axis=1) for turn in _WEDGE).argmax(axis=1)
    wedge = (best[:, None] + _WEDGE) % _DIRECTIONS
    mean: NDArray[np.float64] = np.take_along_axis(rings, wedge[:, None, :], axis=2).mean(axis=2)
    return mean
