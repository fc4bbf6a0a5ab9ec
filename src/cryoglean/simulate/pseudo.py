"""Particles that need no file: rigid bodies of mean residues, of a given mass and symmetry."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from cryoglean.errors import SettingsError
from cryoglean.simulate.particle import Particle
from cryoglean.simulate.scattering import PROTEIN_DA_PER_CUBIC_ANGSTROM, residue_in_ice
from cryoglean.simulate.streams import Purpose, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPEC = re.compile(r"test:(?P<mass>\d+(?:\.\d+)?)kda(?::(?P<group>c[1-9]\d?|d[1-9]\d?|t|o|i))?", re.IGNORECASE)
_MIN_KDA, _MAX_KDA = 5.0, 100_000.0
"""Masses that are made. Chosen by hand: a few dozen residues at least; Resource: a million at most."""

_LOBES = 4
"""Lobes of an asymmetric unit, besides its core. Chosen by hand, by eye."""

_ROUGHNESS = 0.35
"""How far residues lie off a lattice, in its spacings. Chosen by hand: no lattice is seen, and none overlap much."""


def is_test_spec(text: str) -> bool:
    """Whether a model is named as `test:...` and not as a file."""
    return text.lower().startswith("test:")


def test_particle(spec: str) -> Particle:
    """Make a rigid particle of a mass and a point group.

    Residues stand at 0.81 Da per cubic angstrom (1.35 g/cm3) where a few lobes, and their images under the group, are
    densest. The shape depends on `spec` alone.

    Args:
        spec: `test:480kDa:D2`; groups are Cn, Dn, T, O and I, about z as RELION has it; C1 if there is none.

    Raises:
        SettingsError: if `spec` is not like that, or the mass is not between 5 kDa and 100 MDa.
    """
    found = _SPEC.fullmatch(spec)
    if found is None:
        raise SettingsError(
            f"--model {spec}: a test particle is test:MASSkDa:GROUP, as test:480kDa:D2 (Cn, Dn, T, O, I)"
        )
    mass_kda, group = float(found["mass"]), (found["group"] or "C1").upper()
    if not _MIN_KDA <= mass_kda <= _MAX_KDA:
        raise SettingsError(f"--model {spec}: the mass must be {_MIN_KDA:g} to {_MAX_KDA:g} kDa")
    rotations = Rotation.create_group(group).as_matrix()  # type: ignore[arg-type]
    positions = _symmetric_body(mass_kda * 1e3, rotations, group)
    residue = residue_in_ice()
    weight = mass_kda * 1e3 / (len(positions) * residue.mass_da)
    kinds = np.zeros(len(positions), np.intp)
    weights = np.full(len(positions), weight, np.float32)
    return Particle(spec, positions.astype(np.float32), kinds, weights, (residue,)).centred()


test_particle.__test__ = False  # type: ignore[attr-defined]


def _symmetric_body(mass_da: float, rotations: NDArray[np.float64], group: str) -> NDArray[np.float64]:
    """Return (n, 3) places of residues: those of one asymmetric unit, then each of its images."""
    random = stream(0, Purpose.MODEL, int.from_bytes(group.encode(), "big"), int(mass_da))
    residue_da = residue_in_ice().mass_da
    spacing = (residue_da / PROTEIN_DA_PER_CUBIC_ANGSTROM) ** (1 / 3)
    radius = (3 * mass_da / (4 * math.pi * PROTEIN_DA_PER_CUBIC_ANGSTROM)) ** (1 / 3)
    lobes = _lobes(random, radius)
    wanted = max(1, round(mass_da / residue_da / len(rotations)))
    lattice = _jittered_lattice(random, 2.5 * radius, spacing)
    depth, owner = _depth(lattice, lobes, rotations)
    own = np.flatnonzero(owner == 0)
    unit = lattice[own[np.argsort(-depth[own], kind="stable")[:wanted]]]
    return np.concatenate([unit @ matrix.T for matrix in rotations])


def _lobes(random: np.random.Generator, radius: float) -> NDArray[np.float64]:
    """Return (m, 4): centres of the lobes of an asymmetric unit and their radii, to one side of the axes."""
    direction = random.normal(size=3) * 0.4 + [0.9, 0.35, 0.3]
    main = direction / np.linalg.norm(direction) * 0.7 * radius
    centres = main + random.normal(0, 0.35 * radius, (_LOBES, 3))
    sizes = radius * random.uniform(0.3, 0.6, _LOBES)
    core = [*(0.3 * main), 0.7 * radius]  # without it the units might not touch
    return np.vstack([np.column_stack([centres, sizes]), core])


def _jittered_lattice(random: np.random.Generator, reach: float, spacing: float) -> NDArray[np.float64]:
    steps = np.arange(-math.ceil(reach / spacing), math.ceil(reach / spacing) + 1) * spacing
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    return lattice + random.uniform(-_ROUGHNESS, _ROUGHNESS, lattice.shape) * spacing


def _depth(
    points: NDArray[np.float64], lobes: NDArray[np.float64], rotations: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return for each point how deep it lies in the deepest lobe of any image, and which image that is."""
    best, owner = np.full(len(points), -np.inf), np.zeros(len(points), np.intp)
    x, y, z = np.ascontiguousarray(points.T)
    for number, matrix in enumerate(rotations):
        for *centre, size in lobes:
            at = matrix @ np.array(centre)
            depth = -np.sqrt((x - at[0]) ** 2 + (y - at[1]) ** 2 + (z - at[2]) ** 2) / size  # many times norm's speed
            deeper = depth > best
            best[deeper], owner[deeper] = depth[deeper], number
    return best, owner
