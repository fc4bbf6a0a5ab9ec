"""Results of the native engine, from its last iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.classes2d.classification import Assignments, Classes
from cryoglean.classes2d.native.averages import add_up, corrected, degrees, half_correlation, plain

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.classes2d.native.alignment import Alignment
    from cryoglean.classes2d.native.schedule import Geometry
    from cryoglean.classes2d.particle_set import Images


def class_results(
    images: Images,
    ctf: Tensor,
    half: Tensor,
    alignment: Alignment,
    geometry: Geometry,
    stands_out: Tensor,
    pixel_size: float,
) -> Classes:
    """Average the aligned images of each class, and see how far it is resolved and its halves agree.

    Args:
        images: (n, box, box).
        ctf: (n, rings).
        half: (n,) which of two halves each image belongs to.
        alignment: of the images.
        geometry: sizes.
        stands_out: (k, rings) signal-to-noise ratio of the averages that the images were aligned to last.
        pixel_size: in angstrom.
    """
    index, classes = alignment.class_index, len(stands_out)
    sums = add_up(images, ctf, alignment.shift, alignment.angle, index, half, classes)
    correlation = half_correlation(sums, geometry.radius_px, geometry.edge_px)
    sure = correlation.clamp(1e-3, 0.999)
    signal_to_noise = 2 * sure / (1 - sure)
    counts = sums.counts.sum(0)
    resolution = torch.where(counts > 0, resolutions(stands_out, geometry, pixel_size), torch.inf)
    return Classes(
        corrected(sums, signal_to_noise).cpu().numpy(),
        plain(sums).cpu().numpy(),
        counts.cpu().numpy().astype(np.int64),
        resolution.double().cpu().numpy(),
        correlation.double().cpu().numpy(),
        signal_to_noise.double().cpu().numpy(),
    )


def resolutions(signal_to_noise: Tensor, geometry: Geometry, pixel_size: float) -> Tensor:
    """Return up to where classes stand out of their noise, in angstrom; infinite for those that do not.

    The last ring before the signal-to-noise ratio falls below 1, as RELION has its estimated resolution (Scheres, J.
    Struct. Biol. 180, 519, 2012). All images of a class are aligned to one average, so it is what they agree on, noise
    that was aligned included. On the rings with which the search begins even noise stands out: more is asked for.

    Args:
        signal_to_noise: (k, rings) spectral signal-to-noise ratio of the averages, rings from 1.
        geometry: sizes.
        pixel_size: in angstrom.
    """
    rings = (signal_to_noise >= 1).long().cumprod(-1).sum(-1)
    return torch.where(rings > geometry.first_rings, geometry.box_px * pixel_size / rings, torch.inf)


def assignments(alignment: Alignment, pixel_size: float) -> Assignments:
    """Return an alignment in RELION's convention."""
    return Assignments(
        alignment.class_index.cpu().numpy(),
        degrees(alignment.angle).double().cpu().numpy(),
        (alignment.shift.flip(1).double() * pixel_size).cpu().numpy(),
        alignment.posterior.double().clamp(0, 1).cpu().numpy(),
        alignment.correlation.double().clamp(0, 1).cpu().numpy(),
    )
