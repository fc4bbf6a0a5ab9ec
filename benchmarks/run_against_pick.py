"""Does `cryoglean run` end with picks as good as those of `cryoglean pick`? F1 of both, on real and simulated sets.

usage: python benchmarks/run_against_pick.py SHARED [--out FOLDER] [--sets NAME ...] [--cpus N]

SHARED holds `data/<set>/micrographs`, `data/<set>/particles`, `data/structures` and `tools/score_picks.py`. Default
settings, given diameter and pixel size only; the truth is used for scoring alone. Simulated sets are four micrographs
of 1,536 x 1,536 px at 2 A, made into FOLDER; a pick counts at an IoU of boxes of 0.6, one to one. What is there already
is scored and not made again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from cryoglean.evaluate import Protocol, evaluate_picks
from cryoglean.io.pick_folders import read_picks_folder
from picking_accuracy import SETS, score

PIXEL_SIZE, SIDE_PX = 2.0, 1536
SIMULATED = {  # diameter A, structure, options
    "base": (190, "bgal_465kDa_5a1a.pdb.gz", "--particles 80 --nuisances some --seed 11"),
    "crowd": (190, "bgal_465kDa_5a1a.pdb.gz", "--particles 350 --spacing 0.75 --overlapping 0.1 --seed 12"),
    "small": (110, "unc18_syntaxin_83kDa_2xhe.cif.gz", "--particles 200 --seed 13"),
}
STOPPED = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, default=Path("run-against-pick-out"))
    parser.add_argument("--sets", nargs="+", default=[*SETS, *SIMULATED], choices=[*SETS, *SIMULATED])
    parser.add_argument("--cpus", type=int, default=1)
    arguments = parser.parse_args()
    print("| set | `pick` | round 0 | round 1 | accepted | `run` | `run` - `pick` |\n" + "|---" * 7 + "|", flush=True)
    for name in arguments.sets:
        print(row(arguments.shared, arguments.out, name, arguments.cpus), flush=True)


def row(shared: Path, out: Path, name: str, cpus: int) -> str:
    """Pick a set both ways; return its row of the table."""
    if name in SIMULATED:
        diameter, pixel_size, micrographs = SIMULATED[name][0], PIXEL_SIZE, simulated(shared, out, name)
    else:
        diameter, pixel_size, *_ = SETS[name]
        micrographs = shared / "data" / name / "micrographs"
    words = [micrographs, "--diameter", diameter, "--pixel-size", pixel_size, "--cpus", cpus, "--out"]
    picked, run = out / f"{name}-pick", out / f"{name}-run"
    call("pick", *words, picked)
    call("run", *words, run)
    best = json.loads((run / "run.json").read_text())["best"]
    first = "matched" if (run / "rounds/00/matched").exists() else "candidates"
    folders = (picked, run / "rounds/00" / first, run / "rounds/01/picks", run)
    pick, zero, one, whole = (f1(shared, out, name, folder / "picks") for folder in folders)
    cells = ["-" if value is None else f"{value:.3f}" for value in (pick, zero, one)]
    return f"| {name} | {' | '.join(cells)} | {best} | {whole:.3f} | {(whole or 0) - (pick or 0):+.3f} |"


def simulated(shared: Path, out: Path, name: str) -> Path:
    """Simulate a set, unless it is there."""
    _, structure, options = SIMULATED[name]
    words = ["--model", shared / "data/structures" / structure, "--micrographs", 4, "--size", f"{SIDE_PX}x{SIDE_PX}"]
    call("simulate", *words, "--pixel-size", PIXEL_SIZE, *options.split(), "--out", out / name)
    return out / name / "micrographs"


def call(*words: object) -> None:
    """Call the program; a run may stop on purpose."""
    done = subprocess.run([sys.executable, "-m", "cryoglean.cli", *map(str, words)], capture_output=True, text=True)
    if done.returncode not in (0, STOPPED):
        sys.exit(f"cryoglean {words[0]} ended with exit status {done.returncode}: {done.stderr[-500:]}")


def f1(shared: Path, out: Path, name: str, picks: Path) -> float | None:
    """Score picks; None where that round was not made."""
    if not picks.exists():
        return None
    if name not in SIMULATED:
        return score(shared, name, picks)[0]["f1"]
    diameter_px = SIMULATED[name][0] / PIXEL_SIZE
    how = Protocol(diameter_px, diameter_px / 2, (SIDE_PX, SIDE_PX))
    return evaluate_picks(read_picks_folder(out / name / "truth"), read_picks_folder(picks), how).overall.f1


if __name__ == "__main__":
    main()
