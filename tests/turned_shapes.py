"""Shapes turned and moved exactly, for tests of alignment; drawn by no module under test."""

import math

import numpy as np
import torch

from cryoglean.classes2d.particle_set import ParticleSet
from perturbations import jittered

PIXEL = 4.0


def comma(box, angle=0.0, move=(0.0, 0.0)):
    """A head with a tail: without any symmetry, turned by an angle from x towards y, moved by (y, x) pixels."""
    x, y = _frame(box, angle, move)
    head = np.exp(-((x - 4) ** 2 + y**2) / 12)
    return torch.tensor(head + 0.8 * np.exp(-((x + 4) ** 2 + (y - 4) ** 2) / 8), dtype=torch.float32)


def ring(box, angle=0.0, move=(0.0, 0.0)):
    """A ring."""
    x, y = _frame(box, angle, move)
    return torch.tensor(np.exp(-(((np.hypot(x, y) - 7) / 2) ** 2)), dtype=torch.float32)


def bar(box, angle=0.0, move=(0.0, 0.0)):
    """A bar."""
    x, y = _frame(box, angle, move)
    return torch.tensor(np.exp(-((x / 8) ** 4) - (y / 2.5) ** 2), dtype=torch.float32)


def _frame(box, angle, move):
    y, x = np.mgrid[:box, :box].astype(float) - box // 2
    y, x = y - move[0], x - move[1]
    return math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x


def shape_set(shapes, each, noise, box=32, reach=1.5, seed=0, empty=0):
    """Draw `each` images of every shape at random turns and shifts, then `empty` ones of noise only.

    Returns the set, and (n,) shapes, (n,) angles and (n, 2) moves; -1 is the shape of an empty image.
    """
    rng = np.random.default_rng(seed)
    count = each * len(shapes)
    angle, move = rng.uniform(-np.pi, np.pi, count), rng.uniform(-reach, reach, (count, 2))
    kind = np.arange(count) % len(shapes)
    images = [shapes[k](box, a, m).numpy() for k, a, m in zip(kind, angle, move, strict=True)]
    images += [np.zeros((box, box), np.float32)] * empty
    noisy = (np.array(images) + noise * rng.standard_normal((count + empty, box, box))).astype(np.float32)
    return ParticleSet(jittered(noisy), PIXEL), np.concatenate([kind, np.full(empty, -1)]), angle, move
