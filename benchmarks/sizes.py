"""Contrast and size of particles as micrographs show them, on simulated sets whose particles are known."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from cryoglean.io.images import read_micrograph
from cryoglean.io.inputs import find_micrographs
from cryoglean.micrograph import Contrast
from cryoglean.pickers.localpicker import survey as surveys
from cryoglean.pickers.localpicker.survey import survey_micrographs

BGAL, UNC18, APO = "bgal_465kDa_5a1a.pdb.gz", "unc18_syntaxin_83kDa_2xhe.cif.gz", "apoferritin_432kDa_4v1w.cif.gz"
GROEL, RIBOSOME = "groel_740kDa_1mnf.pdb.gz", "ribosome70S_65vox.mrc"
SETS = {
    "base": (173, BGAL, "--particles 80 --nuisances some"),
    "clean": (173, BGAL, "--particles 80"),
    "crowd": (173, BGAL, "--particles 350 --spacing 0.75 --overlapping 0.1"),
    "sparse": (173, BGAL, "--particles 2"),
    "sparse-dirt": (173, BGAL, "--particles 2 --nuisances some"),
    "dirt": (0, BGAL, "--particles 0 --nuisances many"),
    "small": (110, UNC18, "--particles 200"),
    "apoferritin": (129, APO, "--particles 150"),
    "apoferritin, noisy": (129, APO, "--particles 150 --dose 6 --pixel-size 1.5"),
    "apoferritin, far": (129, APO, "--particles 100 --defocus 20000,40000"),
    "apoferritin, near": (129, APO, "--particles 80 --defocus 4000,9000 --pixel-size 1.2"),
    "GroEL": (178, GROEL, "--particles 100"),
    "GroEL, dirt": (178, GROEL, "--particles 100 --nuisances some"),
    "ribosome": (272, RIBOSOME, "--particles 60 --pixel-size 2.5 --voxel-size 5.3"),
    "ribosome, dirt": (272, RIBOSOME, "--particles 60 --pixel-size 3 --voxel-size 5.3 --nuisances some"),
    "161 kDa": (132, "gluA3_ntd_161kDa_3o21.cif.gz", "--particles 150"),
    "polymerase, dirt": (180, "rnapII_tfiis_420to550kDa_1y1v.pdb.gz", "--particles 100 --nuisances some"),
}
"""Sets: longest extent in angstrom, model, options of `cryoglean simulate`."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path, help="folder with data/structures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--change", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a constant")
    given = parser.parse_args()
    for name, value in given.change:
        setattr(surveys, name, type(getattr(surveys, name))(value))
    print("| set | seed | extent | contrast | inverted | skewness, other | estimate | range | edge |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in SETS:
        for seed in given.seeds:
            print(row(given.shared / "data" / "structures", name, seed), flush=True)


def row(structures: Path, name: str, seed: int) -> str:
    """Simulate one set, and survey it as it is and inverted."""
    extent, model, options = SETS[name]
    words = options.split()
    words += [] if "--pixel-size" in words else ["--pixel-size", "2.0"]
    with tempfile.TemporaryDirectory() as folder:
        common = ["--model", str(structures / model), "--out", folder, "--micrographs", "4", "--size", "1536x1536"]
        command = [sys.executable, "-m", "cryoglean.cli", "simulate", *common, "--seed", str(seed), *words]
        subprocess.run(command, check=True, capture_output=True)
        micrographs = [read_micrograph(file)[0] for file in find_micrographs([Path(folder) / "micrographs"])]
    survey = survey_micrographs(micrographs)
    inverted = survey_micrographs([replace(each, image=-each.image) for each in micrographs])
    size = survey.size
    told = (
        "- | - | -"
        if size is None
        else (
            f"{size.diameter_angstrom:.0f} | {size.min_angstrom:.0f} to {size.max_angstrom:.0f} | "
            f"{'yes' if size.has_edge else 'no'}"
        )
    )
    shown, other = (max(each.at_least for each in survey.of(contrast)) for contrast in (Contrast.dark, Contrast.bright))
    signs = f"{survey.contrast or '-'} | {inverted.contrast or '-'} | {shown:.2f}, {other:.2f}"
    return f"| {name} | {seed} | {extent or '-'} | {signs} | {told} |"


if __name__ == "__main__":
    main()
