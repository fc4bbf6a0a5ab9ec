"""F1 of Cryo-EMMAE on real micrographs, by the reference score, and what it picks in micrographs that should be empty.

usage: python benchmarks/emmae_accuracy.py SHARED [--tables real junk] [--out FOLDER]

SHARED holds `data/<set>/micrographs`, `data/<set>/particles`, `data/junk` and `tools/score_picks.py`; labels serve for
the score only. Prints Markdown; pictures lie in FOLDER.

real: the program's own threshold with a network that `pick` trains on the set, with that of the program, and with one
    that was trained on another set; seconds are those of the whole command.
junk: micrographs of other grids, most of them empty or spoiled, scaled so that its particle would be 25 px across and
    picked with what a good set taught: no pick is right, as none of its particles is there.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from cryoglean.io.images import read_micrograph
from cryoglean.io.inputs import find_micrographs
from cryoglean.pickers.emmae import PRETRAINED
from cryoglean.pickers.emmae.fit import fit_emmae
from cryoglean.pickers.emmae.network_files import read_emmae
from cryoglean.pickers.emmae.picker import Emmae
from cryoglean.pickers.emmae.settings import EmmaeSettings
from cryoglean.pickers.localpicker.picker import Localpicker, fit_localpicker
from picking_accuracy import SETS, score

if TYPE_CHECKING:
    from cryoglean.micrograph import Micrograph

JUNK_DIAMETER_PX = 25.0


class Row(NamedTuple):
    """A set, whose network is used, and how micrographs are prepared."""

    set_name: str
    network: str
    preprocess: str = "auto"

    @property
    def folder(self) -> str:
        """Where its picks go; a set's own network lies there, too."""
        return f"{self.set_name}-by-{self.network}-{self.preprocess}"


OWN, SHIPPED = "its own", "pretrained"
ROWS = (
    Row("empiar-10146", OWN),
    Row("empiar-10146", SHIPPED, "default"),
    Row("empiar-10017", OWN),
    Row("empiar-10017", OWN, "default"),
    Row("empiar-10017", SHIPPED, "default"),
    Row("empiar-10146", "empiar-10017", "default"),
    Row("empiar-10017", "empiar-10146"),
    Row("empiar-10146-noisy", SHIPPED, "default"),
    Row("empiar-10146-noisy", "empiar-10146"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--out", type=Path, default=Path("emmae-accuracy-out"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for table in arguments.tables:
        TABLES[table](arguments.shared, arguments.out)


def real(shared: Path, out: Path) -> None:
    """Print F1 by set and network."""
    print(
        "\n| set | network | `--preprocess` | precision | recall | F1, own threshold | F1, best threshold (oracle) "
        "| seconds |"
    )
    print("|---" * 8 + "|")
    for row in ROWS:
        start = time.perf_counter()
        pick(shared, out, row)
        seconds = time.perf_counter() - start
        own, best = score(shared, row.set_name, out / row.folder / "picks")
        cells = [f"{value:.3f}" for value in (own["precision"], own["recall"], own["f1"], best["f1"])]
        print(f"| {' | '.join([*row, *cells])} | {seconds:.0f} |", flush=True)


def pick(shared: Path, out: Path, row: Row) -> None:
    """Pick a set by the program's own command, anew."""
    diameter, pixel_size, *_ = SETS[row.set_name]
    folder = out / row.folder
    command = [sys.executable, "-m", "cryoglean.cli", "pick", str(shared / "data" / row.set_name / "micrographs")]
    command += ["--diameter", str(diameter), "--pixel-size", str(pixel_size), "--out", str(folder), "--method", "emmae"]
    if row.network == OWN:
        command += ["--preprocess", row.preprocess]
    elif row.network == SHIPPED:
        command += ["--model", SHIPPED]
    else:
        command += ["--model", str(out / Row(row.network, OWN, row.preprocess).folder / "mae/weights.safetensors")]
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([*command, "--plots"], check=True, capture_output=True)


def junk(shared: Path, _: Path) -> None:
    """Print picks by kind of junk, of Localpicker and of Cryo-EMMAE with the program's network."""
    folders = sorted((shared / "data/junk").iterdir())
    print("\n| learned from | picker | " + " | ".join(folder.name.split("_ice")[0] for folder in folders) + " |")
    print("|---" * (2 + len(folders)) + "|")
    mae = read_emmae(PRETRAINED)
    for name in ("empiar-10146", "empiar-10017"):
        diameter, pixel_size, *_ = SETS[name]
        good = micrographs(shared / "data" / name / "micrographs", float(pixel_size))[:8]
        blobs, settings = fit_localpicker(good, diameter), EmmaeSettings(diameter_angstrom=diameter)
        pickers = {
            "Localpicker": Localpicker(settings, blobs),
            "Cryo-EMMAE": Emmae(settings, fit_emmae(good, blobs, mae), mae),
        }
        kinds = [micrographs(folder, diameter / JUNK_DIAMETER_PX) for folder in folders]
        for said, picker in pickers.items():
            counts = [sum(len(picker.pick(each)) for each in kind) for kind in kinds]
            print(f"| {name} | {said} | " + " | ".join(map(str, counts)) + " |", flush=True)


def micrographs(folder: Path, pixel_size: float) -> list[Micrograph]:
    """Read a folder."""
    return [read_micrograph(file, pixel_size)[0] for file in find_micrographs([folder])]


TABLES = {"real": real, "junk": junk}

if __name__ == "__main__":
    main()
