"""Localpicker as published: blobs of a locally averaged image, by the determinant of the Hessian, above a threshold.

McSweeney et al., IUCrJ 7, 719 (2020), section 2.3, with the settings of the authors' release. One thing is not as
released: there each image column is standardised on its own, a side effect of a scaler made for tables, which lets a
particle change the grey values above and below it. The paper does not ask for that; here the whole image is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from scipy.ndimage import gaussian_filter
from skimage.feature import blob_doh, hessian_matrix_det
from skimage.filters import threshold_local

from cryoglean.detect.peaks import non_maximum_suppression
from cryoglean.pickers.settings import PickerSettings
from cryoglean.picks import Picks
from cryoglean.preprocess.exposure import cover_mask
from cryoglean.preprocess.normalise import bin_by_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.micrograph import Micrograph

BLUR_SIGMA_PX = 0.5
"""Standard deviation of the blur before binning. Published in the authors' release."""

LOCAL_WINDOW_PX = 9
"""Side of the Gaussian window of the local mean, in binned pixels. Published in the authors' release."""

THRESHOLD_BY_DEFOCUS = ((5_000.0, 0.00008), (30_000.0, 0.00015))
"""(defocus in angstrom, threshold): interpolated between the two, constant beyond them. Published in the authors'
release."""

THRESHOLD_WITHOUT_DEFOCUS = 0.001
"""Lower end of the range that the paper recommends, 0.001 to 0.0015. Published (McSweeney et al. 2020, section 4.1).

Grey values are scaled by the brightest binned pixel, so a few very bright ones make every response smaller. Paper and
release, ten times apart, both fit that scale (and not that of unit variance): the paper's range keeps compact dark
particles where nothing outshines them, at the release's values broad weak blobs come in and displace them. So the
larger one stands where nothing is known of a micrograph.
"""

_LAG_PX = 0.75
"""scikit-image's box filters see a blob half a binned pixel to one, depending on its size, up and left of its centre.
The release leaves it there; here it is brought back. Format: a fact of scikit-image; the middle of the two."""


class PaperLocalpickerSettings(PickerSettings):
    """Settings of the published Localpicker, besides those of `PickerSettings`.

    The diameter sets the minimum distance between picks and the box, not the shape.

    Attributes:
        bin_factor: stored pixels per binned pixel; the paper uses 7 to 9, for particles of 180 to 280 px.
        min_sigma_px: least blob size (about its radius), in binned pixels; the response is inaccurate below 3.
        max_sigma_px: largest blob size, in binned pixels.
        overlap: of two blobs that share more of their area than this the smaller is dropped.
        threshold: least determinant of the Hessian; None takes it from the defocus (`THRESHOLD_BY_DEFOCUS`), or
            where that is unknown `THRESHOLD_WITHOUT_DEFOCUS`.
        box_diameters: side of the box that must lie inside the micrograph, in particle diameters.
        min_particles: a micrograph with fewer yields no picks at all.
    """

    method: Literal["localpicker"] = "localpicker"
    preset: Literal["paper"] = "paper"
    bin_factor: Annotated[int, Field(ge=1)] = 9
    min_sigma_px: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 3.0
    max_sigma_px: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 10.0
    overlap: Annotated[float, Field(ge=0, le=1)] = 0.1
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    box_diameters: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 260 / 240
    min_particles: Annotated[int, Field(ge=0)] = 6

    @model_validator(mode="after")
    def _sizes_are_in_order(self) -> Self:
        if self.max_sigma_px < self.min_sigma_px:
            raise ValueError(f"max_sigma_px {self.max_sigma_px:g} is below min_sigma_px {self.min_sigma_px:g}")
        return self


