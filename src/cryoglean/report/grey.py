"""Micrographs as grey pictures in which particles are easy to see: smaller, smoothed, and of even brightness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cryoglean.preprocess.borders import live_area
from cryoglean.preprocess.robust import MAD_TO_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_MAGNIFICATION = 4
"""Of small micrographs. Chosen by hand: beyond, nothing more is seen."""

_SMOOTHING_DIAMETERS, _MIN_SMOOTHING_PX = 0.045, 0.6
"""Standard deviation of the smoothing, in particle diameters, and at least in pixels. Chosen by hand: noise is damped,
and the inner structure of particles stays."""

_BACKGROUND_DIAMETERS, _BACKGROUND_SHARE = 2.5, 0.7
"""Standard deviation of the background's smoothing, in particle diameters, and the share of the background that is
subtracted. Chosen by hand: ice of changing thickness becomes even, and stays recognisable."""

_PERCENTILES, _MAX_DEVIATIONS = (0.3, 99.7), 5.0
"""Grey values that become dark and bright, but no farther from the median than so many robust standard deviations.
Chosen by hand: dirt and hot pixels take no contrast from the particles."""

_GREYS = (14.0, 226.0)
"""Darkest and brightest grey. Chosen by hand: circles of all colours can be seen on them."""

_UNEXPOSED_BRIGHTNESS = 0.3
"""Of borders without image, over that of the image. Chosen by hand: they can be told from the micrograph."""


def picture_scale(longest_px: int, max_px: int) -> float:
    """Return picture pixels per stored pixel: one over a whole number, or a whole number for small micrographs.

    Args:
        longest_px: longer side of the micrograph.
        max_px: maximum of the longer side of the picture.
    """
    if longest_px > max_px:
        return 1 / math.ceil(longest_px / max_px)
    return float(min(max_px // longest_px, _MAX_MAGNIFICATION))


def resized(image: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Bin or magnify (h, w); what is left over at the far edges when binning by whole pixels is left out.

    The stored place (x, y) is at ((x + 0.5) scale - 0.5, (y + 0.5) scale - 0.5) of the picture.
    """
    if scale > 1:
        return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)
    factor = round(1 / scale)
    height, width = (max(1, side // factor) for side in image.shape)
    whole = image[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def visible_grey(image: NDArray[np.float32], diameter_px: float) -> NDArray[np.uint8]:
    """Turn a micrograph into grey values 0 to 255 in which particles are easy to see.

    Args:
        image: (h, w).
        diameter_px: particle diameter in its pixels.
    """
    centred = image - np.float32(image.mean())
    fine = cv2.GaussianBlur(centred, (0, 0), max(_SMOOTHING_DIAMETERS * diameter_px, _MIN_SMOOTHING_PX))
    level = fine - _BACKGROUND_SHARE * _background(centred, _BACKGROUND_DIAMETERS * diameter_px)
    exposed = live_area(image)
    dark, bright = _contrast_range(level[exposed])
    low, high = _GREYS
    grey = np.clip(low + (level - dark) * ((high - low) / (bright - dark)), low, high)
    brightness = np.full(grey.shape, _UNEXPOSED_BRIGHTNESS, np.float32)
    brightness[exposed] = 1
    return np.asarray(grey * brightness, np.uint8)


def _background(image: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Smooth widely: on a small copy, as no detail is left anyway."""
    height, width = image.shape
    factor = max(1, int(sigma_px / 4))
    small = cv2.resize(image, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(small, (0, 0), sigma_px / factor, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _contrast_range(level: NDArray[np.float32]) -> tuple[float, float]:
    """Return the values to show as dark and bright: percentiles, bounded so that outliers take no contrast."""
    sample = level[::3, ::3]
    dark, median, bright = np.percentile(sample, (_PERCENTILES[0], 50, _PERCENTILES[1]))
    reach = _MAX_DEVIATIONS * MAD_TO_SIGMA * float(np.median(np.abs(sample - median)))
    if reach > 0:
        dark, bright = max(dark, median - reach), min(bright, median + reach)
    return (float(dark), float(bright)) if bright > dark else (float(median) - 1, float(median) + 1)
