"""Stacks of particles of which the view, the turn and the place are known exactly; for benchmarks of 2D classes.

Each particle shows one of a few fixed views of a structure, turned in the plane and moved by chance, under the CTF of
one of 40 micrographs, in white noise. The signal's standard deviation within the particle's disc, in deviations of the
noise, is the one measure of how hard a stack is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from cryoglean.ctf.model import Ctf, Microscope, ctf_2d
from cryoglean.io.particles import ParticleTable, write_particles, write_stack
from cryoglean.simulate.models import read_model
from cryoglean.simulate.orientation import random_view, view_matrix
from cryoglean.simulate.projection import Projector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MICROGRAPHS = 40
DEFOCUS_ANGSTROM = (8_000, 25_000)
MICROSCOPE = Microscope()
REACH_DIAMETERS = 0.04  # standard deviation of the place along an axis


@dataclass(frozen=True)
class Stack:
    """What a stack shows.

    Attributes:
        models: files of structures; views are shared evenly among them.
        diameter_angstrom: of the largest.
        views: how many, of all structures together.
        signal: standard deviation within the disc, over that of the noise.
        count: particles.
        distinct: different clean images; beyond these only noise and CTF differ.
        box_px: side of an image.
        pixel_size_angstrom: of the images.
        seed: of all that is drawn.
    """

    models: tuple[str, ...]
    diameter_angstrom: float
    views: int
    signal: float
    count: int
    distinct: int
    box_px: int = 64
    pixel_size_angstrom: float = 4.2
    seed: int = 1


@dataclass(frozen=True)
class Truth:
    """Truth of (n,) particles.

    Attributes:
        view: number of the view.
        psi_degrees: `rlnAnglePsi` that lays the view on the image.
        shift_px: (n, 2) x and y of the particle's centre from the middle of the box.
        micrograph: number, which the CTF goes with.
    """

    view: NDArray[np.int64]
    psi_degrees: NDArray[np.float64]
    shift_px: NDArray[np.float64]
    micrograph: NDArray[np.int64]


class Views:
    """The views of a stack, projected."""

    def __init__(self, stack: Stack) -> None:
        self.stack, random = stack, np.random.default_rng(stack.seed)
        species = [read_model(name) for name in stack.models]
        self.projectors = [Projector(each, stack.pixel_size_angstrom) for each in species]
        self.angles = [random_view(random)[:2] for _ in range(stack.views)]
        steps = np.arange(stack.box_px) - stack.box_px // 2
        disc = np.hypot(steps[:, None], steps) * stack.pixel_size_angstrom < stack.diameter_angstrom / 2
        first = np.stack([self.project(view, 0.0, (0.0, 0.0)) for view in range(min(stack.views, 30))])
        self.scale = stack.signal / float(np.mean([image[disc].std() for image in first]))

    def species(self, view: int) -> int:
        """Return which structure a view is of."""
        return view % len(self.projectors)

    def project(self, view: int, psi: float, shift_px: tuple[float, float]) -> NDArray[np.float32]:
        """Return a view turned and moved, `(box, box)`, unscaled; protein is bright."""
        projector, box = self.projectors[self.species(view)], self.stack.box_px
        whole = (round(shift_px[0]), round(shift_px[1]))
        rest = (shift_px[0] - whole[0], shift_px[1] - whole[1])
        image = projector.project(view_matrix(*self.angles[view], psi), rest)
        return np.roll(_fitted(image, box), (whole[1], whole[0]), (0, 1))


def _fitted(image: NDArray[np.float32], box: int) -> NDArray[np.float32]:
    """Cut or pad an odd image to a box, middle to middle."""
    size = len(image)
    if size >= box:
        first = size // 2 - box // 2
        return image[first : first + box, first : first + box]
    first = box // 2 - size // 2
    return np.pad(image, (first, box - size - first))


def draw_truth(stack: Stack) -> Truth:
    """Draw what each particle is."""
    random, count, distinct = np.random.default_rng(stack.seed + 1), stack.count, stack.distinct
    which = np.arange(count) % distinct
    spread = REACH_DIAMETERS * stack.diameter_angstrom / stack.pixel_size_angstrom
    return Truth(
        random.integers(0, stack.views, distinct)[which],
        random.uniform(-180, 180, distinct)[which],
        random.normal(0, spread, (distinct, 2))[which],
        random.integers(0, MICROGRAPHS, count),
    )


def ctfs_of(stack: Stack) -> list[Ctf]:
    """Return the CTF of each micrograph, without astigmatism."""
    random = np.random.default_rng(stack.seed + 2)
    return [Ctf(d, d, 0.0, MICROSCOPE) for d in random.uniform(*DEFOCUS_ANGSTROM, MICROGRAPHS)]


def clean_images(views: Views, truth: Truth) -> NDArray[np.float32]:
    """Return the distinct images, scaled, without CTF and noise."""
    some = range(views.stack.distinct)
    return views.scale * np.stack(
        [views.project(int(truth.view[n]), truth.psi_degrees[n], tuple(truth.shift_px[n])) for n in some]
    )


def write(stack: Stack, folder: Path) -> None:
    """Write `particles.mrcs`, `particles.star` and `truth.csv`, some images at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    views, truth, ctfs = Views(stack), draw_truth(stack), ctfs_of(stack)
    clean, size = clean_images(views, truth), stack.pixel_size_angstrom
    transfer = torch.stack([ctf_2d(ctf, (stack.box_px, stack.box_px), size) for ctf in ctfs])
    write_stack(folder / "particles.mrcs", _noisy(stack, clean, truth, transfer), size)
    write_particles(folder / "particles.star", _table(stack, truth, ctfs))
    species = [views.species(view) for view in truth.view]
    pd.DataFrame({"view": truth.view, "species": species, "psi": truth.psi_degrees}).to_csv(folder / "truth.csv")


