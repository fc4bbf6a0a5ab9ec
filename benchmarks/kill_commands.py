"""Kill single commands at random moments, and see that each ends like one that was left alone.

usage: python benchmarks/kill_commands.py [--kills 50] [--seed 0]

Commands have their turn: each trial is one command, killed three times (SIGKILL to it and its workers) at moments
drawn by lot, then left to end. Its folder must then hold the same files as two that were left alone, with the same
bytes where those two agree (times and dates they do not share), and nothing else. `report`, which replaces a page, is
begun in a folder that has one: after each kill the page must be there and end as a page does.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from kill_resume import start_tiny
from tiny_loop import DIAMETER, grow

KILLS_A_TRIAL = 3


class Command(NamedTuple):
    """Command to kill.

    Attributes:
        words: of `cryoglean`; {out} is its output folder.
        start: folder that its output begins as, if it does not begin with nothing.
    """

    words: str
    start: str = ""


COMMANDS = {
    "pick": Command(f"pick images --diameter {DIAMETER} --plots --csv --cpus 2 --out {{out}}"),
    "pick, emmae": Command(f"pick images --method emmae --model pretrained --diameter {DIAMETER} --out {{out}}"),
    "extract": Command("extract picked --micrographs images --out {out}"),
    "classify": Command("classify particles --classes 4 --iterations 8 --out {out}"),
    "select": Command("select classes --out {out}"),
    "train": Command(f"train images --picks truth --diameter {DIAMETER} --out {{out}}"),
    "mae train": Command(f"mae train images --diameter {DIAMETER} --epochs 2 --batch 16 --out {{out}}"),
    "ctf": Command("ctf simulated/micrographs.star --out {out}"),
    "simulate": Command("simulate --model test:480kDa:D2 --micrographs 3 --size 768x768 --particles 20 --out {out}"),
    "report": Command("report {out}", "picked"),
}


def start(root: Path, words: str, out: Path) -> subprocess.Popen[bytes]:
    """Start a command in a group of its own."""
    return start_tiny(words.format(out=out.name).split(), root / f"{out.name}.log", root)


def finish(root: Path, words: str, out: Path) -> float:
    """Let a command end; return its seconds."""
    begun = time.perf_counter()
    status = start(root, words, out).wait()
    if status:
        sys.exit(f"{words}: exit status {status}:\n{(root / f'{out.name}.log').read_text()}")
    return time.perf_counter() - begun


def digests(out: Path) -> dict[str, str]:
    """Return the digest of each file of a folder."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def fresh(root: Path, command: Command, name: str) -> Path:
    """Return an output folder as the command finds it."""
    out = root / name
    shutil.rmtree(out, ignore_errors=True)
    if command.start:
        shutil.copytree(root / command.start, out)
    return out


class Whole(NamedTuple):
    """Command that was left alone, twice.

    Attributes:
        seconds: it took.
        names: of the files that it leaves.
        same: digests of those in which both agree.
    """

    seconds: float
    names: set[str]
    same: dict[str, str]

    def problem(self, found: dict[str, str]) -> str:
        """Return what is wrong with the files that a killed one left in the end; nothing if all is right."""
        missing, more = self.names - set(found), set(found) - self.names
        other = {name for name, digest in self.same.items() if found.get(name, digest) != digest}
        told = {"missing": missing, "left over": more, "different": other}
        return "; ".join(f"{what}: {', '.join(sorted(names))}" for what, names in told.items() if names)


def left_alone(root: Path, command: Command) -> Whole:
    """Run a command twice."""
    outs = [fresh(root, command, f"whole_{number}") for number in range(2)]
    seconds = [finish(root, command.words, out) for out in outs]
    one, other = map(digests, outs)
    return Whole(min(seconds), set(one), {name: digest for name, digest in one.items() if other.get(name) == digest})


def kill_once(root: Path, command: Command, out: Path, seconds: float) -> bool:
    """Kill a command after some seconds; return whether it was not over until then."""
    process = start(root, command.words, out)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        page = out / "report.html"
        if command.start and not page.read_text(encoding="utf-8").rstrip().endswith("</html>"):
            sys.exit(f"{command.words}: the page was not whole after a kill")
        return True
    return False


def prepare(root: Path) -> None:
    """Make what the commands start from."""
    grow(root, count=4)
    for name, words in {
        "picked": COMMANDS["pick"].words,
        "particles": COMMANDS["extract"].words,
        "classes": COMMANDS["classify"].words,
        "simulated": COMMANDS["simulate"].words,
    }.items():
        finish(root, words, root / name)


def trials(root: Path, lot: random.Random, wanted: int) -> bool:
    """Do trials; return whether all ended well."""
    prepare(root)
    whole = {name: left_alone(root, command) for name, command in COMMANDS.items()}
    kills, problems = dict.fromkeys(COMMANDS, 0), []
    for name in cycle(COMMANDS):
        if sum(kills.values()) >= wanted:
            break
        out = fresh(root, COMMANDS[name], "trial")
        for _ in range(KILLS_A_TRIAL):
            kills[name] += kill_once(root, COMMANDS[name], out, lot.random() * whole[name].seconds)
        finish(root, COMMANDS[name].words, out)
        if problem := whole[name].problem(digests(out)):
            problems.append(f"{name}: {problem}")
        print(f"{sum(kills.values())} kills; {name}: {problem or 'as left alone'}", flush=True)
    print("\n| command | kills | files | of these with the same bytes |\n|---|---|---|---|")
    for name, each in whole.items():
        print(f"| {name} | {kills[name]} | {len(each.names)} | {len(each.same)} |")
    return not problems


def main() -> None:
    """Do the trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if trials(Path(folder), random.Random(given.seed), given.kills) else 1)


if __name__ == "__main__":
    main()
