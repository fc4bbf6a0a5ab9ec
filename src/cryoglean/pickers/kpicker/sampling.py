"""Patches of a step of training: particles, random places, and places where there surely is no particle.

Random numbers are counted by step, so the batch of a step is the same whenever it is asked for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree

from cryoglean.nets.losses import Group
from cryoglean.nets.patches import PatchSource, Places, Rotations
from cryoglean.nets.training import Batch
from cryoglean.pickers.kpicker.image import PARTICLE_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

CENTRED_DIAMETERS = 0.15
"""A place this near to a particle's centre is to be called a particle. Derived: half a stride either way, 2 px of 32,
is 0.09 diameters off; and what must not be called one begins at 0.3."""

JITTER_PX = 2.0
"""Particles are shown up to this much off their centres, along either axis. Derived: half the scan's stride, so that
each is still called one at the nearest place that is judged."""

RING_DIAMETERS = (0.3, 0.6)
"""Off the centre of a particle by this much there is none. Chosen by hand: no two are closer than half a diameter, and
the nearer places are what must not be called a particle for its centre to stand out."""

FREE_DIAMETERS = 0.5
"""Random places are at least this far from every pick. Derived: as near as two particles may be."""

_OVERSAMPLE = 6
"""Places that are drawn for each that is taken. Resource: more find a free one in a more crowded field, and take
longer."""

_APART = 1e7
"""Distance between images, in pixels: their places then fit into one tree. Derived: no image is so large."""


class Examples(NamedTuple):
    """Known and unknown places of one micrograph, in pixels of its image.

    Attributes:
        image: `(h, w)` float32.
        positives: (n, 2) particles to learn from, x first.
        picks: (m, 2) all that may be particles: the positives, and those left out of both sides.
        known_negatives: (k, 2) places of no particles.
    """

    image: Tensor
    positives: NDArray[np.float64]
    picks: NDArray[np.float64]
    known_negatives: NDArray[np.float64]


class BatchComposition(NamedTuple):
    """Number of patches of each kind in a batch."""

    positives: int = 32
    unlabelled: int = 32
    off_centre: int = 16
    known_negatives: int = 16


class Sampler:
    """Draws batches.

    Args:
        examples: one or more micrographs, with one positive or more among them.
        seed: of all draws.
        stream: tells samplers of one seed apart.
    """

    def __init__(self, examples: Sequence[Examples], seed: int, stream: int) -> None:
        self._seed, self._stream = seed, stream
        self._source = PatchSource([e.image for e in examples])
        self._sizes = np.array([e.image.shape[::-1] for e in examples], dtype=np.float64)
        self.positives = _together([e.positives for e in examples])
        self._known_negatives = _together([e.known_negatives for e in examples])
        self._tree = cKDTree(_in_space(_together([e.picks for e in examples])))
        self._device = examples[0].image.device

    def batch(self, step: int, composition: BatchComposition | None = None) -> Batch:
        """Return the batch of a step: patches at any angle, mirrored or not."""
        composition = composition or BatchComposition()
        random = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(self._stream, step)))
        known_negatives = min(composition.known_negatives, len(self._known_negatives.image))
        kinds = [
            (Group.POSITIVE, self._jittered(random, self._in_turn(self.positives, step, composition.positives))),
            (Group.UNLABELLED, self._anywhere(random, composition.unlabelled)),
            (Group.NEGATIVE, self._off_centre(random, composition.off_centre)),
            (Group.NEGATIVE, self._in_turn(self._known_negatives, step, known_negatives)),
        ]
        places = Places(
            np.concatenate([p.image for _, p in kinds]), np.concatenate([p.xy for _, p in kinds]).reshape(-1, 2)
        )
        rotations = Rotations(random.uniform(0, 2 * math.pi, len(places.image)), random.random(len(places.image)) < 0.5)
        groups = torch.tensor([group.value for group, p in kinds for _ in p.image], device=self._device)
        return Batch(self._source.cut(places, rotations), groups)

    def unlabelled_prior(self, missed_share: float) -> float:
        """Return the share of random places at which there is a particle, given the share of them that picks miss."""
        diameter = PARTICLE_PX
        missed = self._tree.n * missed_share / (1 - missed_share)
        taken = self._tree.n * math.pi * (FREE_DIAMETERS * diameter) ** 2
        area = float(self._sizes.prod(axis=1).sum())
        free = max(area - taken, 0.1 * area)
        return min(missed * math.pi * (CENTRED_DIAMETERS * diameter) ** 2 / free, 0.5)

    def _in_turn(self, places: Places, step: int, n: int) -> Places:
        """Take the next n places of a shuffled row, shuffled anew whenever it is at its end."""
        total = len(places.image)
        if not n:
            return places.take(np.zeros(0, dtype=np.int64))
        position = step * n + np.arange(n)
        rounds = {
            k: np.random.default_rng([self._seed, self._stream, 1, k]).permutation(total)
            for k in np.unique(position // total).tolist()
        }
        return places.take(np.array([rounds[p // total][p % total] for p in position.tolist()], dtype=np.int64))

    def _jittered(self, random: np.random.Generator, places: Places) -> Places:
        xy = places.xy + random.uniform(-JITTER_PX, JITTER_PX, places.xy.shape)
        return Places(places.image, xy.clip(0, self._sizes[places.image] - 1))

    def _anywhere(self, random: np.random.Generator, n: int) -> Places:
        area = self._sizes.prod(axis=1)
        image = random.choice(len(area), _OVERSAMPLE * n, p=area / area.sum())
        xy = random.random((len(image), 2)) * (self._sizes[image] - 1)
        return self._farthest(Places(image, xy), n, FREE_DIAMETERS)

    def _off_centre(self, random: np.random.Generator, n: int) -> Places:
        around = self.positives.take(random.integers(len(self.positives.image), size=_OVERSAMPLE * n))
        low, high = (r * PARTICLE_PX for r in RING_DIAMETERS)
        radius, angle = random.uniform(low, high, len(around.xy)), random.uniform(0, 2 * math.pi, len(around.xy))
        xy = around.xy + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        inside = ((xy >= 0) & (xy <= self._sizes[around.image] - 1)).all(axis=1)
        return self._farthest(Places(around.image, xy).take(inside), n, RING_DIAMETERS[0] * 0.999)

    def _farthest(self, places: Places, n: int, min_diameters: float) -> Places:
        """Take the first n places that are far enough from every pick; where there are too few, the farthest."""
        distance, _ = self._tree.query(_in_space(places))
        short = np.maximum(min_diameters * PARTICLE_PX - distance, 0)
        return places.take(np.argsort(short, kind="stable")[:n])


def _together(xy: Sequence[NDArray[np.float64]]) -> Places:
    image = np.repeat(np.arange(len(xy)), [len(v) for v in xy])
    return Places(image, np.concatenate([np.asarray(v, dtype=np.float64).reshape(-1, 2) for v in xy]))


def _in_space(places: Places) -> NDArray[np.float64]:
    return np.column_stack([places.xy, _APART * places.image])
