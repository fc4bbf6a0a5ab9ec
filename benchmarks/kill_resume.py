"""Kill a small run of the loop at random moments, and see that it ends like one that was left alone.

usage: python benchmarks/kill_resume.py [--kills 50] [--seed 0] [--each 5]

Each trial is a run that is killed `--each` times (SIGKILL to it and its workers) and then left to end; trials go on
until there were so many kills. Compared are the SHA-256 of all files in `picks/`. The network is a tiny one: what is
looked at is what a kill leaves, not what is learned.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))
from tiny_loop import DIAMETER, grow  # noqa: E402


def start(images: Path, out: Path) -> subprocess.Popen[bytes]:
    words = ["run", images, "--diameter", DIAMETER, "--out", out, "--cpus", "1", "--rounds", "1"]
    command = [sys.executable, str(TESTS / "tiny_loop.py"), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def finish(images: Path, out: Path) -> None:
    process = start(images, out)
    _, said = process.communicate()
    if process.returncode:
        sys.exit(f"exit status {process.returncode}: {said.decode()}")


def picks(out: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((out / "picks").glob("*.star"))}


def kill_after(images: Path, out: Path, seconds: float) -> bool:
    """Return whether it was killed, and was not over before."""
    process = start(images, out)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    lot = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        images = grow(root)
        begin = time.perf_counter()
        finish(images, root / "whole")
        whole, seconds = picks(root / "whole"), time.perf_counter() - begin
        kills = trials = same = 0
        while kills < given.kills:
            out = root / f"trial_{trials}"
            for _ in range(min(given.each, given.kills - kills)):
                kills += kill_after(images, out, lot.uniform(0.2, 1.0) * seconds)
            finish(images, out)
            trials, same = trials + 1, same + (picks(out) == whole)
            sys.stdout.write(f"{kills} kills, {trials} runs, {same} with the picks of the run that was left alone\n")
            sys.stdout.flush()
        sys.exit(0 if same == trials else 1)


if __name__ == "__main__":
    main()
