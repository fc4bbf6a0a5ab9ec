"""Pure functions of images: from a micrograph as stored to the image a picker works on."""

from cryoglean.preprocess.borders import live_area
from cryoglean.preprocess.fourier import filtered, padded_spectrum, radial_frequency
from cryoglean.preprocess.normalise import bin_by_mean, standardise_locally
from cryoglean.preprocess.working import WorkingImage, working_image

__all__ = [
    "WorkingImage",
    "bin_by_mean",
    "filtered",
    "live_area",
    "padded_spectrum",
    "radial_frequency",
    "standardise_locally",
    "working_image",
]
