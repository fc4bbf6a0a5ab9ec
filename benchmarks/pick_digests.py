"""SHA-256 of the picks of every preset on real micrographs: a change that should move no pick is shown to move none.

usage: python benchmarks/pick_digests.py SHARED [--out FOLDER] [--cases NAME ...] [--write FILE] [--against FILE]

Runs the command line as a user would, on some micrographs of each set, and digests all files in `picks/`. Digests
hold for one machine and one set of library versions only. To compare two states of the code, write those of one with
`--write digests.csv`, and hold the other against them with `--against digests.csv`: exit status 1 if any differs.
Cryo-EMMAE's published preset is trained for two epochs.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Case(NamedTuple):
    """One call of the command line.

    Attributes:
        name: of the case, and of its output folder.
        words: of the command; `IMAGES` stands for the micrographs, `{CASE}` for the output of another case.
        images: whose micrographs.
    """

    name: str
    words: str
    images: str = "10146"


class Images(NamedTuple):
    """Folder, how many of its micrographs, diameter and pixel size in angstrom."""

    folder: str
    count: int
    diameter: str
    pixel_size: str


SETS = {
    "10146": Images("empiar-10146", 8, "112.5", "1.5"),
    "few": Images("empiar-10146", 2, "112.5", "1.5"),
    "noisy": Images("empiar-10146-noisy", 4, "112.5", "1.5"),
    "10017": Images("empiar-10017", 3, "191", "1.77"),
}

TRAINED = "/weights.safetensors"
CASES = (
    Case("auto-10146", "pick IMAGES"),
    Case("auto-10017", "pick IMAGES", "10017"),
    Case("localpicker-10146", "pick IMAGES --method localpicker"),
    Case("localpicker-noisy", "pick IMAGES --method localpicker", "noisy"),
    Case("localpicker-10017", "pick IMAGES --method localpicker", "10017"),
    Case("localpicker-paper-10146", "pick IMAGES --preset paper"),
    Case("localpicker-paper-10017", "pick IMAGES --preset paper", "10017"),
    Case("emmae-shipped-10146", "pick IMAGES --method emmae --model pretrained"),
    Case("emmae-shipped-noisy", "pick IMAGES --method emmae --model pretrained", "noisy"),
    Case("emmae-shipped-10017", "pick IMAGES --method emmae --model pretrained", "10017"),
    Case("emmae-10146", "pick IMAGES --method emmae"),
    Case("mae-paper", "mae train IMAGES --preset paper --epochs 2"),
    Case("emmae-paper-10146", f"pick IMAGES --method emmae --preset paper --model {{mae-paper}}{TRAINED}"),
    Case("kpicker-train", "train IMAGES --picks {localpicker-10146}"),
    Case("kpicker-10146", f"pick IMAGES --method kpicker --model {{kpicker-train}}{TRAINED}"),
    Case("kpicker-paper-train", "train IMAGES --picks {localpicker-10146} --preset paper"),
    Case(
        "kpicker-paper-few",
        f"pick IMAGES --method kpicker --preset paper --model {{kpicker-paper-train}}{TRAINED}",
        "few",
    ),
    Case("particles", "extract {localpicker-10146} IMAGES"),
    Case("classes", "classify {particles}"),
    Case("selected", "select {classes}"),
    Case("matcher-10146", "pick IMAGES --method matcher --templates {selected}/templates.mrcs"),
    Case("run-few", "run IMAGES --rounds 1", "few"),
    Case("run-noisy", "run IMAGES", "noisy"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, default=Path("digests-out"), help="of the cases, made again")
    parser.add_argument("--cases", nargs="+", default=[case.name for case in CASES], metavar="NAME")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--against", type=Path)
    arguments = parser.parse_args()
    before = read(arguments.against) if arguments.against else {}
    print("| case | picks | SHA-256 of all picks | as before | seconds |\n|---|---|---|---|---|", flush=True)
    found, differ = dict[str, str](), list[str]()
    for case in CASES:
        if case.name not in arguments.cases:
            continue
        start = time.perf_counter()
        shutil.rmtree(arguments.out / case.name, ignore_errors=True)
        call(case, arguments.shared, arguments.out)
        if not (arguments.out / case.name / "picks").is_dir():
            continue
        picks, found[case.name] = digest(arguments.out / case.name / "picks")
        same = {None: "-", found[case.name]: "yes"}.get(before.get(case.name), "**no**")
        differ += [case.name] * (same == "**no**")
        print(
            f"| {case.name} | {picks} | `{found[case.name][:16]}` | {same} | {time.perf_counter() - start:.0f} |",
            flush=True,
        )
    if arguments.write:
        known = read(arguments.write) if arguments.write.exists() else {}
        arguments.write.write_text("".join(f"{name},{value}\n" for name, value in (known | found).items()))
    if differ:
        sys.exit(f"other picks than before: {', '.join(differ)}")


def call(case: Case, shared: Path, out: Path) -> None:
    """Run a case; a run of the loop may stop on purpose (exit status 5)."""
    words = [word for each in case.words.split() for word in expanded(each, case, shared, out)]
    command = [sys.executable, "-m", "cryoglean.cli", *words, "--out", str(out / case.name)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 5):
        sys.exit(f"{case.name} ended with exit status {done.returncode}:\n{done.stderr}")


def expanded(word: str, case: Case, shared: Path, out: Path) -> list[str]:
    """Return what a word of a case stands for."""
    if word != "IMAGES":
        return [word.format_map({each.name: str(out / each.name) for each in CASES})]
    images = SETS[case.images]
    paths = [str(p) for p in sorted((shared / "data" / images.folder / "micrographs").iterdir())[: images.count]]
    if case.words.startswith("extract"):
        paths = [word for path in paths for word in ("--micrographs", path)]
    return [*paths, "--diameter", images.diameter, "--pixel-size", images.pixel_size]


def digest(folder: Path) -> tuple[int, str]:
    """Return how many picks a folder holds, and the SHA-256 of all its files, in order of their names."""
    total, every = 0, hashlib.sha256()
    for path in sorted(folder.rglob("*.star")):
        if path.name.startswith("coords_suffix_"):
            continue
        text = path.read_bytes()
        every.update(path.relative_to(folder).as_posix().encode() + b"\0" + text)
        total += sum(line[:1].isdigit() or line[:1] == b"-" for line in (each.strip() for each in text.splitlines()))
    return total, every.hexdigest()


def read(path: Path) -> dict[str, str]:
    """Read digests by case."""
    with path.open(newline="") as file:
        return dict(row for row in csv.reader(file) if row)


if __name__ == "__main__":
    main()
