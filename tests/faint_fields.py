"""Fields of particles in so much noise that a picker has candidates on both sides of its threshold."""

import numpy as np

from fake_run import write_image
from shells import ShellField

PIXEL, DIAMETER = 4.0, 120.0


def faint(seed):
    """Some particles, half of them plain to see."""
    field = ShellField(height_px=400, width_px=460, particles=34, pixel_size_angstrom=PIXEL, seed=seed)
    image = field.render()[0].image
    return image + np.random.default_rng(seed).normal(0, 3 * image.std(), image.shape).astype(np.float32)


def write_faint(folder, names):
    """Write a field of each name, and return the folder."""
    for seed, name in enumerate(names):
        write_image(folder / name, faint(seed))
    return folder
