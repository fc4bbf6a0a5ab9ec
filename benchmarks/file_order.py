"""The order of micrographs changes no pick: the same set given in shuffled orders, to pickers that learn from it.

usage: python benchmarks/file_order.py [--shuffles 20] [--micrographs 12] [--seed 0]

Simulated micrographs, more than a fit learns from, so that there is a choice to be made. Each is named by itself, in an
order drawn by lot, to `cryoglean pick` with one processor; compared are the SHA-256 of all picks with those of the
sorted order.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import sys
import tempfile
from pathlib import Path

from cryoglean.cli.main import app
from loop_repeat import digest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from tiny_loop import DIAMETER, grow

METHODS = {
    "Auto": [],
    "Localpicker": ["--method", "localpicker"],
    "Cryo-EMMAE, shipped network": ["--method", "emmae", "--model", "pretrained"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shuffles", type=int, default=20)
    parser.add_argument("--micrographs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = sorted(grow(Path(folder), count=given.micrographs).glob("*.mrc"))
        print("| picker | shuffles | with the picks of the sorted order | picks | SHA-256 of all picks |")
        print("|---|---|---|---|---|")
        rows = [shuffle(Path(folder), name, images, given.shuffles, given.seed) for name in METHODS]
    sys.exit(0 if all(rows) else 1)


def shuffle(root: Path, name: str, images: list[Path], shuffles: int, seed: int) -> bool:
    """Pick in shuffled orders and print a row; return whether all picks are those of the sorted order."""
    lot, same, whole = random.Random(seed), 0, pick(root / name, name, images)
    for number in range(shuffles):
        same += pick(root / f"{name}_{number}", name, lot.sample(images, len(images))) == whole
        print(f"{name}: {same} of {number + 1}", file=sys.stderr, flush=True)
    print(f"| {name} | {shuffles} | {same} | {whole[1]} | {whole[0][:16]} |", flush=True)
    return same == shuffles


def pick(out: Path, name: str, images: list[Path]) -> tuple[str, int]:
    """Pick the micrographs; return the digest of the picks, and how many there are."""
    words = ["pick", *images, "--diameter", DIAMETER, "--cpus", 1, "--out", out, *METHODS[name]]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = app([str(word) for word in words], standalone_mode=False)
    if status:
        sys.exit(f"{out.name}: exit status {status}")
    rows = (line for path in out.glob("picks/*.star") for line in path.read_text().splitlines())
    return digest(out), sum(line[:1].isdigit() for line in rows)


if __name__ == "__main__":
    main()
