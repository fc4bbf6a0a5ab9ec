"""What the native engine's choices are worth: 2D classes of the same particles with one constant moved at a time.

usage: python benchmarks/classes2d_ablation.py CASES [CASE ...] [--seeds 3] [--threads 2] [--only NAME ...]

CASES is the folder that classes2d_cases.py has filled. Of each case the subset is classified as classes2d_quality.py
does; told are the means over the seeds of its first three columns, areas under the ROC. The last column is of another
set: 10 or 20 rings among 300 commas, in so much noise that they are hardly told apart (six of each): the share of the
rings that are in classes most of whose images are rings, that is how well rare views are kept apart; in 8 classes, and
in 16, of which each has about as many images as the rare view.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classes2d_quality import judge, read_case
from constants_decoys import moved
from cryoglean.classes2d.native import classify, joining, schedule, search, splits
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.classes2d.settings import ClassifySettings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from turned_shapes import PIXEL, comma, ring, shape_set  # the shapes of the tests

if TYPE_CHECKING:
    from types import ModuleType

CASES = ("sim-low", "sim-mid", "sim-high", "10146", "10146-noisy", "10017")
MEASURES = ("bound", "automatic", "percent_per_resolution")
VALUES: dict[str, tuple[ModuleType, tuple[float, ...]]] = {
    "_MORE_CLASSES": (schedule, (1.0, 3.0, 4.0)),
    "_IMAGES_OF_FIRST_CLASSES": (schedule, (10, 50)),
    "_SMALL_SHARE": (joining, (0.0, 0.1)),
    "_SHIFT_SPREAD": (search, (0.1, 0.2, 0.25, 0.35, 0.5)),
    "_EMPTY_SHARE": (splits, (0.0, 0.03, 0.1)),
    "_RINGS_PER_ITERATION": (schedule, (1, 2, 5)),
    "FIRST_ELEMENTS": (schedule, (2.0, 3.5)),
    "_MASK_DIAMETERS": (schedule, (0.95, 1.2)),
}
"""Constants, where they stand, and other values than their own."""
NOISE, RARE, COMMON, RARE_CLASSES = (1.0, 1.4, 1.8), (10, 20), 300, (8, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("case", nargs="*", default=list(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=list(VALUES), metavar="NAME")
    given = parser.parse_args()
    print("| constant | value |" + "".join(f" {name} |" for name in given.case) + " rare |")
    print("|---|---|" + "---|" * (len(given.case) + 1), flush=True)
    print_row("as they are", "", given)
    for name in given.only:
        where, values = VALUES[name]
        for value in values:
            with moved(where, name, value):
                print_row(f"`{name}`", f"{value:g}", given)


def print_row(name: str, value: str, given: argparse.Namespace) -> None:
    """Print the figures of all cases with the constants as they are now."""
    rare = " / ".join(f"{rare_kept_apart(classes, given.seeds, given.threads):.2f}" for classes in RARE_CLASSES)
    told = [
        " / ".join(f"{each:.3f}" for each in quality(given.cases / case, given.seeds, given.threads))
        for case in given.case
    ]
    print(f"| {name} | {value} | {' | '.join(told)} | {rare} |", flush=True)


def quality(folder: Path, seeds: int, threads: int) -> list[float]:
    """Return the measures of a case, means over seeds."""
    case, rows = read_case(folder), []
    for seed in range(seeds):
        found = classify(case.particles, case.settings.model_copy(update={"seed": seed}), threads=threads)
        told = judge(case, "native", found, np.arange(len(case.rows)))
        rows.append([float(str(told[name])) for name in MEASURES])
    return [float(each) for each in np.mean(rows, axis=0)]


def rare_kept_apart(classes: int, seeds: int, threads: int) -> float:
    """Return the mean share of rare images that are in classes of their own kind."""
    sets = product(NOISE, RARE, range(seeds))
    return float(np.mean([_kept_apart(classes, noise, rare, seed, threads) for noise, rare, seed in sets]))


def _kept_apart(classes: int, noise: float, rare: int, seed: int, threads: int) -> float:
    particles, kind, _, _ = shape_set((comma, ring), COMMON, noise, seed=seed)
    rows = np.concatenate([np.flatnonzero(kind == 0), np.flatnonzero(kind == 1)[:rare]])
    settings = ClassifySettings(diameter_angstrom=90, classes=classes, iterations=15, seed=seed)
    index = classify(ParticleSet(particles.images[rows], PIXEL), settings, threads=threads).particles.class_index
    is_rare = kind[rows] == 1
    total, of_rare = np.bincount(index, minlength=classes), np.bincount(index[is_rare], minlength=classes)
    mostly_rare = of_rare > total / 2
    return float(mostly_rare[index[is_rare]].mean())


if __name__ == "__main__":
    main()
