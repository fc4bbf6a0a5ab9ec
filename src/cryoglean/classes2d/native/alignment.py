"""What is known of each image: its class, turn and shift."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Alignment:
    """Class, turn and shift of each image.

    Attributes:
        class_index: (n,) classes, -1 of an image that was never compared.
        posterior: (n,) their probabilities.
        angle: (n,) radians, from x towards y, by which the average is turned.
        shift: (n, 2) pixels, y and x, by which the image is moved to the middle.
        likelihood: (n,) logarithm of how much likelier the image is with the classes than without.
        correlation: (n,) normalised, weighted correlation with the class average, -1 to 1.
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
        index = torch.full((images,), -1, dtype=torch.long, device=device)
        one, two = torch.zeros(images, device=device), torch.zeros(images, 2, device=device)
        return cls(index, one, one, two, one, one)

    def copy(self) -> Alignment:
        """Return another with values of its own."""
        return Alignment(*(getattr(self, part.name).clone() for part in fields(self)))

    def put(self, rows: Tensor, found: Alignment, begin: Tensor) -> None:
        """Take over what was found for some images, which stood at the shifts `begin`."""
        for part in fields(self):
            value = getattr(found, part.name)
            getattr(self, part.name)[rows] = begin + value if part.name == "shift" else value
