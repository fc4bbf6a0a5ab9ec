"""Projections of particles: points are turned, dropped on a fine grid and given their shape in Fourier space.

Each kind of point has a grid of its own. A point is shared among its four neighbours (which multiplies the spectrum by
sinc^2, and is undone); the grid is twice as fine as the image, so that what this folds back lies beyond its Nyquist
frequency. All points of one particle cost a few milliseconds, and no volume is interpolated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.simulate.particle import Particle

_FINENESS = 2
"""Points of the grid along a pixel. Derived: what sharing out folds back lies beyond the Nyquist frequency then."""

_MARGIN_ANGSTROM = 12.0
"""Margin of the box around the outermost point. Chosen by hand: atoms and the Gaussians of displaced water end well
within."""

_ODD_FAST = sorted(
    n for a in range(9) for b in range(6) for c in range(4) for d in range(2) if (n := 3**a * 5**b * 7**c * 11**d) > 7
)
"""Sides of a box. Derived: odd numbers of small prime factors, which are quick to transform."""


class Projector:
    """Projects one particle at one pixel size.

    Args:
        particle: what to project.
        pixel_size_angstrom: size of a pixel.
    """

    def __init__(self, particle: Particle, pixel_size_angstrom: float) -> None:
        self._particle, self._pixel_size = particle, pixel_size_angstrom
        reach = particle.outer_radius_angstrom + _MARGIN_ANGSTROM
        self.box_size_px = _odd_fast(2 * reach / pixel_size_angstrom + 3)
        self._shapes = self._fourier_shapes()

    def project(self, view: NDArray[np.floating], centre_px: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float32]:
        """Return the projection.

        Args:
            view: (3, 3) matrix from the model's coordinates to those of the view.
            centre_px: (x, y) of the particle's centre, counted from the pixel in the middle of the box; at most one
                pixel.

        Returns:
            `(box_size_px, box_size_px)` scattering length in angstrom per square angstrom; rows are y.
        """
        box, fine = self.box_size_px, self.box_size_px * _FINENESS
        turned = self._particle.positions_angstrom @ np.asarray(view[:2], np.float32).T
        places = (
            turned / np.float32(self._pixel_size) + np.array(centre_px, np.float32) + np.float32(box // 2)
        ) * _FINENESS
        grids = self._share_out(places, fine)
        spectra = _cropped(fft.rfft2(grids, workers=1), box)
        spectrum = (spectra * self._shapes).sum(axis=0)
        image: NDArray[np.float32] = fft.irfft2(spectrum, s=(box, box), workers=1).astype(np.float32, copy=False)
        return image

    def _share_out(self, places: NDArray[np.float32], fine: int) -> NDArray[np.float32]:
        """Drop points at (n, 2) x, y on one grid `(fine, fine)` for each kind."""
        corner = np.floor(places).astype(np.int32)
        right, down = (places - corner).T
        first = (self._particle.kinds * (fine * fine) + corner[:, 1] * fine + corner[:, 0]).astype(np.intp)
        weights, size = self._particle.weights, len(self._particle.scatterers) * fine * fine
        upper, lower = weights * (1 - down), weights * down
        grid = np.bincount(first, upper * (1 - right), size)
        grid += np.bincount(first + 1, upper * right, size)
        grid += np.bincount(first + fine, lower * (1 - right), size)
        grid += np.bincount(first + fine + 1, lower * right, size)
        return grid.reshape(-1, fine, fine).astype(np.float32)

    def _fourier_shapes(self) -> NDArray[np.float32]:
        """Return `(kinds, box, box // 2 + 1)`: what the spectra of the grids are multiplied by."""
        ky, kx = np.fft.fftfreq(self.box_size_px)[:, None], np.fft.rfftfreq(self.box_size_px)[None, :]
        frequency = np.hypot(ky, kx) / self._pixel_size
        sharing = (np.sinc(ky / _FINENESS) * np.sinc(kx / _FINENESS)) ** 2
        scale = 1 / (sharing * self._pixel_size**2)
        return np.stack([s.at(frequency) * scale for s in self._particle.scatterers]).astype(np.float32)


def _cropped(spectra: NDArray[np.complex64], box: int) -> NDArray[np.complex64]:
    """Keep the frequencies of an odd box: `(..., fine, fine // 2 + 1)` to `(..., box, box // 2 + 1)`."""
    half = box // 2
    kept = (spectra[..., : half + 1, : half + 1], spectra[..., -half:, : half + 1])
    return np.concatenate(kept, axis=-2)


def _odd_fast(least: float) -> int:
    """Return an odd number of small prime factors, `least` or more."""
    return next((n for n in _ODD_FAST if n >= least), 2 * int(least // 2) + 1)
