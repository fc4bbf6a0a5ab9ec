"""From a plan to a micrograph: everything is drawn, seen through the microscope, and counted electron by electron."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from cryoglean.micrograph import Micrograph
from cryoglean.simulate.debris import debris_projections
from cryoglean.simulate.dirt import draw_nuisances
from cryoglean.simulate.ice import carbon_spectrum, ice_spectrum, thickness_map
from cryoglean.simulate.layers import Layers
from cryoglean.simulate.orientation import view_matrix
from cryoglean.simulate.plan import Kind
from cryoglean.simulate.planning import plan_micrograph
from cryoglean.simulate.projection import Projector
from cryoglean.simulate.scattering import phase_per_scattering_length
from cryoglean.simulate.streams import Purpose, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cryoglean.simulate.particle import Particle
    from cryoglean.simulate.plan import Nuisance, Plan
    from cryoglean.simulate.settings import Simulation

_FAINTEST = 0.02
"""Detail that the envelope leaves less of than this may wrap round. Chosen by hand: it is far below the noise, and a
wider frame takes longer."""

_MAX_FRAME_PX = 1024
"""Widest frame around the micrograph. Resource: it bounds memory."""

_MIN_FRAME_PX = 16
"""Narrowest frame around the micrograph. Chosen by hand, for atoms that look in from outside."""

_TABLE_SIZE = 16_384
"""Entries of a radial table. Resource: frequencies are told apart as finely as those of a side of some twenty thousand
pixels."""

_DARKEST = 0.02
"""Fewest electrons that arrive, over those without a particle. Chosen by hand: weak phases may make them negative,
which cannot be counted."""

_STRIP_ROWS = 256
"""Rows that are counted at a time. Resource: it bounds memory; the random numbers are the same."""


class Renderer:
    """Makes micrographs of a set of species.

    Args:
        simulation: the settings.
        species: the particles, in the order of the settings.
    """

    def __init__(self, simulation: Simulation, species: Sequence[Particle]) -> None:
        self.simulation, self.species = simulation, tuple(species)
        self._projectors = [Projector(p, simulation.microscope.pixel_size_angstrom) for p in self.species]

    def plan(self, number: int) -> Plan:
        """Return what will be in a micrograph; cheap."""
        return plan_micrograph(self.simulation, [p.radius_angstrom for p in self.species], number)

    def render(self, plan: Plan) -> Micrograph:
        """Return the micrograph, in electrons per pixel.

        Args:
            plan: what is in it.
        """
        expected = self.expected_electrons(plan)
        image = _counted(expected, stream(self.simulation.seed, Purpose.SHOT, plan.number))
        for nuisance in plan.nuisances:
            _blank_stripe(image, nuisance)
        defocus = (plan.transfer.defocus_u_angstrom + plan.transfer.defocus_v_angstrom) / 2
        pixel_size = self.simulation.microscope.pixel_size_angstrom
        return Micrograph(image, pixel_size, f"micrograph {plan.number}", defocus)

    def expected_electrons(self, plan: Plan) -> NDArray[np.float32]:
        """Return the mean number of electrons in each pixel, `(h, w)`: the image without shot noise.

        The phase is weak: contrast is twice the phase times the transfer function, on top
        of what ice and dirt let through.
        """
        microscope, ice = self.simulation.microscope, self.simulation.ice
        shape = (self.simulation.height_px, self.simulation.width_px)
        frame = self._frame(plan, shape)
        layers = Layers.framed(shape, frame)
        draw_nuisances(layers, self.simulation, plan)
        self._draw_particles(layers, plan)
        thickness = thickness_map(ice, shape, plan.slope_deg, frame)
        contrast = self._seen(layers, plan, thickness)
        inside = tuple(slice(layers.frame_px, layers.frame_px + n) for n in shape)
        electrons = microscope.dose_electrons_per_square_angstrom * microscope.pixel_size_angstrom**2
        through = thickness[inside] / np.float32(-ice.mean_free_path_angstrom) - layers.attenuation[inside]
        np.exp(through, out=through)
        through *= np.maximum(1 + 2 * contrast[inside], _DARKEST)
        through *= np.float32(electrons)
        return through

    def _frame(self, plan: Plan, shape: tuple[int, int]) -> tuple[int, int, int]:
        """Return a frame as wide as the transfer function reaches, and a little more for quick transforms."""
        microscope = self.simulation.microscope
        pixel_size = microscope.pixel_size_angstrom
        frequency = 0.5 / pixel_size
        if microscope.b_factor_square_angstrom > 0:
            frequency = min(frequency, math.sqrt(-4 * math.log(_FAINTEST) / microscope.b_factor_square_angstrom))
        reach = int(plan.transfer.reach_angstrom(frequency) / pixel_size)
        frame = min(max(reach, _MIN_FRAME_PX), _MAX_FRAME_PX)
        below, right = (fft.next_fast_len(n + 2 * frame, real=True) - n - frame for n in shape)
        return frame, below, right

    def _draw_particles(self, layers: Layers, plan: Plan) -> None:
        scale = np.float32(phase_per_scattering_length(self.simulation.microscope.voltage_kv))
        for particle in (*plan.particles, *plan.outside):
            x, y = round(particle.x), round(particle.y)
            view = view_matrix(particle.rot_deg, particle.tilt_deg, particle.psi_deg)
            image = self._projectors[particle.species].project(view, (particle.x - x, particle.y - y))
            layers.add_projection(scale * image, x, y)
        for image, x, y in debris_projections(self.simulation, self.species, self._projectors, plan):
            layers.add_projection(scale * image, x, y)

    def _seen(self, layers: Layers, plan: Plan, thickness: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return phase and structural noise after the transfer function, `(h, w)` of the layers."""
        microscope, ice = self.simulation.microscope, self.simulation.ice
        shape, pixel_size = layers.phase.shape, microscope.pixel_size_angstrom
        table = _RadialTable(shape, pixel_size)
        spectrum = fft.rfft2(layers.phase, workers=1)
        random = stream(self.simulation.seed, Purpose.ICE, plan.number)

        def ice_power(k: NDArray[np.float64]) -> NDArray[np.float64]:
            dose = microscope.dose_electrons_per_square_angstrom
            return ice_spectrum(ice, k, microscope.voltage_kv, dose)

        if ice.thickness_angstrom > 0:
            amount = np.sqrt(thickness / np.float32(ice.thickness_angstrom))
            spectrum += _structural_noise(random, amount, table, ice_power)
        if layers.carbon.any():
            amount = np.sqrt(layers.carbon)
            spectrum += _structural_noise(random, amount, table, lambda k: carbon_spectrum(k, microscope.voltage_kv))
        spectrum *= plan.transfer.on_grid(shape, pixel_size)
        seen: NDArray[np.float32] = fft.irfft2(spectrum, s=shape, workers=1, overwrite_x=True)
        return seen


