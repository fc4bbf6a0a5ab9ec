"""A particle: points in space, and how each kind of them scatters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.simulate.scattering import Scatterer

_OUTERMOST_PERCENT = 99.0
"""Share of the points within the radius. Chosen by hand: a loose tail is not the particle's size."""


@dataclass(frozen=True, eq=False)
class Particle:
    """One species.

    Attributes:
        name: of the species.
        positions_angstrom: (n, 3) float32 x, y, z; the origin is the centre that the truth gives.
        kinds: (n,) index into `scatterers` for each point.
        weights: (n,) float32 how much of the scatterer is there (occupancy).
        scatterers: what the kinds are.
    """

    name: str
    positions_angstrom: NDArray[np.float32]
    kinds: NDArray[np.intp]
    weights: NDArray[np.float32]
    scatterers: tuple[Scatterer, ...]

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def mass_kda(self) -> float:
        """Mass of all points."""
        masses = np.array([s.mass_da for s in self.scatterers])
        return float(np.bincount(self.kinds, self.weights, len(masses)) @ masses / 1e3)

    @property
    def radius_angstrom(self) -> float:
        """Distance from the centre within which 99 % of the points lie."""
        distance = np.linalg.norm(self.positions_angstrom, axis=1)
        return float(np.percentile(distance, _OUTERMOST_PERCENT))

    @property
    def outer_radius_angstrom(self) -> float:
        """Distance of the outermost point."""
        return float(np.linalg.norm(self.positions_angstrom, axis=1).max())

    def centred(self) -> Particle:
        """Return it with its centre of scattering mass at the origin."""
        masses = self.weights * np.array([s.mass_da for s in self.scatterers])[self.kinds]
        centre = np.average(self.positions_angstrom.astype(np.float64), axis=0, weights=masses)
        return replace(self, positions_angstrom=(self.positions_angstrom - centre).astype(np.float32))

    def part(self, which: NDArray[np.intp], positions_angstrom: NDArray[np.floating]) -> Particle:
        """Return some of the points, at other positions (m, 3)."""
        places = positions_angstrom.astype(np.float32)
        return replace(self, positions_angstrom=places, kinds=self.kinds[which], weights=self.weights[which])
