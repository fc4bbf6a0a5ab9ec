"""Micrographs: a file to be read (with what its tables say of it), and the image once it is read."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

DEFOCUS_U, DEFOCUS_V, CTF_MAX_RESOLUTION = "rlnDefocusU", "rlnDefocusV", "rlnCtfMaxResolution"
"""*Format*: columns of RELION's table of micrographs, the only ones that are read here."""


class Contrast(StrEnum):
    """Contrast of protein on its background: dark in ice as recorded, bright in stain and inverted micrographs."""

    dark = "dark"
    bright = "bright"


@dataclass(frozen=True)
class MicrographFile:
    """One micrograph that is not read yet.

    Attributes:
        path: where the image is.
        name: how its table or the user calls it: what goes into `rlnMicrographName`.
        key: its unique name in an output folder, a relative path without extension ("a" or "grid2/a").
        pixel_size_angstrom: what the tables say, if they say it.
        row: its row of the micrographs STAR, column names without the leading underscore; empty if there is none.
        optics: its row of the optics table; empty if there is none.
        original_pixel_size_angstrom: of the movie, where the tables do not say the micrograph's own.
        contrast: of its protein, as far as it is known; a micrograph of bright protein is inverted as it is read.
        mask: file that marks what is to be left out of it, if there is one (see `io.masks`).
    """

    path: Path
    name: str
    key: str
    pixel_size_angstrom: float | None = None
    row: Mapping[str, str] = field(default_factory=dict)
    optics: Mapping[str, str] = field(default_factory=dict)
    original_pixel_size_angstrom: float | None = None
    contrast: Contrast = Contrast.dark
    mask: Path | None = None

    @property
    def real_path(self) -> Path:
        """Its path with links followed as far as they lead: one to itself leads nowhere, and is no error here."""
        return Path(os.path.realpath(self.path))

    @property
    def defocus_angstrom(self) -> float | None:
        """Mean defocus (positive is underfocus) from the CTF columns, or None where it is not known: 0 says so."""
        columns = (DEFOCUS_U, DEFOCUS_V)
        if not all(c in self.row for c in columns):
            return None
        u, v = (float(self.row[c]) for c in columns)
        return (u + v) / 2 if math.isfinite(u + v) and u != 0 and v != 0 else None

    @property
    def ctf_resolution_angstrom(self) -> float | None:
        """Resolution to which its CTF fits, or None where it is not known."""
        try:
            reached = float(self.row.get(CTF_MAX_RESOLUTION, "inf"))
        except ValueError:
            return None
        return reached if math.isfinite(reached) else None


@dataclass(frozen=True, eq=False)
class Micrograph:
    """One micrograph in memory.

    Attributes:
        image: (h, w) float32, row 0 first as stored, protein dark: as recorded, or inverted (see `MicrographFile`).
        pixel_size_angstrom: size of a pixel in angstrom.
        name: as in `MicrographFile`.
        defocus_angstrom: mean defocus, where it is known.
        mask: (h, w) booleans, true where it counts as not exposed: nothing is learned from there, nor picked in it.

    Raises:
        ValueError: if the mask is of another shape.
    """

    image: NDArray[np.float32]
    pixel_size_angstrom: float
    name: str = "micrograph"
    defocus_angstrom: float | None = None
    mask: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.mask is not None and self.mask.shape != self.image.shape:
            raise ValueError(f"Micrograph.mask is {self.mask.shape}, its image {self.image.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.image.shape
        return height, width
