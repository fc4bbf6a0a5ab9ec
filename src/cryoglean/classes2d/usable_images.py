"""Images that can be classified, read and normalised when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.particles.boxes import normalise_background

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from cryoglean.classes2d.particle_set import Images

NORMALISED = "backgrounds were not normalised: brought to mean 0 and standard deviation 1"


@dataclass(frozen=True)
class UsableImages:
    """Images in memory or on disk, indexed as an array is by rows.

    Attributes:
        stored: the images; all can be used.
        must_normalise: whether backgrounds are brought to mean 0 and standard deviation 1, outside the circle that fits
            the box; those that are flat stay as they are.
    """

    stored: Images
    must_normalise: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array: (n, box, box)."""
        return self.stored.shape

    def __len__(self) -> int:
        return int(self.stored.shape[0])

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Read some images, `(m, box, box)`.

        Raises:
            TableError: if a stack can no longer be read.
        """
        images = self.stored[rows]
        if not self.must_normalise:
            return images
        boxes, usable = normalise_background(torch.from_numpy(images), images.shape[-1] / 2)
        return np.where(usable.numpy()[:, None, None], boxes.numpy(), images)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.float32]:
        """Read all images; NumPy calls this."""
        return np.asarray(self[slice(None)], dtype)
