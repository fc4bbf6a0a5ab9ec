"""What pickers might have learned of a set that never was."""

import numpy as np

from cryoglean.calibration.height_model import HeightModel
from cryoglean.detect.contrast import ParticleContrast
from cryoglean.detect.mixture import HeightMixture, Normal
from cryoglean.pickers.localpicker.picker import LocalpickerModel

PROFILE = tuple(np.cos(np.linspace(0, 6, 25)).tolist())
MIXTURE = HeightMixture(0.3, 1.0, 0.6, 4.0, 1.0)
DECOYS = tuple(np.exp(-(np.linspace(-5, 5, 81) ** 2) / 2).tolist())
HEIGHTS = HeightModel(Normal(0.3, 4.0, 1.0), Normal(0.2, 0.5, 0.6), -1.0, DECOYS)


def localpicker_model(**changes):
    values = {
        "diameter_angstrom": 120.0,
        "disc_diameters": 0.8,
        "profile": PROFILE,
        "skewness": 0.6,
        "skewness_error": 0.02,
        "heights": HEIGHTS,
        "threshold": 2.4,
        "contrast": ParticleContrast(0.0, 0.1),
        "stand_out": True,
        "micrographs": ("a.mrc",),
    }
    return LocalpickerModel(**(values | changes))
