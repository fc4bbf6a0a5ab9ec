"""Pure functions of images: from a micrograph as stored to the image a picker works on."""

from cryoglean.preprocess.borders import live_area
from cryoglean.preprocess.fourier import filtered, padded_spectrum, radial_frequency
from cryoglean.preprocess.mae_chain import MaeImage, MaePreprocess, mae_image
from cryoglean.preprocess.normalise import bin_by_mean, standardise_in_disc, standardise_locally
from cryoglean.preprocess.working import WorkingImage, working_image

__all__ = [
    "MaeImage",
    "MaePreprocess",
    "WorkingImage",
    "bin_by_mean",
    "filtered",
    "live_area",
    "mae_image",
    "padded_spectrum",
    "radial_frequency",
    "standardise_in_disc",
    "standardise_locally",
    "working_image",
]
