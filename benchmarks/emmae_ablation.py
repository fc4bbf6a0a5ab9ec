"""What each part of Cryo-EMMAE brings, on real micrographs, from the published steps to ours.

usage: python benchmarks/emmae_ablation.py SHARED [--sets SET ...] [--tables steps clusters micrographs] [--out FOLDER]

SHARED holds `data/<set>/micrographs` and `data/<set>/particles`; labels serve for the score only. Networks are made by
`cryoglean mae train` into FOLDER, and what is there is not trained again. Prints Markdown:

steps: F1 at the program's own threshold, and at the best one (an oracle), of the published steps and of the default's.
clusters: the published steps, their last clustering of each micrograph with 3 to 7 clusters (the paper's Figure 2B).
micrographs: the default, trained on and learned from 1 to 8 micrographs (the paper's Figure 2A).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from cryoglean.evaluate import Protocol, evaluate_picks
from cryoglean.io.images import read_micrograph
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.micrograph_names import stem_of
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.latents import hierarchy
from cryoglean.nets.mae import new_mae
from cryoglean.pickers.emmae import fit as emmae_fit
from cryoglean.pickers.emmae import picker as emmae
from cryoglean.pickers.emmae.fit import fit_emmae
from cryoglean.pickers.emmae.network_files import read_emmae
from cryoglean.pickers.emmae.paper import PaperEmmae, fit_paper_emmae
from cryoglean.pickers.emmae.picker import Emmae
from cryoglean.pickers.emmae.preparation import disc_painter
from cryoglean.pickers.emmae.settings import EmmaeSettings, PaperEmmaeSettings
from cryoglean.pickers.emmae.training import EmmaeModel
from cryoglean.pickers.localpicker.picker import fit_localpicker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryoglean.jobs.pick_one import Picker
    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.localpicker.picker import LocalpickerModel

SETS = {  # diameter A, pixel size A; of the score: diameter px, margin px, height and width px; preprocess
    "empiar-10146": (112.5, 1.5, Protocol(75, 37.5, (1200, 1240)), "default"),
    "empiar-10017": (191.0, 1.77, Protocol(108, 144, (4096, 4096)), "none"),
}
LAST_CLUSTERS = (3, 4, 5, 6, 7)
MICROGRAPHS = (1, 2, 3, 5, 8)


class Case(NamedTuple):
    """A set, in memory.

    Attributes:
        name: of the set.
        diameter: of its particles, A.
        preprocess: of its micrographs.
        micrographs: all of them.
        blobs: what Localpicker learned of it.
        shared: where it lies.
        out: where networks go.
    """

    name: str
    diameter: float
    preprocess: str
    micrographs: list[Micrograph]
    blobs: LocalpickerModel
    shared: Path
    out: Path

    def network(self, preprocess: str, count: int | None = None) -> EmmaeModel:
        """Return a network of the default sizes, trained on so many of the micrographs; all by default."""
        files = sorted((self.shared / "data" / self.name / "micrographs").iterdir())
        out = self.out / f"{self.name}-{preprocess}-{count or len(files)}"
        command = [
            "mae",
            "train",
            *map(str, files[:count]),
            "--diameter",
            str(self.diameter),
            "--preprocess",
            preprocess,
        ]
        command += ["--pixel-size", str(SETS[self.name][1]), "--out", str(out), "--cpus", "1"]
        subprocess.run([sys.executable, "-m", "cryoglean.cli", *command], check=True, capture_output=True)
        return read_emmae(out / "weights.safetensors")

    def score(self, picker: Picker) -> str:
        """Pick all micrographs; return the cells of a table."""
        truth = read_picks_folder(self.shared / "data" / self.name / "particles")
        picks = {stem_of(each.name): picker.pick(each) for each in self.micrographs}
        found = evaluate_picks(truth, picks, SETS[self.name][2], find_best=True)
        best = found.best.counts.f1 if found.best else 0.0
        one = found.overall
        return f"{one.f1:.3f} | {one.precision:.3f} | {one.recall:.3f} | {best:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--out", type=Path, default=Path("emmae-ablation-out"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for table in arguments.tables:
        print(
            f"\n| set | {table} | F1, own threshold | precision | recall | F1, best threshold (oracle) |\n"
            "|---|---|---|---|---|---|"
        )
        for name in arguments.sets:
            case = read(arguments.shared, name, arguments.out)
            for said, picker in TABLES[table](case):
                print(f"| {name} | {said} | {case.score(picker)} |", flush=True)


def read(shared: Path, name: str, out: Path) -> Case:
    """Read a set and let Localpicker learn of it."""
    diameter, pixel_size, _, preprocess = SETS[name]
    files = find_micrographs([shared / "data" / name / "micrographs"])
    micrographs = [read_micrograph(file, pixel_size)[0] for file in files]
    return Case(name, diameter, preprocess, micrographs, fit_localpicker(micrographs[:8], diameter), shared, out)


def published(case: Case, mae: EmmaeModel) -> PaperEmmae:
    """Return the published steps on a network's latents; discs round blobs are the reference mask."""
    settings = PaperEmmaeSettings(diameter_angstrom=case.diameter)
    learned = fit_paper_emmae(case.micrographs[:8], settings, mae, disc_painter(case.blobs))
    return PaperEmmae(settings, learned, mae)


