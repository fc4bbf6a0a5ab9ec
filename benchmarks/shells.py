"""Fields of round shells in noise: the smallest micrographs with known truth, for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.detect.peaks import non_maximum_suppression
from cryoglean.micrograph import Micrograph
from cryoglean.picks import Picks
from cryoglean.simulate.ctf import ContrastTransfer

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ShellField:
    """A field of hollow spheres, all alike (apoferritin, to a first look), seen under a microscope out of focus.

    Attributes:
        height_px: rows.
        width_px: columns.
        particles: how many to place, as far as there is room.
        diameter_angstrom: outer diameter.
        pixel_size_angstrom: size of a pixel.
        defocus_angstrom: defocus, positive is underfocus.
        signal_to_noise: variance of the image without noise over that of the noise.
        seed: of the places and the noise.
    """

    height_px: int = 1024
    width_px: int = 1280
    particles: int = 120
    diameter_angstrom: float = 120.0
    pixel_size_angstrom: float = 2.0
    defocus_angstrom: float = 15_000.0
    signal_to_noise: float = 0.05
    seed: int = 0

    def render(self) -> tuple[Micrograph, Picks]:
        """Make the micrograph.

        Returns:
            The micrograph, protein dark, and the true centres, each with score 1.
        """
        random = np.random.default_rng(self.seed)
        truth = self._place(random)
        clean = self._clean(truth)
        noise = random.standard_normal(clean.shape) * clean.std() / np.sqrt(self.signal_to_noise)
        image = (clean + noise).astype(np.float32)
        return Micrograph(image, self.pixel_size_angstrom, f"shells_{self.seed}", self.defocus_angstrom), truth

    def _place(self, random: np.random.Generator) -> Picks:
        """Drop centres at random; of two that would overlap the later goes (random sequential adsorption)."""
        tries = 20 * self.particles
        x, y = random.uniform(0, self.width_px - 1, tries), random.uniform(0, self.height_px - 1, tries)
        distance_px = self.diameter_angstrom / self.pixel_size_angstrom
        apart = np.flatnonzero(non_maximum_suppression(x, y, distance_px))[: self.particles]
        return Picks(x[apart], y[apart], np.ones(len(apart)), "probability")

    def _clean(self, truth: Picks) -> NDArray[np.float64]:
        """Return the particles without noise: their transforms at sub-pixel centres times the transfer function.

        It is computed with a frame of two diameters around, so that nothing wraps round the edges.
        """
        frame = int(2 * self.diameter_angstrom / self.pixel_size_angstrom)
        height, width = self.height_px + 2 * frame, self.width_px + 2 * frame
        ky, kx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
        column = np.exp(-2j * np.pi * ky * (truth.y + frame))  # (h, n)
        row = np.exp(-2j * np.pi * (truth.x + frame)[:, None] * kx)  # (n, w // 2 + 1)
        frequency = np.hypot(ky, kx) / self.pixel_size_angstrom
        transfer = ContrastTransfer(self.defocus_angstrom, self.defocus_angstrom).at(frequency, np.zeros(1))
        spectrum = (column @ row) * self._shell(frequency) * transfer
        return np.fft.irfft2(spectrum, s=(height, width))[frame:-frame, frame:-frame]

    def _shell(self, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        """Transform of the projection of a shell as thick as a sixth of its diameter (central slice theorem)."""
        outer, inner = self.diameter_angstrom / 2, self.diameter_angstrom / 3
        return _ball(frequency, outer) - _ball(frequency, inner)


def _ball(frequency: NDArray[np.float64], radius_angstrom: float) -> NDArray[np.float64]:
    """Transform of a ball of unit density: 4 pi R^3 (sin q - q cos q) / q^3 with q = 2 pi R k."""
    q = np.maximum(2 * np.pi * radius_angstrom * frequency, 1e-3)
    amplitude: NDArray[np.float64] = 4 * np.pi * radius_angstrom**3 * (np.sin(q) - q * np.cos(q)) / q**3
    return amplitude
