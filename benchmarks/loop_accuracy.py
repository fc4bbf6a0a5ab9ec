"""F1 of each round of `cryoglean run` on real micrographs, by the reference score: does the loop end with better picks?

usage: python benchmarks/loop_accuracy.py SHARED [--out FOLDER] [--sets NAME ...] [--cpus N] [--preset default|paper]

Default settings, given diameter and pixel size only; the truth is used for scoring alone. "Kept" is the share of a
round's classified particles that its classes keep; they hold the picks of the round that stood as well. A run that is
there already is scored and not made again; its time is that of its stages, by `run.json`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from picking_accuracy import SETS, score

HEAD = (
    "| set | picks of | number | precision | recall | F1, own threshold | kept | accepted | seconds |\n"
    + "|---" * 9
    + "|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, default=Path("loop-out"))
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--preset", default="default", choices=["default", "paper"])
    arguments = parser.parse_args()
    print(HEAD, flush=True)
    reasons = list[str]()
    for name in arguments.sets:
        folder = arguments.out / name
        run(arguments.shared / "data" / name / "micrographs", name, folder, arguments)
        state = json.loads((folder / "run.json").read_text())
        for row in rows(arguments.shared, name, folder, state):
            print(row, flush=True)
        reasons.append(f"{name}: {state['message']}")
    print("\n" + "\n".join(reasons))


def run(micrographs: Path, name: str, out: Path, arguments: argparse.Namespace) -> None:
    """Run the loop; it may stop on purpose (exit status 5)."""
    diameter, pixel_size, *_ = SETS[name]
    words = ["run", micrographs, "--diameter", diameter, "--pixel-size", pixel_size, "--out", out]
    words += ["--cpus", arguments.cpus, "--preset", arguments.preset]
    done = subprocess.run([sys.executable, "-m", "cryoglean.cli", *map(str, words)], stdout=subprocess.DEVNULL)
    if done.returncode not in (0, 5):
        sys.exit(f"cryoglean run ended with exit status {done.returncode} on {name}")


def rows(shared: Path, name: str, folder: Path, state: dict[str, Any]) -> list[str]:
    """Return the row of each round, and that of the final picks."""
    seconds = dict[int, float]()
    for stage in state["stages"]:
        seconds[stage["round"]] = seconds.get(stage["round"], 0.0) + stage["seconds"]
    said = []
    candidates = folder / "rounds/00/candidates/picks"
    if (folder / "rounds/00/matched").exists():
        said.append(row(shared, name, "candidates", candidates, " | | "))
        candidates = folder / "rounds/00/matched/picks"
    for number in sorted(n for n in seconds if n >= 0):
        picks = folder / f"rounds/{number:02d}/picks/picks" if number else candidates
        if picks.exists():
            accepted = "yes" if number == state["best"] else ""
            kept = kept_share(state, number)
            said.append(row(shared, name, f"round {number}", picks, f"{kept} | {accepted} | {seconds[number]:.0f}"))
    whole = f"{kept_share(state, -1)} | | {sum(seconds.values()):.0f}"
    return [*said, row(shared, name, "**the run**", folder / "picks", whole)]


def row(shared: Path, name: str, what: str, picks: Path, rest: str) -> str:
    own, _ = score(shared, name, picks)
    numbers = f"{own['n_picks']} | {own['precision']:.3f} | {own['recall']:.3f} | {own['f1']:.3f}"
    return f"| {name} | {what} | {numbers} | {rest} |"


def kept_share(state: dict[str, Any], number: int) -> str:
    """Return the share of a round's particles in kept classes, before any further pass of purification."""
    for stage in state["stages"]:
        if (stage["round"], stage["stage"]) == (number, "selected"):
            return f"{stage['found']['kept_in_first_classes'] / stage['found']['particles']:.2f}"
    return ""


if __name__ == "__main__":
    main()
