"""Places of the particles: dropped one by one where there is room, some on purpose where there is none."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.simulate.contamination import covers, keeps_out
from cryoglean.simulate.orientation import preferred_view, random_view
from cryoglean.simulate.plan import PlacedParticle
from cryoglean.simulate.streams import Purpose, stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryoglean.simulate.plan import Nuisance
    from cryoglean.simulate.settings import Simulation, Specimen

_TRIES = 40
"""Places that are tried for a particle. Chosen by hand: more fill a crowded field a little further, and take longer."""

_OVERLAP_FROM, _OVERLAP_TO = 0.35, 0.9
"""Distance of particles that overlap on purpose, in sums of their radii. Chosen by hand: nearer, nobody could tell
two."""


class _Ground:
    """The area that is filled, and what lies there already."""

    def __init__(self, simulation: Simulation, radii_px: NDArray[np.float64], nuisances: Sequence[Nuisance]) -> None:
        self.size = np.array([simulation.width_px, simulation.height_px], np.float64)
        self.radii_px, self.nuisances = radii_px, nuisances
        self.spacing = simulation.specimen.spacing_diameters
        self.xy, self.radius = np.empty((0, 2)), np.empty(0)
        self.species: list[int] = []

    def is_inside(self, point: NDArray[np.float64]) -> bool:
        return bool((point >= 0).all() and (point <= self.size - 1).all())

    def is_spoilt(self, point: NDArray[np.float64], radius: float) -> bool:
        """Whether a nuisance keeps particles away from there."""
        return any(keeps_out(n, float(point[0]), float(point[1]), radius) for n in self.nuisances)

    def is_free(self, point: NDArray[np.float64], radius: float) -> bool:
        """Whether a particle may lie there: away from the others and from what would spoil it."""
        if self.is_spoilt(point, radius):
            return False
        distance = np.hypot(*(self.xy - point).T)
        return bool((distance >= self.spacing * (self.radius + radius)).all())

    def add(self, point: NDArray[np.float64], species: int) -> None:
        self.xy = np.vstack([self.xy, point])
        self.radius = np.append(self.radius, self.radii_px[species])
        self.species.append(species)


def place_particles(
    simulation: Simulation, radii_px: NDArray[np.float64], nuisances: Sequence[Nuisance], number: int
) -> tuple[tuple[PlacedParticle, ...], tuple[PlacedParticle, ...]]:
    """Place the particles of a micrograph (random sequential adsorption).

    Args:
        simulation: the settings.
        radii_px: radius of each species.
        nuisances: some of them keep particles away.
        number: of the micrograph.

    Returns:
        The particles whose centres lie inside, and those outside which reach into it, at the same density.
    """
    specimen = simulation.specimen
    random = stream(simulation.seed, Purpose.PLACES, number)
    shares = np.array(specimen.shares or (1.0,) * len(radii_px))
    species = random.choice(len(radii_px), specimen.particles, p=shares / shares.sum())
    ground = _Ground(simulation, radii_px, nuisances)
    overlapping = round(specimen.overlapping_share * specimen.particles)
    for kind in species[overlapping:]:
        _drop(ground, random, int(kind), 0.0)
    for kind in species[:overlapping]:
        _lay_over(ground, random, int(kind))
    count = len(ground.species)
    _surround(ground, random, shares / shares.sum())
    particles = [_placed(simulation, ground, number, item) for item in range(len(ground.species))]
    return tuple(particles[:count]), tuple(particles[count:])


def _draw_view(specimen: Specimen, random: np.random.Generator) -> tuple[float, float, float]:
    """Draw rot, tilt and psi of one particle, in degrees."""
    if random.uniform() < specimen.preferred_share:
        return preferred_view(
            random, specimen.preferred_rot_deg, specimen.preferred_tilt_deg, specimen.preferred_spread_deg
        )
    return random_view(random)


def _drop(ground: _Ground, random: np.random.Generator, species: int, border: float) -> None:
    """Place a particle at random, in the micrograph or in the border around it; none if there is no room."""
    radius = float(ground.radii_px[species])
    for _ in range(_TRIES):
        point = random.uniform(-border, ground.size - 1 + border)
        if (border == 0 or not ground.is_inside(point)) and ground.is_free(point, radius):
            ground.add(point, species)
            return


def _lay_over(ground: _Ground, random: np.random.Generator, species: int) -> None:
    """Place a particle partly over one that lies there."""
    radius = float(ground.radii_px[species])
    if not len(ground.xy):
        _drop(ground, random, species, 0.0)
        return
    for _ in range(_TRIES):
        other = random.integers(len(ground.xy))
        distance = random.uniform(_OVERLAP_FROM, _OVERLAP_TO) * (ground.radius[other] + radius)
        angle = random.uniform(0, 2 * math.pi)
        point = ground.xy[other] + distance * np.array([math.cos(angle), math.sin(angle)])
        if ground.is_inside(point) and not ground.is_spoilt(point, radius):
            ground.add(point, species)
            return


def _surround(ground: _Ground, random: np.random.Generator, shares: NDArray[np.float64]) -> None:
    """Fill the border as densely as the micrograph, so that particles look in from outside."""
    border = float(ground.radii_px.max())
    area = ground.size.prod()
    expected = len(ground.species) * ((ground.size + 2 * border).prod() - area) / area
    for kind in random.choice(len(shares), int(expected), p=shares):
        _drop(ground, random, int(kind), border)


def _placed(simulation: Simulation, ground: _Ground, number: int, item: int) -> PlacedParticle:
    x, y = (round(float(v), 6) for v in ground.xy[item])  # as the tables have them
    radius = ground.radius[item]
    views = _draw_view(simulation.specimen, stream(simulation.seed, Purpose.PARTICLE, number, item))
    rot, tilt, psi = (round(angle, 6) for angle in views)
    near = np.hypot(*(ground.xy - ground.xy[item]).T) < ground.radius + radius
    near[item] = False
    over = next((str(n.kind) for n in ground.nuisances if covers(n, x, y)), "")
    placed = PlacedParticle(x, y, rot, tilt, psi, ground.species[item], bool(near.any()), covered=over)
    low, high = min(x, y), min(ground.size[0] - 1 - x, ground.size[1] - 1 - y)
    return replace(placed, at_edge=bool(min(low, high) < radius))
