"""Pieces and clumps: particles that no picker should find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryoglean.simulate.orientation import random_view, view_matrix
from cryoglean.simulate.plan import Kind
from cryoglean.simulate.projection import Projector
from cryoglean.simulate.streams import Purpose, stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cryoglean.simulate.particle import Particle
    from cryoglean.simulate.plan import Nuisance, Plan
    from cryoglean.simulate.settings import Simulation

_CLUMP_FILL = 0.55
"""Share of a clump's volume that particles fill, in its densest case. Chosen by hand, by eye."""

_SMALLEST_PIECE, _LARGEST_PIECE = 0.06, 0.2
"""Share of a particle's points in a fragment. Chosen by hand: too little to be taken for a particle."""

_POINTS_A_STEP, _BENDS, _LOOSENESS = 60, 5, 0.15
"""Points that keep their fold, bends of the thread, and how far off it they lie, in its reach. Chosen by hand, by
eye."""


def debris_projections(
    simulation: Simulation, species: Sequence[Particle], projectors: Sequence[Projector], plan: Plan
) -> Iterator[tuple[NDArray[np.float32], int, int]]:
    """Yield the projections of aggregates and fragments, each with the pixel (x, y) of its middle.

    Args:
        simulation: the settings.
        species: the particles that clump and fall apart.
        projectors: of the species.
        plan: what there is.
    """
    pixel_size = simulation.microscope.pixel_size_angstrom
    for nuisance in plan.nuisances:
        random = stream(simulation.seed, Purpose.DRAWING, plan.number, nuisance.item)
        if nuisance.kind == Kind.aggregate:
            radii = np.array([p.radius_angstrom for p in species]) / pixel_size
            yield from _clump(nuisance, projectors, radii, random)
        elif nuisance.kind == Kind.fragment:
            whole = species[int(random.integers(len(species)))]
            piece = denatured(whole, random, nuisance.radius_px * pixel_size)
            image = Projector(piece, pixel_size).project(view_matrix(*random_view(random)))
            yield image, round(nuisance.x), round(nuisance.y)


def denatured(particle: Particle, random: np.random.Generator, reach_angstrom: float) -> Particle:
    """Return a stretch of a particle's chain, unfolded along a loose thread.

    Args:
        particle: whole particle; its points are taken in their order.
        random: draws which stretch, and the thread.
        reach_angstrom: half the length of the thread, from end to end.
    """
    count = max(8, int(len(particle) * random.uniform(_SMALLEST_PIECE, _LARGEST_PIECE)))
    first = int(random.integers(max(1, len(particle) - count)))
    which = np.arange(first, min(first + count, len(particle)))
    places = _unfolded(particle.positions_angstrom[which].astype(np.float64), random, reach_angstrom)
    return particle.part(which, places)


def _unfolded(places: NDArray[np.float64], random: np.random.Generator, reach_angstrom: float) -> NDArray[np.float64]:
    """String runs of points, (n, 3), that keep their fold and are turned at random, along a loose thread."""
    block = np.arange(len(places)) // _POINTS_A_STEP
    count = int(block[-1]) + 1
    size = np.bincount(block)[:, None]
    middles = np.stack([np.bincount(block, column) for column in places.T], axis=1) / size
    local = places - middles[block]
    turns = np.stack([view_matrix(*random_view(random)) for _ in range(count)])
    knots = np.cumsum(random.normal(size=(_BENDS, 3)), axis=0)
    knots = (knots - knots.mean(axis=0)) * (reach_angstrom / np.linalg.norm(np.ptp(knots, axis=0)) * 2)
    along = np.linspace(0, _BENDS - 1, count)
    strung = np.stack([np.interp(along, np.arange(_BENDS), column) for column in knots.T], axis=1)
    strung += random.normal(0, _LOOSENESS * reach_angstrom, strung.shape)
    turned: NDArray[np.float64] = np.einsum("nij,nj->ni", turns[block], local)
    return strung[block] + turned


def _clump(
    nuisance: Nuisance, projectors: Sequence[Projector], radii_px: NDArray[np.float64], random: np.random.Generator
) -> Iterator[tuple[NDArray[np.float32], int, int]]:
    """Pack particles into a ball, denser in the middle, as seen in projection."""
    mean = float(radii_px.mean())
    count = max(4, int(_CLUMP_FILL * (nuisance.radius_px / mean) ** 3 / 2))
    for _ in range(count):
        kind = int(random.integers(len(projectors)))
        offset = random.normal(0, 1, 3)
        offset *= (nuisance.radius_px - mean) * random.uniform() ** (1 / 3) / np.linalg.norm(offset)
        image = projectors[kind].project(view_matrix(*random_view(random)))
        yield image, round(nuisance.x + offset[0]), round(nuisance.y + offset[1])
