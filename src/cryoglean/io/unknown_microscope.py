"""Mark of an optics group whose microscope is not known, where RELION asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.io.relion_columns import AMPLITUDE_CONTRAST, MICROSCOPE, SPHERICAL_ABERRATION

if TYPE_CHECKING:
    from collections.abc import Mapping

CTF_OF_ONE = {SPHERICAL_ABERRATION: "0", AMPLITUDE_CONTRAST: "1"}
"""Microscope of an optics group whose particles have no CTF, where others of the table have one. Derived: at a defocus
of 0 the CTF is the sine of the phase that stands for the amplitude contrast, less that of the spherical aberration: 1
at every frequency, so that RELION leaves these images as they are."""


def has_microscope(optics: Mapping[str, str]) -> bool:
    """Tell whether a group says what microscope it is of, and is not one whose CTF is 1 for want of another."""
    try:
        return all(column in optics for column in MICROSCOPE) and float(optics[AMPLITUDE_CONTRAST]) < 1
    except ValueError:
        return True  # broken, which its reader tells


def without_mark(optics: Mapping[str, str]) -> dict[str, str]:
    """Return a group without the microscope that `CTF_OF_ONE` put in the place of an unknown one."""
    is_mark = AMPLITUDE_CONTRAST in optics and not has_microscope(optics) and all(c in optics for c in MICROSCOPE)
    return {column: value for column, value in optics.items() if not (is_mark and column in MICROSCOPE)}
