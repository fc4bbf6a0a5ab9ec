"""Results of the native engine, from its last iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.classes2d.classification import Assignments, Classes
from cryoglean.classes2d.native.averages import add_up, corrected, degrees, half_correlation, plain, ring_sums
from cryoglean.classes2d.native.rings import agrees_as_a_whole, reproducible_rings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from cryoglean.classes2d.native.schedule import Geometry
    from cryoglean.classes2d.native.search import EStepResult

_JUDGED_RINGS = 5
"""Rings beyond the shared ones that must agree as a whole. Chosen by hand: more have too little signal to agree, and
fewer are too few to tell chance from signal."""


@dataclass(frozen=True)
class Alignment:
    """Class, turn and shift of each image.

    Attributes:
        class_index: (n,) classes, -1 at first.
        posterior: (n,) their probabilities.
        angle: (n,) radians, from x towards y, by which the average is turned.
        shift: (n, 2) pixels, y and x, by which the image is moved to the middle.
        likelihood: (n,) logarithm of how much likelier the image is with the classes than without.
        correlation: (n,) normalised correlation with the class average.
    """

    class_index: Tensor
    posterior: Tensor
    angle: Tensor
    shift: Tensor
    likelihood: Tensor
    correlation: Tensor

    @classmethod
    def unknown(cls, images: int, device: torch.device) -> Alignment:
        """Return what is known before the first iteration."""
        nothing = torch.zeros(images, device=device)
        index = torch.full((images,), -1, dtype=torch.long, device=device)
        return cls(index, nothing, nothing, torch.zeros(images, 2, device=device), nothing, nothing)

    @classmethod
    def of(cls, found: Sequence[EStepResult], begin: Tensor) -> Alignment:
        """Join what was found for batches of images that stood at the shifts `begin`."""
        return cls(
            torch.cat([part.class_index for part in found]),
            torch.cat([part.posterior for part in found]),
            torch.cat([part.angle for part in found]),
            begin + torch.cat([part.shift for part in found]),
            torch.cat([part.likelihood for part in found]),
            torch.cat([part.correlation for part in found]),
        )

    def sorted_back(self, order: Tensor) -> Alignment:
        """Return it in the order in which the images came, of which `order` was made."""
        back = torch.argsort(order.to(self.class_index.device))
        return Alignment(*(getattr(self, name)[back] for name in self.__dataclass_fields__))


def class_results(
    images: Tensor, ctf: Tensor, half: Tensor, alignment: Alignment, geometry: Geometry, classes: int, pixel_size: float
) -> Classes:
    """Average the aligned images of each class and see how far its halves agree.

    Args:
        images: (n, box, box).
        ctf: (n, rings).
        half: (n,) to which half each image belonged while it was aligned.
        alignment: of the images.
        geometry: sizes.
        classes: how many.
        pixel_size: in angstrom.
    """
    half = half.to(images.device)
    sums = add_up(images, ctf, alignment.shift, alignment.angle, alignment.class_index, half, classes)
    correlation = half_correlation(sums, geometry.radius_px, geometry.edge_px)
    sure = correlation.clamp(1e-3, 0.999)
    signal_to_noise = 2 * sure / (1 - sure)
    resolution = resolutions(correlation, geometry, pixel_size)
    return Classes(
        corrected(sums, signal_to_noise).cpu().numpy(),
        plain(sums).cpu().numpy(),
        sums.counts.sum(0).cpu().numpy().astype(np.int64),
        resolution.numpy(),
        correlation.double().cpu().numpy(),
        signal_to_noise.double().cpu().numpy(),
    )


def resolutions(correlation: Tensor, geometry: Geometry, pixel_size: float) -> Tensor:
    """Return how far classes reproduce between halves, in angstrom; infinite for those that do not.

    On the rings that the halves shared even aligned noise agrees: the next ones must agree as a whole.

    Args:
        correlation: (k, box // 2 + 1).
        geometry: sizes.
        pixel_size: in angstrom.
    """
    box, device = geometry.box_px, correlation.device
    used = slice(1, geometry.max_rings + 1)
    members = ring_sums(torch.ones(1, box, box // 2 + 1, device=device))[0, used]
    share = np.pi * (geometry.radius_px + geometry.edge_px / 2) ** 2 / box**2
    members = members * min(share, 1.0)
    shared = geometry.shared_rings
    beyond, found = slice(shared, shared + _JUDGED_RINGS), correlation[:, used]
    rings = reproducible_rings(found, members).clamp_min(shared + 1)
    real = agrees_as_a_whole(found[:, beyond], members[beyond])
    return torch.where(real, box * pixel_size / rings, torch.inf).double().cpu()


def assignments(alignment: Alignment, pixel_size: float) -> Assignments:
    """Return an alignment in RELION's convention."""
    return Assignments(
        alignment.class_index.cpu().numpy(),
        degrees(alignment.angle).double().cpu().numpy(),
        (alignment.shift.flip(1).double() * pixel_size).cpu().numpy(),
        alignment.posterior.double().clamp(0, 1).cpu().numpy(),
        alignment.correlation.double().clamp(0, 1).cpu().numpy(),
    )
