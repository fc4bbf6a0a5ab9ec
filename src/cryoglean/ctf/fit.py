"""Defocus and astigmatism by the correlation of Thon rings with the squared CTF.

A search of the defocus in sectors of the spectrum, in which astigmatism is a shift, gives a start; a gradient ascent of
the normalised cross-correlation over all coefficients ends it (Rohou and Grigorieff, J. Struct. Biol. 192, 216, 2015,
section 2.3, has the same goal function).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize

from cryoglean.ctf.model import ANGSTROM_PER_MICROMETRE as _MICRO
from cryoglean.ctf.model import Ctf, Microscope, ctf_phase, directed_defocus
from cryoglean.ctf.spectrum import FINEST_FIT_ANGSTROM, Rings

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

DEFOCUS_RANGE_ANGSTROM = (3_000.0, 60_000.0)
"""Where the mean defocus is looked for. Chosen by hand: below, the few broad rings cannot be told from the bends of a
denoised spectrum; beyond, hardly anybody records."""

MAX_ASTIGMATISM_ANGSTROM = 5_000.0
"""Largest difference of the two defoci that is looked for. Chosen by hand: several times that of an aligned
microscope."""

_SECTORS = 12
"""Sectors of half a circle in the search for a start. Chosen by hand: enough that rings are nearly circular in each,
few enough that each holds signal."""

_RADIAL_BINS = 240
"""Radial bins of a sector. Chosen by hand: about as many as a tile has coefficients along a radius."""

_PHASE_STEP = 0.5
"""Step of the defocus in the search, as phase in radians at the highest frequency. Chosen by hand: a sixth of a ring,
within which the ascent finds the top."""

_ASTIGMATISM_STEPS, _ANGLE_STEPS = 21, 18
"""Steps of half the astigmatism (125 angstrom) and of its angle (10 degrees) in the search. Chosen by hand, as
`_PHASE_STEP`."""

_STARTS = 3
"""Best places of the search from which the ascent starts. Chosen by hand: each takes as long as the first."""

MIN_SIGNIFICANCE = 12.0
"""Correlation that a fit needs, in standard deviations of that of noise. Chosen by hand, half as much again as the 8 or
so that noise without rings reaches, as the search takes the best of very many trials."""


@dataclass(frozen=True)
class CtfFit:
    """The best CTF, and how far it stands out.

    Attributes:
        ctf: the CTF; DefocusU is the larger defocus.
        figure_of_merit: normalised cross-correlation of the rings with the squared CTF, up to 1.
        significance: the same in standard deviations of what noise without rings gives.
    """

    ctf: Ctf
    figure_of_merit: float
    significance: float


def fit_ctf(
    rings: Rings, microscope: Microscope, defocus_range_angstrom: tuple[float, float] = DEFOCUS_RANGE_ANGSTROM
) -> CtfFit:
    """Find the CTF whose square correlates best with the rings.

    Args:
        rings: of one micrograph.
        microscope: voltage and aberrations.
        defocus_range_angstrom: least and largest mean defocus to be considered.
    """
    used = rings.up_to(FINEST_FIT_ANGSTROM)
    starts = _starts(used, microscope, defocus_range_angstrom)
    best = max((_ascend(used, microscope, s, defocus_range_angstrom) for s in starts), key=lambda found: found[1])
    (mean, half_cos, half_sin), merit = best
    half, angle = math.hypot(half_cos, half_sin), math.degrees(math.atan2(half_sin, half_cos)) / 2
    return CtfFit(Ctf(mean + half, mean - half, angle, microscope), merit, merit * math.sqrt(len(used.value)))


def correlation(rings: Rings, microscope: Microscope, mean: Tensor, half_cos: Tensor, half_sin: Tensor) -> Tensor:
    """Return the normalised cross-correlation of the rings with a squared CTF.

    Args:
        rings: data, `(m,)` coefficients.
        microscope: voltage and aberrations.
        mean: mean defocus in angstrom.
        half_cos: half the astigmatism times the cosine of twice its angle, in angstrom.
        half_sin: the same with the sine.
    """
    defocus = directed_defocus(mean, half_cos, half_sin, rings.direction)
    phase = ctf_phase(defocus, rings.frequency.square(), microscope)
    model = rings.without_smooth(torch.sin(phase).square())
    agreement: Tensor = (rings.value * model).sum() / (rings.value.norm() * model.norm()).clamp_min(1e-12)
    return agreement


def _ascend(
    rings: Rings, microscope: Microscope, start: NDArray[np.float64], limits: tuple[float, float]
) -> tuple[tuple[float, float, float], float]:
    """Climb from a start (mean, half cos, half sin, in angstrom) to the next maximum of the correlation."""

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        point = torch.tensor(values, dtype=torch.float32, requires_grad=True)
        minus = -correlation(rings, microscope, *(point * _MICRO))
        minus.backward()  # type: ignore[no-untyped-call]
        slope = np.zeros(3) if point.grad is None else point.grad.double().numpy()
        return float(minus.detach()), slope

    most = MAX_ASTIGMATISM_ANGSTROM / 2
    bounds = [(low / _MICRO, high / _MICRO) for low, high in (limits, (-most, most), (-most, most))]
    found = minimize(loss, start / _MICRO, (), "L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": 60})
    mean, half_cos, half_sin = (float(value) * _MICRO for value in found.x)
    return (mean, half_cos, half_sin), -float(found.fun)


def _starts(rings: Rings, microscope: Microscope, limits: tuple[float, float]) -> list[NDArray[np.float64]]:
    """Return the best few of a grid of mean defocus, astigmatism and angle."""
    defocus = _defocus_grid(rings, limits)
    scores = _sector_scores(rings, microscope, defocus)  # (sectors, defocus)
    half = np.linspace(0, MAX_ASTIGMATISM_ANGSTROM / 2, _ASTIGMATISM_STEPS)
    angle = np.arange(_ANGLE_STEPS) * np.pi / _ANGLE_STEPS
    centre = (np.arange(_SECTORS) + 0.5) * np.pi / _SECTORS - np.pi / 2
    shift = half[:, None, None] * np.cos(2 * (centre - angle[:, None]))  # (half, angle, sectors)
    total = np.zeros((len(half), len(angle), len(defocus)))
    for sector in range(_SECTORS):
        at = (defocus + shift[:, :, sector, None] - defocus[0]) / (defocus[1] - defocus[0])
        total += scores[sector][np.clip(np.rint(at).astype(int), 0, len(defocus) - 1)]
    found: list[NDArray[np.float64]] = []
    ceiling = total.max(axis=(0, 1))
    for _ in range(_STARTS):
        peak = int(ceiling.argmax())
        i, j = np.unravel_index(int(total[:, :, peak].argmax()), total.shape[:2])
        found.append(np.array([defocus[peak], half[i] * np.cos(2 * angle[j]), half[i] * np.sin(2 * angle[j])]))
        ceiling[np.abs(defocus - defocus[peak]) < 0.1 * defocus[peak]] = -np.inf
    return found


def _defocus_grid(rings: Rings, limits: tuple[float, float]) -> NDArray[np.float64]:
    """Return values so close that the phase changes by a small step from one to the next at the highest frequency."""
    wavelength = 0.02  # of 300 kV electrons in angstrom, to the precision that a step needs
    step = _PHASE_STEP / (math.pi * wavelength * float(rings.frequency.max()) ** 2)
    return np.linspace(limits[0], limits[1], max(8, math.ceil((limits[1] - limits[0]) / step)))


def _sector_scores(rings: Rings, microscope: Microscope, defocus: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate the radial profile of each sector with the squared CTF of each defocus, (sectors, defocus)."""
    k = rings.frequency
    low, high = float(k.min()), float(k.max())
    radial = ((k - low) / (high - low) * _RADIAL_BINS).long().clamp_max(_RADIAL_BINS - 1)
    sector = ((rings.direction / math.pi + 0.5) * _SECTORS).long().clamp(0, _SECTORS - 1)
    where = sector * _RADIAL_BINS + radial
    count = torch.zeros(_SECTORS * _RADIAL_BINS).index_add_(0, where, torch.ones_like(k))
    total = torch.zeros_like(count).index_add_(0, where, rings.value).reshape(_SECTORS, _RADIAL_BINS)
    weight = count.reshape(_SECTORS, _RADIAL_BINS)
    centre = low + (torch.arange(_RADIAL_BINS) + 0.5) / _RADIAL_BINS * (high - low)
    phase = ctf_phase(torch.from_numpy(defocus).float()[:, None], centre.square(), microscope)
    model = torch.sin(phase).square()  # (defocus, bins)
    smooth = torch.linalg.qr(torch.stack([(centre / high) ** p for p in range(rings.smooth.shape[1])], dim=1))[0]
    model = model - (model @ smooth) @ smooth.T
    norms = (model.square() @ weight.T).sqrt().clamp_min(1e-6)  # (defocus, sectors)
    scores: NDArray[np.float64] = ((model @ total.T) / norms).T.double().numpy()
    return scores
