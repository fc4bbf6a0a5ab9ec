"""From an image to its CTF, or to the reason why it has none that could be seen: where data and fitted CTF part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.ctf.fit import DEFOCUS_RANGE_ANGSTROM, MAX_ASTIGMATISM_ANGSTROM, MIN_SIGNIFICANCE, CtfFit, fit_ctf
from cryoglean.ctf.model import ctf_phase, directed_defocus
from cryoglean.ctf.spectrum import PowerSpectrum, Rings, power_spectrum, rings_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.ctf.model import Ctf, Microscope

MIN_RINGS = 2.5
"""So many rings must agree with the CTF. Chosen by hand: fewer are what any bump of a spectrum looks like."""

_MAX_ASTIGMATISM_SHARE = 0.5
"""Largest astigmatism that is believed, over the mean defocus. Chosen by hand: a microscope is aligned far better, and
fits to noise are often beyond it."""

MIN_CORRELATION = 0.5
"""Data and model part where their correlation over two rings falls below this, and stays there for a ring. Published:
the criterion is that of CTFFIND4 (Rohou and Grigorieff, J. Struct. Biol. 192, 216, 2015)."""

_WINDOW_RINGS = 2.0
"""Rings over which data and model are correlated. Chosen by hand: over one, noise correlates often enough."""

_LATEST_BEGIN_RINGS = 3.0
"""Rings after which data and model must have met. Chosen by hand: the particles' shape lies over the first."""

_MIN_WINDOW_BINS = 7
"""Fewest places that are correlated. Chosen by hand: fewer correlate by chance."""


@dataclass(frozen=True, eq=False)
class RingProfile:
    """Averages along lines of equal CTF phase, as if there were no astigmatism.

    Attributes:
        frequency: (n,) in 1/angstrom, of the mean defocus.
        data: (n,) mean of the rings.
        model: (n,) squared CTF, freed from the same smooth part, scaled to the data.
        agreement: (n,) correlation of the two over two rings around each frequency.
        phase: (n,) phase of the CTF in radians.
    """

    frequency: NDArray[np.float64]
    data: NDArray[np.float64]
    model: NDArray[np.float64]
    agreement: NDArray[np.float64]
    phase: NDArray[np.float64]

    @property
    def _agreeing(self) -> tuple[int, int] | None:
        """First and last index of the stretch in which data and model agree; None if they never meet.

        It may begin a few rings late, as the particles' shape lies over the first.
        """
        above = self.agreement >= MIN_CORRELATION
        begins = np.flatnonzero(above & (self.phase <= self.phase[:1].sum() + _LATEST_BEGIN_RINGS * math.pi))
        if not len(begins):
            return None
        first = int(begins[0])
        for last in np.flatnonzero(above[:-1] & ~above[1:]):
            until = np.searchsorted(self.phase, self.phase[last] + math.pi)
            if last >= first and not above[last + 1 : until + 1].any():
                return first, int(last)
        return first, len(above) - 1

    @property
    def fit_resolution_angstrom(self) -> float:
        """Resolution up to which data and model agree; infinite if they never do."""
        return math.inf if self._agreeing is None else 1 / float(self.frequency[self._agreeing[1]])

    @property
    def rings(self) -> float:
        """Number of rings, whole and broken, that agree."""
        if self._agreeing is None:
            return 0.0
        first, last = self._agreeing
        return float(self.phase[last] - self.phase[first]) / math.pi


@dataclass(frozen=True, eq=False)
class Estimate:
    """All that was found out about the CTF of an image.

    Attributes:
        spectrum: power spectrum.
        rings: its rings.
        fit: the best CTF, good or not.
        profile: data and fit along the rings.
        defocus_range_angstrom: where the mean defocus was looked for.
    """

    spectrum: PowerSpectrum
    rings: Rings
    fit: CtfFit
    profile: RingProfile
    defocus_range_angstrom: tuple[float, float] = DEFOCUS_RANGE_ANGSTROM

    @property
    def doubt(self) -> str | None:
        """Why the fit is not to be believed, or None if it is."""
        ctf, rings = self.fit.ctf, self.profile.rings
        low, high = self.defocus_range_angstrom
        most = min(0.95 * MAX_ASTIGMATISM_ANGSTROM, _MAX_ASTIGMATISM_SHARE * ctf.defocus_angstrom)
        reason = None
        if self.fit.significance < MIN_SIGNIFICANCE:
            reason = f"the best fit is no better than that to noise (correlation {self.fit.figure_of_merit:.3f})"
        elif rings < MIN_RINGS:
            reason = f"spectrum and CTF agree over {rings:.1f} rings, and {MIN_RINGS:g} are needed"
        elif not 1.01 * low < ctf.defocus_angstrom < 0.99 * high:
            reason = f"the best fit is at the end of the range of defocus, {ctf.defocus_angstrom:.0f} A"
        elif ctf.astigmatism_angstrom > most:
            reason = f"the best fit has an astigmatism of {ctf.astigmatism_angstrom:.0f} A"
        return f"no Thon rings found: {reason}" if reason else None


