"""Small pictures to write, and what reading one gives: its image, or the reason why not."""

import numpy as np

from cryoglean.errors import MicrographError
from cryoglean.io.images import read_image

FLAT = np.ones((32, 32), "u1")


def pixels(dtype="u1", shape=(24, 37)):
    return np.random.default_rng(7).integers(0, 250, shape).astype(dtype)


def image_or_reason(path):
    try:
        return read_image(path)[0]
    except MicrographError as error:
        return error.reason
