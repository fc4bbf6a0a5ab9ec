"""How long a 2D classification takes: side by side with RELION, at full size, and as it grows.

usage: python benchmarks/classes2d_speed.py CASES [--relion] [--full] [--growth] [--threads 2]

CASES is the folder that classes2d_cases.py has filled. `--relion`: 2,000 particles of `sim-mid` into 10 classes in 15
iterations, by the native engine and by `relion_refine --j 2` in the same run. `--full`: 13,000 particles (those of the
simulated cases together) into 65 classes in 25 iterations. `--growth`: the native engine's seconds as the number of
particles, classes and pixels grows. Each classification runs in a process of its own, so that its peak memory is told.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from classes2d_quality import DIAMETERS
from cryoglean.classes2d.native import classify
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.classes2d.reading import read_usable
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.particles.boxes import scale_boxes

SIMULATED = ("sim-mid", "sim-low", "sim-high")
BASE = {"particles": 2_000, "classes": 10, "box": 64, "iterations": 15}
GROWTH = [
    BASE,
    *({**BASE, "particles": n} for n in (1_000, 4_000, 8_000)),
    *({**BASE, "classes": k} for k in (20, 40, 80)),
    *({**BASE, "box": b} for b in (48, 96, 128)),
]
FULL = {"particles": 13_000, "classes": 65, "box": 64, "iterations": 25}


def particles_of(cases: Path, count: int, box: int) -> ParticleSet:
    """Return so many particles of the simulated cases, in boxes of so many pixels."""
    sets: list[ParticleSet] = []
    while sum([len(each) for each in sets]) < count:
        sets.append(read_usable(cases / SIMULATED[len(sets)] / "particles.star").particles)
    ctfs = [ctf for each in sets for ctf in each.ctfs or ()][:count]
    images, pixel_size = np.concatenate([np.asarray(each.images) for each in sets])[:count], sets[0].pixel_size_angstrom
    if box != images.shape[-1]:
        pixel_size *= images.shape[-1] / box
        images = scale_boxes(torch.from_numpy(images), box).numpy()
    return ParticleSet(images, pixel_size, ctfs)


def one(cases: Path, job: dict[str, int], threads: int) -> None:
    """Classify, and print seconds and peak memory."""
    particles = particles_of(cases, job["particles"], job["box"])
    settings = ClassifySettings(
        diameter_angstrom=DIAMETERS["sim-mid"], classes=job["classes"], iterations=job["iterations"]
    )
    start = time.perf_counter()
    classify(particles, settings, threads=threads)
    seconds, memory = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**job, "seconds": round(seconds, 1), "peak_mib": round(memory)}))


def timed(cases: Path, job: dict[str, int], threads: int) -> dict[str, float]:
    """Classify in a process of its own."""
    command = [sys.executable, __file__, str(cases), "--threads", str(threads), "--one", json.dumps(job)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(told)
    return found


def against_relion(cases: Path, threads: int) -> None:
    """Time both engines on the same particles, the native one before and after."""
    before = timed(cases, BASE, threads)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(__file__).with_name("classes2d_relion.py")
        command = [sys.executable, str(script), str(cases), folder, "sim-mid", "--results", folder]
        subprocess.run([*command, "--threads", str(threads)], check=True)
        relion = json.loads((Path(folder) / "sim-mid" / "time.json").read_text())
    after = timed(cases, BASE, threads)
    ours = (before["seconds"] + after["seconds"]) / 2
    print(f"native {before['seconds']} s and {after['seconds']} s, RELION {relion['wall_seconds']} s")
    print(f"RELION / native: {relion['wall_seconds'] / ours:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--relion", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.cases, arguments.one, arguments.threads)
        return
    if arguments.relion:
        against_relion(arguments.cases, arguments.threads)
    jobs = [FULL] * arguments.full + GROWTH * arguments.growth
    if jobs:
        print(pd.DataFrame([timed(arguments.cases, job, arguments.threads) for job in jobs]).to_string(index=False))


if __name__ == "__main__":
    main()
