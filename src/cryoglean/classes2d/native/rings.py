"""Values on Fourier rings: the CTF, and how far two half sets agree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from cryoglean.classes2d.half_bit import half_bit
from cryoglean.ctf.model import Microscope, ctf_phase, directed_defocus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from cryoglean.ctf.model import Ctf

_DIRECTIONS = 16
"""Directions of half a ring over which the CTF is averaged. Chosen by hand: enough for ordinary astigmatism."""

_GAP_RINGS = 2
"""Rings in a row that may fail to agree. Chosen by hand: as wide as a zero of the CTF or of an average."""

_IMAGES_AT_A_TIME = 1024
"""Resource: bounds memory."""


def ring_ctf(
    ctfs: Sequence[Ctf] | None, count: int, rings: int, ring_width: float, *, is_phase_flipped: bool = False
) -> Tensor:
    """Return the CTF on rings 1 to `rings` for each image, averaged around the ring, so astigmatism lowers it.

    Args:
        ctfs: of each image, or None: 1 everywhere then, phases as they are.
        count: how many images.
        rings: how many rings.
        ring_width: distance of rings in 1/angstrom.
        is_phase_flipped: whether the images' phases are turned back: the absolute value then.

    Returns:
        (count, rings) float32.
    """
    if ctfs is None:
        return torch.ones(count, rings)
    squared = (torch.arange(1, rings + 1) * ring_width).square()[:, None]
    direction = math.pi / _DIRECTIONS * torch.arange(_DIRECTIONS)
    of_scope: dict[Microscope, list[int]] = {}
    for row, ctf in enumerate(ctfs):
        of_scope.setdefault(ctf.microscope, []).append(row)
    values = torch.empty(count, rings)
    for microscope, rows in of_scope.items():
        for some in (rows[i : i + _IMAGES_AT_A_TIME] for i in range(0, len(rows), _IMAGES_AT_A_TIME)):
            defocus = torch.stack([_directed(ctfs[row], direction) for row in some])[:, None, :]
            ctf_values = torch.sin(ctf_phase(defocus, squared, microscope))
            values[some] = (ctf_values.abs() if is_phase_flipped else ctf_values).mean(-1)
    return values


def _directed(ctf: Ctf, direction: Tensor) -> Tensor:
    half, angle = ctf.astigmatism_angstrom / 2, math.radians(ctf.defocus_angle_degrees)
    return directed_defocus(ctf.defocus_angstrom, half * math.cos(2 * angle), half * math.sin(2 * angle), direction)


def smoothed(correlation: Tensor) -> Tensor:
    """Smooth `(..., rings)` by 1, 2, 1: a mask makes neighbouring rings alike anyway."""
    padded = torch.nn.functional.pad(correlation[..., None, :], (1, 1), mode="replicate")[..., 0, :]
    return (padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]) / 4


def reproducible_rings(correlation: Tensor, members: Tensor) -> Tensor:
    """Return how many rings, from the first, agree between halves by the half-bit criterion.

    Args:
        correlation: (k, rings) Fourier ring correlation.
        members: (rings,) independent Fourier pixels of each ring.

    Returns:
        (k,) integers, the last ring that agrees before three in a row that do not: averages have no signal at the
        zeros of their own transform, nor at those of the CTF if it is not known.
    """
    agree = smoothed(correlation) > half_bit(members)
    rings = agree.shape[-1]
    padded = torch.nn.functional.pad(agree, (_GAP_RINGS, _GAP_RINGS), value=True)
    nearby = torch.stack([padded[..., i : i + rings + _GAP_RINGS] for i in range(_GAP_RINGS + 1)]).any(0)
    reached = nearby.long().cumprod(-1)[..., _GAP_RINGS:]
    place = torch.arange(1, rings + 1, device=agree.device)
    return (agree * reached * place).amax(-1)
