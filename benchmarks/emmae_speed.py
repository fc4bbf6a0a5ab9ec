"""Time and memory of Cryo-EMMAE on 4,096 x 4,096 px micrographs, preprocess to centres, and where the time goes.

usage: python benchmarks/emmae_speed.py SHARED [--preset default|paper] [--out FOLDER] [--model WEIGHTS]

Takes micrographs of SHARED/data/empiar-10017 and trains on them first, unless WEIGHTS are given. Each
part is timed alone, one thread, as the median of the micrographs; then `pick` as a whole with one and with two
processes, at 10 and at 20 micrographs, with the highest memory of all its processes. Prints Markdown.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import psutil
import torch

from cryoglean.io.images import read_micrograph
from cryoglean.io.inputs import find_micrographs
from cryoglean.nets.embedding import embed_image
from cryoglean.pickers.emmae.fit_files import StoredEmmae
from cryoglean.pickers.emmae.network_files import read_emmae
from cryoglean.pickers.emmae.picker import OVERLAP_PX
from cryoglean.pickers.emmae.settings import EmmaeSettings, PaperEmmaeSettings
from cryoglean.preprocess.mae_chain import mae_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryoglean.micrograph import Micrograph

DIAMETER, PIXEL_SIZE = 191.0, 1.77
PATIENCE = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--preset", default="default", choices=["default", "paper"])
    parser.add_argument("--out", type=Path, default=Path("emmae-speed-out"))
    parser.add_argument("--model", type=Path, help="a network that is trained already")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source = arguments.shared / "data/empiar-10017/micrographs"
    weights = arguments.model or trained(source, arguments.out / f"network-{arguments.preset}", arguments.preset)
    whole = [run(copies(source, arguments.out, count), arguments, weights, cpus) for count, cpus in RUNS]
    parts = parts_of(source, arguments.out / "picked-10-1/emmae.safetensors", weights, arguments.preset)
    print("| part, one thread | seconds, median |\n|---|---|")
    for name, seconds in parts.items():
        print(f"| {name} | {seconds:.2f} |")
    print("\n| micrographs | processes | seconds | seconds a micrograph | highest memory, MiB |\n|---|---|---|---|---|")
    for (count, cpus), (seconds, memory) in zip(RUNS, whole, strict=True):
        print(f"| {count} | {cpus} | {seconds:.1f} | {seconds / count:.2f} | {memory:.0f} |")


RUNS = ((10, 1), (10, 2), (20, 2))


def trained(source: Path, out: Path, preset: str) -> Path:
    """Train a network, unless it is there."""
    command = ["mae", "train", str(source), "--diameter", str(DIAMETER), "--pixel-size", str(PIXEL_SIZE)]
    command += ["--preset", preset, "--out", str(out)]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "cryoglean.cli", *command], check=True, capture_output=True)
    print(f"trained in {time.perf_counter() - start:.0f} s (0: it was there)\n")
    return out / "weights.safetensors"


def copies(source: Path, out: Path, count: int) -> Path:
    """Return a folder of so many micrographs, each of the source as often as it takes."""
    folder = out / f"micrographs-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(source.iterdir())
    for i in range(count):
        copy = folder / f"{i:03d}{files[i % len(files)].suffix}"
        if not copy.exists():
            shutil.copy(files[i % len(files)], copy)
    return folder


def run(folder: Path, arguments: argparse.Namespace, weights: Path, cpus: int) -> tuple[float, float]:
    """Pick a folder that is learned already; return seconds and MiB."""
    out = arguments.out / f"picked-{len(list(folder.iterdir()))}-{cpus}"
    command = [sys.executable, "-m", "cryoglean.cli", "pick", str(folder), "--diameter", str(DIAMETER)]
    command += ["--pixel-size", str(PIXEL_SIZE), "--method", "emmae", "--preset", arguments.preset]
    command += ["--model", str(weights), "--cpus", str(cpus), "--out", str(out)]
    shutil.rmtree(out, ignore_errors=True)
    watched([*command])  # learns
    for star in (out / "picks").glob("*.star"):
        star.unlink()
    return watched(command)


def watched(command: list[str]) -> tuple[float, float]:
    """Run a command; return its seconds, and the highest memory of it and its processes together in MiB."""
    start, highest = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        family = psutil.Process(process.pid)
        while process.poll() is None:
            highest = max(highest, memory_of(family))
            time.sleep(PATIENCE)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return time.perf_counter() - start, highest / 2**20


def memory_of(family: psutil.Process) -> int:
    """Return bytes of memory, what processes share counted once for all (proportional set size)."""
    total = 0
    for process in [family, *family.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def parts_of(source: Path, learned: Path, weights: Path, preset: str) -> dict[str, float]:
    """Time each part alone, one thread."""
    kind = EmmaeSettings if preset == "default" else PaperEmmaeSettings
    picker = StoredEmmae(kind(diameter_angstrom=DIAMETER), weights, learned)
    mae = read_emmae(weights)
    overlap = OVERLAP_PX if preset == "default" else 0
    micrographs = [read_micrograph(file, PIXEL_SIZE)[0] for file in find_micrographs([source])][:5]
    prepared = {each.name: mae_image(each.image, DIAMETER / PIXEL_SIZE, mae.facts.preprocess) for each in micrographs}

    def prepare(micrograph: Micrograph) -> object:
        return mae_image(micrograph.image, DIAMETER / PIXEL_SIZE, mae.facts.preprocess)

    def embed(micrograph: Micrograph) -> object:
        return embed_image(mae.net.encoder, mae.facts.standardised(prepared[micrograph.name].image), overlap)

    steps: dict[str, Callable[[Micrograph], object]] = {
        "preprocess": prepare,
        "embed": embed,
        "preprocess to centres": picker.pick,
    }
    found = {name: median(seconds(step, each) for each in micrographs) for name, step in steps.items()}
    rest = found["preprocess to centres"] - found["preprocess"] - found["embed"]
    return found | {"of which latents to centres": rest}


def seconds(step: Callable[[Micrograph], object], micrograph: Micrograph) -> float:
    """Return the seconds of a step, the second time it is done."""
    step(micrograph)
    start = time.perf_counter()
    step(micrograph)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