class PaperLocalpicker:
    """Pick blobs as the paper does."""

    def __init__(self, settings: PaperLocalpickerSettings) -> None:
        self.settings = settings

    def pick(self, micrograph: Micrograph) -> Picks:
        """Find the blobs of one micrograph.

        Args:
            micrograph: any size; its defocus sets the threshold where it is known and none is given.

        Returns:
            Picks to the binned pixel with uncalibrated scores, best first: response / (response + threshold),
            0.5 at the threshold.
        """
        covered, threshold = cover_mask(micrograph.image, micrograph.mask), self.threshold(micrograph)
        image = local_mean_image(covered, self.settings.bin_factor)
        blobs = self._blobs(image, threshold)
        response = _responses(image, blobs)
        larger_first = np.lexsort((blobs[:, 1], blobs[:, 0], -response, -blobs[:, 2]))
        blobs, response = blobs[larger_first], response[larger_first]
        y, x = (blobs[:, :2].T + _LAG_PX) * self.settings.bin_factor + (self.settings.bin_factor - 1) / 2
        diameter_px = self.settings.diameter_angstrom / micrograph.pixel_size_angstrom
        kept = non_maximum_suppression(x, y, self.settings.min_distance_px(micrograph))
        kept &= _box_inside(x, y, self.settings.box_diameters * diameter_px, micrograph.shape)
        picks = Picks(x[kept], y[kept], (response / (response + threshold))[kept]).outside(micrograph.mask)
        return picks.best_first() if len(picks) >= self.settings.min_particles else Picks.empty()

    def threshold(self, micrograph: Micrograph) -> float:
        """Return the least determinant of the Hessian that counts in a micrograph."""
        if self.settings.threshold is not None:
            return self.settings.threshold
        if micrograph.defocus_angstrom is None:
            return THRESHOLD_WITHOUT_DEFOCUS
        defocus, thresholds = zip(*THRESHOLD_BY_DEFOCUS, strict=True)
        return float(np.interp(micrograph.defocus_angstrom, defocus, thresholds))

    def _blobs(self, image: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
        """Find (n, 3) blobs: row, column and sigma, in binned pixels."""
        lowest, highest, overlap = self.settings.min_sigma_px, self.settings.max_sigma_px, self.settings.overlap
        blobs = blob_doh(image, lowest, highest, threshold=threshold, overlap=overlap)  # type: ignore[no-untyped-call]
        return np.asarray(blobs, dtype=np.float64).reshape(-1, 3)


def local_mean_image(image: NDArray[np.float32], bin_factor: int) -> NDArray[np.float64]:
    """Blur, bin, standardise, scale to a maximum of 1, negate and take the Gaussian local mean.

    The last is what the paper calls a threshold mask image: the level against which an adaptive threshold would hold
    each pixel. It serves as the image to find blobs in.

    Args:
        image: (h, w) micrograph.
        bin_factor: 1 or more.

    Returns:
        (ceil(h / bin_factor), ceil(w / bin_factor)); all zero where the micrograph is constant.
    """
    blurred = torch.from_numpy(gaussian_filter(image, BLUR_SIGMA_PX))
    binned = bin_by_mean(blurred, bin_factor).double().numpy()
    deviation = binned - binned.mean()
    highest = float(deviation.max())  # dividing both by the standard deviation would change nothing
    if highest <= 4 * np.finfo(np.float32).eps * float(np.abs(binned).max()):
        return np.zeros_like(binned)
    level = threshold_local(-deviation / highest, LOCAL_WINDOW_PX, method="gaussian")  # type: ignore[no-untyped-call]
    return np.asarray(level, dtype=np.float64)


def _responses(image: NDArray[np.float64], blobs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the determinant of the Hessian at each of (n, 3) blobs, at the blob's own size."""
    response, places = np.zeros(len(blobs)), blobs[:, :2].astype(np.intp)
    for sigma in np.unique(blobs[:, 2]):
        of_size = blobs[:, 2] == sigma
        determinant = hessian_matrix_det(image, sigma)  # type: ignore[no-untyped-call]
        response[of_size] = determinant[tuple(places[of_size].T)]
    return response


def _box_inside(
    x: NDArray[np.float64], y: NDArray[np.float64], box_px: float, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Mask of the centres whose box does not leave the image, pixels being squares around their centres."""
    (height, width), half = shape, box_px / 2
    inside_x = (x - half >= -0.5) & (x + half <= width - 0.5)
    return inside_x & (y - half >= -0.5) & (y + half <= height - 0.5)
