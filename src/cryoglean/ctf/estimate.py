"""From an image to its CTF, or to the reason why it has none that could be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryoglean.ctf.fit import DEFOCUS_RANGE_ANGSTROM, MAX_ASTIGMATISM_ANGSTROM, MIN_SIGNIFICANCE, CtfFit, fit_ctf
from cryoglean.ctf.profile import RingProfile, ring_profile
from cryoglean.ctf.spectrum import PowerSpectrum, Rings, power_spectrum, rings_of

if TYPE_CHECKING:
    from torch import Tensor

    from cryoglean.ctf.model import Microscope

MIN_RINGS = 2.5
"""So many rings must agree with the CTF. Chosen by hand: fewer are what any bump of a spectrum looks like."""

_MAX_ASTIGMATISM_SHARE = 0.5
"""Largest astigmatism that is believed, over the mean defocus. Chosen by hand: a microscope is aligned far better, and
fits to noise are often beyond it."""


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
