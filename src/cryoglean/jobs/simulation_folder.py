"""Output folder of a simulation: its files, their state and its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mrcfile  # type: ignore[import-untyped]
import pandas as pd

from cryoglean.io.atomic import atomic_path, write_atomic_text
from cryoglean.io.relion import write_micrographs_star
from cryoglean.io.relion_columns import (
    AMPLITUDE_CONTRAST,
    CLASS,
    CTF_ASTIGMATISM,
    CTF_B_FACTOR,
    DEFOCUS_ANGLE,
    DEFOCUS_U,
    DEFOCUS_V,
    GROUP,
    GROUP_NAME,
    MICROGRAPH,
    ORIGINAL_PIXEL_SIZE,
    PIXEL_SIZE,
    PSI,
    SPHERICAL_ABERRATION,
    VOLTAGE,
    X,
    Y,
)
from cryoglean.io.star import star_text
from cryoglean.jobs.output_folder import OutputFolder
from cryoglean.micrograph import MicrographFile
from cryoglean.words import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cryoglean.simulate.plan import PlacedParticle, Plan
    from cryoglean.simulate.settings import Microscope

_HEADER_BYTES, _BYTES_PER_PIXEL = 1024, 4
"""Format: an MRC file in mode 2 is a header and float32 pixels."""

_TRUTH_COLUMNS = ("x", "y", "rot", "tilt", "psi", "species", "overlapped", "edge", "covered")
_NUISANCE_COLUMNS = ("kind", "x", "y", "radius_px")
_CTF_COLUMNS = (DEFOCUS_U, DEFOCUS_V, DEFOCUS_ANGLE, CTF_ASTIGMATISM, CTF_B_FACTOR)
_PARTICLE_COLUMNS = (
    *(MICROGRAPH, X, Y, "rlnAngleRot", "rlnAngleTilt", PSI),
    *(CLASS, *_CTF_COLUMNS, GROUP),
)
_LABEL = "cryoglean simulate"


_RESULTS = (
    "micrographs/simulated_*.mrc",
    "truth/simulated_*.csv",
    "nuisances/simulated_*.csv",
    "micrographs.star",
    "particles.star",
)


class SimulationFolder(OutputFolder):
    """The output folder of `cryoglean simulate`; names in its tables count from here."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "simulate", _RESULTS)

    def name(self, number: int) -> str:
        """Return the name of a micrograph in tables."""
        return f"micrographs/{self.stem(number)}.mrc"

    def stem(self, number: int) -> str:
        """Return the name of a micrograph's files without extension; numbers are counted from 0, names from 1."""
        return f"simulated_{number + 1:05d}"

    def micrograph_path(self, number: int) -> Path:
        """Path of a micrograph."""
        return self.root / self.name(number)

    def truth_path(self, number: int) -> Path:
        """Path of the true centres of a micrograph."""
        return self.root / "truth" / f"{self.stem(number)}.csv"

    def nuisances_path(self, number: int) -> Path:
        """Path of the list of nuisances in a micrograph."""
        return self.root / "nuisances" / f"{self.stem(number)}.csv"

    @property
    def micrographs_star_path(self) -> Path:
        """The micrographs with their CTF."""
        return self.root / "micrographs.star"

    @property
    def particles_star_path(self) -> Path:
        """The truth of all micrographs."""
        return self.root / "particles.star"

    def is_done(self, number: int, shape: tuple[int, int]) -> bool:
        """Whether a micrograph of a shape and its tables are there and whole."""
        path = self.micrograph_path(number)
        size = _HEADER_BYTES + _BYTES_PER_PIXEL * shape[0] * shape[1]
        tables = (self.truth_path(number), self.nuisances_path(number))
        return path.is_file() and path.stat().st_size == size and all(t.is_file() for t in tables)

    def numbers(self) -> list[int]:
        """Return the numbers of the micrographs that are there, done or not."""
        stems = (p.stem.removeprefix("simulated_") for p in (self.root / "micrographs").glob("simulated_*.mrc"))
        return sorted(int(stem) - 1 for stem in stems if stem.isdigit() and int(stem) > 0)

    def write_micrograph(self, number: int, image: NDArray[np.float32], pixel_size_angstrom: float) -> None:
        """Write an image, `(h, w)`, as float32 MRC; equal images give equal files."""
        with (
            atomic_path(self.micrograph_path(number)) as temporary,
            mrcfile.new(str(temporary), overwrite=True) as file,
        ):
            file.set_data(image)
            file.voxel_size = pixel_size_angstrom
            file.header.label[0] = _LABEL.ljust(80).encode()  # mrcfile would put the time there
            file.header.nlabl = 1

    def write_truth(self, plan: Plan, species: Sequence[str]) -> None:
        """Write the truth of a micrograph: x, y and Euler angles in pixels and degrees, species and flags."""
        rows = [(*_place(p), species[p.species], int(p.overlapped), int(p.at_edge), p.covered) for p in plan.particles]
        write_atomic_text(self.truth_path(plan.number), csv_text(_TRUTH_COLUMNS, rows))
        dirt = [(str(n.kind), *_decimals(n.x, n.y, n.radius_px)) for n in plan.nuisances]
        write_atomic_text(self.nuisances_path(plan.number), csv_text(_NUISANCE_COLUMNS, dirt))

    def micrograph_file(self, plan: Plan, microscope: Microscope) -> MicrographFile:
        """Return a micrograph as the tables name it, with its CTF."""
        number = plan.number
        return MicrographFile(
            self.micrograph_path(number),
            self.name(number),
            self.stem(number),
            microscope.pixel_size_angstrom,
            _ctf_row(plan),
            _optics(microscope),
        )

    def write_lists(self, plans: Sequence[Plan], microscope: Microscope) -> list[MicrographFile]:
        """Write the STAR files that name all micrographs and all particles; return the micrographs."""
        files = [self.micrograph_file(plan, microscope) for plan in plans]
        write_micrographs_star(self.micrographs_star_path, files)
        rows = [row for plan in plans for row in self._particle_rows(plan)]
        tables = {
            "optics": pd.DataFrame([_optics(microscope)], dtype=object),
            "particles": pd.DataFrame(rows, columns=pd.Index(_PARTICLE_COLUMNS), dtype=object),
        }
        write_atomic_text(self.particles_star_path, star_text(tables))
        return files

    def _particle_rows(self, plan: Plan) -> Iterable[list[str]]:
        ctf = _ctf_row(plan)
        for p in plan.particles:
            yield [self.name(plan.number), *_place(p), str(p.species + 1), *ctf.values(), "1"]


def _decimals(*values: float) -> list[str]:
    return [f"{value:.6f}" for value in values]


def _place(particle: PlacedParticle) -> list[str]:
    return _decimals(particle.x, particle.y, particle.rot_deg, particle.tilt_deg, particle.psi_deg)


def _optics(microscope: Microscope) -> dict[str, str]:
    pixel_size = f"{microscope.pixel_size_angstrom:.6f}"
    return {
        GROUP_NAME: "simulated",
        GROUP: "1",
        ORIGINAL_PIXEL_SIZE: pixel_size,
        PIXEL_SIZE: pixel_size,
        VOLTAGE: f"{microscope.voltage_kv:.6f}",
        SPHERICAL_ABERRATION: f"{microscope.spherical_aberration_mm:.6f}",
        AMPLITUDE_CONTRAST: f"{microscope.amplitude_contrast:.6f}",
    }


def _ctf_row(plan: Plan) -> dict[str, str]:
    transfer = plan.transfer
    u, v = transfer.defocus_u_angstrom, transfer.defocus_v_angstrom
    values = (u, v, transfer.defocus_angle_deg, u - v, transfer.b_factor_square_angstrom)
    return dict(zip(_CTF_COLUMNS, _decimals(*values), strict=True))
