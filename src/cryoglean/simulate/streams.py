"""Random numbers that depend on what they are for, and on nothing that happened before."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """Purpose of a stream: the numbers are part of the seeds and never change."""

    OPTICS = 1
    PLACES = 2
    PARTICLE = 3
    ICE = 4
    SHOT = 5
    NUISANCE = 6
    DRAWING = 7
    MODEL = 8


def stream(seed: int, purpose: Purpose, micrograph: int = 0, item: int = 0) -> np.random.Generator:
    """Return the random numbers of one item of one micrograph, whoever asks and whenever.

    Args:
        seed: of the whole set.
        purpose: what for.
        micrograph: number of the micrograph.
        item: number of the particle or nuisance in it.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(int(purpose), micrograph, item))
    return np.random.Generator(np.random.SFC64(sequence))
