"""Grow a small field of particles with known truth, pick it, print the score and leave a picture.

usage: python examples/demo.py [FOLDER]        default: demo-out
"""

import shlex
import subprocess
import sys
from pathlib import Path

import mrcfile

from cryoglean.io.coordinates import write_picks_csv
from cryoglean.simulate.shells import ShellField

FIELDS = [ShellField(seed=seed) for seed in range(3)]


def main(folder: Path) -> None:
    """Run the demo in a folder."""
    for field in FIELDS:
        grow(field, folder)
    out, diameter = folder / "picked", FIELDS[0].diameter_angstrom
    cryoglean("pick", folder / "micrographs", "--diameter", diameter, "--out", out, "--plots", "--force")
    cryoglean("evaluate", out, folder / "truth", "--diameter", diameter, "--pixel-size", FIELDS[0].pixel_size_angstrom)
    sys.stdout.write(
        f"\nThe picks as pictures: {out / 'plots'}\nWhat was learned of their shape: {out / 'localpicker.png'}\n"
    )


def grow(field: ShellField, folder: Path) -> None:
    """Write one micrograph and its true centres."""
    micrograph, truth = field.render()
    path = folder / "micrographs" / f"{micrograph.name}.mrc"
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, micrograph.image, overwrite=True) as file:
        file.voxel_size = micrograph.pixel_size_angstrom
    write_picks_csv(folder / "truth" / f"{micrograph.name}.csv", truth)


def cryoglean(*words: object) -> None:
    """Run a command as a user would, showing it."""
    arguments = [str(word) for word in words]
    sys.stdout.write(f"\n$ cryoglean {shlex.join(arguments)}\n")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "cryoglean.cli", *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out"))
