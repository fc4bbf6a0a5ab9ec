"""Class averages for a page: each an image with its numbers and the decision on it."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from cryoglean.report.gallery import average_grey, circle_share
from cryoglean.report.viewer_data import data_uri

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.report.run_facts import Gallery

MAX_SIDE_PX = 128
"""Larger averages are reduced to this. Resource: hundreds of classes fit into a page."""


@dataclass(frozen=True)
class ClassTile:
    """Class average.

    Attributes:
        number: counted from 1, as `rlnClassNumber`.
        image: data URI; None for a class without particles.
        particles: number of these.
        share: of all particles.
        resolution_angstrom: None where nothing stands out of the noise.
        percent_per_resolution: share in per cent over the resolution in angstrom.
        kept: whether it is kept.
        reason: of the decision.
    """

    number: int
    image: str | None
    particles: int
    share: float
    resolution_angstrom: float | None
    percent_per_resolution: float
    kept: bool
    reason: str


def class_tiles(gallery: Gallery, diameter_angstrom: float) -> list[ClassTile]:
    """Return all classes of a gallery, best first, grey values as far apart as those inside the particle allow."""
    classes, selection = gallery.classes, gallery.selection
    explanations = selection.explanations
    circle = circle_share(classes.averages.shape[-1], gallery.pixel_size_angstrom, diameter_angstrom)
    tiles = []
    for k in map(int, selection.best_first()):
        count, resolution = int(classes.counts[k]), float(classes.resolution_angstrom[k])
        tiles.append(
            ClassTile(
                number=k + 1,
                image=_png(average_grey(classes.averages[k], circle)) if count else None,
                particles=count,
                share=float(classes.share[k]),
                resolution_angstrom=resolution if math.isfinite(resolution) else None,
                percent_per_resolution=float(classes.percent_per_resolution[k]),
                kept=bool(selection.kept[k]),
                reason=explanations[k],
            )
        )
    return tiles


def _png(grey: NDArray[np.uint8]) -> str:
    picture = Image.fromarray(grey)
    picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG", optimize=True)
    return data_uri(encoded.getvalue(), "png")
