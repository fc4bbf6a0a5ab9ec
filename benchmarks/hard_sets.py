"""The simulated sets of the hard suite: how each is made, and where its particles are."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import gemmi
import mrcfile
import numpy as np

from cryoglean.io.images import read_image
from cryoglean.io.inputs import find_micrographs

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE_PX, PIXEL_SIZE, MICROGRAPHS = 1536, 2.0, 4
BGAL, UNC18 = "bgal_465kDa_5a1a.pdb.gz", "unc18_syntaxin_83kDa_2xhe.cif.gz"
GROEL, APOFERRITIN = "groel_740kDa_1mnf.pdb.gz", "apoferritin_432kDa_4v1w.cif.gz"
ROD_STEP = 0.9
"""Distance of two copies in a rod, in their longest extents."""
NOISE_LENGTH_PX = 6
"""Correlation length of coloured noise, by a filter 1 / (1 + (f length)^2)."""


@dataclass(frozen=True)
class HardSet:
    """One set.

    Attributes:
        options: of `cryoglean simulate`, without model, number, size and seed.
        diameter: of the particles, in angstrom; by it picks are judged.
        models: files of structures, or `rodN`.
        given: diameters that pickers are given, the true one first.
        source: another set whose micrographs these are, turned by `turn`.
        make: makes the micrographs in place of the simulator.
        micrographs: how many.
        height_px: rows.
        width_px: columns.
        pixel_size: in angstrom.
    """

    options: str = ""
    diameter: float = 190.0
    models: tuple[str, ...] = (BGAL,)
    given: tuple[float, ...] = field(default=())
    source: str = ""
    make: Callable[[Path, int], None] | None = None
    micrographs: int = MICROGRAPHS
    height_px: int = SIDE_PX
    width_px: int = SIDE_PX
    pixel_size: float = PIXEL_SIZE

    @property
    def diameters(self) -> tuple[float, ...]:
        """Diameters that pickers are given."""
        return self.given or (self.diameter,)


def write_noise(folder: Path, seed: int) -> None:
    """Write white and coloured noise, half of the micrographs each."""
    frequency = np.hypot(np.fft.fftfreq(SIDE_PX)[:, None], np.fft.rfftfreq(SIDE_PX)[None])
    colour = 1 / (1 + (frequency * 2 * np.pi * NOISE_LENGTH_PX) ** 2)
    for number in range(MICROGRAPHS):
        noise = np.random.default_rng([seed, number]).standard_normal((SIDE_PX, SIDE_PX))
        coloured = np.fft.irfft2(np.fft.rfft2(noise) * colour, s=noise.shape)
        write_mrc(folder / f"noise_{number}.mrc", coloured if number % 2 else noise)


def write_mrc(path: Path, image: np.ndarray) -> None:
    """Write a micrograph."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, np.asarray(image, np.float32), overwrite=True) as file:
        file.voxel_size = PIXEL_SIZE


SETS = {
    "base": HardSet("--particles 80 --nuisances some", given=(190, 133, 162, 247, 285)),
    "clean": HardSet("--particles 80"),
    "bright": HardSet(source="clean"),
    "crowd": HardSet("--particles 350 --spacing 0.75 --overlapping 0.1"),
    "sparse": HardSet("--particles 2"),
    "sparse-dirt": HardSet("--particles 2 --nuisances some"),
    "dirt": HardSet("--particles 0 --nuisances some"),
    "noise": HardSet(make=write_noise),
    "rod2": HardSet("--particles 60", 200, ("rod2",)),
    "rod3": HardSet("--particles 40", 290, ("rod3",)),
    "small": HardSet("--particles 200", 110, (UNC18,)),
    "small-dim": HardSet("--particles 200 --dose 12", 110, (UNC18,)),
    "mixed": HardSet("--particles 120", 190, (UNC18, GROEL)),
    "defocus": HardSet("--particles 80 --defocus 3000,40000"),
    "gradient": HardSet("--particles 80 --ice 600 --ice-gradient 1.4"),
    "plate": HardSet("--particles 80 --amplitude-contrast 1.0 --defocus 3000,8000"),
    "frames": HardSet(
        "--particles 150 --dose 0.4",
        112.5,
        (APOFERRITIN,),
        micrographs=12,
        height_px=1200,
        width_px=1240,
        pixel_size=1.5,
    ),
}


def make_set(name: str, seed: int, structures: Path, root: Path) -> Path:
    """Make a set, if it is not there; return its folder, with `micrographs` and `truth`."""
    kind, out = SETS[name], root / f"{name}-{seed}"
    if kind.source:
        source = make_set(kind.source, seed, structures, root)
        _invert(source / "micrographs", out / "micrographs")
        return out if (out / "truth").exists() else _link(source / "truth", out)
    if kind.make is not None:
        kind.make(out / "micrographs", seed)
        return out
    models = [_model(each, structures, root) for each in kind.models]
    words = [word for model in models for word in ("--model", str(model))]
    words += ["--micrographs", str(kind.micrographs), "--size", f"{kind.height_px}x{kind.width_px}"]
    words += ["--pixel-size", str(kind.pixel_size), "--seed", str(seed), *kind.options.split(), "--out", str(out)]
    subprocess.run([sys.executable, "-m", "cryoglean.cli", "simulate", *words], check=True, capture_output=True)
    return out


def _link(truth: Path, out: Path) -> Path:
    (out / "truth").symlink_to(truth.resolve())
    return out


def _invert(source: Path, target: Path) -> None:
    for file in find_micrographs([source]):
        write_mrc(target / f"{file.path.stem}.mrc", -read_image(file.path)[0])


def _model(name: str, structures: Path, root: Path) -> Path:
    if not name.startswith("rod"):
        return structures / name
    path = root / f"{name}.cif"
    if not path.exists():
        write_rod(structures / UNC18, path, int(name.removeprefix("rod")))
    return path


def write_rod(model: Path, path: Path, copies: int) -> None:
    """Write copies of a model along its longest axis."""
    structure = gemmi.read_structure(str(model))
    one = structure[0]
    positions = np.array([cra.atom.pos.tolist() for cra in one.all()])
    axis = np.linalg.svd(positions - positions.mean(0), full_matrices=False)[2][0]
    step = axis * np.ptp(positions @ axis) * ROD_STEP
    chains = [chain.clone() for chain in one]
    for number in range(1, copies):
        for chain in chains:
            copied = chain.clone()
            copied.name = f"{chain.name}{number}"
            _move(copied, step * number)
            one.add_chain(copied)
    path.parent.mkdir(parents=True, exist_ok=True)
    structure.make_mmcif_document().write_file(str(path))


def _move(chain: gemmi.Chain, shift: np.ndarray) -> None:
    for residue in chain:
        for atom in residue:
            atom.pos += gemmi.Position(*shift)
