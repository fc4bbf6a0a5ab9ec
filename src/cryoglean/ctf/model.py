"""The contrast transfer function of a micrograph, as RELION has it: its parameters, and its values on Fourier grids."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch_ctf import calculate_total_phase_shift

from cryoglean.errors import MicrographError
from cryoglean.io.relion_columns import DEFOCUS_ANGLE, DEFOCUS_U, DEFOCUS_V, MICROSCOPE, PHASE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from cryoglean.micrograph import MicrographFile

ANGSTROM_PER_MICROMETRE = 1e4
"""Derived from the units."""

CTF_DEFOCUS = (DEFOCUS_U, DEFOCUS_V, DEFOCUS_ANGLE)
CTF_OPTICS = MICROSCOPE
CTF_PHASE_SHIFT = PHASE_SHIFT


@dataclass(frozen=True)
class Microscope:
    """Parameters of the CTF that belong to the microscope and not to the micrograph.

    Attributes:
        voltage_kv: acceleration voltage in kilovolts.
        spherical_aberration_mm: spherical aberration in millimetres.
        amplitude_contrast: share of amplitude contrast, 0 to 1.
        phase_shift_degrees: of a phase plate; 0 without one.
    """

    voltage_kv: float = 300.0
    spherical_aberration_mm: float = 2.7
    amplitude_contrast: float = 0.1
    phase_shift_degrees: float = 0.0


@dataclass(frozen=True)
class Ctf:
    """The contrast transfer function of one micrograph.

    Attributes:
        defocus_u_angstrom: defocus along `defocus_angle_degrees`; positive is underfocus.
        defocus_v_angstrom: defocus across it.
        defocus_angle_degrees: from the x axis (along a row) towards the y axis (down the stored rows).
        microscope: the rest.
    """

    defocus_u_angstrom: float
    defocus_v_angstrom: float
    defocus_angle_degrees: float
    microscope: Microscope = Microscope()

    @property
    def defocus_angstrom(self) -> float:
        """Mean defocus."""
        return (self.defocus_u_angstrom + self.defocus_v_angstrom) / 2

    @property
    def astigmatism_angstrom(self) -> float:
        """DefocusU minus DefocusV."""
        return self.defocus_u_angstrom - self.defocus_v_angstrom


def ctf_phase(defocus_angstrom: Tensor, squared_frequency: Tensor, microscope: Microscope) -> Tensor:
    """Return the phase `chi` of which the CTF is `sin(chi)`: positive at low resolution, protein bright.

    It is minus that of the library torch-ctf, so that it grows with defocus (Rohou and Grigorieff, J. Struct. Biol.
    192, 216, 2015, eq. 2 to 5).

    Args:
        defocus_angstrom: defocus in the direction of each frequency; any shape that broadcasts.
        squared_frequency: squared spatial frequencies in 1/angstrom^2.
        microscope: the other parameters.

    Returns:
        Phases in radians, of the shape broadcast.
    """
    phase: Tensor = calculate_total_phase_shift(
        defocus_um=defocus_angstrom / ANGSTROM_PER_MICROMETRE,
        voltage_kv=torch.as_tensor(microscope.voltage_kv, device=squared_frequency.device),
        spherical_aberration_mm=torch.as_tensor(microscope.spherical_aberration_mm, device=squared_frequency.device),
        phase_shift_degrees=torch.as_tensor(microscope.phase_shift_degrees, device=squared_frequency.device),
        amplitude_contrast_fraction=torch.as_tensor(microscope.amplitude_contrast, device=squared_frequency.device),
        fftfreq_grid_angstrom_squared=squared_frequency,
    )
    return -phase


def directed_defocus(
    mean_angstrom: float | Tensor, half_cos: float | Tensor, half_sin: float | Tensor, direction: Tensor
) -> Tensor:
    """Return the defocus in each direction, mean + d cos(2 (direction - angle)), d half the astigmatism.

    Args:
        mean_angstrom: mean defocus.
        half_cos: d cos(2 angle), in angstrom.
        half_sin: d sin(2 angle), in angstrom.
        direction: angles of frequencies in radians, from x towards y.
    """
    return mean_angstrom + half_cos * torch.cos(2 * direction) + half_sin * torch.sin(2 * direction)


def ctf_2d(
    ctf: Ctf, shape: tuple[int, int], pixel_size_angstrom: float, device: torch.device | str | None = None
) -> Tensor:
    """Return the CTF on the grid of an rfft.

    Args:
        ctf: parameters.
        shape: (h, w) of the image.
        pixel_size_angstrom: size of a pixel.
        device: where to compute; the CPU by default.

    Returns:
        `(h, w // 2 + 1)` float32, positive at low resolution.
    """
    fy = torch.fft.fftfreq(shape[0], pixel_size_angstrom, device=device)[:, None]
    fx = torch.fft.rfftfreq(shape[1], pixel_size_angstrom, device=device)[None, :]
    half, angle = ctf.astigmatism_angstrom / 2, math.radians(ctf.defocus_angle_degrees)
    along_x, diagonal = half * math.cos(2 * angle), half * math.sin(2 * angle)
    defocus = directed_defocus(ctf.defocus_angstrom, along_x, diagonal, torch.atan2(fy, fx))
    return torch.sin(ctf_phase(defocus, fx.square() + fy.square(), ctf.microscope))


def ctf_of(file: MicrographFile) -> Ctf | None:
    """Return the CTF that a micrograph's STAR file gives, or None where it gives none or could not be estimated.

    Raises:
        MicrographError: if it gives a defocus, but not the voltage, Cs and amplitude contrast that go with it, or
            values that are none.
    """
    try:
        return ctf_from_columns({**file.optics, **file.row})
    except ValueError as error:
        raise MicrographError(file.path, str(error)) from error


def ctf_from_columns(known: Mapping[str, str]) -> Ctf | None:
    """Return the CTF that columns of a STAR file give, or None where they give none or it could not be estimated.

    A defocus of 0 is none: RELION reads 0 where a cell has no number, and tables have it where only others have a CTF.

    Args:
        known: values by column of one micrograph or particle, with those of its optics group.

    Raises:
        ValueError: if there is a defocus, but not the voltage, Cs and amplitude contrast that go with it, or values
            that are none; says so in a line.
    """
    if not all(column in known for column in CTF_DEFOCUS):
        return None
    try:
        u, v, angle = (float(known[column]) for column in CTF_DEFOCUS)
        if not all(map(math.isfinite, (u, v, angle))) or u == 0 or v == 0:
            return None
        voltage, cs, amplitude = (float(known[column]) for column in CTF_OPTICS)
        microscope = Microscope(voltage, cs, amplitude, float(known.get(CTF_PHASE_SHIFT, 0)))
    except KeyError as error:
        raise ValueError(f"its STAR file gives a defocus, but no {error.args[0]}") from error
    except ValueError as error:
        raise ValueError(f"a broken value among its CTF columns: {error}") from error
    if not (voltage > 0 and 0 <= amplitude < 1 and math.isfinite(cs)):
        raise ValueError(f"no microscope: {voltage:g} kV, Cs {cs:g} mm, amplitude contrast {amplitude}")
    return Ctf(u, v, angle, microscope)
