"""Nuisances of a micrograph: their kinds, places and sizes, and what they do to particles there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.simulate.plan import Kind, Nuisance
from cryoglean.simulate.streams import Purpose, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.simulate.settings import Nuisances, Simulation

_RADIUS_ANGSTROM = {
    Kind.ice_blob: (60.0, 250.0),
    Kind.ice_crystal: (150.0, 450.0),
    Kind.ethane: (300.0, 900.0),
    Kind.gold_bead: (25.0, 75.0),
}
"""Smallest and largest radius. Chosen by hand, by eye; fiducials come 5, 10 and 15 nm wide."""

_AGGREGATE_RADII = (2.0, 3.5)
"""Smallest and largest radius of a clump, in those of the largest particle. Chosen by hand, by eye."""

_FRAGMENT_RADII = (0.6, 1.0)
"""Half the smallest and largest length of an unfolded piece, in radii of the largest particle. Chosen by hand, by
eye."""

_STRIPE_HALF_PX = (1, 24)
"""Half the smallest and largest width of a dead stripe. Chosen by hand."""

_HOLE_RADIUS_ANGSTROM = (5_000.0, 8_000.0)
"""Smallest and largest radius of a hole in the carbon film. Chosen by hand: films have holes of 1 to 2 micrometres."""

_KEEP_OUT = (Kind.aggregate, Kind.fragment, Kind.gold_bead, Kind.ice_crystal)


def plan_nuisances(simulation: Simulation, radii_px: NDArray[np.float64], number: int) -> tuple[Nuisance, ...]:
    """Draw kinds, places and sizes of the nuisances of a micrograph.

    Args:
        simulation: the settings.
        radii_px: radius of each species.
        number: of the micrograph.
    """
    found = []
    for item, kind in enumerate(_kinds(simulation.nuisances)):
        random = stream(simulation.seed, Purpose.NUISANCE, number, item)
        if kind in (Kind.dead_rows, Kind.dead_columns):
            found.append(_stripe(simulation, random, item))
        else:
            radius = _radius(kind, simulation.microscope.pixel_size_angstrom, float(radii_px.max()), random)
            x, y = random.uniform(0, simulation.width_px - 1), random.uniform(0, simulation.height_px - 1)
            found.append(Nuisance(kind, round(x, 6), round(y, 6), round(radius, 6), item))
    random = stream(simulation.seed, Purpose.NUISANCE, number, len(found))
    if random.uniform() < simulation.nuisances.carbon_share:
        found.append(_carbon(simulation, random, len(found)))
    return tuple(found)


def keeps_out(nuisance: Nuisance, x: float, y: float, radius_px: float) -> bool:
    """Whether no particle of a radius is placed at (x, y): on carbon, or touching what would hide or extend it."""
    distance = math.hypot(x - nuisance.x, y - nuisance.y)
    if nuisance.kind == Kind.carbon_edge:
        return distance > nuisance.radius_px
    return nuisance.kind in _KEEP_OUT and distance < nuisance.radius_px + radius_px


def covers(nuisance: Nuisance, x: float, y: float) -> bool:
    """Whether a nuisance lies over a particle at (x, y)."""
    if nuisance.kind == Kind.carbon_edge:
        return False
    off = {
        Kind.dead_rows: abs(y - nuisance.y),
        Kind.dead_columns: abs(x - nuisance.x),
    }.get(nuisance.kind, math.hypot(x - nuisance.x, y - nuisance.y))
    return off <= nuisance.radius_px


def _kinds(nuisances: Nuisances) -> list[Kind]:
    return [
        *[Kind.ice_blob] * nuisances.ice_blobs,
        *[Kind.ice_crystal] * nuisances.ice_crystals,
        *[Kind.ethane] * nuisances.ethane,
        *[Kind.gold_bead] * nuisances.gold_beads,
        *[Kind.aggregate] * nuisances.aggregates,
        *[Kind.fragment] * nuisances.fragments,
        *[Kind.dead_rows] * nuisances.dead_stripes,
    ]


def _radius(kind: Kind, pixel_size_angstrom: float, particle_px: float, random: np.random.Generator) -> float:
    if kind == Kind.aggregate:
        return float(random.uniform(*_AGGREGATE_RADII) * particle_px)
    if kind == Kind.fragment:
        return float(random.uniform(*_FRAGMENT_RADII) * particle_px)
    low, high = _RADIUS_ANGSTROM[kind]
    return float(np.exp(random.uniform(np.log(low), np.log(high)))) / pixel_size_angstrom


def _stripe(simulation: Simulation, random: np.random.Generator, item: int) -> Nuisance:
    """Draw a band of whole rows or columns; its middle and half its width make whole pixels."""
    are_rows = bool(random.integers(2))
    length = simulation.height_px if are_rows else simulation.width_px
    count = int(random.integers(2 * _STRIPE_HALF_PX[0], 2 * _STRIPE_HALF_PX[1] + 1))
    count = min(count, max(1, length // 8))
    first = int(random.integers(0, length - count + 1))
    middle, other = first + (count - 1) / 2, (simulation.width_px - 1 if are_rows else simulation.height_px - 1) / 2
    x, y = (other, middle) if are_rows else (middle, other)
    return Nuisance(Kind.dead_rows if are_rows else Kind.dead_columns, x, y, count / 2, item)


def _carbon(simulation: Simulation, random: np.random.Generator, item: int) -> Nuisance:
    """Draw a hole whose edge passes through the micrograph, its middle outside or far off."""
    radius = random.uniform(*_HOLE_RADIUS_ANGSTROM) / simulation.microscope.pixel_size_angstrom
    size = np.array([simulation.width_px, simulation.height_px])
    on_edge = size / 2 + random.uniform(0.1, 0.4) * size.min() * _direction(angle := random.uniform(0, 2 * math.pi))
    x, y = on_edge - radius * _direction(angle)
    return Nuisance(Kind.carbon_edge, round(float(x), 6), round(float(y), 6), round(float(radius), 6), item)


def _direction(angle: float) -> NDArray[np.float64]:
    return np.array([math.cos(angle), math.sin(angle)])
