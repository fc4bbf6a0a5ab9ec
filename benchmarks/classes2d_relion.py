"""2D classification by RELION of the cases that classes2d_cases.py builds: its classes, and the time it takes.

usage: python benchmarks/classes2d_relion.py CASES OUT [CASE ...] [--seeds 20240] [--results FOLDER] [--threads 2]

CASES is the folder that classes2d_cases.py has filled; RELION (3.1 or later) must be installed. Of each case the part
that truth.csv calls the subset is classified, at most 2,000 particles, into 10 classes in 15 iterations, with the flags
that RELION's own interface gives, and with a CTF that is ignored until its first peak, as `cryoglean classify --engine
relion` does; `species` into one class for each of its three species. OUT/<case>-<seed> keeps `data.star`,
`model.star`, `classes.mrcs`, `command.txt` and `time.json`: wall seconds, and processor seconds of all threads. The
first three go to FOLDER, too (by default the folder `relion_2d` beside this script), as <case>-<seed>.tar.gz, so that
comparisons can be repeated without RELION; and times.csv, seconds and processor seconds of each run.

A run that OUT/READY lists is left as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from cryoglean.io.particles import ParticleTable, read_particles, write_particles
from cryoglean.jobs.extract_settings import PAPER_BACKGROUND_RADIUS

CASES = ("10146", "sim-mid", "10017", "species", "sim-high", "sim-low", "10146-noisy")
ITERATIONS, SEED = 15, 20240  # the seed unless others are given
CLASSES = {"species": 3}  # others 10
SIZE_PX = 64
FLAGS = (
    "--flatten_solvent --zero_mask --norm --scale --tau2_fudge 2 --psi_step 12 --offset_range 5 --offset_step 2 "
    "--oversampling 1 --pad 2 --dont_combine_weights_via_disc --dont_check_norm"
)
OPTICS = {"rlnVoltage": "300", "rlnSphericalAberration": "2.7", "rlnAmplitudeContrast": "0.1"}
KEPT = ("data.star", "model.star", "classes.mrcs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("case", nargs="*", default=CASES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[SEED])
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "relion_2d")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.results.mkdir(parents=True, exist_ok=True)
    ready = arguments.out / "READY"
    for name, seed in product(arguments.case, arguments.seeds):
        run = f"{name}-{seed}"
        if not (ready.is_file() and run in ready.read_text().split()):
            classify(arguments.cases / name, arguments.out / run, seed, arguments.threads)
            pack(arguments.out / run, arguments.results / f"{run}.tar.gz")
            with ready.open("a") as stream:
                print(run, file=stream)
    write_times(arguments.out, arguments.results)


def classify(case: Path, out: Path, seed: int, threads: int) -> None:
    """Run RELION on the subset of one case, and keep what its last iteration says."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "particles.mrcs").symlink_to((case / "particles.mrcs").resolve())
        table = subset_table(case)
        write_particles(work / "subset.star", table)
        command = relion_command(table, CLASSES.get(case.name, 10), seed, threads)
        (out / "command.txt").write_text(" ".join(command) + "\n")
        used = timed(command, work, out / "relion.log")
        (out / "time.json").write_text(json.dumps({**used, "particles": len(table.particles), "threads": threads}))
        for name in KEPT:
            shutil.copy(work / f"run_it{ITERATIONS:03d}_{name}", out / name)
    print(f"{out.name}: {used['wall_seconds']:.0f} s, {used['user_seconds']:.0f} s of processor time", flush=True)


def subset_table(case: Path) -> ParticleTable:
    """Return the table of the particles that RELION gets; optics that it demands but does not use are made up."""
    table, truth = read_particles(case / "particles.star"), pd.read_csv(case / "truth.csv")
    rows = np.flatnonzero(truth["subset"])
    unknown = {column: value for column, value in OPTICS.items() if column not in table.optics}
    return ParticleTable(table.optics.assign(**unknown), table.particles.iloc[rows].reset_index(drop=True))


def relion_command(table: ParticleTable, classes: int, seed: int, threads: int) -> list[str]:
    """Return the command; the mask is as wide as the circle outside which the background was normalised."""
    diameter = PAPER_BACKGROUND_RADIUS * SIZE_PX * float(table.optics["rlnImagePixelSize"][0])
    command = ["relion_refine", "--i", "subset.star", "--o", "./run", "--K", str(classes), "--iter", str(ITERATIONS)]
    command += ["--particle_diameter", f"{diameter:.1f}", *FLAGS.split()]
    command += ["--random_seed", str(seed), "--j", str(threads)]
    return [*command, "--ctf", "--ctf_intact_first_peak"] if "rlnDefocusU" in table.particles else command


def timed(command: list[str], folder: Path, log: Path) -> dict[str, float]:
    """Run a command in a folder; return its wall and processor seconds."""
    start, before = time.perf_counter(), os.times()
    with log.open("w") as stream:
        subprocess.run(command, cwd=folder, check=True, stdout=stream, stderr=subprocess.STDOUT)
    wall, after = time.perf_counter() - start, os.times()
    return {
        "wall_seconds": round(wall, 1),
        "user_seconds": round(after.children_user - before.children_user, 1),
        "system_seconds": round(after.children_system - before.children_system, 1),
    }


def pack(out: Path, archive: Path) -> None:
    """Pack what comparisons need of one case."""
    with tarfile.open(archive, "w:gz") as files:
        for name in KEPT:
            files.add(out / name, name)


def write_times(out: Path, results: Path) -> None:
    """Write the times of all runs that are done, beside those of runs that were done elsewhere."""
    path = results / "times.csv"
    known = {row["run"]: row for row in pd.read_csv(path).to_dict("records")} if path.is_file() else {}
    for done in sorted(out.glob("*/time.json")):
        known[done.parent.name] = {"run": done.parent.name, **json.loads(done.read_text())}
    rows = list(known.values())
    pd.DataFrame(rows).to_csv(path, index=False)


if __name__ == "__main__":
    main()