class _RadialTable:
    """Looks radial functions up for each frequency of an rfft, as millions of exponentials take long."""

    def __init__(self, shape: tuple[int, int], pixel_size_angstrom: float) -> None:
        ky = np.fft.fftfreq(shape[0], pixel_size_angstrom).astype(np.float32)[:, None]
        kx = np.fft.rfftfreq(shape[1], pixel_size_angstrom).astype(np.float32)[None, :]
        largest = math.hypot(0.5, 0.5) / pixel_size_angstrom
        self.pixel_size_angstrom = pixel_size_angstrom
        self._frequencies = np.linspace(0, largest, _TABLE_SIZE)
        self._places = (np.hypot(ky, kx) * np.float32((_TABLE_SIZE - 1) / largest) + np.float32(0.5)).astype(np.uint16)

    def values(self, function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float32]:
        """Return a function of spatial frequency in 1/angstrom on the grid of the rfft."""
        return function(self._frequencies).astype(np.float32)[self._places]


def _structural_noise(
    random: np.random.Generator,
    amount: NDArray[np.float32],
    table: _RadialTable,
    power: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.complex64]:
    """Return the rfft of noise of a power spectrum, its amplitude times `amount`, which changes slowly, `(h, w)`."""
    white = random.standard_normal(amount.shape, dtype=np.float32)
    white *= amount
    spectrum: NDArray[np.complex64] = fft.rfft2(white, workers=1, overwrite_x=True)
    spectrum *= table.values(lambda k: np.sqrt(power(k)) / table.pixel_size_angstrom)
    return spectrum


def _counted(expected: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Count electrons, strip by strip to save memory."""
    counts = np.empty_like(expected)
    for top in range(0, len(expected), _STRIP_ROWS):
        counts[top : top + _STRIP_ROWS] = random.poisson(expected[top : top + _STRIP_ROWS])
    return counts


def _blank_stripe(image: NDArray[np.float32], nuisance: Nuisance) -> None:
    """Blank the rows or columns that the detector did not record."""
    if nuisance.kind == Kind.dead_rows:
        first = math.ceil(nuisance.y - nuisance.radius_px)
        image[first : first + round(2 * nuisance.radius_px)] = 0
    elif nuisance.kind == Kind.dead_columns:
        first = math.ceil(nuisance.x - nuisance.radius_px)
        image[:, first : first + round(2 * nuisance.radius_px)] = 0
