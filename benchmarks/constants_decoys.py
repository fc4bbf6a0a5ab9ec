"""How far the constants of Localpicker's decoys may be moved before its threshold gets worse.

usage: python benchmarks/constants_decoys.py SHARED --out FOLDER [--seeds 11 12] [--sets small,frames] [--only NAME ...]

Sets of the hard suite (benchmarks/hard_sets.py, made in FOLDER/sets) of other seeds than it is judged on. The template
of each is learned once; each constant alone is set to the values below, and the heights are fitted and the set is
picked anew. Prints as Markdown, for each value, the mean over all sets of what F1 lacks to that of the best threshold
(found with the truth in hand), and the set that lacks most. Values were chosen on seeds 11 and 12, before this
script was.
"""

from __future__ import annotations

import argparse
import contextlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from cryoglean.calibration import height_model, peak_heights
from cryoglean.detect.responses import FilteredMicrograph
from cryoglean.io.images import read_image
from cryoglean.io.inputs import find_micrographs
from cryoglean.micrograph import Micrograph
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerModel, LocalpickerSettings, fit_localpicker
from cryoglean.preprocess import glaring
from cryoglean.preprocess.working import working_image
from cryoglean.scale.threads import limit_threads
from hard_sets import SETS, HardSet, make_set
from hard_suite import Field, counts, f1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

    Values = Mapping[str, tuple[ModuleType, tuple[float, ...]]]
    """Of each constant, its module and the values that it is given."""

VALUES: Values = {
    "COVERING_PROBABILITY": (peak_heights, (0.1, 0.15, 0.2, 0.3, 0.5)),
    "PARTICLE_RADIUS_DIAMETERS": (peak_heights, (0.35, 0.5, 0.65)),
    "_DIRT_RADIUS_DIAMETERS": (peak_heights, (0.5, 0.75, 1.0)),
    "EDGE_DIAMETERS": (peak_heights, (0.33, 0.5, 0.75)),
    "_ROUNDS": (peak_heights, (2, 4, 8)),
    "_SETTLED": (peak_heights, (0.001, 0.003, 0.01, 0.03)),
    "_FAR_FEWER": (peak_heights, (0.1, 0.25, 0.5, 0.75, 0.9)),
    "_MAX_VARIATION": (height_model, (0.15, 0.2, 0.25, 0.33, 0.5)),
    "_MIN_SEPARATION": (height_model, (0.5, 0.75, 1.0, 1.25, 1.5)),
    "_MIN_DEVIATION": (height_model, (0.4, 0.5, 0.6, 0.7, 0.8)),
    "_MAX_BESIDE": (height_model, (2.0, 4.0, 8.0)),
    "_SMOOTHING": (height_model, (0.05, 0.1, 0.2)),
}
CHOSEN = "small,small-dim,frames,rod2,rod3,crowd,base,clean"
MIN_SCORE = 0.02
"""Least score of places among which the best threshold is looked for."""


class LearnedSet(NamedTuple):
    """A set and what was learned of it."""

    kind: HardSet
    micrographs: list[Micrograph]
    truth: list[pd.DataFrame]
    model: LocalpickerModel


def learned(name: str, folder: Path) -> LearnedSet:
    """Read a set and learn its template."""
    kind, micrographs, truth = SETS[name], list[Micrograph](), list[pd.DataFrame]()
    for file in find_micrographs([folder / "micrographs"]):
        image = np.asarray(read_image(file.path)[0], np.float32)
        micrographs.append(Micrograph(image, kind.pixel_size, file.path.stem))
        truth.append(pd.read_csv(folder / "truth" / f"{file.path.stem}.csv"))
    return LearnedSet(kind, micrographs, truth, fit_localpicker(micrographs[:8], kind.diameter))


def lacks(each: LearnedSet) -> float:
    """Fit the heights anew and pick; return the F1 that the own threshold lacks to the best."""
    fields = [
        FilteredMicrograph.of(
            glaring.without_glaring(working_image(m.image, each.kind.diameter / m.pixel_size_angstrom))
        )
        for m in each.micrographs[:8]
    ]
    found = peak_heights.fit_peak_heights(fields, [each.model.template] * len(fields))
    if found is None:
        raise ValueError("too few peaks")
    changes = {"heights": found.model, "threshold": found.threshold, "contrast": found.contrast}
    settings = LocalpickerSettings(diameter_angstrom=each.kind.diameter)
    picker = Localpicker(settings, each.model.model_copy(update=changes))
    picks = [picker.pick_down_to(m, MIN_SCORE) for m in each.micrographs]
    scored = [Field(t, p.xy, p.score, each.kind) for t, p in zip(each.truth, picks, strict=True)]
    own = f1(*counts(scored, picker.threshold))
    scores = np.concatenate([[picker.threshold], *(p.score for p in picks)])
    return max([own, *(f1(*counts(scored, t)) for t in np.quantile(scores, np.linspace(0, 1, 60)))]) - own


@contextlib.contextmanager
def moved(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """Set a constant for a while."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def measured(
    name: str, folder: Path, constants: list[str], values: Values, measure: Callable[[LearnedSet], float]
) -> dict[tuple[str, float], float]:
    """Measure one set, by constant and value."""
    limit_threads(1)
    each, found = learned(name, folder), dict[tuple[str, float], float]()
    for constant in constants:
        module, tried = values[constant]
        for value in tried:
            with moved(module, constant, value):
                found[constant, value] = measure(each)
    return found


def table_of(name: str, folder: Path, constants: list[str]) -> dict[tuple[str, float], float]:
    """Return what F1 of one set lacks, by constant and value."""
    return measured(name, folder, constants, VALUES, lacks)


def arguments(description: str | None, values: Values, sets: str) -> argparse.Namespace:
    """Read the command line of a script that moves constants."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default=sets)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--only", nargs="+", default=list(values), choices=list(values), metavar="NAME")
    parser.add_argument("--cpus", type=int, default=2)
    return parser.parse_args()


def tables_of_sets(
    given: argparse.Namespace, table: Callable[[str, Path, list[str]], dict[tuple[str, float], float]]
) -> tuple[list[tuple[str, int]], list[dict[tuple[str, float], float]]]:
    """Make the sets that are asked for, and measure them; return name and seed, and the table, of each."""
    chosen = [(name, seed) for name in given.sets.split(",") for seed in given.seeds]
    folders = [make_set(*each, given.shared / "data" / "structures", given.out / "sets") for each in chosen]
    with ProcessPoolExecutor(given.cpus) as pool:
        return chosen, list(pool.map(table, [name for name, _ in chosen], folders, [given.only] * len(chosen)))


def main() -> None:
    """Print the table."""
    given = arguments(__doc__, VALUES, CHOSEN)
    chosen, tables = tables_of_sets(given, table_of)
    print("| constant | value: mean lack of F1 (most, set) |\n|---|---|")
    for constant in given.only:
        cells = []
        for value in VALUES[constant][1]:
            lack = [table[constant, value] for table in tables]
            worst = int(np.argmax(lack))
            cells.append(f"{value:g}: {np.mean(lack):.3f} ({lack[worst]:.3f}, {chosen[worst][0]}-{chosen[worst][1]})")
        print(f"| `{constant}` | {'; '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
