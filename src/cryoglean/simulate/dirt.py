"""Drawing nuisances: each kind by one function, in phase and attenuation, at its physical size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cryoglean.simulate.ice import CARBON_FREE_PATH_ANGSTROM, CARBON_THICKNESS_ANGSTROM
from cryoglean.simulate.plan import Kind
from cryoglean.simulate.scattering import ice_scattering_density, phase_per_scattering_length
from cryoglean.simulate.settings import ICE_FREE_PATH_ANGSTROM
from cryoglean.simulate.streams import Purpose, stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cryoglean.simulate.layers import Layers, Window
    from cryoglean.simulate.plan import Nuisance, Plan
    from cryoglean.simulate.settings import Simulation

_ETHANE_TO_ICE = 0.8
"""Potential of frozen ethane over that of ice. Chosen by hand, by eye."""

_GOLD_FREE_PATH_ANGSTROM = 60.0
"""Thickness of gold that lets a share of 1 / e through: what it scatters goes past the aperture. Chosen by hand, by
eye."""

_LATTICE_ANGSTROM = (3.90, 3.67, 3.44)
"""Lattice spacings of hexagonal ice, 100, 002 and 101. Derived from its cell, a 4.50 and c 7.33 angstrom."""

_GOLD_PHASE = 0.6
"""Phase of gold in radians, which is no weak phase at all. Chosen by hand: as much as makes a fringe at the edge."""

_CARBON_PHASE = 0.4
"""Phase of the carbon film in radians. Chosen by hand, as `_GOLD_PHASE`."""

_STRONGEST_PHASE = 1.0
"""Largest phase of thick ice in radians. Chosen by hand: weak phases have no meaning beyond it."""

_BEVEL_ANGSTROM = 80.0
"""Width over which an edge rises: none is a cliff. Chosen by hand, by eye."""


class Brush:
    """Draws on the layers of one micrograph.

    Args:
        layers: what is drawn on.
        simulation: the settings.
        number: of the micrograph.
    """

    def __init__(self, layers: Layers, simulation: Simulation, number: int) -> None:
        self.layers, self._seed, self._number = layers, simulation.seed, number
        self.pixel_size = simulation.microscope.pixel_size_angstrom
        self.ice_phase = phase_per_scattering_length(simulation.microscope.voltage_kv) * ice_scattering_density()

    def random(self, nuisance: Nuisance) -> np.random.Generator:
        """Return the random numbers for the details of a nuisance."""
        return stream(self._seed, Purpose.DRAWING, self._number, nuisance.item)

    def window(self, nuisance: Nuisance, reach: float = 1.0) -> Window:
        """Return the part of the layers that a nuisance may reach, in its radii."""
        return self.layers.window(nuisance.x, nuisance.y, reach * nuisance.radius_px + 2)

    def add_ice(self, window: Window, thickness_angstrom: NDArray[np.float32], scale: float = 1.0) -> None:
        """Add a thickness of ice, `(h, w)` of the window; `scale` is the potential over that of ice.

        What is thicker than the weak-phase approximation allows is as dark as it gets.
        """
        phase = np.tanh(thickness_angstrom * (scale * self.ice_phase / _STRONGEST_PHASE)) * _STRONGEST_PHASE
        self.add(window, phase, thickness_angstrom / ICE_FREE_PATH_ANGSTROM)

    def add(self, window: Window, phase: NDArray[np.floating], attenuation: NDArray[np.floating]) -> None:
        """Add phase and attenuation, `(h, w)` of the window each."""
        self.layers.phase[window.where] += phase.astype(np.float32, copy=False)
        self.layers.attenuation[window.where] += attenuation.astype(np.float32, copy=False)


def draw_nuisances(layers: Layers, simulation: Simulation, plan: Plan) -> None:
    """Draw all that is neither particle nor piece of one, nor of the detector.

    Args:
        layers: sheets to draw on.
        simulation: the settings.
        plan: what there is.
    """
    brush = Brush(layers, simulation, plan.number)
    for nuisance in plan.nuisances:
        draw = _DRAW.get(nuisance.kind)
        if draw is not None:
            draw(brush, nuisance)


def _draw_blob(brush: Brush, nuisance: Nuisance) -> None:
    """A drop: a flat cap of ice, a little out of round."""
    window, random = brush.window(nuisance, 1.3), brush.random(nuisance)
    if window.is_empty:
        return
    radius = _wobbly_distance(window, random, 0.08) / nuisance.radius_px
    cap = np.sqrt(np.clip(1 - radius**2, 0, None))
    height = random.uniform(0.6, 1.2) * nuisance.radius_px * brush.pixel_size
    brush.add_ice(window, (height * cap).astype(np.float32))


def _draw_crystal(brush: Brush, nuisance: Nuisance) -> None:
    """A plate with straight facets, bands of different diffraction, and lattice fringes where pixels can hold them."""
    window, random = brush.window(nuisance), brush.random(nuisance)
    if window.is_empty:
        return
    inside = _soft_polygon(window, random, nuisance.radius_px, _BEVEL_ANGSTROM / brush.pixel_size)
    bend = math.pi * random.uniform(1, 3) / nuisance.radius_px
    angle = random.uniform(0, math.pi)
    band = np.cos(bend * (math.cos(angle) * window.x + math.sin(angle) * window.y)) ** 8
    thickness = inside * np.float32(random.uniform(200, 500)) * (1 + 1.5 * band)
    brush.add_ice(window, thickness.astype(np.float32))
    for spacing in _LATTICE_ANGSTROM:
        wave = 2 * math.pi * brush.pixel_size / spacing
        if wave < math.pi:  # below the Nyquist frequency
            turn = angle + random.uniform(0, math.pi)
            fringes = np.cos(wave * (math.cos(turn) * window.x + math.sin(turn) * window.y))
            brush.layers.phase[window.where] += (0.3 * inside * (0.3 + band) * fringes).astype(np.float32)


def _draw_ethane(brush: Brush, nuisance: Nuisance) -> None:
    """A patch with a mottled, leopard-like surface."""
    window, random = brush.window(nuisance, 1.4), brush.random(nuisance)
    if window.is_empty:
        return
    patch = 1 / (1 + np.exp(np.clip((_wobbly_distance(window, random, 0.15) / nuisance.radius_px - 0.8) * 15, -60, 60)))
    spot_px = random.uniform(35, 60) / brush.pixel_size
    mottled = _smooth_noise(random, patch.shape, spot_px)
    spots = 1 / (1 + np.exp(np.clip(-4 * (mottled - 0.2), -60, 60)))
    brush.add_ice(window, (patch * (40 + 120 * spots)).astype(np.float32), _ETHANE_TO_ICE)


def _draw_bead(brush: Brush, nuisance: Nuisance) -> None:
    """A ball of gold: all but opaque."""
    window, random = brush.window(nuisance, 1.2), brush.random(nuisance)
    if window.is_empty:
        return
    radius = _wobbly_distance(window, random, 0.03) / nuisance.radius_px
    chord = 2 * nuisance.radius_px * brush.pixel_size * np.sqrt(np.clip(1 - radius**2, 0, None))
    lost = chord / _GOLD_FREE_PATH_ANGSTROM
    brush.add(window, _GOLD_PHASE * np.tanh(lost), lost)


def _draw_carbon(brush: Brush, nuisance: Nuisance) -> None:
    """The film outside a round hole, its edge ragged by a few tens of angstrom."""
    layers, random = brush.layers, brush.random(nuisance)
    window = layers.whole(nuisance.x, nuisance.y)
    ragged = _smooth_noise(random, layers.phase.shape, 250 / brush.pixel_size) * (12 / brush.pixel_size)
    film = np.clip(
        (np.hypot(window.x, window.y) - nuisance.radius_px + ragged) * brush.pixel_size / _BEVEL_ANGSTROM + 0.5, 0, 1
    )
    np.maximum(layers.carbon, film, out=layers.carbon)
    brush.add(window, _CARBON_PHASE * film, film * (CARBON_THICKNESS_ANGSTROM / CARBON_FREE_PATH_ANGSTROM))


_DRAW: dict[Kind, Callable[[Brush, Nuisance], None]] = {
    Kind.ice_blob: _draw_blob,
    Kind.ice_crystal: _draw_crystal,
    Kind.ethane: _draw_ethane,
    Kind.gold_bead: _draw_bead,
    Kind.carbon_edge: _draw_carbon,
}


def _wobbly_distance(window: Window, random: np.random.Generator, wobble: float) -> NDArray[np.float32]:
    """Return the distance from the centre, `(h, w)`, stretched by a few harmonics of the angle."""
    angle = np.arctan2(window.y, window.x)
    stretch = np.ones_like(angle)
    for harmonic in range(2, 6):
        size, phase = random.normal(0, wobble / harmonic * 2), random.uniform(0, 2 * math.pi)
        stretch += np.float32(size) * np.cos(harmonic * angle + np.float32(phase))
    distance = np.hypot(window.x, window.y) / np.maximum(stretch, np.float32(0.5))
    return distance.astype(np.float32, copy=False)


def _soft_polygon(window: Window, random: np.random.Generator, radius_px: float, edge_px: float) -> NDArray[np.float32]:
    """Return 1 inside a convex polygon of 5 to 7 sides within a radius, falling to 0 over `edge_px`, `(h, w)`."""
    sides = int(random.integers(5, 8))
    start = random.uniform(0, 2 * math.pi)
    inside = np.ones(np.broadcast_shapes(window.x.shape, window.y.shape), np.float32)
    for side in range(sides):
        angle = start + (side + random.uniform(-0.25, 0.25)) * 2 * math.pi / sides
        off = window.x * np.float32(math.cos(angle)) + window.y * np.float32(math.sin(angle))
        inside *= np.clip((random.uniform(0.6, 0.85) * radius_px - off) / edge_px, 0, 1).astype(np.float32)
    return inside


def _smooth_noise(random: np.random.Generator, shape: tuple[int, ...], length_px: float) -> NDArray[np.float32]:
    """Return noise of variance about 1, `(h, w)`, that changes over `length_px`."""
    coarse = tuple(max(4, math.ceil(n / max(length_px, 1)) + 3) for n in shape)
    knots = random.standard_normal(coarse, dtype=np.float32)
    smooth = cv2.resize(knots, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32) * np.float32(1.4)
