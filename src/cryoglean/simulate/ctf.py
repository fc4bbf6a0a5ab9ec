"""The contrast transfer function, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.simulate.scattering import wavelength_angstrom

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ANGSTROM_PER_MM = 1e7
"""Derived from the units."""


@dataclass(frozen=True)
class ContrastTransfer:
    """Contrast transfer function, with RELION's conventions.

    Attributes:
        defocus_u_angstrom: defocus along `defocus_angle_deg`; positive is underfocus.
        defocus_v_angstrom: defocus across it.
        defocus_angle_deg: angle from the x axis towards y.
        voltage_kv: acceleration voltage.
        spherical_aberration_mm: Cs.
        amplitude_contrast: share of amplitude contrast, 0 to 1.
        b_factor_square_angstrom: of the envelope exp(-B k^2 / 4).
    """

    defocus_u_angstrom: float
    defocus_v_angstrom: float
    defocus_angle_deg: float = 0.0
    voltage_kv: float = 300.0
    spherical_aberration_mm: float = 2.7
    amplitude_contrast: float = 0.1
    b_factor_square_angstrom: float = 0.0

    def on_grid(self, shape: tuple[int, int], pixel_size_angstrom: float) -> NDArray[np.float32]:
        """Return the transfer on the frequencies of an rfft.

        Args:
            shape: (h, w) of the image.
            pixel_size_angstrom: size of a pixel.

        Returns:
            `(h, w // 2 + 1)`; negative at low frequencies under focus, as more protein is darker.
        """
        height, width = shape
        ky = (np.fft.fftfreq(height, pixel_size_angstrom)[:, None]).astype(np.float32)
        kx = (np.fft.rfftfreq(width, pixel_size_angstrom)[None, :]).astype(np.float32)
        return self.at(kx, ky)

    def at(self, kx: NDArray[np.floating], ky: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the transfer at spatial frequencies in 1/angstrom (Rohou and Grigorieff 2015, eq. 1-4).

        J. Struct. Biol. 192, 216; with the sign of the image instead of the spectrum's modulus.
        """
        wavelength = wavelength_angstrom(self.voltage_kv)
        aberration = self.spherical_aberration_mm * _ANGSTROM_PER_MM
        mean = (self.defocus_u_angstrom + self.defocus_v_angstrom) / 2
        half = (self.defocus_u_angstrom - self.defocus_v_angstrom) / 2
        double_angle = 2 * math.radians(self.defocus_angle_deg)
        # cos(2 (angle - axis)) k^2, without an arc tangent for each of millions of frequencies
        x2, y2, xy = kx * kx, ky * ky, kx * ky
        squared = x2 + y2
        turned = math.cos(double_angle) * (x2 - y2) + 2 * math.sin(double_angle) * xy
        phase = math.pi * wavelength * (mean * squared + half * turned)
        phase -= (math.pi / 2 * wavelength**3 * aberration) * squared * squared
        phase += math.asin(self.amplitude_contrast)
        np.sin(phase, out=phase)
        phase *= -np.exp((-self.b_factor_square_angstrom / 4) * squared)
        return phase.astype(np.float32, copy=False)

    def reach_angstrom(self, frequency: float) -> float:
        """Return how far detail of a spatial frequency (1/angstrom) is displaced: the slope of the phase."""
        wavelength = wavelength_angstrom(self.voltage_kv)
        defocus = max(abs(self.defocus_u_angstrom), abs(self.defocus_v_angstrom))
        aberration = self.spherical_aberration_mm * _ANGSTROM_PER_MM
        return wavelength * defocus * frequency + aberration * (wavelength * frequency) ** 3
