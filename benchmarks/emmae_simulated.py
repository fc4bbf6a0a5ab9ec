"""Cryo-EMMAE on simulated micrographs with known truth: proteins, noise, networks from other sets, several species.

usage: python benchmarks/emmae_simulated.py SHARED [--tables noise across species] [--out FOLDER]

SHARED holds `data/structures`. Micrographs (2,048 px at 1.5 A, some ice, carbon, gold, aggregates) are simulated and
networks are trained into FOLDER by the program's own commands; what is there is not made again. Prints Markdown:

noise: F1 at the program's own threshold for three proteins at 80, 40 and 12 e/A^2, networks trained on the set itself.
across: a network trained on one set and used on the others. The default learns from the new set what particles look
    like there; the published steps take their clusters from the set trained on, as in the paper's Table 1.
species: recall of each of four proteins that lie in the same micrographs, picked with the largest one's diameter.

"Published steps" run on the latents of a network of the default's small sizes that was trained on images of the
published chain.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import torch

from cryoglean.evaluate import Protocol, evaluate_picks
from cryoglean.evaluate.matching import match
from cryoglean.io.images import read_micrograph
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.micrograph_names import stem_of
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.pickers.emmae.fit import fit_emmae
from cryoglean.pickers.emmae.network_files import read_emmae
from cryoglean.pickers.emmae.paper import PaperEmmae, fit_paper_emmae
from cryoglean.pickers.emmae.picker import Emmae
from cryoglean.pickers.emmae.preparation import disc_painter
from cryoglean.pickers.emmae.settings import EmmaeSettings, PaperEmmaeSettings
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker

if TYPE_CHECKING:
    from cryoglean.jobs.pick_one import Picker
    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.emmae.paper import FittedPaperEmmae
    from cryoglean.pickers.emmae.training import EmmaeModel
    from cryoglean.pickers.localpicker.picker import LocalpickerModel
    from cryoglean.picks import Picks

PIXEL_SIZE = 1.5
PROTEINS = {  # structure, diameter A
    "apoferritin": ("apoferritin_432kDa_4v1w.cif.gz", 129.0),
    "beta-galactosidase": ("bgal_465kDa_5a1a.pdb.gz", 173.0),
    "GroEL": ("groel_740kDa_1mnf.pdb.gz", 178.0),
    "RNA polymerase II": ("rnapII_tfiis_420to550kDa_1y1v.pdb.gz", 180.0),
}
THREE = ("apoferritin", "beta-galactosidase", "GroEL")
NOISE = ("low", "medium", "high")
STEM = re.compile(r"[.](cif|pdb)[.]gz$")


class Case(NamedTuple):
    """A simulated set, in memory."""

    folder: Path
    diameter: float
    micrographs: list[Micrograph]
    blobs: LocalpickerModel

    def network(self, preprocess: str = "default") -> EmmaeModel:
        """Return a network of the default sizes, trained on the set."""
        out = self.folder / f"network-{preprocess}"
        command = ["mae", "train", str(self.folder / "micrographs.star"), "--diameter", str(self.diameter)]
        run([*command, "--preprocess", preprocess, "--cpus", "1", "--out", str(out)])
        return read_emmae(out / "weights.safetensors")

    def ours(self, mae: EmmaeModel) -> Emmae:
        """Return the default picker, with a network of any set."""
        return Emmae(EmmaeSettings(diameter_angstrom=self.diameter), fit_emmae(self.micrographs, self.blobs, mae), mae)

    def clusters(self, mae: EmmaeModel) -> FittedPaperEmmae:
        """Return the clusters of the set, as published; discs round blobs are the reference mask."""
        settings = PaperEmmaeSettings(diameter_angstrom=self.diameter)
        return fit_paper_emmae(self.micrographs, settings, mae, disc_painter(self.blobs))

    def published(self, mae: EmmaeModel, learned: FittedPaperEmmae | None = None) -> PaperEmmae:
        """Return the published steps, with clusters of this or another set."""
        settings = PaperEmmaeSettings(diameter_angstrom=self.diameter)
        return PaperEmmae(settings, learned or self.clusters(mae), mae)

    def localpicker(self) -> Localpicker:
        """Return Localpicker."""
        return Localpicker(LocalpickerSettings(diameter_angstrom=self.diameter), self.blobs)

    def picks(self, picker: Picker) -> dict[str, Picks]:
        """Pick all micrographs."""
        return {stem_of(each.name): picker.pick(each) for each in self.micrographs}

    def f1(self, picker: Picker) -> float:
        """Return F1 at the picker's own threshold."""
        truth = read_picks_folder(self.folder / "truth")
        return evaluate_picks(truth, self.picks(picker), Protocol(self.diameter / PIXEL_SIZE)).overall.f1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--out", type=Path, default=Path("emmae-simulated-out"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for table in arguments.tables:
        TABLES[table](arguments.shared / "data/structures", arguments.out)