def _noisy(
    stack: Stack, clean: NDArray[np.float32], truth: Truth, transfer: torch.Tensor
) -> Iterator[NDArray[np.float32]]:
    random, box = np.random.default_rng(stack.seed + 3), stack.box_px
    for start in range(0, stack.count, 1000):
        rows = np.arange(start, min(start + 1000, stack.count))
        spectra = torch.fft.rfft2(torch.from_numpy(clean[rows % stack.distinct]))
        # A CTF that is positive at low resolution belongs to bright protein.
        seen = torch.fft.irfft2(spectra * transfer[truth.micrograph[rows]], s=(box, box)).numpy()
        yield (seen + random.standard_normal(seen.shape)).astype(np.float32)


def _table(stack: Stack, truth: Truth, ctfs: Sequence[Ctf]) -> ParticleTable:
    optics = {
        "rlnOpticsGroup": "1",
        "rlnVoltage": f"{MICROSCOPE.voltage_kv}",
        "rlnSphericalAberration": f"{MICROSCOPE.spherical_aberration_mm}",
        "rlnAmplitudeContrast": f"{MICROSCOPE.amplitude_contrast}",
        "rlnImagePixelSize": f"{stack.pixel_size_angstrom}",
        "rlnImageSize": f"{stack.box_px}",
        "rlnImageDimensionality": "2",
    }
    defocus = [f"{ctfs[m].defocus_u_angstrom:.2f}" for m in truth.micrograph]
    particles = {
        "rlnImageName": [f"{n + 1:06d}@particles.mrcs" for n in range(stack.count)],
        "rlnMicrographName": [f"m{m:03d}.mrc" for m in truth.micrograph],
        "rlnDefocusU": defocus,
        "rlnDefocusV": defocus,
        "rlnDefocusAngle": ["0"] * stack.count,
        "rlnOpticsGroup": ["1"] * stack.count,
    }
    return ParticleTable(pd.DataFrame([optics]), pd.DataFrame(particles))
