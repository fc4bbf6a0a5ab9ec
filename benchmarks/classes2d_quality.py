"""Whether 2D classes tell particles from junk: the native engine against RELION, on the same particles.

usage: python benchmarks/classes2d_quality.py CASES [CASE ...] [--seeds 3] [--whole] [--relion FOLDER]
       [--galleries FOLDER]

CASES is the folder that classes2d_cases.py has filled; FOLDER holds `<case>-<seed>.tar.gz`, what RELION left of
each run (by default the folder `relion_2d` beside this script, made by classes2d_relion.py). Both engines classify the
same 2,000 particles into 10 classes in 15 iterations, those of the case `species` into 3.
`--whole`: the native engine alone, all 5,000 particles of a simulated case.

For each run: the area under the ROC of "true particle" if particles are ranked by their class: by its purity, which
takes the truth and is the most that these classes allow; by the score of the automatic rule; by %/Res. Then the shares
of true particles and of junk that the automatic rule keeps. Of the case `species`, which has no junk, the adjusted Rand
index of its 3 classes and species.
"""

from __future__ import annotations

import argparse
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score, roc_auc_score

from cryoglean.classes2d.native import classify
from cryoglean.classes2d.particle_set import ParticleSet
from cryoglean.classes2d.reading import read_usable
from cryoglean.classes2d.relion.files import read_relion_run
from cryoglean.classes2d.selection import select, selected_particles
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.io.particles import image_places
from cryoglean.report.gallery import draw_gallery

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.classes2d.classification import Classification

DIAMETERS = {
    "10146": 112.5,
    "10146-noisy": 112.5,
    "10017": 191.0,
    "sim-low": 190.0,
    "sim-mid": 190.0,
    "sim-high": 190.0,
    "species": 185.0,
}
ITERATIONS = 15
CLASSES = {"species": 3}  # others 10


@dataclass(frozen=True)
class Case:
    """Particles that both engines classify, and the truth.

    Attributes:
        name: of the case.
        particles: the subset.
        rows: their rows in the whole table, from 0.
        truth: label and kind of each.
    """

    name: str
    particles: ParticleSet
    rows: NDArray[np.int64]
    truth: pd.DataFrame

    @property
    def settings(self) -> ClassifySettings:
        """What is asked of the native engine, but for the seed."""
        return ClassifySettings(
            diameter_angstrom=DIAMETERS[self.name], classes=CLASSES.get(self.name, 10), iterations=ITERATIONS
        )


def read_case(folder: Path, *, is_whole: bool = False) -> Case:
    """Read a case that classes2d_cases.py has made, or the part of it that RELION gets."""
    whole = read_usable(folder / "particles.star").particles
    truth = pd.read_csv(folder / "truth.csv")
    rows = np.flatnonzero(truth["subset"].to_numpy(dtype=bool) | is_whole)
    ctfs = None if whole.ctfs is None else [whole.ctfs[int(row)] for row in rows]
    particles = ParticleSet(whole.images[rows], whole.pixel_size_angstrom, ctfs, whole.is_phase_flipped)
    return Case(folder.name, particles, rows, truth.iloc[rows].reset_index(drop=True))


def seed_of(archive: Path) -> str:
    """Return the seed of a run of RELION."""
    return archive.name.removesuffix(".tar.gz").rsplit("-", 1)[1]


def relion_classification(case: Case, archive: Path) -> tuple[Classification, NDArray[np.int64]]:
    """Read what RELION found, and the order of its particles as places in the case."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        for what in ("data.star", "model.star", "classes.mrcs"):
            (folder / what).rename(folder / f"run_it{ITERATIONS:03d}_{what}")
        found, table = read_relion_run(folder / f"run_it{ITERATIONS:03d}_optimiser.star")
    place_of = {int(row): place for place, row in enumerate(case.rows)}
    return found, np.array([place_of[index] for index, _ in image_places(table, archive)])


def judge(case: Case, engine: str, found: Classification, order: NDArray[np.int64]) -> dict[str, object]:
    """Hold a classification against the truth."""
    truth = case.truth.iloc[order]
    index = found.particles.class_index
    if case.name == "species":
        kind = truth["kind"].to_numpy()
        scores = {"rand": adjusted_rand_score(kind, index)}
    else:
        true = truth["label"].to_numpy() == 1
        purity = np.array([true[index == k].mean() if (index == k).any() else 0.0 for k in range(len(found.classes))])
        selection = select(found, diameter_angstrom=DIAMETERS[case.name])
        kept = selected_particles(found, selection)
        scores = {
            "bound": roc_auc_score(true, purity[index]),
            "automatic": roc_auc_score(true, selection.score[index]),
            "percent_per_resolution": roc_auc_score(true, found.classes.percent_per_resolution[index]),
            "true_kept": kept[true].mean(),
            "junk_kept": kept[~true].mean(),
        }
    used = int((found.classes.counts > 0).sum())
    return {"case": case.name, "engine": engine, "classes": used} | {k: round(float(v), 3) for k, v in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("case", nargs="*", default=list(DIAMETERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--relion", type=Path, default=Path(__file__).parent / "relion_2d")
    parser.add_argument("--galleries", type=Path)
    arguments = parser.parse_args()
    rows = []
    for name in arguments.case:
        case = read_case(arguments.cases / name, is_whole=arguments.whole)
        runs = []
        for seed in range(arguments.seeds):
            settings, start = case.settings.model_copy(update={"seed": seed}), time.perf_counter()
            found = classify(case.particles, settings, threads=arguments.threads)
            engine = f"native, seed {seed}, {time.perf_counter() - start:.0f} s"
            runs.append((engine, found, np.arange(len(case.rows))))
        kept = () if arguments.whole else sorted(arguments.relion.glob(f"{name}-[0-9]*.tar.gz"))
        runs += [(f"RELION, seed {seed_of(archive)}", *relion_classification(case, archive)) for archive in kept]
        rows += [judge(case, *run) for run in runs]
        print(pd.DataFrame(rows[-len(runs) :]).to_string(index=False), flush=True)
        for engine, found, _ in runs if arguments.galleries else ():
            short = "-".join(engine.replace(" seed ", "").split(",")[:2])
            path = arguments.galleries / f"{name}-{short}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            diameter = DIAMETERS[name]
            selection = select(found, diameter_angstrom=diameter)
            draw_gallery(
                path,
                found.classes,
                found.pixel_size_angstrom,
                selection,
                f"{name}, {short}",
                diameter_angstrom=diameter,
            )


if __name__ == "__main__":
    main()
