"""The same seed gives the same picks: a whole run with one process, with two, and once more.

usage: python benchmarks/loop_repeat.py [--out FOLDER] [--micrographs 4] [--seed 0]

Runs `cryoglean run` three times on simulated micrographs of 1,024 x 1,024 px, with the network as it is; compared are
the SHA-256 of all picks: the final ones, and those of each round. A run that is in FOLDER is not made again; the time
is that of its stages, by `run.json`.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

CPUS = (1, 2, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--micrographs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.out:
        sys.exit(0 if repeat(given.out, given.micrographs, given.seed) else 1)
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if repeat(Path(folder), given.micrographs, given.seed) else 1)


def repeat(out: Path, micrographs: int, seed: int) -> bool:
    """Run three times; return whether all picks are the same."""
    words = ["simulate", "--model", "test:450kDa:D2", "--micrographs", micrographs, "--out", out / "simulated"]
    words += ["--size", "1024x1024", "--pixel-size", 3.0, "--particles", 120, "--nuisances", "some", "--seed", seed]
    cryoglean(*words)
    print(
        "| processes | rounds | accepted round | picks | SHA-256 of all picks | seconds |\n|" + "---|" * 6,
        flush=True,
    )
    digests = list[str]()
    for number, cpus in enumerate(CPUS):
        folder = out / f"run_{number}"
        run = ["run", out / "simulated/micrographs", "--diameter", 120, "--out", folder]
        cryoglean(*run, "--seed", seed, "--cpus", cpus)
        digests.append(digest(folder))
        state = json.loads((folder / "run.json").read_text())
        rounds = max(stage["round"] for stage in state["stages"])
        seconds = sum(stage["seconds"] for stage in state["stages"])
        row = f"| {cpus} | {rounds} | {state['best']} | {state['production']['picks']} | {digests[-1][:16]} |"
        print(f"{row} {seconds:.0f} |", flush=True)
    is_same = len(set(digests)) == 1
    print("\nall the same" if is_same else "\nNOT the same")
    return is_same


def digest(folder: Path) -> str:
    """Return the SHA-256 of all files with picks, and of their names; lists of them hold the folder's name."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("picks/*_autopick.star")):
        found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()


def cryoglean(*words: object) -> None:
    done = subprocess.run([sys.executable, "-m", "cryoglean.cli", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"cryoglean {words[0]} failed with exit status {done.returncode}: {done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
