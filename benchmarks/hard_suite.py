"""The hard suite: simulated sets with exact truth (benchmarks/hard_sets.py), picked and scored; one table.

usage: python benchmarks/hard_suite.py SHARED --out FOLDER [--sets base,small] [--seeds 1 2 3] [--methods auto,topaz]

SHARED holds `data/structures`. Picks and true particles are paired one to one within a quarter of the true diameter;
centres nearer than half a diameter to the edge are left out on both sides. A result is kept in FOLDER/results.json and
not made again, so a killed call goes on where it was; it is made again where the folder of picks is removed. "Fewest"
is the micrograph of fewest picks over the median; "doubts" are the alarms and the notes of the verdict. Methods are
those of `cryoglean pick` below, and the other programs of peers.py.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import KDTree

from cryoglean.io.inputs import find_micrographs
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.limits import SAME_PLACE_DIAMETERS
from cryoglean.picks import Picks
from hard_sets import SETS, HardSet, make_set
from peers import PEERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

METHODS: dict[str, list[str]] = {
    "auto": ["--method", "auto"],
    "localpicker": ["--method", "localpicker"],
    "emmae": ["--method", "emmae", "--model", "pretrained"],
}
"""Options of `cryoglean pick`."""


@dataclass
class Score:
    """Score of one set picked once.

    Attributes:
        n_truth: true particles that count.
        n_picks: picks that count.
        n_hits: pairs.
        best_f1: at the best threshold, found with the truth in hand.
        recalls: of each species, where there is more than one.
        fewest: picks of the micrograph with the fewest, over the median.
        doubts: topics of the verdict's alarms (with an exclamation mark) and notes.
    """

    n_truth: int
    n_picks: int
    n_hits: int
    best_f1: float
    recalls: dict[str, float]
    fewest: float
    doubts: list[str]

    @property
    def f1(self) -> float:
        """F1 at the own threshold."""
        return f1(self.n_hits, self.n_truth, self.n_picks)


def f1(hits: int, truth: int, picks: int) -> float:
    """Return 2 hits over both numbers."""
    return 2 * hits / max(truth + picks, 1)


class Field:
    """One micrograph: true particles and picks, of which those nearer than a margin to the edge are left out.

    A pair counts where either is inside, as in `cryoglean.evaluate`.
    """

    def __init__(
        self, truth: pd.DataFrame, picks: NDArray[np.float64], scores: NDArray[np.float64], kind: HardSet
    ) -> None:
        self._kind, self._radius = kind, SAME_PLACE_DIAMETERS * kind.diameter / kind.pixel_size
        self.truth, self.picks, self.scores = truth[["x", "y"]].to_numpy(float).reshape(-1, 2), picks, scores
        self.species = truth["species"].to_numpy() if "species" in truth else np.zeros(len(truth), int)

    def count(self, threshold: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_], int]:
        """Return which true particles count, which of these are found, and how many picks count."""
        picks = self.picks[self.scores >= threshold]
        inside, picks_inside = self._inside(self.truth), self._inside(picks)
        found = np.full(len(self.truth), -1)
        if len(self.truth) and len(picks):
            near = KDTree(self.truth).sparse_distance_matrix(KDTree(picks), self._radius, output_type="coo_matrix")
            pairs = coo_array((np.ones(near.nnz), (near.row, near.col)), shape=(len(self.truth), len(picks)))
            found = maximum_bipartite_matching(pairs.tocsr(), perm_type="column")
        hit = found >= 0
        counted = inside.copy()
        counted[hit] |= picks_inside[found[hit]]
        picks_counted = picks_inside.copy()
        picks_counted[found[hit & counted]] = True
        return counted, hit & counted, int(picks_counted.sum())

    def _inside(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        margin = self._kind.diameter / self._kind.pixel_size / 2
        far = np.array([self._kind.width_px, self._kind.height_px]) - margin
        return np.asarray(((xy >= margin) & (xy <= far)).all(1))


def counts(fields: list[Field], threshold: float) -> tuple[int, int, int]:
    """Return hits, true particles and picks that count, of all micrographs."""
    each = [field.count(threshold) for field in fields]
    return sum(int(hit.sum()) for _, hit, _ in each), sum(int(c.sum()) for c, _, _ in each), sum(n for *_, n in each)


def recalls(fields: list[Field]) -> dict[str, float]:
    """Return the recall of each species, where there is more than one."""
    counted, hit = (np.concatenate([field.count(-np.inf)[part] for field in fields]) for part in (0, 1))
    species = np.concatenate([field.species for field in fields])
    names = sorted(set(species.tolist()))
    if len(names) < 2:
        return {}
    return {str(n): float(hit[species == n].sum() / max(counted[species == n].sum(), 1)) for n in names}


def fields_of(folder: Path, picks: Path, kind: HardSet, *, below: bool) -> list[Field]:
    """Read true particles and picks of all micrographs of a set; also the candidates below the threshold, if asked."""
    made, fields = PickFolder(picks), []
    for file in find_micrographs([folder / "micrographs"]):
        table = folder / "truth" / f"{file.path.stem}.csv"
        truth = pd.read_csv(table) if table.exists() else pd.DataFrame({"x": [], "y": []})
        both = (made.done_picks(file.key), made.candidates(file.key) if below else None)
        mine = Picks.joined([each for each in both if each is not None])
        fields.append(Field(truth, mine.xy, mine.score, kind))
    return fields


def pick(folder: Path, out: Path, words: list[str]) -> dict[str, Any]:
    """Pick a set; return what the command says."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "cryoglean.cli", "pick", str(folder / "micrographs"), *words, "--json"]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 6):
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return dict(json.loads(done.stdout))


