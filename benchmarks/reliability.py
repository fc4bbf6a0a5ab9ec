"""Are Auto's scores probabilities on real micrographs, and how do its picks compare with published ones?

usage: python benchmarks/reliability.py SHARED PICKED [--figure reliability.png]

PICKED is the output of `benchmarks/picking_accuracy.py`. Prints as Markdown, for places of some scores, the precision
that their mean score promises, the share that the labels of the set confirm, and how many there are; of EMPIAR-10017
the share that a consensus of published pickers confirms, too. The figure shows the same, and precision-recall curves
with the published picks beside them. Labels are incomplete, so what they confirm is less than what is right.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from cryoglean.evaluate import Protocol, count_all, match, precision_recall_curve
from cryoglean.evaluate.metrics import MIN_IOU
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.jobs.compare import own_picks
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.picks import Picks
from picking_accuracy import SETS

TRUTHS = {"particles": ("labels", "-"), "consensus": ("consensus", "--")}
EDGES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0)


class Scored(NamedTuple):
    """Places of a set beside what is held to be true.

    Attributes:
        truth: name of it.
        centres: of each micrograph.
        places: picks and candidates of each micrograph.
        protocol: of the comparison.
    """

    truth: str
    centres: dict[str, Picks]
    places: dict[str, Picks]
    protocol: Protocol

    def reliability(self) -> list[tuple[int, float, float]]:
        """Return the places of each range of scores: how many, their mean score, and the share that is true."""
        scores, true = (np.concatenate(each) for each in zip(*map(self._told, self.centres), strict=True))
        ranges = np.digitize(scores, EDGES[1:-1])
        rows = [(scores[ranges == k], true[ranges == k]) for k in range(len(EDGES) - 1)]
        return [(len(s), float(s.mean()), float(t.mean())) if len(s) else (0, np.nan, np.nan) for s, t in rows]

    def _told(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        places = self.places[key]
        pairs = match(self.centres[key].xy, places.xy, self.protocol.diameter_px)
        is_true = np.zeros(len(places), bool)
        is_true[pairs.picks[pairs.iou >= MIN_IOU]] = True
        inside = self.protocol.inside(places.xy)
        return places.score[inside], is_true[inside]


def scored(shared: Path, picked: Path, name: str) -> list[Scored]:
    """Read a set, beside each of its truths."""
    *_, diameter, margin, size = SETS[name]
    height, width = map(int, size.split("x"))
    protocol = Protocol(diameter, margin, (height, width))
    folder = PickFolder(picked / name)
    truths = [shared / "data" / name / each for each in TRUTHS if (shared / "data" / name / each).is_dir()]
    read = {path.name: read_picks_folder(path) for path in truths}
    return [
        Scored(truth, centres, {key: own_picks(folder, key)[1] for key in centres}, protocol)
        for truth, centres in read.items()
    ]


def draw(axes: tuple[plt.Axes, plt.Axes], name: str, each: Scored, peers: Path) -> None:
    """Draw the curve of a set beside one truth, and what its scores promise."""
    title, style = TRUTHS[each.truth]
    points = precision_recall_curve(each.centres, each.places, each.protocol).points
    colour = "tab:blue" if each.truth == "particles" else "tab:orange"
    axes[0].plot(
        [p.counts.recall for p in points], [p.counts.precision for p in points], style, c=colour, label=f"Auto, {title}"
    )
    for marker, peer in zip("os^vDP", sorted(peers.glob("*")) if peers.is_dir() else [], strict=False):
        theirs = read_picks_folder(peer)
        counts = count_all({k: each.centres[k] for k in each.centres if k in theirs}, theirs, each.protocol)
        axes[0].plot(counts.recall, counts.precision, marker, c=colour, mfc="none", label=f"{peer.name}, {title}")
    rows = [(mean, share) for number, mean, share in each.reliability() if number]
    axes[1].plot(*zip(*rows, strict=True), style, c=colour, marker="o", label=title)
    axes[0].set(title=name, xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    axes[1].set(xlabel="mean score", ylabel="share confirmed", xlim=(0, 1.02), ylim=(0, 1.02))


def main() -> None:
    """Print the table, and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("picked", type=Path)
    parser.add_argument("--figure", type=Path, default=Path("reliability.png"))
    given = parser.parse_args()
    print("| set | by | " + " | ".join(f"{a:g} to {b:g}" for a, b in pairwise(EDGES)) + " |")
    print("|---" * (len(EDGES) + 1) + "|")
    figure, axes = plt.subplots(2, len(SETS), figsize=(5 * len(SETS), 9), layout="constrained")
    for column, name in enumerate(SETS):
        for each in scored(given.shared, given.picked, name):
            cells = [
                f"{mean:.2f}: {share:.2f} ({number})" if number else "-" for number, mean, share in each.reliability()
            ]
            print(f"| {name} | {TRUTHS[each.truth][0]} | {' | '.join(cells)} |", flush=True)
            draw(tuple(axes[:, column]), name, each, given.shared / "data" / name / "peers")
        axes[1, column].plot([0, 1], [0, 1], c="0.7", lw=1)
        for each in axes[:, column]:
            each.legend(fontsize=7)
    figure.savefig(given.figure, dpi=110)


if __name__ == "__main__":
    main()
