"""Time and memory of `cryoglean pick` on 4,096 x 4,096 px micrographs on one core, beside RELION's LoG picker.

usage: python benchmarks/speed_memory.py [--count 200] [--few 20] [--large] [--folder FOLDER]

One simulated micrograph stands under many names (hard links), so that disk space does not matter. A run over COUNT and
one over FEW of them give the time of one more micrograph, free of start-up and learning, and show whether memory grows
with their number. RELION (`relion_autopick --LoG`, one process), where it is installed, picks FEW of the same files.
--large adds one micrograph of 11,520 x 8,184 px.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import mrcfile

from shells import ShellField

DIAMETER, PIXEL_SIZE = 180.0, 1.77


class Cost(NamedTuple):
    """What a process took."""

    seconds: float
    peak_mib: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--few", type=int, default=20)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        measure(Path(folder), arguments.count, arguments.few, large=arguments.large)


def measure(folder: Path, count: int, few: int, *, large: bool) -> None:
    """Run everything and print the table."""
    os.environ["OMP_NUM_THREADS"] = "1"
    field = ShellField(4096, 4096, 600, 150.0, PIXEL_SIZE)
    costs = {n: pick(micrographs(folder / f"m{n}", field, n), folder / f"out{n}") for n in (few, count)}
    each = (costs[count].seconds - costs[few].seconds) / (count - few)
    print("| what | seconds | peak memory, MiB |\n|---|---|---|")
    for n, cost in costs.items():
        print(f"| {n} micrographs of 4,096 x 4,096 px, one core, all | {cost.seconds:.1f} | {cost.peak_mib:.0f} |")
    print(
        f"| one more micrograph | {each:.3f} | {(costs[count].peak_mib - costs[few].peak_mib) / (count - few):+.3f} |"
    )
    if shutil.which("relion_autopick"):
        relion = relion_log(folder / f"m{few}", few)
        print(f"| RELION LoG, a micrograph (mean of {few}) | {relion.seconds / few:.3f} | {relion.peak_mib:.0f} |")
        print(f"\nours / RELION LoG, time of a micrograph: {each / (relion.seconds / few):.2f}")
    if large:
        big = ShellField(8184, 11520, 900, 150.0, 0.6)
        cost = pick(micrographs(folder / "large", big, 1), folder / "out-large")
        print(f"\n11,520 x 8,184 px float32, learning and picking: {cost.seconds:.1f} s, peak {cost.peak_mib:.0f} MiB")


def micrographs(folder: Path, field: ShellField, count: int) -> Path:
    """Write a field under many names."""
    folder.mkdir()
    first = folder / "m0000.mrc"
    # in a process of its own: what this one has held at its peak would count for each that it starts
    writer = get_context("spawn").Process(target=write, args=(first, field))
    writer.start()
    writer.join()
    for n in range(1, count):
        os.link(first, folder / f"m{n:04}.mrc")
    return folder


def write(path: Path, field: ShellField) -> None:
    """Render a field into a file."""
    micrograph, _ = field.render()
    with mrcfile.new(path, micrograph.image) as file:
        file.voxel_size = field.pixel_size_angstrom


def pick(folder: Path, out: Path) -> Cost:
    """Pick a folder on one core."""
    words = ["pick", folder, "--diameter", DIAMETER, "--out", out, "--cpus", 1]
    return run([sys.executable, "-m", "cryoglean.cli", *map(str, words)], folder)


def relion_log(folder: Path, count: int) -> Cost:
    """Pick the same files with RELION's Laplacian of Gaussian."""
    optics = [
        "OpticsGroupName",
        "OpticsGroup",
        "MicrographPixelSize",
        "Voltage",
        "SphericalAberration",
        "AmplitudeContrast",
    ]
    header = "".join(f"_rln{column}\n" for column in optics)
    optics_table = f"{header}g1 1 {PIXEL_SIZE} 300 2.7 0.1\n"
    names = "\n".join(f"m{n:04}.mrc 1" for n in range(count))
    table = f"_rlnMicrographName\n_rlnOpticsGroup\n{names}\n"
    star = f"\ndata_optics\n\nloop_\n{optics_table}\ndata_micrographs\n\nloop_\n{table}"
    (folder / "micrographs.star").write_text(star)
    files = "--i micrographs.star --odir log/ --pickname autopick"
    filters = "--LoG --LoG_diam_min 130 --LoG_diam_max 170 --shrink 0 --lowpass 20"
    return run(["relion_autopick", *files.split(), *filters.split()], folder)


def run(command: list[str], folder: Path) -> Cost:
    """Run a command in a folder and account for it."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed:\n{said[-2000:]}")
    return Cost(time.perf_counter() - start, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
