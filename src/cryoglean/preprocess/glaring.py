"""Glaring places of a micrograph: what has far more contrast than the rest, as gold and drops of ice have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.preprocess.working import WorkingImage

GLARING_CONTRAST = 1.0
"""Local contrast, a natural logarithm over the median, beyond which a place is dirt. Chosen on simulated sets: 0.5,
0.7 and 1.0 gave two dirty ones, before decoys, the same F1 within 0.006; ribosomes and GroEL far from focus, at 80
electrons per square angstrom, reach 0.5."""

_REACH_DIAMETERS = 0.25
"""How far around such a place an image is left out. Chosen by hand: the window of contrast fades there."""

_MAX_SHARE = 0.25
"""Largest share of a micrograph that is dirt. Chosen by hand: where more has much contrast, the median may be that of a
grid bar, and the rest the ice."""


def without_glaring(working: WorkingImage) -> WorkingImage:
    """Leave glaring places out of a working image, as if they had not been exposed.

    A filter's response to them outweighs that to particles, whose template would not be found.
    """
    glaring = glaring_places(working)
    if glaring is None:
        return working
    return working.without(glaring)


def glaring_places(working: WorkingImage) -> Tensor | None:
    """Return `(h, w)` booleans, where a working image has dirt; None where it has none, or too much to be any."""
    glaring = working.contrast > GLARING_CONTRAST
    if not glaring.any():
        return None
    glaring = widened(glaring, max(1, round(_REACH_DIAMETERS * working.diameter_px)))
    return None if float(glaring.float().mean()) > _MAX_SHARE else glaring


def widened(mask: Tensor, reach_px: int) -> Tensor:
    """Return a `(h, w)` mask of all that is within a square, `reach_px` to each side, of what a mask holds."""
    pool, side = torch.nn.functional.max_pool2d, 2 * reach_px + 1
    near = pool(mask.float()[None, None], (side, 1), stride=1, padding=(reach_px, 0))
    near = pool(near, (1, side), stride=1, padding=(0, reach_px))  # a square, one side at a time
    return near[0, 0] > 0
