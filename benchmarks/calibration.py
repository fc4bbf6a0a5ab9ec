"""Are Auto's scores probabilities, and does `--fdr` give the share of false picks that it names?

usage: python benchmarks/calibration.py SHARED --out FOLDER [--seeds 11 12] [--sets small,frames] [--cpus 2]

Sets of the hard suite (benchmarks/hard_sets.py, made in FOLDER/sets). Auto learns each and picks it at its own
threshold and at false-discovery rates of 0.05, 0.1 and 0.2. Prints as Markdown, for each, the precision that is
expected, the interval of nine in ten, and the true one; last the same of the recall at the own threshold. Then how many
of them, at all thresholds, are right. A pick counts within a quarter of the diameter, one to one, so it is false, too,
where it is off the middle.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from constants_decoys import learned
from cryoglean.expected import Expected, expected_of
from cryoglean.pickers.auto.fit import fit_auto
from cryoglean.pickers.auto.picker import AutoSettings
from cryoglean.pickers.auto.smaller import auto_picker, find_smaller
from cryoglean.pickers.candidates import pick_with_candidates
from cryoglean.scale.threads import limit_threads
from hard_sets import make_set
from hard_suite import Field, counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constants_decoys import LearnedSet
    from cryoglean.expected import Interval
    from cryoglean.pickers.auto.picker import FittedAuto

SETS = "base,clean,crowd,frames,rod2,rod3,small,small-dim,mixed,dirt,gradient,plate"
MANY, NEAR = 300, 0.05
"""Picks and particles of a set of which much is known, and how near what is expected of it is to be."""

RATES = (None, 0.05, 0.1, 0.2)
"""False-discovery rates; None is the own threshold."""


class Row(NamedTuple):
    """One set at one threshold: what is expected, and what is true."""

    precision: Interval
    true_precision: float
    recall: Interval
    true_recall: float
    picks: int
    particles: int

    @property
    def is_large(self) -> bool:
        """Whether there are enough picks and particles for shares that are known to some hundredths."""
        return min(self.picks, self.particles) >= MANY

    def shares(self) -> tuple[tuple[Interval, float], tuple[Interval, float]]:
        """Return the expected and true precision, and the same of the recall."""
        return (self.precision, self.true_precision), (self.recall, self.true_recall)


def at_rate(each: LearnedSet, fitted: FittedAuto, rate: float | None) -> Row:
    """Pick a set at a false-discovery rate."""
    settings = AutoSettings(diameter_angstrom=each.kind.diameter, fdr=rate)
    picker = auto_picker(settings, fitted)
    found = [pick_with_candidates(picker, micrograph) for micrograph in each.micrographs]
    each_expected = (expected_of(one.picks, one.candidates) for one in found)
    expected = Expected.total(each_expected, fitted.model.hidden_share)
    if expected is None:
        raise ValueError("scores of Auto are probabilities")
    scored = [Field(t, p.picks.xy, p.picks.score, each.kind) for t, p in zip(each.truth, found, strict=True)]
    hits, truth, number = counts(scored, 0.0)
    precision, recall = expected.precision(max(sum(len(p.picks) for p in found), 1)), expected.recall
    return Row(precision, hits / max(number, 1), recall, hits / max(truth, 1), number, truth)


def cell(expected: Interval, true: float) -> str:
    """Return what is expected, its interval, and what is true."""
    return f"{expected.middle:.3f} ({expected.low:.2f} to {expected.high:.2f}): {true:.3f}"


def counted(rows: Sequence[Row], which: int) -> str:
    """Return how many precisions (0) or recalls (1) are right."""
    pairs = [row.shares()[which] for row in rows]
    near = sum(abs(expected.middle - true) <= NEAR for expected, true in pairs)
    inside = sum(expected.low <= true <= expected.high for expected, true in pairs)
    return f"{near} within {NEAR}, {inside} in the interval, of {len(pairs)}"


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
    print(
        f"| set | picks | {' | '.join(map(name_of, RATES))} | recall, own |\n|---|---|---|---|---|---|---|", flush=True
    )
    folders = (make_set(*each, given.shared / "data" / "structures", given.out / "sets") for each in chosen)
    every: list[Row] = []
    with ProcessPoolExecutor(given.cpus) as pool:
        for (name, seed), rows in zip(chosen, pool.map(rows_of, [n for n, _ in chosen], folders), strict=True):
            cells = [*(cell(*row.shares()[0]) for row in rows), cell(*rows[0].shares()[1])]
            print(f"| {name}-{seed} | {rows[0].picks} | {' | '.join(cells)} |", flush=True)
            every += rows
    for title, some in (("all", every), (f"of {MANY} picks and particles or more", [r for r in every if r.is_large])):
        print(f"\n{title}: precision {counted(some, 0)}; recall {counted(some, 1)}")


def name_of(rate: float | None) -> str:
    """Return the title of a column."""
    return "precision, own threshold" if rate is None else f"precision, {rate:g}"


if __name__ == "__main__":
    main()
