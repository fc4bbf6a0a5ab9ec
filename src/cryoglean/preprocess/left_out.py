"""The parts of a micrograph that are left out, and why: not exposed, glaring, or masked."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from cryoglean.preprocess.borders import live_area
from cryoglean.preprocess.exposure import cover_mask
from cryoglean.preprocess.glaring import glaring_places, without_glaring
from cryoglean.preprocess.robust import sampled
from cryoglean.preprocess.working import binned_mask, working_image

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from cryoglean.micrograph import Micrograph
    from cryoglean.preprocess.working import WorkingImage

_PREPARED: WeakKeyDictionary[Micrograph, dict[tuple[float, torch.device | None], WorkingImage]] = WeakKeyDictionary()


class Reason(IntEnum):
    """Reason for which a part is left out; its value, a shade of grey, stands in files of masks, and 0 elsewhere."""

    glaring = 60
    unexposed = 90
    masked = 120


def clean_image(micrograph: Micrograph, diameter_angstrom: float, device: torch.device | None = None) -> WorkingImage:
    """Return the working image without glaring places, made once as long as the micrograph is in memory.

    Args:
        micrograph: any size.
        diameter_angstrom: particle diameter.
        device: where to compute; the CPU by default.
    """
    known = _PREPARED.setdefault(micrograph, {})
    key = diameter_angstrom, device
    if key not in known:
        diameter_px = diameter_angstrom / micrograph.pixel_size_angstrom
        known[key] = without_glaring(working_image(micrograph.image, diameter_px, device, micrograph.mask))
    return known[key]


def unevenness(micrograph: Micrograph, diameter_angstrom: float, device: torch.device | None = None) -> float:
    """Return the standard deviation of the local contrast, a natural logarithm, of what is not left out.

    Args:
        micrograph: any size.
        diameter_angstrom: particle diameter.
        device: where to compute; the CPU by default.
    """
    clean = clean_image(micrograph, diameter_angstrom, device)
    contrast = sampled(clean.contrast, clean.exposed)
    return float(contrast.std(correction=0)) if len(contrast) else 0.0


def left_out(micrograph: Micrograph, diameter_angstrom: float, device: torch.device | None = None) -> NDArray[np.uint8]:
    """Return what is left out of a micrograph, binned as far as that is exact, from the first pixel on.

    Args:
        micrograph: any size.
        diameter_angstrom: particle diameter.
        device: where to compute; the CPU by default.

    Returns:
        (ceil(h / n), ceil(w / n)) values of `Reason`, and 0 where nothing is left out.
    """
    clean, mask = clean_image(micrograph, diameter_angstrom, device), micrograph.mask
    live = live_area(cover_mask(micrograph.image, mask), mask)
    sides = [*zip(micrograph.shape, live, strict=True)]
    n = math.gcd(clean.bin_factor, *(edge for side, part in sides for edge in (part.start, part.stop % side)))
    rows, columns = (np.arange(0, side, n) - part.start for side, part in sides)
    (height, width), nearest = clean.image.shape, (axis // clean.bin_factor for axis in (rows, columns))
    place = np.ix_(*(axis.clip(0, side - 1) for axis, side in zip(nearest, (height, width), strict=True)))
    found = np.zeros((len(rows), len(columns)), np.uint8)
    glaring = glaring_places(clean)
    if clean.exposed is not None:
        found[~clean.exposed.cpu().numpy()[place]] = Reason.unexposed
    if glaring is not None:
        found[glaring.cpu().numpy()[place]] = Reason.glaring
    found[~(_is_in(rows, live[0])[:, None] & _is_in(columns, live[1]))] = Reason.unexposed
    if mask is not None:
        found[binned_mask(mask, n).numpy()] = Reason.masked
    return found


def _is_in(from_start: NDArray[np.intp], part: slice) -> NDArray[np.bool_]:
    """Tell which places, counted from the start of a part of a side, are in it."""
    return np.asarray((from_start >= 0) & (from_start < part.stop - part.start))
