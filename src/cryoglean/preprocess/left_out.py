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

_QUIETEST_SHARE = 0.05
"""Share of a micrograph that is called its quietest places. Chosen by hand: noise alone gives them nearly the usual
contrast, and a bowl's middle, or the flat part beside a step, is as large."""

_PREPARED: WeakKeyDictionary[Micrograph, dict[tuple[float, torch.device | None], WorkingImage]] = WeakKeyDictionary()
"""Working images by diameter and device, as long as their micrograph is in memory. Resource: the picker, and what tells
which parts are left out, need the same one."""


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


def quietest(micrograph: Micrograph, diameter_angstrom: float, device: torch.device | None = None) -> float:
    """Return `quietest_contrast` of a micrograph.

    Args:
        micrograph: any size.
        diameter_angstrom: particle diameter.
        device: where to compute; the CPU by default.
    """
    return quietest_contrast(clean_image(micrograph, diameter_angstrom, device))


def quietest_contrast(working: WorkingImage) -> float:
    """Return the local contrast, a natural logarithm, of the quietest places among what is not left out.

    Noise is everywhere: its contrast is about 0 all over. Where a shade or a step has made up most of the contrast,
    places without it have far less.
    """
    contrast = sampled(working.contrast, working.exposed)
    return float(contrast.quantile(_QUIETEST_SHARE)) if len(contrast) else 0.0


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
    shown = _reasons(clean).repeat(clean.bin_factor // n, 0).repeat(clean.bin_factor // n, 1)
    rows, columns = (slice(part.start // n, math.ceil(part.stop / n)) for part in live)
    found = np.full([math.ceil(side / n) for side in micrograph.shape], Reason.unexposed, np.uint8)
    found[rows, columns] = shown[: rows.stop - rows.start, : columns.stop - columns.start]
    if mask is not None:
        found[binned_mask(mask, n).numpy()] = Reason.masked
    return found


def _reasons(clean: WorkingImage) -> NDArray[np.uint8]:
    """Return what is left out of a working image, as `left_out` does."""
    found, glaring = np.zeros(clean.image.shape, np.uint8), glaring_places(clean)
    if clean.exposed is not None:
        found[~clean.exposed.cpu().numpy()] = Reason.unexposed
    if glaring is not None:
        found[glaring.cpu().numpy()] = Reason.glaring
    return found
