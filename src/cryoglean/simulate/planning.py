"""From settings, seed and number to the plan of a micrograph, and from nothing else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.simulate.contamination import plan_nuisances
from cryoglean.simulate.ctf import ContrastTransfer
from cryoglean.simulate.placing import place_particles
from cryoglean.simulate.plan import Plan
from cryoglean.simulate.streams import Purpose, stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.simulate.settings import Microscope, Simulation


def plan_micrograph(simulation: Simulation, radii_angstrom: Sequence[float], number: int) -> Plan:
    """Draw optics, places, orientations and nuisances of a micrograph.

    Args:
        simulation: the settings.
        radii_angstrom: radius of each species.
        number: of the micrograph, 0 or more.

    Returns:
        The plan; the same for the same arguments.
    """
    microscope = simulation.microscope
    random = stream(simulation.seed, Purpose.OPTICS, number)
    transfer = _draw_transfer(microscope, random)
    slope_deg = float(random.uniform(-180, 180))
    radii_px = np.array(radii_angstrom) / microscope.pixel_size_angstrom
    nuisances = plan_nuisances(simulation, radii_px, number)
    inside, outside = place_particles(simulation, radii_px, nuisances, number)
    return Plan(number, transfer, slope_deg, inside, outside, nuisances)


def _draw_transfer(microscope: Microscope, random: np.random.Generator) -> ContrastTransfer:
    mean = random.uniform(microscope.defocus_min_angstrom, microscope.defocus_max_angstrom)
    half = random.uniform(0, microscope.astigmatism_angstrom) / 2
    return ContrastTransfer(
        # as the table has them: six decimals
        defocus_u_angstrom=round(mean + half, 6),
        defocus_v_angstrom=round(mean - half, 6),
        defocus_angle_deg=round(math.degrees(random.uniform(0, math.pi)), 6),
        voltage_kv=microscope.voltage_kv,
        spherical_aberration_mm=microscope.spherical_aberration_mm,
        amplitude_contrast=microscope.amplitude_contrast,
        b_factor_square_angstrom=microscope.b_factor_square_angstrom,
    )