def estimate_ctf(
    image: Tensor,
    pixel_size_angstrom: float,
    microscope: Microscope,
    defocus_range_angstrom: tuple[float, float] = DEFOCUS_RANGE_ANGSTROM,
) -> Estimate:
    """Estimate the CTF of an image.

    Args:
        image: `(h, w)` float32, without dead borders.
        pixel_size_angstrom: size of a pixel.
        microscope: voltage and aberrations.
        defocus_range_angstrom: least and largest mean defocus.

    Returns:
        The best fit; ask `doubt` whether there are rings at all.

    Raises:
        ValueError: if the image is too small to show rings.
    """
    spectrum = power_spectrum(image, pixel_size_angstrom)
    rings = rings_of(spectrum)
    fit = fit_ctf(rings, microscope, defocus_range_angstrom)
    return Estimate(spectrum, rings, fit, ring_profile(rings, fit.ctf), defocus_range_angstrom)


def ring_profile(rings: Rings, ctf: Ctf) -> RingProfile:
    """Average rings where the CTF's phase is equal, and compare with the CTF.

    Args:
        rings: of one micrograph.
        ctf: what was fitted.
    """
    half, angle = ctf.astigmatism_angstrom / 2, math.radians(ctf.defocus_angle_degrees)
    along, diagonal = half * math.cos(2 * angle), half * math.sin(2 * angle)
    squared = rings.frequency.square()
    phase = ctf_phase(directed_defocus(ctf.defocus_angstrom, along, diagonal, rings.direction), squared, ctf.microscope)
    low, high = float(rings.frequency.min()), float(rings.frequency.max())
    step = math.pi / 2 * (high - low) / math.sqrt(len(rings.frequency) * math.pi / 2)  # about a coefficient's width
    edges = torch.arange(low, high, step)
    edge_phase = ctf_phase(torch.tensor(ctf.defocus_angstrom), edges.square(), ctf.microscope)
    rising = int((edge_phase.diff() > 0).cumprod(0).sum()) + 1  # beyond, Cs turns the phase back
    edges, edge_phase = edges[:rising], edge_phase[:rising]
    place = torch.bucketize(phase, edge_phase)
    sums = torch.zeros(3, rising + 1)
    model = rings.without_smooth(torch.sin(phase).square())
    for row, values in enumerate((torch.ones_like(model), rings.value, model)):
        sums[row].index_add_(0, place, values)
    count, data, theory = sums[:, 1:rising].double().numpy()
    kept = count >= 1
    data, theory = data[kept] / count[kept], theory[kept] / count[kept]
    centre, centre_phase = ((e[1:] + e[:-1]).double().numpy()[kept] / 2 for e in (edges, edge_phase))
    scale = float(data @ theory) / max(float(theory @ theory), 1e-12)
    return RingProfile(centre, data, scale * theory, _agreement(data, theory, centre_phase), centre_phase)


def _agreement(
    data: NDArray[np.float64], model: NDArray[np.float64], phase: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlate in a window of two rings around each place; at the ends the window is shifted inwards."""
    reach = _WINDOW_RINGS * math.pi / 2
    found = np.zeros(len(data))
    if len(data) < _MIN_WINDOW_BINS or phase[-1] - phase[0] < 2 * reach:
        return found
    for i, here in enumerate(np.clip(phase, phase[0] + reach, phase[-1] - reach)):
        first, last = np.searchsorted(phase, [here - reach, here + reach])
        lacking = max(0, _MIN_WINDOW_BINS - int(last - first))
        window = slice(max(0, int(first) - lacking // 2), int(last) + (lacking + 1) // 2)
        a, b = data[window] - data[window].mean(), model[window] - model[window].mean()
        found[i] = float(a @ b) / max(float(np.sqrt((a @ a) * (b @ b))), 1e-12)
    return found
