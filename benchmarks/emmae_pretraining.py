"""Make the network that ships with the program: simulate micrographs, train on them.

usage: python benchmarks/emmae_pretraining.py SHARED [--out FOLDER] [--ship]

SHARED holds `data/structures`. What is there in FOLDER is not made again. --ship puts the network in its place in the
package. No real micrograph, no label and no true centre of a simulated one goes into it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from cryoglean.pickers.emmae import PRETRAINED
from cryoglean.pickers.emmae.network_files import read_emmae

STRUCTURES = {
    "bgal": "bgal_465kDa_5a1a.pdb.gz",
    "apoferritin": "apoferritin_432kDa_4v1w.cif.gz",
    "groel": "groel_740kDa_1mnf.pdb.gz",
    "polymerase": "rnapII_tfiis_420to550kDa_1y1v.pdb.gz",
}
SETS = {  # structures, noise, diameter A, micrographs, seed
    "bgal-medium": (("bgal",), "medium", 173, 6, 5),
    "apoferritin-medium": (("apoferritin",), "medium", 129, 6, 5),
    "groel-medium": (("groel",), "medium", 178, 6, 5),
    "bgal-low": (("bgal",), "low", 173, 6, 5),
    "apoferritin-high": (("apoferritin",), "high", 129, 6, 5),
    "four": (tuple(STRUCTURES), "medium", 180, 8, 6),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, default=Path("emmae-pretraining-out"))
    parser.add_argument("--ship", action="store_true")
    arguments = parser.parse_args()
    command = ["mae", "train", "--cpus", "1", "--out", str(arguments.out / "network")]
    for name, (structures, noise, diameter, count, seed) in SETS.items():
        folder = arguments.out / name
        paths = [arguments.shared / "data/structures" / STRUCTURES[each] for each in structures]
        simulate(folder, paths, noise, count, seed)
        command += ["--set", f"{folder}/micrographs.star:{diameter}"]
    run(command)
    weights = arguments.out / "network/weights.safetensors"
    facts = read_emmae(weights).facts
    print(f"{facts.steps} steps on {len(facts.micrographs)} micrographs, {len(facts.held_out)} more only judged")
    if arguments.ship:
        shutil.copy(weights, PRETRAINED)
        print(PRETRAINED)


def simulate(folder: Path, structures: list[Path], noise: str, count: int, seed: int) -> None:
    """Simulate a set."""
    models = [part for path in structures for part in ("--model", str(path))]
    size = ["--size", "2048x2048", "--pixel-size", "1.5", "--micrographs", str(count), "--particles", "80"]
    run(
        ["simulate", *models, *size, "--noise", noise, "--nuisances", "some", "--seed", str(seed), "--out", str(folder)]
    )


def run(command: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "cryoglean.cli", *command], check=True)


if __name__ == "__main__":
    main()