def score(folder: Path, kind: HardSet, words: list[str], out: Path) -> Score:
    """Pick with the own threshold; the candidates below it are kept, and among all the best one is looked for."""
    told = pick(folder, out, words)
    fields, lower = (fields_of(folder, out, kind, below=below) for below in (False, True))
    doubts = [each["topic"] + "!" * (each["level"] == "alarm") for each in told["verdict"] if each["level"] != "fact"]
    return _score(fields, lower, doubts)


def score_peer(folder: Path, kind: HardSet, diameter: float, peer: str, out: Path) -> Score:
    """Do the same with another program."""
    found = PEERS[peer](folder / "micrographs", diameter, kind.pixel_size, out)
    fields, lower = list[Field](), list[Field]()
    for stem, each in found.items():
        table = folder / "truth" / f"{stem}.csv"
        truth = pd.read_csv(table) if table.exists() else pd.DataFrame({"x": [], "y": []})
        own = each.picks.take(each.own)
        fields.append(Field(truth, own.xy, own.score, kind))
        lower.append(Field(truth, each.picks.xy, each.picks.score, kind))
    return _score(fields, lower, [])


def _score(fields: list[Field], lower: list[Field], doubts: list[str]) -> Score:
    hits, n_truth, n_picks = counts(fields, -np.inf)
    scores = np.concatenate([field.scores for field in lower])
    thresholds = np.unique(np.quantile(scores, np.linspace(0, 1, 100))).tolist() if len(scores) else []
    best = max((f1(*counts(lower, t)) for t in thresholds), default=0.0)
    best = max(best, f1(hits, n_truth, n_picks))  # where no candidate is below the own threshold
    numbers = [len(field.picks) for field in fields]
    return Score(n_truth, n_picks, hits, best, recalls(fields), min(numbers) / max(median(numbers), 1), doubts)


def cases(names: list[str], methods: list[str]) -> Iterator[tuple[str, float, str]]:
    """Yield set, given diameter and method."""
    for name in names:
        for diameter in SETS[name].diameters:
            for method in methods:
                yield name, diameter, method


def row(case: tuple[str, float, str], scores: Mapping[int, Score]) -> str:
    """Return one line of the table: the mean over the seeds."""
    name, diameter, method = case
    each = list(scores.values())
    own, best = np.mean([s.f1 for s in each]), np.mean([s.best_f1 for s in each])
    picks, truth = np.mean([s.n_picks for s in each]), np.mean([s.n_truth for s in each])
    species = ", ".join(f"{name}: {np.mean([s.recalls[name] for s in each]):.2f}" for name in each[0].recalls)
    doubts = sorted({doubt for s in each for doubt in s.doubts})
    spread = " ".join(f"{s.f1:.3f}" for s in each)
    return (
        f"| {name} | {diameter:g} | {method} | {own:.3f} | {spread} | {best:.3f} | {picks:.0f} of {truth:.0f} "
        f"| {min(s.fewest for s in each):.2f} | {species} | {', '.join(doubts)} |"
    )


def main() -> None:
    """Make and score all, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    kept, results = given.out / "results.json", dict[str, dict[str, Any]]()
    if kept.exists():
        results = json.loads(kept.read_text())
    print("| set | diameter | method | F1 | of each seed | best threshold | picks | fewest | recalls | doubts |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for case in cases(given.sets.split(","), given.methods.split(",")):
        scores = {}
        for seed in given.seeds:
            key = f"{case[0]}-{seed}-{case[1]:g}-{case[2]}"
            out = given.out / "picks" / key
            if key not in results or not out.exists():
                folder = make_set(case[0], seed, given.shared / "data" / "structures", given.out / "sets")
                if case[2] in PEERS:
                    found = score_peer(folder, SETS[case[0]], case[1], case[2], out)
                else:
                    found = score(folder, SETS[case[0]], ["--diameter", f"{case[1]:g}", *METHODS[case[2]]], out)
                results[key] = asdict(found)
                kept.write_text(json.dumps(results, indent=1))
            scores[seed] = Score(**results[key])
        print(row(case, scores), flush=True)


if __name__ == "__main__":
    main()
