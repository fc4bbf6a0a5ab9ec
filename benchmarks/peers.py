"""Other programs that pick: RELION's Laplacian of Gaussian, and Topaz with the network that it comes with.

Both run as processes of their own, with the options that their manuals begin with. `topaz` needs an environment of its
own: it is looked for on PATH, or where the environment variable TOPAZ names it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from cryoglean.io.coordinates import read_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DIAMETERS = (0.8, 1.2)
"""Range of diameters that RELION is given, in that of the particle."""
TOPAZ_RADIUS_PX = 8
"""Radius of a particle in the micrographs that Topaz's network sees, in pixels: they are downsampled to that, as its
manual has it."""
TOPAZ_THRESHOLD = 0.0
"""Score from which Topaz's picks count: as probable as not."""


class Picked(NamedTuple):
    """What a peer has picked in a micrograph.

    Attributes:
        picks: in pixels, with its own scores.
        own: (n,) whether they reach its own threshold.
    """

    picks: Picks
    own: np.ndarray


def relion_log(folder: Path, diameter: float, pixel_size: float, out: Path) -> dict[str, Picked]:
    """Pick a folder of micrographs with `relion_autopick --LoG`; return the picks by stem."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    least, most = (factor * diameter for factor in DIAMETERS)
    (out / "micrographs").symlink_to(folder.resolve())
    columns = ("OpticsGroupName", "OpticsGroup", "MicrographPixelSize", "Voltage", "SphericalAberration")
    optics = "".join(f"_rln{column}\n" for column in (*columns, "AmplitudeContrast"))
    names = "\n".join(f"micrographs/{file.path.name} 1" for file in find_micrographs([folder]))
    star = f"\ndata_optics\n\nloop_\n{optics}g1 1 {pixel_size} 300 2.7 0.1\n\ndata_micrographs\n\nloop_\n"
    (out / "micrographs.star").write_text(f"{star}_rlnMicrographName\n_rlnOpticsGroup\n{names}\n")
    words = f"--i micrographs.star --odir log/ --pickname autopick --LoG --LoG_diam_min {least} --LoG_diam_max {most}"
    _run(["relion_autopick", *words.split(), "--shrink", "0", "--lowpass", "20"], out)
    tables = {path.stem.removesuffix("_autopick"): read_picks(path) for path in out.glob("log/**/*_autopick.star")}
    found = {file.path.stem: tables.get(file.path.stem, Picks.empty()) for file in find_micrographs([folder])}
    return {stem: Picked(each, np.ones(len(each), bool)) for stem, each in found.items()}


def topaz(folder: Path, diameter: float, pixel_size: float, out: Path) -> dict[str, Picked]:
    """Pick a folder of micrographs with Topaz's pretrained network; return the picks by stem."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    program, files = os.environ.get("TOPAZ", "topaz"), [str(file.path) for file in find_micrographs([folder])]
    scale = max(1, round(diameter / pixel_size / 2 / TOPAZ_RADIUS_PX))
    radius = round(diameter / pixel_size / 2 / scale)
    _run([program, "preprocess", "-s", str(scale), "-o", str(out / "small"), "--device", "-1", *files], out)
    small = sorted(str(path) for path in (out / "small").glob("*.mrc"))
    words = ["extract", "-r", str(radius), "-x", str(scale), "-o", str(out / "picks.txt"), "--device", "-1"]
    _run([program, *words, *small], out)
    table = pd.read_csv(out / "picks.txt", sep="\t")
    found = dict(iter(table.groupby("image_name")))
    nothing = table.iloc[:0]
    return {file.path.stem: _topaz_picks(found.get(file.path.stem, nothing)) for file in find_micrographs([folder])}


def _topaz_picks(rows: pd.DataFrame) -> Picked:
    columns = (rows[name].to_numpy(float) for name in ("x_coord", "y_coord", "score"))
    picks = Picks(*columns, "foreign")
    return Picked(picks, picks.score >= TOPAZ_THRESHOLD)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:2])}: {done.stderr[-2000:]}")


PEERS: dict[str, Callable[[Path, float, float, Path], dict[str, Picked]]] = {"relion-log": relion_log, "topaz": topaz}
"""Peers by name."""
