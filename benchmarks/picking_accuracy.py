"""F1 of the shape-based pickers on real micrographs, by the reference score, with the program's own threshold.

usage: python benchmarks/picking_accuracy.py SHARED [--out FOLDER] [--preset default|paper] [--method auto|localpicker]

SHARED holds `data/<set>/micrographs`, `data/<set>/particles` and `tools/score_picks.py`. Prints a Markdown table; the
pictures of all micrographs with their picks lie in FOLDER/<set>/plots.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

SETS = {  # diameter A, pixel size A, and of the score: diameter px, margin px, size
    "empiar-10146": (112.5, 1.5, 75, 37.5, "1200x1240"),
    "empiar-10146-noisy": (112.5, 1.5, 75, 37.5, "1200x1240"),
    "empiar-10017": (191, 1.77, 108, 144, "4096x4096"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, default=Path("accuracy-out"))
    parser.add_argument("--preset", default="default", choices=["default", "paper"])
    parser.add_argument("--method", default=None, choices=["auto", "localpicker"])
    arguments = parser.parse_args()
    print(
        "| set | picks | precision | recall | F1, own threshold | F1, best threshold (oracle) |\n"
        "|---|---|---|---|---|---|"
    )
    for name in SETS:
        own, best = score(arguments.shared, name, pick(arguments, name))
        print(
            f"| {name} | {own['n_picks']} | {own['precision']:.3f} | {own['recall']:.3f} | "
            f"{own['f1']:.3f} | {best['f1']:.3f} |",
            flush=True,
        )


def pick(arguments: argparse.Namespace, name: str) -> Path:
    """Pick a set with default settings; return the folder of picks."""
    (diameter, pixel_size, *_), out = SETS[name], arguments.out / name
    command = [sys.executable, "-m", "cryoglean.cli", "pick", str(arguments.shared / "data" / name / "micrographs")]
    command += ["--diameter", str(diameter), "--pixel-size", str(pixel_size), "--out", str(out), "--plots"]
    command += ["--preset", arguments.preset]
    command += ["--method", arguments.method] if arguments.method else []
    subprocess.run([*command, "--force"], check=True, capture_output=True)
    return out / "picks"


def score(shared: Path, name: str, picks: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Score with the reference tool: as given, and at the best threshold."""
    *_, diameter, margin, size = SETS[name]
    command = [
        sys.executable,
        str(shared / "tools/score_picks.py"),
        str(shared / "data" / name / "particles"),
        str(picks),
    ]
    command += ["--diameter", str(diameter), "--margin", str(margin), "--size", size, "--best", "--json"]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return said["as given"], said["best cut"]


if __name__ == "__main__":
    main()
