"""The threshold at which two halves of the images are said to agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Values = TypeVar("Values", Tensor, NDArray[np.float64])


def half_bit(members: Values) -> Values:
    """Return the ring correlation of half sets at which a ring holds half a bit of information per member.

    Unlike a fixed threshold it asks for more where a ring has few members: van Heel and Schatz, J. Struct. Biol. 151,
    250 (2005), eq. 17.

    Args:
        members: independent Fourier pixels of each ring, above 0.
    """
    root = members**0.5
    return (0.2071 * root + 1.9102) / (1.2071 * root + 0.9102)