def ours(case: Case, mae: EmmaeModel, count: int = 8) -> Emmae:
    """Return the default's steps on a network's latents."""
    learned = fit_emmae(case.micrographs[:count], case.blobs, mae)
    return Emmae(EmmaeSettings(diameter_angstrom=case.diameter), learned, mae)


def steps(case: Case) -> Iterator[tuple[str, Picker]]:
    """Yield pickers from the published steps to ours."""
    mae = case.network(case.preprocess)
    yield "published steps on images of the published chain", published(case, case.network("paper"))
    yield f"published steps, --preprocess {case.preprocess}", published(case, mae)
    yield "grey values of patches in place of latents", Changed(ours, case, mae, grey=True)
    untrained = EmmaeModel(mae.facts, new_mae(mae.facts.layers, 0))
    yield "latents of an untrained network", ours(case, untrained)
    yield "first template, from blobs", Changed(ours, case, mae, refinements=0)
    yield "nothing left out as unlike particles", Changed(ours, case, mae, all_alike=True)
    yield "default", ours(case, mae)


class Changed:
    """The default with one of its parts taken away, while it learns and while it picks."""

    def __init__(self, make: Callable[..., Emmae], case: Case, mae: EmmaeModel, **parts: bool | int) -> None:
        self.parts = parts
        with self:
            self.picker = make(case, mae)

    def pick(self, micrograph: Micrograph) -> object:
        """Pick without the part."""
        with self:
            return self.picker.pick(micrograph)

    def __enter__(self) -> None:
        self.before = (emmae.embedded, emmae_fit.embedded, emmae_fit._MAX_REFINEMENTS, emmae.UNLIKE_DEVIATIONS)
        if "refinements" in self.parts:
            emmae_fit._MAX_REFINEMENTS = int(self.parts["refinements"])
        if "all_alike" in self.parts:
            emmae.UNLIKE_DEVIATIONS = float("inf")
        if "grey" in self.parts:
            emmae.embedded = emmae_fit.embedded = grey_patches

    def __exit__(self, *_: object) -> None:
        emmae.embedded, emmae_fit.embedded, emmae_fit._MAX_REFINEMENTS, emmae.UNLIKE_DEVIATIONS = self.before


def grey_patches(micrograph: Micrograph, diameter_angstrom: float, mae: EmmaeModel, device: torch.device) -> object:
    """Do as `embedded`, but put the mean grey value of each patch in place of its latents."""
    seen = EMBEDDED(micrograph, diameter_angstrom, mae, device)
    height, width, channels = seen.latents.shape
    image = mae.facts.standardised(seen.prepared.image)
    missing = (0, width * seen.patch_px - image.shape[1], 0, height * seen.patch_px - image.shape[0])
    whole = functional.pad(image[None, None], missing, mode="replicate")
    grey = functional.avg_pool2d(whole, seen.patch_px)[0, 0]
    return seen._replace(latents=torch.stack([grey, *[torch.zeros_like(grey)] * (channels - 1)], dim=-1))


EMBEDDED = emmae.embedded


def clusters(case: Case) -> Iterator[tuple[str, Picker]]:
    """Yield the published steps with other last numbers of clusters."""
    picker = published(case, case.network(case.preprocess))
    for last in LAST_CLUSTERS:
        yield f"{last}", LastClusters(picker, last)


class LastClusters(NamedTuple):
    """The published steps, stopped after another number of clusters."""

    picker: PaperEmmae
    last: int

    def pick(self, micrograph: Micrograph) -> object:
        """Pick with 3, 4, ... clusters up to the last number."""
        before = hierarchy.MICROGRAPH_CLUSTERS
        hierarchy.MICROGRAPH_CLUSTERS = tuple(range(3, self.last + 1))
        try:
            return self.picker.pick(micrograph)
        finally:
            hierarchy.MICROGRAPH_CLUSTERS = before


def training_micrographs(case: Case) -> Iterator[tuple[str, Picker]]:
    """Yield the default, trained on and learned from more and more micrographs; Localpicker's blobs from as many."""
    for count in MICROGRAPHS:
        blobs = fit_localpicker(case.micrographs[:count], case.diameter)
        yield f"{count}", ours(case._replace(blobs=blobs), case.network(case.preprocess, count), count)


TABLES = {"steps": steps, "clusters": clusters, "micrographs": training_micrographs}

if __name__ == "__main__":
    main()
