"""Class averages painted in the plainest way, and classifications made of them, by no module under test."""

import numpy as np

from cryoglean.classes2d.classification import Assignments, Classes, Classification

BOX, PIXEL, DIAMETER = 48, 4.0, 128.0
DIAMETER_PX = DIAMETER / PIXEL


def grid(box=BOX, x=0.0, y=0.0):
    """Distances along x and y from a place, which counts from the middle of the box."""
    rows, columns = np.mgrid[:box, :box] - box // 2
    return columns - x, rows - y


def blobs(box=BOX, diameter_px=DIAMETER_PX, x=0.0, y=0.0, psi=0.0):
    """A particle with detail: seven blobs in 0.7 diameters, one heavier."""
    dx, dy = grid(box, x, y)
    turns = np.radians(psi) + np.arange(6) * np.pi / 3
    places = [(0, 0), *(0.26 * diameter_px * np.array([np.cos(t), np.sin(t)]) for t in turns)]
    size = 0.075 * diameter_px
    weights = [1.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0]
    return sum(
        w * np.exp(-((dx - a) ** 2 + (dy - b) ** 2) / (2 * size**2)) for w, (a, b) in zip(weights, places, strict=True)
    )


def disc(radius_px, box=BOX, x=0.0, y=0.0):
    """A smooth blob, as ice."""
    return np.clip(radius_px - np.hypot(*grid(box, x, y)) + 0.5, 0, 1)


def half_plane(box=BOX, offset_px=0.0):
    """A carbon edge through the box: no density on one side."""
    return np.clip(grid(box)[0] - offset_px + 0.5, 0, 1)


def neighbours(box=BOX, diameter_px=DIAMETER_PX):
    """Two halves of particles on either side of an empty middle."""
    return blobs(box, diameter_px, x=-0.5 * diameter_px) + blobs(box, diameter_px, x=0.5 * diameter_px)


def classes_of(averages, counts=None, resolution=None, ratio=50.0, smooth=()):
    """Classes that show these pictures, clear of noise up to half the Nyquist frequency, or not as far if smooth."""
    averages = np.asarray(averages, np.float32)
    number, box = len(averages), averages.shape[-1]
    counts = np.full(number, 100) if counts is None else np.asarray(counts, np.int64)
    resolution = np.full(number, 16.0) if resolution is None else np.asarray(resolution, float)
    rings = np.arange(box // 2 + 1)
    snr = np.where(rings <= box // 4, 1.0, 0.0) * np.broadcast_to(ratio, (number,))[:, None]
    for k in smooth:
        snr[k, 3:] = 0
        snr[k] *= 100
    return Classes(averages, averages, counts, resolution, snr / (1 + snr), snr)


def classification_of(averages, counts=None, resolution=None, ratio=50.0, pixel=PIXEL, smooth=()):
    """The same with its particles, class by class."""
    classes = classes_of(averages, counts, resolution, ratio, smooth)
    index = np.repeat(np.arange(len(classes)), classes.counts)
    n = len(index)
    half = np.full(n, 0.5)
    return Classification(classes, Assignments(index, np.zeros(n), np.zeros((n, 2)), half, half), pixel)
