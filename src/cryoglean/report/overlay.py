"""Picture of a micrograph with its picks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cryoglean.io.atomic import write_atomic_bytes
from cryoglean.report.footer import BACKGROUND, MIN_WIDTH_PX, Legend, footer
from cryoglean.report.grey import picture_scale, resized, visible_grey
from cryoglean.words import counted

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from cryoglean.picks import Picks

LONGEST_SIDE_PX = 1400
"""Micrographs are binned to this or less. Resource: a picture fits on a screen."""

_SUBPIXEL_BITS = 4
"""Fractional bits of OpenCV's drawing coordinates. Chosen by hand: circles are placed to a sixteenth of a pixel."""

_COLOURS_FROM = 70
"""First of the 256 colours used. Chosen by hand: darker ones do not show on a dark micrograph."""

_FINE_LINES_BELOW_PX = 20
"""Smaller particles have thinner circles. Chosen by hand: what is inside stays free."""

_LINE_OPACITY = 0.8
"""Of the circles. Chosen by hand: the micrograph shows through."""

LEFT_OUT_RGB, LEFT_OUT_OPACITY = (230, 110, 40), 0.28
"""Shade over what is left out. Chosen by hand: orange is none of the colours of grey values or weak picks, and what is
below shows through."""

_USUAL_LOWEST_SCORE = 0.5
"""Score of the weakest colour where no score is lower. Derived: the default threshold of the pickers."""

_PNG_EFFORT = 1
"""zlib level. Resource: noise does not compress, and higher levels only take longer."""


def draw_overlay(
    path: str | os.PathLike[str],
    image: NDArray[np.float32],
    picks: Picks,
    diameter_px: float,
    *,
    caption: str = "",
    pixel_size_angstrom: float | None = None,
    left_out: NDArray[np.uint8] | None = None,
) -> None:
    """Draw a circle of the particle's diameter round each pick, coloured by its score, and write it as PNG.

    The micrograph is binned (or magnified, a small one), slow changes of grey are softened, and fine noise is smoothed,
    so that particles can be seen; the centre of a pick stays free. A strip below has the caption and legend. Circles of
    a smaller species are half as large.

    Args:
        path: the picture; written whole or not at all.
        image: (h, w) micrograph as stored.
        picks: of the micrograph, possibly none.
        diameter_px: particle diameter in pixels of the micrograph.
        caption: name of the micrograph.
        pixel_size_angstrom: for the scale bar; none is drawn without it.
        left_out: (h, w), not 0 where the micrograph is left out, binned from its first pixel on; shaded.

    Raises:
        OSError: if the file cannot be written.
    """
    scale = picture_scale(max(image.shape), LONGEST_SIDE_PX)
    grey = visible_grey(resized(image, scale), diameter_px * scale)
    canvas = np.repeat(grey[..., None], 3, axis=2)
    lowest = lowest_shown_score(picks)
    if left_out is not None:
        _shade(canvas, left_out, scale * math.ceil(image.shape[0] / left_out.shape[0]))
    _draw_circles(canvas, picks, lowest, scale, diameter_px * scale)
    canvas = _padded(canvas)
    strip = footer(
        canvas.shape[1],
        caption,
        _remark(picks, diameter_px, pixel_size_angstrom),
        angstrom_per_px=None if pixel_size_angstrom is None else pixel_size_angstrom / scale,
        legend=_legend(picks, lowest) if len(picks) else None,
    )
    whole = cv2.cvtColor(np.concatenate([canvas, strip]), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".png", whole, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT])
    write_atomic_bytes(path, encoded.tobytes())


def lowest_shown_score(picks: Picks) -> float:
    """Return the score of the weakest colour: a round number, so that the pictures of one set agree about colours."""
    if not len(picks):
        return 0.0
    lowest = float(picks.score.min())
    return lowest if picks.score_kind == "foreign" else min(math.floor(lowest * 10) / 10, _USUAL_LOWEST_SCORE)


def highest_shown_score(picks: Picks) -> float:
    """Return the score of the strongest colour."""
    return float(picks.score.max()) if picks.score_kind == "foreign" else 1.0


def score_palette() -> NDArray[np.uint8]:
    """Return (n, 3) RGB colours, the weakest first: violet to yellow by even steps of lightness."""
    ramp = np.arange(_COLOURS_FROM, 256, dtype=np.uint8)[:, None]
    return np.asarray(cv2.applyColorMap(ramp, cv2.COLORMAP_PLASMA)[:, 0, ::-1], np.uint8)


def _shade(canvas: NDArray[np.uint8], left_out: NDArray[np.uint8], scale: float) -> None:
    """Shade what is left out on an RGB canvas of `scale` picture pixels per pixel of that."""
    places = (
        ((np.arange(side) + 0.5) / scale).astype(np.intp).clip(0, n - 1)
        for side, n in zip(canvas.shape[:2], left_out.shape, strict=True)
    )
    shaded = left_out[np.ix_(*places)] > 0
    canvas[shaded] = (1 - LEFT_OUT_OPACITY) * canvas[shaded] + LEFT_OUT_OPACITY * np.array(LEFT_OUT_RGB)


def _draw_circles(canvas: NDArray[np.uint8], picks: Picks, lowest: float, scale: float, diameter_px: float) -> None:
    """Draw all picks, the strongest on top, on an RGB canvas of `scale` picture pixels per stored pixel."""
    if not len(picks):
        return
    palette, bare = score_palette(), canvas.copy()
    weakest_first = picks.best_first().take(np.arange(len(picks))[::-1])
    share = (weakest_first.score - lowest) / max(highest_shown_score(picks) - lowest, 1e-9)
    colours = palette[np.rint(share * (len(palette) - 1)).astype(int)]
    centres = np.rint(((weakest_first.xy + 0.5) * scale - 0.5) * 2**_SUBPIXEL_BITS).astype(int)
    radii = np.rint(np.maximum(diameter_px / 2 / weakest_first.species_numbers, 2.0) * 2**_SUBPIXEL_BITS)
    thickness = 1 if diameter_px < _FINE_LINES_BELOW_PX else 2
    for centre, radius, colour in zip(centres.tolist(), radii.astype(int).tolist(), colours.tolist(), strict=True):
        cv2.circle(canvas, centre, radius, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
    cv2.addWeighted(canvas, _LINE_OPACITY, bare, 1 - _LINE_OPACITY, 0, canvas)


def _padded(canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put a narrow picture into the middle of one that is wide enough for the strip below."""
    missing = max(MIN_WIDTH_PX - canvas.shape[1], 0)
    left = missing // 2
    return np.asarray(
        cv2.copyMakeBorder(canvas, 0, 0, left, missing - left, cv2.BORDER_CONSTANT, value=BACKGROUND), np.uint8
    )


def _remark(picks: Picks, diameter_px: float, pixel_size_angstrom: float | None) -> str:
    count = counted(len(picks), "pick")
    if pixel_size_angstrom is None:
        return f"{count}, circles of {diameter_px:.4g} px"
    smaller = int((picks.species_numbers > 1).sum())
    species = f", {smaller} of a smaller species in half as large ones" if smaller else ""
    return f"{count}, circles of {diameter_px * pixel_size_angstrom:.4g} Å{species}"


def _legend(picks: Picks, lowest: float) -> Legend:
    return Legend(score_palette(), f"{lowest:.3g}", "score", f"{highest_shown_score(picks):.3g}")
