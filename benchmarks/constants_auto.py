"""How far the constants of Auto may be moved before it finds less.

usage: python benchmarks/constants_auto.py SHARED --out FOLDER [--seeds 11 12] [--sets rod2,small] [--only NAME ...]

Sets of the hard suite (benchmarks/hard_sets.py, made in FOLDER/sets) of other seeds than it is judged on. Localpicker
learns each set once; each constant alone is set to the values below, and Auto learns and picks anew. Prints as
Markdown, for each value, the mean F1 of all sets at the own threshold, and that of each kind of set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from constants_decoys import LearnedSet, arguments, measured, tables_of_sets
from cryoglean.pickers.auto import fit as learning
from cryoglean.pickers.auto import picker as judge
from cryoglean.pickers.auto import quick_classes, smaller
from cryoglean.pickers.auto.fit import fit_auto
from cryoglean.pickers.auto.picker import AutoSettings
from cryoglean.pickers.auto.smaller import auto_picker, find_smaller
from cryoglean.pickers.matcher import template_bank
from hard_suite import Field, counts, f1

if TYPE_CHECKING:
    from pathlib import Path

    from constants_decoys import Values

VALUES: Values = {
    "_MAX_EDGE_ENERGY": (quick_classes, (0.05, 0.1, 0.15, 0.25)),
    "_MAX_CLASSES": (quick_classes, (3, 5, 8)),
    "_SURE": (quick_classes, (0.5, 0.7, 0.9)),
    "_CENTRINGS": (quick_classes, (1, 2, 4)),
    "REACH_DIAMETERS": (template_bank, (0.5, 0.625, 0.75)),
    "_ENERGY": (template_bank, (0.9, 0.95, 0.98)),
    "_DIAMETER_PX": (template_bank, (9.0, 12.0, 16.0, 24.0)),
    "_ERROR_OF_ALL": (judge, (0.5, 2**-0.5, 1.0, 1.1)),
    "_MIN_AGREEMENT": (judge, (0.0, 0.6, 0.7, 0.75)),
    "_LESS_DOUBT": (judge, (0.6, 0.7, 0.8, 0.9)),
    "_SETTLED": (learning, (0.9, 0.95, 0.98)),
    "_CLEAR_DEPTH": (smaller, (2.0, 3.0, 4.0)),
    "_MAX_DISC": (smaller, (0.65, 0.75, 0.85)),
}
CHOSEN = "rod2,rod3,small,crowd,base,frames"


def own_f1(each: LearnedSet) -> float:
    """Learn and pick a set with Auto; return F1 at its own threshold."""
    fitted = find_smaller(lambda: each.micrographs[:8], fit_auto(each.micrographs[:8], each.model))
    settings = AutoSettings(diameter_angstrom=each.kind.diameter)
    picker = auto_picker(settings, fitted)
    picks = [picker.pick(micrograph) for micrograph in each.micrographs]
    return f1(*counts([Field(t, p.xy, p.score, each.kind) for t, p in zip(each.truth, picks, strict=True)], 0.0))


def table_of(name: str, folder: Path, constants: list[str]) -> dict[tuple[str, float], float]:
    """Return F1 of one set, by constant and value."""
    return measured(name, folder, constants, VALUES, own_f1)


def main() -> None:
    """Print the table."""
    given = arguments(__doc__, VALUES, CHOSEN)
    chosen, tables = tables_of_sets(given, table_of)
    names = [name for name, _ in chosen]
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
