"""How sharp class averages are: against the true view of their particles, and against perfect alignment.

usage: python benchmarks/classes2d_sharpness.py SHARED OUT [--relion] [--threads 2] [--gallery FILE]

Simulates 1,000 particles in five views of a structure (`view_stacks.py`), for two structures at three strengths of the
signal, and sorts them into 5 classes in 15 iterations: by the native engine, seeds 0 to 2, and with `--relion` by
`relion_refine`, with the flags of classes2d_relion.py and one seed. Each average is laid onto the view that most of its
particles show, and compared with it by Fourier ring correlation within the particle's disc. `perfect` averages the
particles of each true view by their true turns and places, corrected for the CTF as the native engine does.

Printed for each: the resolution that the engine tells, mean over the classes that have one, by their particles; that at
which the correlation falls below 0.5 (which compares with a noise-free image;
Rosenthal and Henderson, J. Mol. Biol. 333, 721, 2003), mean over the classes by their particles; the mean correlation
up to Nyquist; and the share of the particles that show the view of their class.
"""

from __future__ import annotations

import argparse
import math
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from classes2d_cases import STRUCTURES
from classes2d_relion import ITERATIONS, relion_command
from cryoglean.classes2d.native import classify
from cryoglean.classes2d.native.averages import add_up, corrected
from cryoglean.classes2d.native.polar import soft_disc
from cryoglean.classes2d.native.rings import ring_ctf
from cryoglean.classes2d.reading import read_usable
from cryoglean.classes2d.relion.files import read_relion_run
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.io.particles import image_places, read_particles
from view_stacks import Stack, Truth, Views, ctfs_of, draw_truth, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPECIES = {"beta-galactosidase": 190.0, "groel": 178.0}
SIGNALS = (2.4, 1.2, 0.6)
PARTICLES, VIEWS = 1_000, 5
SEEDS = (0, 1, 2)
TURNS_DEG, FINE_DEG = 2.0, (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Found:
    """Averages and the classes of the particles.

    Attributes:
        averages: (k, box, box).
        class_index: (n,).
        told_angstrom: (k,) resolutions, as the engine tells them.
    """

    averages: NDArray[np.float32]
    class_index: NDArray[np.int64]
    told_angstrom: NDArray[np.float64]

    @property
    def told(self) -> float:
        """Mean of the finite ones, by particles."""
        counts = np.bincount(self.class_index, minlength=len(self.averages)) * np.isfinite(self.told_angstrom)
        return (
            float(np.average(np.nan_to_num(self.told_angstrom, posinf=0), weights=counts)) if counts.any() else math.nan
        )


@dataclass(frozen=True)
class Sharpness:
    """Means over the classes, by their particles.

    Attributes:
        resolution_angstrom: at which the correlation falls below 0.5.
        correlation: mean up to Nyquist.
        of_view: share of the particles that show their class's view.
    """

    resolution_angstrom: float
    correlation: float
    of_view: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--relion", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    print("| structure | signal | | told | resolution | correlation | of their view |\n|---|---|---|---|---|---|---|")
    for name, diameter in SPECIES.items():
        for signal in SIGNALS:
            model = str(given.shared / "data" / "structures" / STRUCTURES[name])
            stack = Stack((model,), diameter, VIEWS, signal, PARTICLES, PARTICLES)
            case(name, stack, given.out / f"{name}-{signal}", given)


def case(name: str, stack: Stack, folder: Path, given: argparse.Namespace) -> None:
    """Print the rows of one stack."""
    if not (folder / "truth.csv").is_file():
        write(stack, folder)
    views, truth = Views(stack), draw_truth(stack)
    runs = {"perfect": [perfect(stack, truth, folder)], "native": native(stack, folder, given.threads)}
    if given.relion:
        runs["RELION"] = [by_relion(folder)]
    for kind, found in runs.items():
        each = [sharpness(views, truth, one) for one in found]
        resolution, correlation, of_view = np.mean([tuple(vars(one).values()) for one in each], axis=0)
        told = f"{np.mean([one.told for one in found]):.1f} Å" if kind != "perfect" else ""
        row = (told, f"{resolution:.1f} Å", f"{correlation:.3f}", f"{of_view:.3f}")
        print(f"| {name} | {stack.signal} | {kind} | {' | '.join(row)} |", flush=True)
        np.save(folder / f"{kind}.npy", found[0].averages)


def native(stack: Stack, folder: Path, threads: int) -> list[Found]:
    """Classify by the native engine."""
    particles = read_usable(folder / "particles.star").particles
    settings = ClassifySettings(diameter_angstrom=stack.diameter_angstrom, classes=VIEWS, iterations=ITERATIONS)
    runs = [classify(particles, settings.model_copy(update={"seed": seed}), threads=threads) for seed in SEEDS]
    return [
        Found(found.classes.averages, found.particles.class_index, found.classes.resolution_angstrom) for found in runs
    ]


def by_relion(folder: Path) -> Found:
    """Classify by RELION, unless that is done."""
    table, run = read_particles(folder / "particles.star"), f"run_it{ITERATIONS:03d}_optimiser.star"
    if not (folder / run).is_file():
        command = relion_command(table, VIEWS, 1, 1)
        command[command.index("subset.star")] = "particles.star"
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found, rows = read_relion_run(folder / run)
    index = np.empty(len(rows.particles), np.int64)
    index[[number for number, _ in image_places(rows, folder / "particles.star")]] = found.particles.class_index
    return Found(found.classes.averages, index, found.classes.resolution_angstrom)


def perfect(stack: Stack, truth: Truth, folder: Path) -> Found:
    """Average the particles of each view by what is true of them."""
    images = read_usable(folder / "particles.star").particles.images
    ctfs = ctfs_of(stack)
    rings = ring_ctf(
        [ctfs[m] for m in truth.micrograph],
        stack.count,
        stack.box_px // 2 - 1,
        1 / (stack.box_px * stack.pixel_size_angstrom),
    )
    shift = torch.from_numpy(-truth.shift_px[:, ::-1].copy()).float()
    angle = torch.from_numpy(-np.radians(truth.psi_degrees)).float()
    sums = add_up(images, rings, shift, angle, torch.from_numpy(truth.view), torch.arange(stack.count) % 2, VIEWS)
    averages = corrected(sums, torch.full((VIEWS, stack.box_px // 2 + 1), 10.0)).numpy()
    return Found(averages, truth.view, np.full(VIEWS, np.nan))


def sharpness(views: Views, truth: Truth, found: Found) -> Sharpness:
    """Compare averages with the views of most of their particles."""
    rows = []
    for k, average in enumerate(found.averages):
        shown = truth.view[found.class_index == k]
        if len(shown):
            view = int(np.bincount(shown).argmax())
            curve = ring_correlation(views, average, laid_on(views, view, average))
            rows.append(
                (resolution_of(views.stack, curve), float(curve[1:].mean()), (shown == view).mean(), len(shown))
            )
    *measures, counts = np.array(rows).T
    return Sharpness(*(float(np.average(each, weights=counts)) for each in measures))


def laid_on(views: Views, view: int, average: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a view, turned and moved onto an average: by all detail as strong as it is, or alike, whichever fits."""
    seen = np.fft.rfft2(masked(views.stack, average))
    each = [_laid(views, view, spectrum) for spectrum in (seen, whitened(seen))]
    return max(each, key=lambda there: float(ring_correlation(views, average, there)[1:].mean()))


def _laid(views: Views, view: int, seen: NDArray[np.complex128]) -> NDArray[np.float32]:
    best = max((onto(views, view, psi, seen) for psi in np.arange(0, 360, TURNS_DEG)), key=lambda each: each[0])
    for step in FINE_DEG:
        best = max(best, onto(views, view, best[1] + step, seen), key=lambda each: each[0])
    _, psi, place = best
    return views.project(view, psi, place)


def whitened(spectrum: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return a spectrum with the same power on all rings."""
    box = len(spectrum)
    ring = np.hypot(np.fft.fftfreq(box, 1 / box)[:, None], np.fft.rfftfreq(box, 1 / box)).round().astype(int)
    power = np.bincount(ring.ravel(), np.abs(spectrum).ravel() ** 2) / np.bincount(ring.ravel())
    return spectrum / np.sqrt(power[ring] + 1e-12)


def onto(views: Views, view: int, psi: float, seen: NDArray[np.complex128]) -> tuple[float, float, tuple[float, float]]:
    """Return how well a turned view correlates with an average where it does best, the turn, and the place (x, y)."""
    box = views.stack.box_px
    there = np.fft.rfft2(views.project(view, psi, (0.0, 0.0)))
    there[0, 0] = 0
    map_ = np.fft.irfft2(seen * there.conj(), s=(box, box))
    y, x = np.unravel_index(int(map_.argmax()), map_.shape)
    rest = [peak(map_[(y + np.arange(-1, 2)) % box, x]), peak(map_[y, (x + np.arange(-1, 2)) % box])]
    dy, dx = (float((v + box // 2) % box - box // 2) + r for v, r in zip((y, x), rest, strict=True))
    return float(map_.max()) / math.sqrt(float(np.square(np.abs(there)).sum())), psi, (dx, dy)


def peak(three: NDArray[np.float64]) -> float:
    """Return where a parabola through three values has its top, from the middle one."""
    bend = three[0] - 2 * three[1] + three[2]
    return float(np.clip(0.5 * (three[0] - three[2]) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def masked(stack: Stack, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image within the particle's soft disc, without its mean there."""
    radius = stack.diameter_angstrom / stack.pixel_size_angstrom / 2
    disc = soft_disc(stack.box_px, radius * 1.05, radius * 0.3, torch.device("cpu")).numpy()
    return (image - (image * disc).sum() / disc.sum()) * disc


def ring_correlation(views: Views, average: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the Fourier ring correlation of two images within the particle's disc, rings 0 to box // 2."""
    first, second = (np.fft.fft2(masked(views.stack, image)) for image in (average, truth))
    box = views.stack.box_px
    frequency = np.fft.fftfreq(box, 1 / box)
    ring = np.hypot(frequency[:, None], frequency).round().astype(int).ravel()

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(ring, values.ravel())[: box // 2 + 1]

    power = summed(np.abs(first) ** 2) * summed(np.abs(second) ** 2)
    correlation: NDArray[np.float64] = summed((first * second.conj()).real) / np.sqrt(power + 1e-30)
    return correlation


def resolution_of(stack: Stack, curve: NDArray[np.float64]) -> float:
    """Return the resolution at which a curve first falls below 0.5, between rings; Nyquist if it never does."""
    side = stack.box_px * stack.pixel_size_angstrom
    below = np.flatnonzero(curve[1:] < 0.5)
    if not len(below):
        return 2 * stack.pixel_size_angstrom
    ring = int(below[0]) + 1
    before = curve[ring - 1] if ring > 1 else 1.0
    return side / max(ring - 1 + float((before - 0.5) / (before - curve[ring])), 0.5)


if __name__ == "__main__":
    main()
