"""A micrograph as a grey picture in which particles are easy to see: smaller, smoothed, and of even brightness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cryoglean.preprocess.borders import live_area
from cryoglean.preprocess.normalise import MAD_TO_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_MAGNIFICATION = 4
_SMOOTHING_DIAMETERS = 0.045
_LEAST_SMOOTHING_PX = 0.6
_BACKGROUND_DIAMETERS = 2.5
_BACKGROUND_SHARE = 0.7
_PERCENTILES = (0.3, 99.7)
_MOST_DEVIATIONS = 5.0
_GREYS = (14.0, 226.0)
_UNEXPOSED_BRIGHTNESS = 0.3


def picture_scale(longest_px: int, most_px: int) -> float:
    """Return picture pixels per stored pixel: one over a whole number, or a whole number for small micrographs.

    Args:
        longest_px: longer side of the micrograph.
        most_px: longer side of the picture, at most.
    """
    if longest_px > most_px:
        return 1 / math.ceil(longest_px / most_px)
    return float(min(most_px // longest_px, _MOST_MAGNIFICATION))


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
    fine = cv2.GaussianBlur(centred, (0, 0), max(_SMOOTHING_DIAMETERS * diameter_px, _LEAST_SMOOTHING_PX))
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
    """Return the grey values to show as dark and bright: percentiles, but no outlier may take all of the contrast."""
    sample = level[::3, ::3]
    dark, median, bright = np.percentile(sample, (_PERCENTILES[0], 50, _PERCENTILES[1]))
    most = _MOST_DEVIATIONS * MAD_TO_SIGMA * float(np.median(np.abs(sample - median)))
    if most > 0:
        dark, bright = max(dark, median - most), min(bright, median + most)
    return (float(dark), float(bright)) if bright > dark else (float(median) - 1, float(median) + 1)
