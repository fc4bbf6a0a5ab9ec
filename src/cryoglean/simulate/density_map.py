"""A density map as a particle: each voxel above the solvent is a point, a little Gaussian wide."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import mrcfile  # type: ignore[import-untyped]
import numpy as np
from skimage.filters import threshold_otsu

from cryoglean.errors import SettingsError
from cryoglean.simulate.particle import Particle
from cryoglean.simulate.scattering import PROTEIN_DA_PER_CUBIC_ANGSTROM, Scatterer, protein_contrast_density

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_SIGMA_VOXELS = 0.5
"""Standard deviation of the Gaussian that a voxel becomes. Chosen by hand: narrower shows the grid, wider blurs the
map."""

_MIN_VOXELS = 8
"""A map with fewer voxels above the solvent is refused. Chosen by hand: no density map is so small."""


def read_density_map(path: Path, voxel_size_angstrom: float | None = None) -> Particle:
    """Read a map and put it on a physical scale: what is above Otsu's threshold has on average protein's contrast.

    Args:
        path: an MRC volume.
        voxel_size_angstrom: size of a voxel; None takes it from the header.

    Returns:
        The particle, centred, its points the voxels above a third of the threshold.

    Raises:
        SettingsError: if the file is no volume, is flat, or the size of its voxels is not known.
    """
    density, header_size = _read(path)
    size = header_size if voxel_size_angstrom is None else voxel_size_angstrom
    if not (math.isfinite(size) and size > 0):
        raise SettingsError(f"--model {path}: its header has no voxel size: give --voxel-size in angstrom")
    if not np.isfinite(density).all() or np.ptp(density) == 0:
        raise SettingsError(f"--model {path}: the map is flat or holds values that are not finite")
    threshold = float(threshold_otsu(density))  # type: ignore[no-untyped-call]
    solvent = float(np.median(density))
    scale = protein_contrast_density() * size**3 / float(density[density > threshold].mean() - solvent)
    z, y, x = np.nonzero(density > solvent + (threshold - solvent) / 3)
    if len(x) < _MIN_VOXELS:
        raise SettingsError(f"--model {path}: hardly a voxel stands out of the solvent: is it a density map?")
    positions = (np.stack([x, y, z], axis=1) - (np.array(density.shape[::-1]) // 2)) * size
    weights = (scale * (density[z, y, x] - solvent)).astype(np.float32)
    return _as_particle(path, positions, weights, size)


def _as_particle(path: Path, positions: NDArray[np.float64], weights: NDArray[np.float32], size: float) -> Particle:
    """Return points of one angstrom of scattering length each, times their weights, round their mean place."""
    blur = 8 * math.pi**2 * (_SIGMA_VOXELS * size) ** 2
    mass = PROTEIN_DA_PER_CUBIC_ANGSTROM / protein_contrast_density()
    kinds = np.zeros(len(weights), np.intp)
    name = path.name.partition(".")[0]
    particle = Particle(name, positions.astype(np.float32), kinds, weights, (Scatterer((1.0,), (blur,), mass),))
    return replace(particle.centred(), name=name)


def _read(path: Path) -> tuple[NDArray[np.float32], float]:
    """Return the density and the voxel size of the header; NaN where it says nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the header's small sins are not the user's concern
            with mrcfile.open(path, permissive=True) as file:
                data, size = file.data, float(file.voxel_size.x)
    except (ValueError, OSError, EOFError) as error:
        raise SettingsError(f"--model {path}: cannot be read as an MRC map: {error}") from error
    if data is None or data.ndim != 3 or min(data.shape) < 2 or np.iscomplexobj(data):
        raise SettingsError(f"--model {path}: expected a volume of real numbers")
    return np.asarray(data, np.float32), size if size > 0 else math.nan
