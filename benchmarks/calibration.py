"""Are Auto's scores probabilities, and does `--fdr` give the share of false picks that it names?

usage: python benchmarks/calibration.py SHARED --out FOLDER [--seeds 11 12] [--sets small,frames] [--cpus 2]

Sets of the hard suite (benchmarks/hard_sets.py, made in FOLDER/sets). Auto learns each and picks it at its own
threshold and at false-discovery rates of 0.05, 0.1 and 0.2. Prints as Markdown, for each, the precision that the mean
score of the picks promises, the true one, and how many picks there are; last the recall that is promised at the own
threshold, and the true one. A pick counts within a quarter of the diameter, one to one, so it is false, too, where it
is off the middle.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from constants_decoys import learned
from cryoglean.pickers.auto.fit import fit_auto
from cryoglean.pickers.auto.picker import AutoSettings
from cryoglean.pickers.auto.smaller import auto_picker, find_smaller
from cryoglean.pickers.candidates import pick_with_candidates
from cryoglean.picks import Expected
from cryoglean.scale.threads import limit_threads
from hard_sets import make_set
from hard_suite import Field, counts

if TYPE_CHECKING:
    from constants_decoys import LearnedSet
    from cryoglean.pickers.auto.picker import FittedAuto

SETS = "base,clean,crowd,frames,rod2,rod3,small,small-dim,mixed,dirt,gradient,plate"
RATES = (None, 0.05, 0.1, 0.2)
"""False-discovery rates; None is the own threshold."""


class Row(NamedTuple):
    """One set at one threshold."""

    promised: float
    precision: float
    promised_recall: float
    recall: float
    picks: int

    def cell(self) -> str:
        """Return promised and true precision, and the number of picks."""
        return f"{self.promised:.3f}: {self.precision:.3f} ({self.picks})"


def at_rate(each: LearnedSet, fitted: FittedAuto, rate: float | None) -> Row:
    """Pick a set at a false-discovery rate."""
    settings = AutoSettings(diameter_angstrom=each.kind.diameter, fdr=rate)
    picker = auto_picker(settings, fitted)
    found = [pick_with_candidates(picker, micrograph) for micrograph in each.micrographs]
    picks = [one.picks for one in found]
    expected = Expected.total(one.picks.expected(one.candidates) for one in found)
    expected = None if expected is None else expected.beside_hidden(fitted.model.hidden_share)
    seen = float("nan") if expected is None else expected.hits / max(expected.particles, 1e-9)
    scored = [Field(t, p.xy, p.score, each.kind) for t, p in zip(each.truth, picks, strict=True)]
    hits, truth, number = counts(scored, 0.0)
    scores = np.concatenate([p.score for p in picks])
    promised = float(scores.mean()) if len(scores) else float("nan")
    return Row(promised, hits / max(number, 1), seen, hits / max(truth, 1), number)


def rows_of(name: str, folder: Path) -> list[Row]:
    """Learn a set, and pick it at all rates."""
    limit_threads(1)
    each = learned(name, folder)
    fitted = find_smaller(lambda: each.micrographs[:8], fit_auto(each.micrographs[:8], each.model))
    return [at_rate(each, fitted, rate) for rate in RATES]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--cpus", type=int, default=2)
    given = parser.parse_args()
    chosen = [(name, seed) for name in given.sets.split(",") for seed in given.seeds]
    print("| set | own threshold | 0.05 | 0.1 | 0.2 | recall, own |\n|---|---|---|---|---|---|", flush=True)
    folders = (make_set(*each, given.shared / "data" / "structures", given.out / "sets") for each in chosen)
    with ProcessPoolExecutor(given.cpus) as pool:
        for (name, seed), rows in zip(chosen, pool.map(rows_of, [n for n, _ in chosen], folders), strict=True):
            cells = " | ".join(row.cell() for row in rows)
            print(f"| {name}-{seed} | {cells} | {rows[0].promised_recall:.3f}: {rows[0].recall:.3f} |", flush=True)


if __name__ == "__main__":
    main()
