"""Small fields of dark particles with known centres, painted in the plainest way, by no module under test."""

import math
from typing import NamedTuple

import numpy as np
from tests.perturbations import jittered


class Field(NamedTuple):
    """A micrograph and the true centres, (n, 2), x first."""

    image: np.ndarray
    xy: np.ndarray


def disc(r, diameter):
    """Profile of a dark disc over four fifths of the diameter."""
    return -soft(r, 0.4 * diameter)


def ring(r, diameter):
    """Profile of a dark ring at 0.3 to 0.5 diameters, with a bright halo."""
    halo = soft(r, 0.6 * diameter) - soft(r, 0.5 * diameter)
    return 0.5 * halo - (soft(r, 0.5 * diameter) - soft(r, 0.3 * diameter))


def soft(r, radius):
    """A disc whose edge is one pixel wide."""
    return np.clip(radius - r + 0.5, 0, 1)


def scattered(rng, shape, distance, n, margin):
    """Draw up to n random centres, no two closer than a distance."""
    low, high = np.array([margin, margin]), np.array(shape[::-1]) - 1 - margin
    found = np.zeros((0, 2))
    if (high < low).any():
        return found
    for point in rng.uniform(low, high, (60 * n, 2)):
        if len(found) < n and (np.hypot(*(found - point).T) >= distance).all():
            found = np.vstack([found, point])
    return found


def paint(shape, xy, profile, diameter):
    """Paint a radial profile around each centre."""
    image = np.zeros(shape)
    reach = int(diameter) + 2
    for x, y in xy:
        top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
        window = image[top : int(y) + reach + 1, left : int(x) + reach + 1]
        rows, columns = np.mgrid[: window.shape[0], : window.shape[1]]
        window += profile(np.hypot(rows + top - y, columns + left - x), diameter)
    return image


def particle_field(shape=(480, 540), diameter=30.0, profile=disc, n=60, noise=1.5, seed=0, distance=1.1, margin=0.6):
    """Scatter n particles of unit contrast in white noise; distance and margin in diameters."""
    rng = np.random.default_rng(seed)
    xy = scattered(rng, shape, distance * diameter, n, margin * diameter)
    image = paint(shape, xy, profile, diameter) + noise * rng.standard_normal(shape)
    return Field(jittered(image.astype(np.float32)), xy)


def noise_field(shape=(480, 540), seed=0):
    """White noise and nothing else."""
    return jittered(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def f1_score(xy, truth, tolerance):
    """F1 of one-to-one nearest pairs within a tolerance."""
    if len(xy) == 0 or len(truth) == 0:
        return 0.0
    apart = np.hypot(*(np.asarray(xy)[:, None] - np.asarray(truth)[None]).transpose(2, 0, 1))
    mutual = (apart.argmin(0)[apart.argmin(1)] == np.arange(len(xy))) & (apart.min(1) <= tolerance)
    return 2 * int(mutual.sum()) / (len(xy) + len(truth))


def off_a_slanting_line(shape):
    """Signed distance of each pixel from a slanting line, and who tells the distance of points, in pixels."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]

    def signed(x, y):
        return (x + 0.4 * y - 520) / math.hypot(1, 0.4)

    return signed(columns, rows), lambda xy: np.abs(signed(xy[:, 0], xy[:, 1]))
