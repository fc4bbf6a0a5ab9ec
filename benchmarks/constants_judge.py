"""How far the constants of the judge of pick sets may be moved before it errs.

usage: python benchmarks/constants_judge.py SHARED --out FOLDER [--seeds 11] [--sets base,small] [--pairs 100]

Pairs of `judge_pairs.py`, drawn by the same seed, judged with each constant alone set to other values. What was picked
is kept in FOLDER. Prints as Markdown how often the judge is right, unsure and wrong.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constants_decoys import moved
from cryoglean.calibration import comparison
from judge_pairs import draw_pairs, judge, picked

if TYPE_CHECKING:
    from judge_pairs import Pair, Picked

VALUES: dict[str, tuple[Any, ...]] = {
    "_CENTRE_ERROR_DIAMETERS": (0.03, 0.06, 0.12),
    "SHIFTS": ((-0.5, 0.0, 0.5), (-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0)),
    "_FLATTERY": (0.0, 0.01, 0.02, 0.04),
}
SETS = "base,crowd,frames,mixed,rod2,rod3,small,sparse"


def verdicts(sets: dict[tuple[str, int], Picked], pairs: list[tuple[Pair, float, float]]) -> str:
    """Return how often the judge is right, unsure and wrong."""
    said = Counter(judge(sets[pair.name, pair.seed], pair).verdict(*true) for pair, *true in pairs)
    return " | ".join(str(said[each]) for each in ("right", "unsure", "**wrong**"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11])
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--draw", type=int, default=11, help="seed of the pairs")
    given = parser.parse_args()
    chosen = [(name, seed) for name in given.sets.split(",") for seed in given.seeds]
    sets = {each: picked(*each, given.shared, given.out) for each in chosen}
    pairs = list(draw_pairs(sets, given.pairs, given.draw))
    print("| constant | value | right | unsure | wrong |\n|---|---|---|---|---|")
    for constant, values in VALUES.items():
        for value in values:
            with moved(comparison, constant, value):
                print(f"| `{constant}` | {value} | {verdicts(sets, pairs)} |", flush=True)


if __name__ == "__main__":
    main()
