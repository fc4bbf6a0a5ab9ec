"""From patches of particles to centres, as published: a fixed share of the area, connected pieces, their centroids.

Zamanos et al., Cell Rep. Methods (2025), Inference. Sizes are in pixels of a map twice as fine as the patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage
from torch.nn import functional

from cryoglean.detect.peaks import non_maximum_suppression
from cryoglean.limits import DEFAULT_SPACING_DIAMETERS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

AREA_SHARE = 0.04
"""Share of a micrograph that particles cover in the authors' training sets. Published (Zamanos et al. 2025,
Inference)."""

FINER = 2
"""Pixels of the map per patch along a side. Published in the authors' release (512 px of 256 patches)."""

_LARGEST_DIAMETERS = 2.0
"""Pieces of a larger area than a disc of so many diameters are dropped. Chosen by hand: the paper drops those "whose
radius exceeds by a threshold the particle radius", and does not say which."""

_BORDER_DIAMETERS = 1 / 1.5
"""Centres nearer to the border than so many diameters are dropped. Published in the authors' release."""


class Segments(NamedTuple):
    """Pieces of a map that are particles.

    Attributes:
        x: (n,) weighted centroids, in pixels of the map.
        y: (n,) weighted centroids.
        strength: (n,) mean of the map in each piece, above 0 and up to 1.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    strength: NDArray[np.float64]


def segments(mask: Tensor, diameter: tuple[float, float], min_distance: float = DEFAULT_SPACING_DIAMETERS) -> Segments:
    """Find the centres of particles in a mask.

    Args:
        mask: `(h, w)` booleans, a patch each.
        diameter: of a particle in patches, down and along a row; they differ where the image was squeezed.
        min_distance: minimum distance of two centres in diameters.

    Returns:
        The pieces, largest first.
    """
    certain = _enlarged(mask)
    size = [FINER * d for d in diameter]
    label, count = ndimage.label(_of_share(certain, AREA_SHARE))
    if count == 0:
        return Segments(np.zeros(0), np.zeros(0), np.zeros(0))
    which = np.arange(1, count + 1)
    area = ndimage.sum_labels(np.ones_like(certain), label, which)
    centre = np.array(ndimage.center_of_mass(certain, label, which)).reshape(-1, 2)
    strength = ndimage.mean(certain, label, which)
    whole = area <= _LARGEST_DIAMETERS**2 * np.pi / 4 * size[0] * size[1]
    margin = _BORDER_DIAMETERS * np.array(size)
    whole &= ((centre >= margin) & (centre <= np.array(certain.shape) - 1 - margin)).all(axis=1)
    order = np.argsort(-area, kind="stable")
    order = order[whole[order]]
    y, x = (centre[order] / size).T
    apart = non_maximum_suppression(x, y, min_distance)
    order = order[apart]
    return Segments(centre[order, 1], centre[order, 0], strength[order])


def _enlarged(mask: Tensor) -> NDArray[np.float64]:
    """Smooth a mask over 3 x 3 patches and make it finer; its largest value is 1."""
    soft = functional.avg_pool2d(mask.float()[None, None], 3, stride=1, padding=1)
    soft = soft / soft.max().clamp_min(1e-9)
    fine = functional.interpolate(soft, scale_factor=FINER, mode="bilinear", align_corners=False)
    return fine[0, 0].cpu().double().numpy()


def _of_share(certain: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Cut a map at the highest of its values that leaves more than a share of the area, or else above 0."""
    value, count = np.unique(certain, return_counts=True)
    above = count[::-1].cumsum()[::-1]
    enough = value[(above > share * certain.size) & (value > 0)]
    return certain >= enough[-1] if len(enough) else certain > 0
