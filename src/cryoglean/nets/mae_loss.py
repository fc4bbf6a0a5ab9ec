"""Loss of a masked autoencoder: the error of the patches that it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import mse_loss

from cryoglean.nets.tokens import patches_of, take

if TYPE_CHECKING:
    from torch import Tensor


def hidden_error(predicted: Tensor, tiles: Tensor, hidden: Tensor, patch_px: int) -> Tensor:
    """Return the mean squared error over the pixels of hidden patches.

    Args:
        predicted: `(n, k, patch * patch)`.
        tiles: `(n, tile, tile)`, what is true.
        hidden: `(n, k)` numbers of the patches that were predicted.
        patch_px: side of a patch.
    """
    return mse_loss(predicted.float(), take(patches_of(tiles, patch_px), hidden))
