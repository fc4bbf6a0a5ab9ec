"""Which of two pick sets is the better one? Pairs of known truth, for the judge without labels.

usage: python benchmarks/judge_pairs.py SHARED --out FOLDER [--seeds 1 2 3] [--pairs 40] [--draw 1]

Sets of the hard suite (hard_sets.py) are picked by several methods and by the network of a first round of the loop.
From these, pairs are drawn by the seed `--draw`: two methods, or one method and a change of it (another threshold,
picks left out, dirt or background added, centres moved), whose F1 differ by 0.01 or more. Hits are judged as in
hard_suite.py. Then `cryoglean compare`'s judge is asked, with the folder of Auto as evidence. Prints as Markdown both
true and both expected F1, the lead of the first set with its interval, and whether the judge is right, wrong or unsure;
last how often each. What was picked is kept in FOLDER and not made again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from cryoglean.calibration.comparison import Places, compare, lead_of
from cryoglean.io.inputs import find_micrographs
from cryoglean.jobs.compare import alarms_on_evidence, own_picks
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.picks import Picks
from hard_sets import SETS, make_set
from hard_suite import METHODS, Field, counts, f1, pick

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.random import Generator

    from cryoglean.calibration.comparison import Lead
    from hard_sets import HardSet

EVIDENCE = "auto"
"""Method whose probabilities the judge is given."""
ROUND = "round"
"""Picks of the network that a first round of the loop trains."""
OTHERS = METHODS | {"paper": ["--method", "localpicker", "--preset", "paper"]}
NAMES = ("base", "clean", "crowd", "sparse", "rod2", "rod3", "small", "small-dim", "mixed", "defocus", "gradient")
NAMES = (*NAMES, "plate", "frames")
ROUND_NAMES = ("base", "crowd", "small")
MIN_MARGIN = 0.01
CHANGES = {"threshold": (0.6, 1.5), "thinned": (0.05, 0.4), "dirt": (0.05, 0.4), "moved": (0.03, 0.2)}
"""Changes of a pick set, and the range of their amounts: picks kept or added over those at the own threshold, share
left out, share added, standard deviation of the shift in diameters."""


class Variant(NamedTuple):
    """A pick set.

    Attributes:
        method: that made it, or `ROUND`.
        change: name in `CHANGES`; empty for none.
        amount: of the change.
        seed: of what it draws.
    """

    method: str
    change: str = ""
    amount: float = 0.0
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.method}, {self.change} {self.amount:.2f}" if self.change else self.method


class Pair(NamedTuple):
    """Two pick sets of a set."""

    name: str
    seed: int
    one: Variant
    other: Variant


@dataclass
class Picked:
    """One simulated set and what was picked in it, by method.

    Attributes:
        kind: the set.
        folder: of its micrographs and truth.
        roots: folders of `cryoglean pick`.
    """

    kind: HardSet
    folder: Path
    roots: Mapping[str, Path]

    @property
    def keys(self) -> list[str]:
        """Micrographs."""
        return [file.key for file in find_micrographs([self.folder / "micrographs"])]

    def picks(self, variant: Variant) -> dict[str, Picks]:
        """Return a pick set, by micrograph."""
        made = PickFolder(self.roots[variant.method])
        own = {key: made.done_picks(key) or Picks.empty() for key in self.keys}
        random = np.random.default_rng(variant.seed)
        if variant.change == "threshold":
            return self._at_threshold(own, made, variant.amount)
        if variant.change == "thinned":
            return {key: each.take(random.random(len(each)) >= variant.amount) for key, each in own.items()}
        if variant.change == "dirt":
            return {key: self._with_dirt(key, each, variant.amount, random) for key, each in own.items()}
        if variant.change == "moved":
            shift = variant.amount * self.kind.diameter / self.kind.pixel_size
            return {key: _moved(each, shift, random) for key, each in own.items()}
        return own

    @staticmethod
    def _at_threshold(own: Mapping[str, Picks], made: PickFolder, ratio: float) -> dict[str, Picks]:
        below = {key: made.candidates(key) or Picks.empty() for key in own}
        every = {key: Picks.joined([each, below[key]]) for key, each in own.items()}
        scores = np.sort(np.concatenate([each.score for each in every.values()]))[::-1]
        wanted = min(max(round(ratio * sum(map(len, own.values()))), 1), len(scores))
        return {key: each.at_least(float(scores[wanted - 1])) for key, each in every.items()}

    def _with_dirt(self, key: str, own: Picks, share: float, random: Generator) -> Picks:
        table = self.folder / "nuisances" / f"{key}.csv"
        dirt = pd.read_csv(table)[["x", "y"]].to_numpy(float) if table.exists() else np.zeros((0, 2))
        size = np.array([self.kind.width_px, self.kind.height_px])
        anywhere = random.random((round(share * len(own)), 2)) * size
        some = random.permutation(np.concatenate([dirt, anywhere]))[: round(share * len(own))]
        some = some[((some >= 0) & (some < size)).all(1)]
        return Picks.joined([own, Picks(*some.T, np.full(len(some), 0.5))])

    def f1(self, picks: Mapping[str, Picks]) -> float:
        """Return F1 by the truth."""
        fields = []
        for key, each in picks.items():
            truth = pd.read_csv(self.folder / "truth" / f"{key}.csv")
            fields.append(Field(truth, each.xy, each.score, self.kind))
        hits, true, found = counts(fields, -np.inf)
        return f1(hits, true, found)


def _moved(picks: Picks, shift_px: float, random: Generator) -> Picks:
    xy = picks.xy + shift_px * random.standard_normal((len(picks), 2))
    return Picks(*xy.T, picks.score, picks.score_kind)


def picked(name: str, seed: int, shared: Path, out: Path) -> Picked:
    """Make and pick a set by all methods, if it is not there yet."""
    kind, folder = SETS[name], make_set(name, seed, shared / "data" / "structures", out / "sets")
    roots = {}
    for method, words in OTHERS.items():
        root = out / "picks" / f"{name}-{seed}-{kind.diameter:g}-{method}"
        if not (root / "done").exists():
            pick(folder, root, ["--diameter", f"{kind.diameter:g}", *words])
            (root / "done").touch()
        roots[method] = root
    if name in ROUND_NAMES:
        network = _first_round(folder, kind, out / "runs" / f"{name}-{seed}")
        roots |= {} if network is None else {ROUND: network}
    return Picked(kind, folder, roots)


def _first_round(folder: Path, kind: HardSet, out: Path) -> Path | None:
    """Return the picks of a first network; None where the loop ends before."""
    root = out / "rounds" / "01" / "picks"
    if not (out / "done").exists():
        words = ["run", str(folder / "micrographs"), "--diameter", f"{kind.diameter:g}", "--rounds", "1"]
        subprocess.run([sys.executable, "-m", "cryoglean.cli", *words, "--out", str(out)], check=False)
        (out / "done").touch()
    return root if root.exists() else None


def draw_pairs(sets: Mapping[tuple[str, int], Picked], n: int, seed: int) -> Iterator[tuple[Pair, float, float]]:
    """Yield pairs with their F1, half of two methods and half of one and its change."""
    random = np.random.default_rng(seed)
    names = sorted(sets)
    while n:
        name, number = names[int(random.integers(len(names)))]
        each = sets[name, number]
        methods = sorted(each.roots)
        one, other = (Variant(str(method)) for method in random.choice(methods, 2, replace=False))
        if random.random() < 0.5:
            change = str(random.choice(sorted(CHANGES)))
            other = Variant(one.method, change, float(random.uniform(*CHANGES[change])), int(random.integers(1 << 30)))
        truth = [each.f1(each.picks(variant)) for variant in (one, other)]
        if abs(truth[0] - truth[1]) >= MIN_MARGIN:
            n -= 1
            yield Pair(name, number, one, other), truth[0], truth[1]


class Judged(NamedTuple):
    """What the judge says of a pair.

    Attributes:
        expected: F1 of both sets.
        lead: of the first over the second.
        is_sure: whether it decides.
    """

    expected: tuple[float, float]
    lead: Lead
    is_sure: bool

    def verdict(self, one: float, other: float) -> str:
        """Return whether it is right, if true F1 are these."""
        if not self.is_sure:
            return "unsure"
        return "right" if (self.lead.deviations > 0) == (one > other) else "**wrong**"


def judge(each: Picked, pair: Pair) -> Judged:
    """Ask the judge for the better set of a pair."""
    evidence, kind = each.roots[EVIDENCE], each.kind
    shape, diameter_px = (kind.height_px, kind.width_px), kind.diameter / kind.pixel_size
    places = [Places(own_picks(PickFolder(evidence), key)[1], diameter_px, shape) for key in each.keys]
    sets = [list(each.picks(variant).values()) for variant in (pair.one, pair.other)]
    hidden = PickFolder(evidence).hidden_share
    qualities, lead = compare(sets, places, hidden).qualities, lead_of(*sets, places)
    is_sound = not alarms_on_evidence(evidence, kind.diameter)
    is_decided = lead.is_sure or lead_of(*sets[::-1], places).is_sure
    return Judged((qualities[0].f1.middle, qualities[1].f1.middle), lead, is_sound and is_decided)


def row(pair: Pair, true: tuple[float, float], judged: Judged) -> str:
    """Return one line of the table."""
    by = judged.lead.by
    numbers = " | ".join(f"{t:.3f} {e:.3f}" for t, e in zip(true, judged.expected, strict=True))
    lead = f"{true[0] - true[1]:+.3f} | {by.middle:+.3f} ({by.low:+.3f} to {by.high:+.3f})"
    return f"| {pair.name}-{pair.seed} | {pair.one} | {pair.other} | {numbers} | {lead} | {judged.verdict(*true)} |"


def main() -> None:
    """Pick all, draw pairs, judge them and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(NAMES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--draw", type=int, default=1, help="seed of the pairs")
    given = parser.parse_args()
    chosen = [(name, seed) for name in given.sets.split(",") for seed in given.seeds]
    sets = {each: picked(*each, given.shared, given.out) for each in chosen}
    print("| set | one | other | F1 of one, expected | of the other | lead | expected | judge |")
    print("|---|---|---|---|---|---|---|---|")
    verdicts = Counter[str]()
    for pair, *true in draw_pairs(sets, given.pairs, given.draw):
        judged = judge(sets[pair.name, pair.seed], pair)
        verdicts[judged.verdict(*true)] += 1
        print(row(pair, (true[0], true[1]), judged), flush=True)
    print(", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common()))


if __name__ == "__main__":
    main()
