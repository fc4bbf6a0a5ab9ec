"""Centring of particles in their boxes by the result of a classification."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.classes2d.features import density_centres
from cryoglean.particles.recentring import recentred
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classification
    from cryoglean.classes2d.particle_set import ParticleSet

_CHUNK = 512
"""Images shifted at a time. Resource: bounds the memory of their spectra."""


def centre_offsets(found: Classification, diameter_angstrom: float) -> NDArray[np.float64]:
    """Return (n, 2) from the middle of each image to the particle in it, angstrom, x first.

    Where a class average is off centre, its particles are moved so that the next one is not.

    Args:
        found: classes and how images lie on them.
        diameter_angstrom: of the particle.
    """
    pixel, who = found.pixel_size_angstrom, found.particles
    centres = density_centres(found.classes.averages, diameter_angstrom / pixel) * pixel
    zero = np.zeros(len(who.class_index))
    here = Picks(zero, zero, zero)
    there = recentred(
        here,
        who.shift_angstrom,
        1.0,  # so that the places are in angstrom
        psi_degrees=who.psi_degrees,
        class_centre_angstrom=centres[who.class_index],
    )
    return there.xy


def subset(particles: ParticleSet, which: NDArray[np.int64]) -> ParticleSet:
    """Return some of the particles."""
    ctfs = None if particles.ctfs is None else [particles.ctfs[int(n)] for n in which]
    return replace(particles, images=particles.images[which], ctfs=ctfs)


def shifted(particles: ParticleSet, centres_angstrom: NDArray[np.float64]) -> ParticleSet:
    """Move images so that what was at a place is in the middle; what leaves at one side comes in at the other.

    Args:
        particles: n images.
        centres_angstrom: (n, 2) places from the middle of the box, x first.
    """
    images = particles.images[np.arange(len(particles))]
    return replace(particles, images=moved_to_middle(images, centres_angstrom / particles.pixel_size_angstrom))


def moved_to_middle(images: NDArray[np.float32], centres_px: NDArray[np.float64]) -> NDArray[np.float32]:
    """Move `(n, box, box)` images so that what was at `(n, 2)` places from the middle, x first, is in the middle."""
    moved, box = np.empty_like(images), images.shape[-1]
    x, y = torch.fft.rfftfreq(box, dtype=torch.float64), torch.fft.fftfreq(box, dtype=torch.float64)
    for start in range(0, len(images), _CHUNK):
        part = slice(start, start + _CHUNK)
        steps = torch.from_numpy(centres_px[part])
        turn = steps[:, 1, None, None] * y[:, None] + steps[:, 0, None, None] * x
        spectrum = torch.fft.rfft2(torch.from_numpy(images[part])) * torch.polar(
            torch.ones_like(turn), 2 * torch.pi * turn
        )
        moved[part] = torch.fft.irfft2(spectrum, s=(box, box)).to(torch.float32).numpy()
    return moved
