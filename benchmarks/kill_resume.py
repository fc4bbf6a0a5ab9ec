"""Kill a small run of the loop at random moments, and see that it ends like one that was left alone.

usage: python benchmarks/kill_resume.py [--kills 50] [--seed 0] [--each 5]

Each trial is a run that is killed `--each` times (SIGKILL to it and its workers) and then left to end; trials go on
until there were so many kills. All stages have their turn, and within a stage the moment is drawn by lot; every second
trial has two worker processes. Compared are the SHA-256 of all files in `picks/`. Says at the end what was underway at
the kills, by `run.json`. The network is a tiny one: what is looked at is what a kill leaves, not what is learned.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BENCHMARKS = Path(__file__).resolve().parent
TESTS = BENCHMARKS.with_name("tests")
sys.path.insert(0, str(TESTS))
from tiny_loop import DIAMETER, grow  # noqa: E402

PRODUCTION = "production"
END = "the end"


def start(images: Path, out: Path, cpus: int) -> subprocess.Popen[bytes]:
    words = ["run", images, "--diameter", DIAMETER, "--out", out, "--cpus", cpus, "--rounds", "1"]
    return start_tiny([str(word) for word in words], said_of(out))


def start_tiny(words: Sequence[str], said: Path, folder: Path | None = None) -> subprocess.Popen[bytes]:
    """Start `cryoglean` with a small network, in a process group of its own; what it says is added to a file."""
    command = [sys.executable, str(TESTS / "tiny_loop.py"), *words]
    found = os.pathsep.join([str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])])
    with said.open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": found}, stdout=log, stderr=log, start_new_session=True
        )


def said_of(out: Path) -> Path:
    return out.with_name(out.name + ".log")


def finish(images: Path, out: Path, cpus: int) -> dict[str, float]:
    """Let a run end; return how long each stage took, in their order, as seen from outside."""
    process, last, took = start(images, out, cpus), time.perf_counter(), dict[str, float]()
    while process.poll() is None:
        for stage in done(out)[len(took) :]:
            now = time.perf_counter()
            took[stage], last = now - last, now
        time.sleep(0.005)
    if process.returncode:
        sys.exit(f"exit status {process.returncode}: {said_of(out).read_text()}")
    return took | {END: time.perf_counter() - last}


def done(out: Path) -> list[str]:
    """Return what `run.json` says is done, in order."""
    try:
        data = json.loads((out / "run.json").read_text())
    except FileNotFoundError:
        return []
    names = [("final" if s["round"] < 0 else f"round {s['round']}") + f", {s['stage']}" for s in data["stages"]]
    if data.get(PRODUCTION) is not None:
        names.insert(sum(s["round"] >= 0 for s in data["stages"]), PRODUCTION)
    return names


def picks(out: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((out / "picks").glob("*.star"))}


def kill_within(images: Path, out: Path, cpus: int, before: int, seconds: float) -> bool:
    """Kill a run so long after its first `before` stages are done; return whether it was not over until then."""
    process = start(images, out, cpus)
    while process.poll() is None and len(done(out)) < before:
        time.sleep(0.005)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def targets(lot: random.Random, stages: int, each: int) -> Iterator[list[int]]:
    """Yield for each trial the numbers of the stages to kill; each stage has its turn before one comes again."""
    bag = list[int]()
    while True:
        while len(bag) < each:
            bag += lot.sample(range(stages), stages)
        yield sorted(bag[:each])
        del bag[:each]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if trials(Path(folder), random.Random(given.seed), given.kills, given.each) else 1)


def trials(root: Path, lot: random.Random, wanted: int, each: int) -> bool:
    """Do trials; return whether all ended with the picks of the run that was left alone."""
    images = grow(root)
    took = {cpus: finish(images, root / f"whole_{cpus}", cpus) for cpus in (1, 2)}
    whole, stages = picks(root / "whole_1"), list(took[1])
    is_same, underway, kills = [picks(root / "whole_2") == whole], Counter[str](), 0
    for number, aims in enumerate(targets(lot, len(stages), each)):
        if kills >= wanted:
            break
        out, cpus = root / f"trial_{number}", 1 + number % 2
        for aim in aims[: wanted - kills]:
            if kill_within(images, out, cpus, aim, lot.random() * took[cpus][stages[aim]]):
                underway[stages[len(done(out))]] += 1
                kills += 1
        finish(images, out, cpus)
        is_same.append(picks(out) == whole)
        print(
            f"{kills} kills, {len(is_same) - 1} runs, {sum(is_same[1:])} with the picks of the run left alone",
            flush=True,
        )
    print("\n| underway | kills |\n|---|---|")
    for stage in stages:
        print(f"| {stage} | {underway[stage]} |")
    return all(is_same)


if __name__ == "__main__":
    main()