def run(command: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "cryoglean.cli", *command], check=True, capture_output=True)


def simulated(structures: Path, out: Path, proteins: tuple[str, ...], noise: str, count: int = 6) -> Case:
    """Simulate a set, unless it is there, and let Localpicker learn of it."""
    folder = out / f"{'+'.join(proteins).replace(' ', '-')}-{noise}"
    command = [
        "simulate",
        "--out",
        str(folder),
        "--micrographs",
        str(count),
        "--particles",
        "80",
        "--size",
        "2048x2048",
    ]
    command += ["--pixel-size", str(PIXEL_SIZE), "--noise", noise, "--nuisances", "some", "--seed", "5"]
    for protein in proteins:
        command += ["--model", str(structures / PROTEINS[protein][0])]
    run(command)
    diameter = max(PROTEINS[protein][1] for protein in proteins)
    micrographs = [read_micrograph(file)[0] for file in find_micrographs([folder / "micrographs.star"])]
    return Case(folder, diameter, micrographs, fit_localpicker(micrographs, diameter))


def noise(structures: Path, out: Path) -> None:
    """Print F1 by protein and noise."""
    print("\n| protein | noise | Localpicker | published steps | default |\n|---|---|---|---|---|")
    for protein in THREE:
        for level in NOISE:
            case = simulated(structures, out, (protein,), level)
            pickers = (case.localpicker(), case.published(case.network("paper")), case.ours(case.network()))
            found = [case.f1(picker) for picker in pickers]
            print(f"| {protein} | {level} | " + " | ".join(f"{f1:.3f}" for f1 in found) + " |", flush=True)


def across(structures: Path, out: Path) -> None:
    """Print F1 by set that was trained on and set that is picked."""
    cases = {protein: simulated(structures, out, (protein,), "medium") for protein in THREE}
    print("\n| steps | trained on | picked: " + " | ".join(THREE) + " |\n|---|---|" + "---|" * len(THREE))
    for source, trained in cases.items():
        mae, theirs = trained.network(), trained.network("paper")
        learned = trained.clusters(theirs)
        for said, found in (
            ("published", [case.f1(case.published(theirs, learned)) for case in cases.values()]),
            ("default", [case.f1(case.ours(mae)) for case in cases.values()]),
        ):
            print(f"| {said} | {source} | " + " | ".join(f"{f1:.3f}" for f1 in found) + " |", flush=True)


def species(structures: Path, out: Path) -> None:
    """Print recall by species."""
    case = simulated(structures, out, tuple(PROTEINS), "medium", count=8)
    truth = read_picks_folder(case.folder / "truth")
    print("\n| picker | " + " | ".join(PROTEINS) + " | precision |\n|---|" + "---|" * (len(PROTEINS) + 1))
    pickers = {
        "Localpicker": case.localpicker(),
        "published steps": case.published(case.network("paper")),
        "default": case.ours(case.network()),
    }
    for said, picker in pickers.items():
        picks = case.picks(picker)
        found = pd.DataFrame(
            {"species": kind, "hit": hit}
            for stem, kinds in species_of(case.folder / "truth").items()
            for kind, hit in zip(kinds, hits(truth[stem], picks[stem], case.diameter / PIXEL_SIZE), strict=True)
        )
        recall = found.groupby("species")["hit"].mean()
        precision = found["hit"].sum() / max(1, sum(len(each) for each in picks.values()))
        names = [STEM.sub("", structure) for structure, _ in PROTEINS.values()]
        cells = [f"{recall[name]:.3f}" for name in names]
        print(f"| {said} | " + " | ".join(cells) + f" | {precision:.3f} |", flush=True)


def hits(truth: Picks, picks: Picks, diameter_px: float) -> list[bool]:
    """Tell of each true particle whether it was found."""
    pairs = match(truth.xy, picks.xy, diameter_px)
    found = set(pairs.truth[pairs.iou >= MIN_IOU].tolist())
    return [i in found for i in range(len(truth))]


def species_of(folder: Path) -> dict[str, list[str]]:
    """Read the species of each true particle, by the stem of its micrograph."""
    return {stem_of(path.stem): pd.read_csv(path)["species"].astype(str).tolist() for path in folder.rglob("*.csv")}


MIN_IOU = 0.6
TABLES = {"noise": noise, "across": across, "species": species}

if __name__ == "__main__":
    main()
