"""Whether 2D classification of very many particles fits in memory, and how long it takes.

usage: python benchmarks/classes2d_scale.py SHARED OUT [--count 200000] [--classes 200] [--box 64] [--cpus 2]
       [--interrupt-after SECONDS]

Simulates particles of three species in 200 views (`view_stacks.py`; of 20,000 distinct clean images, each in ten
different noises and CTFs), runs `cryoglean classify` on them as a user would, and prints one row: particles, classes,
box, seconds, peak memory of the process in MiB, the share of the particles whose class is mostly of their species, and
of their view. `--interrupt-after`: ends the command after so many seconds, and gives it again.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from classes2d_cases import STRUCTURES
from cryoglean.classes2d.folder import read_classification
from view_stacks import Stack, write

DIAMETER = 190.0
DISTINCT = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--classes", type=int, default=200)
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--interrupt-after", type=float)
    given = parser.parse_args()
    stack = Stack(
        tuple(str(given.shared / "data" / "structures" / name) for name in STRUCTURES.values()),
        DIAMETER,
        views=200,
        signal=0.4,
        count=given.count,
        distinct=min(DISTINCT, given.count),
        box_px=given.box,
        pixel_size_angstrom=4.2 * 64 / given.box,
    )
    folder = given.out / f"{given.count}-{given.box}"
    if not (folder / "truth.csv").is_file():
        write(stack, folder)
    out = given.out / f"{given.count}-{given.box}-k{given.classes}"
    words = ["classify", folder / "particles.star", "--diameter", f"{DIAMETER:g}", "--classes", given.classes]
    command = [sys.executable, "-m", "cryoglean.cli", *map(str, words), "--out", str(out), "--cpus", str(given.cpus)]
    start = time.perf_counter()
    if given.interrupt_after:
        subprocess.run(["timeout", "-s", "KILL", str(given.interrupt_after), *command], check=False)
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    found, truth = read_classification(out)[0], pd.read_csv(folder / "truth.csv")
    index = found.particles.class_index
    shares = [f"{share_of_majority(index, truth[kind].to_numpy()):.3f}" for kind in ("species", "view")]
    row = (given.count, given.classes, given.box, f"{seconds:.0f} s", f"{memory:.0f} MiB", *shares)
    print("| " + " | ".join(map(str, row)) + " |")


def share_of_majority(index: np.ndarray, kind: np.ndarray) -> float:
    """Return the share of the particles that are of the commonest kind of their class."""
    return float(pd.crosstab(index, kind).to_numpy().max(axis=1).sum() / len(index))


if __name__ == "__main__":
    main()
