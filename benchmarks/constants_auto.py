"""How far the constants of Auto may be moved before it finds less.

usage: python benchmarks/constants_auto.py SHARED --out FOLDER [--seeds 11 12] [--sets rod2,small] [--only NAME ...]

Sets of the hard suite (benchmarks/hard_sets.py, made in FOLDER/sets) of other seeds than it is judged on. Localpicker
learns each set once; each constant alone is set to the values below, and Auto learns and picks anew. Prints as
Markdown, for each value, the mean F1 of all sets at the own threshold, and that of each kind of set.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from constants_decoys import LearnedSet, learned, moved
from cryoglean.pickers.auto import picker as judge
from cryoglean.pickers.auto import quick_classes, template_bank
from cryoglean.pickers.auto.fit import fit_auto
from cryoglean.pickers.auto.picker import Auto, AutoSettings
from cryoglean.scale.threads import limit_threads
from hard_sets import make_set
from hard_suite import Field, counts, f1

if TYPE_CHECKING:
    from types import ModuleType

VALUES: dict[str, tuple[ModuleType, tuple[float, ...]]] = {
    "_MAX_EDGE_ENERGY": (quick_classes, (0.05, 0.1, 0.15, 0.25)),
    "_MAX_CLASSES": (quick_classes, (3, 5, 8)),
    "_SURE": (quick_classes, (0.5, 0.7, 0.9)),
    "_CENTRINGS": (quick_classes, (1, 2, 4)),
    "REACH_DIAMETERS": (template_bank, (0.5, 0.625, 0.75)),
    "_ENERGY": (template_bank, (0.9, 0.95, 0.98)),
    "_DIAMETER_PX": (template_bank, (9.0, 12.0, 16.0, 24.0)),
    "_MIN_GAIN": (judge, (1.0, 1.01, 1.05)),
    "_MIN_AGREEMENT": (judge, (0.0, 0.6, 0.7, 0.75)),
}
CHOSEN = "rod2,rod3,small,crowd,base,frames"


def own_f1(each: LearnedSet) -> float:
    """Learn and pick a set with Auto; return F1 at its own threshold."""
    fitted = fit_auto(each.micrographs[:8], each.model)
    settings = AutoSettings(diameter_angstrom=each.kind.diameter)
    picker = Auto(settings, fitted.model, fitted.averages)
    picks = [picker.pick(micrograph) for micrograph in each.micrographs]
    return f1(*counts([Field(t, p.xy, p.score, each.kind) for t, p in zip(each.truth, picks, strict=True)], 0.0))


def table_of(name: str, folder: Path, constants: list[str]) -> dict[tuple[str, float], float]:
    """Return F1 of one set, by constant and value."""
    limit_threads(1)
    each, found = learned(name, folder), dict[tuple[str, float], float]()
    for constant in constants:
        module, values = VALUES[constant]
        for value in values:
            with moved(module, constant, value):
                found[constant, value] = own_f1(each)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default=CHOSEN)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--only", nargs="+", default=list(VALUES), choices=list(VALUES), metavar="NAME")
    parser.add_argument("--cpus", type=int, default=2)
    given = parser.parse_args()
    chosen = [(name, seed) for name in given.sets.split(",") for seed in given.seeds]
    folders = [make_set(*each, given.shared / "data" / "structures", given.out / "sets") for each in chosen]
    names = [name for name, _ in chosen]
    with ProcessPoolExecutor(given.cpus) as pool:
        tables = list(pool.map(table_of, names, folders, [given.only] * len(names)))
    kinds = list(dict.fromkeys(names))
    print(f"| constant | value | F1 | {' | '.join(kinds)} |\n|---|---|---|{'---|' * len(kinds)}")
    for constant in given.only:
        for value in VALUES[constant][1]:
            each = [table[constant, value] for table in tables]
            by_kind = [np.mean([f for f, name in zip(each, names, strict=True) if name == kind]) for kind in kinds]
            cells = " | ".join(f"{mean:.3f}" for mean in by_kind)
            print(f"| `{constant}` | {value:g} | {np.mean(each):.3f} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
