"""How the training of a masked autoencoder went: its curves, and tiles as they were, as shown and as predicted."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from cryoglean.io.atomic import atomic_path, write_atomic_bytes
from cryoglean.io.csv_tables import csv_text
from cryoglean.nets.mae_training import MaeCheck
from cryoglean.nets.tokens import patches_of, tiles_of
from cryoglean.report.footer import LEAST_WIDTH_PX, footer

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.nets.mae import Mae
    from cryoglean.nets.tiles import MaskedTiles

_HELD_OUT, _TRAINED, _RATE = "#d95f02", "#4c6a92", "#888888"
_DPI = 130
_TILES, _TILE_PX, _GAP_PX = 8, 192, 6
_HIDDEN = np.array((58, 62, 74), np.uint8)
_PERCENTILES = (0.5, 99.5)


def mae_curves_csv(checks: Sequence[MaeCheck]) -> str:
    """Return the curves as CSV, a line for each look; empty cells where nothing was held out."""
    rows = [[c.step, *("" if np.isnan(v) else f"{v:.6g}" for v in c[1:])] for c in checks]
    return csv_text(MaeCheck._fields, rows)


def draw_mae_curves(path: str | os.PathLike[str], checks: Sequence[MaeCheck]) -> None:
    """Draw loss and learning rate over the steps as PNG.

    Args:
        path: the picture; written whole or not at all.
        checks: one or more.

    Raises:
        OSError: if the file cannot be written.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, rates = figure.subplots(1, 2, width_ratios=(2, 1))
    step = [c.step for c in checks]
    losses.plot(step, [c.loss for c in checks], "o-", color=_TRAINED, markersize=3, label="trained on")
    if not np.isnan(checks[-1].held_out_loss):
        losses.plot(step, [c.held_out_loss for c in checks], "o-", color=_HELD_OUT, markersize=3, label="held out")
    losses.axhline(1, color=_RATE, linestyle="--", linewidth=1, label="variance of the pixels")
    losses.set(title="squared error of hidden patches", xlabel="step", yscale="log")
    losses.legend(fontsize=8, edgecolor="none")
    rates.plot(step, [c.rate for c in checks], color=_RATE)
    rates.set(title="learning rate", xlabel="step")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def draw_reconstructions(path: str | os.PathLike[str], net: Mae, examples: MaskedTiles) -> None:
    """Draw tiles as PNG, one a column: as they are, what the network is shown, and what it makes of that.

    Args:
        path: the picture; written whole or not at all.
        net: the network, on the tiles' device.
        examples: tiles, of which the first eight are drawn.

    Raises:
        OSError: if the file cannot be written.
    """
    tiles, masks = examples.split(_TILES)[0]
    side, grid = net.layers.patch_px, net.layers.grid
    patches, hidden = patches_of(tiles, side), masks.hidden[:, :, None].expand(-1, -1, side**2)
    with torch.no_grad():
        rebuilt = tiles_of(patches.scatter(1, hidden, net(tiles, masks)), side, grid)
    is_hidden = tiles_of(torch.zeros_like(patches).scatter(1, hidden, 1.0), side, grid) > 0
    dark, bright = np.percentile(tiles.cpu().numpy(), _PERCENTILES)
    rows = [_visible(some, dark, bright) for some in (tiles, tiles, rebuilt)]
    rows[1][is_hidden.cpu().numpy()] = _HIDDEN
    sheet = np.concatenate([_row(row) for row in rows])
    remark = f"{len(tiles)} tiles of {net.layers.tile_px} px: as they are, as shown to the network, predicted"
    strip = footer(sheet.shape[1], "What the masked autoencoder predicts", remark)
    encoded = io.BytesIO()
    Image.fromarray(np.concatenate([sheet, strip])).save(encoded, format="PNG")
    write_atomic_bytes(path, encoded.getvalue())


def _visible(tiles: Tensor, dark: float, bright: float) -> NDArray[np.uint8]:
    """Turn `(n, h, w)` tiles into (n, h, w, 3) colours, all on one scale."""
    span = bright - dark if bright > dark else 1.0
    grey = np.clip((tiles.cpu().numpy() - dark) / span, 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def _row(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay tiles side by side, enlarged, in a strip that is wide enough for the footer."""
    large = tiles.repeat(_zoom(tiles.shape[1]), axis=1).repeat(_zoom(tiles.shape[1]), axis=2)
    framed = [np.pad(tile, ((_GAP_PX, 0), (_GAP_PX, 0), (0, 0))) for tile in large]
    row = np.concatenate(framed, axis=1)
    missing = max(0, LEAST_WIDTH_PX - row.shape[1])
    return np.pad(row, ((0, 0), (0, missing), (0, 0)))


def _zoom(side: int) -> int:
    return max(1, round(_TILE_PX / side))
