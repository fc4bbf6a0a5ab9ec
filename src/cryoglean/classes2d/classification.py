"""Result of a 2D classification: the classes, and where each particle belongs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Classes:
    """Class averages with their statistics. Rings: Fourier ring `k` is at k / (box pixel_size) 1/angstrom.

    Attributes:
        averages: (k, box, box) float32, corrected for the CTF and filtered by how sure each ring is.
        uncorrected: (k, box, box) float32, plain means of the aligned images.
        counts: (k,) particles assigned.
        resolution_angstrom: (k,) up to where an average stands out of its noise; infinite if it does nowhere, but as
            aligned noise does.
        ring_correlation: (k, box // 2 + 1) Fourier ring correlation of the averages of two halves of the particles.
        signal_to_noise: (k, box // 2 + 1) spectral signal-to-noise ratio of the averages.
    """

    averages: NDArray[np.float32]
    uncorrected: NDArray[np.float32]
    counts: NDArray[np.int64]
    resolution_angstrom: NDArray[np.float64]
    ring_correlation: NDArray[np.float64]
    signal_to_noise: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def share(self) -> NDArray[np.float64]:
        """(k,) Share of the particles assigned, which sums to 1; RELION's class distribution may differ widely."""
        share: NDArray[np.float64] = self.counts / max(int(self.counts.sum()), 1)
        return share

    @property
    def percent_per_resolution(self) -> NDArray[np.float64]:
        """(k,) "%/Res": per cent of the particles over the resolution in angstrom; 0 without a resolution."""
        finite = np.isfinite(self.resolution_angstrom) & (self.resolution_angstrom > 0)
        resolution = np.where(finite, self.resolution_angstrom, np.inf)
        ratio: NDArray[np.float64] = 100 * self.share / resolution
        return ratio


@dataclass(frozen=True)
class Assignments:
    """Class, in-plane angle and shift of each particle, in RELION's convention.

    A class average, turned by `psi_degrees` and moved by minus `shift_angstrom`, lies on the particle's image.

    Attributes:
        class_index: (n,) class counted from 0; `rlnClassNumber` minus 1.
        psi_degrees: (n,) `rlnAnglePsi`.
        shift_angstrom: (n, 2) `rlnOriginX/YAngst`, x first: the particle's centre is at box // 2 - shift / pixel size.
        posterior: (n,) probability of the best class, `rlnMaxValueProbDistribution` likewise.
        quality: (n,) score in [0, 1]: how well the particle's image agrees with its class average, monotone.
    """

    class_index: NDArray[np.int64]
    psi_degrees: NDArray[np.float64]
    shift_angstrom: NDArray[np.float64]
    posterior: NDArray[np.float64]
    quality: NDArray[np.float64]


@dataclass(frozen=True)
class Classification:
    """Classes and assignments.

    Attributes:
        classes: k classes.
        particles: n assignments.
        pixel_size_angstrom: of the averages.
        notes: for the user, a line each.
    """

    classes: Classes
    particles: Assignments
    pixel_size_angstrom: float
    notes: tuple[str, ...] = ()
