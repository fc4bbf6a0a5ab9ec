"""Margins of the check of coordinates against micrographs: is what is right left alone, and what is wrong found?

usage: python benchmarks/coordinate_check.py [--seeds N] [SHARED]

Simulated sets are 4 fields of shells each, over noise and crowding; with the folder of the real data, these too. Of
coordinates as they are (all of them, a fifth, and with 7 wrong ones for 3 right) the least signal is told; of turned
and rescaled ones how many were found, undecided and wrong; and the greatest signal of all that is wrong.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.evaluate.orientation import AS_IS, RESCALINGS, TURNS, Hypothesis
from cryoglean.evaluate.placement import Sample, Verdict, check_placement
from cryoglean.io.images import read_image
from shells import ShellField

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryoglean.evaluate.placement import PlacementCheck

FIELDS, DIAMETER, PIXEL_SIZE = 4, 80.0, 2.0
HEADER = (
    "| set | coordinates | signal: all | a fifth | 3 of 10 right | greatest of wrong ones | turned: found, undecided, "
    "wrong | rescaled | of other micrographs |"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", nargs="?", type=Path, help="folder of the real data")
    parser.add_argument("--seeds", type=int, default=3, help="sets of each kind")
    given = parser.parse_args()
    print(f"{HEADER}\n|{'---|' * (HEADER.count('|') - 1)}")
    for particles in (30, 120):
        for signal_to_noise in (0.0001, 0.0003, 0.001, 0.01, 0.1):
            sets = [simulated(particles, signal_to_noise, seed) for seed in range(given.seeds)]
            print(row(f"shells, {particles} a field, {signal_to_noise:g}", sets), flush=True)
    if given.shared is not None:
        for name, diameter_px in (("empiar-10146", 75), ("empiar-10146-noisy", 75), ("empiar-10017", 108)):
            print(row(name, [real(given.shared / "data" / name, diameter_px)]), flush=True)


def simulated(particles: int, signal_to_noise: float, seed: int) -> list[Sample]:
    kind = {"height_px": 700, "width_px": 820, "particles": particles, "signal_to_noise": signal_to_noise}
    size = {"diameter_angstrom": DIAMETER, "pixel_size_angstrom": PIXEL_SIZE}
    fields = [ShellField(**kind, **size, seed=100 * seed + i).render() for i in range(FIELDS)]
    return [Sample(micrograph.image, truth.xy, DIAMETER / PIXEL_SIZE) for micrograph, truth in fields]


def real(folder: Path, diameter_px: float) -> list[Sample]:
    found = []
    for table in sorted((folder / "particles").glob("*.csv"))[:8]:
        image = next((folder / "micrographs").glob(f"{table.stem}.*"))
        with table.open(newline="") as lines:
            xy = np.array([[float(r["x"]), float(r["y"])] for r in csv.DictReader(lines)])
        found.append(Sample(read_image(image)[0], xy, diameter_px))
    return found


def row(name: str, sets: Sequence[Sequence[Sample]]) -> str:
    """Check all sets of a kind in all ways; a right one that is not left alone is told in place of its signal."""
    signals: dict[str, list[float]] = {"all": [], "few": [], "poor": []}
    told: dict[str, Counter[str]] = {"turned": Counter(), "rescaled": Counter(), "other": Counter()}
    wrong = [0.0]
    for number, samples in enumerate(sets):
        random = np.random.default_rng(number)
        ways = {"all": samples, "few": [few(s, random) for s in samples], "poor": [poor(s, random) for s in samples]}
        for way, changed in ways.items():
            check = check_placement(changed)
            is_alone = check.best == AS_IS and check.verdict is not Verdict.absent
            signals[way].append(check.evidence[AS_IS].signal if is_alone else float("nan"))
            wrong += [each.signal for h, each in check.evidence.items() if h != AS_IS]
        for way, hypotheses in (("turned", TURNS[1:]), ("rescaled", RESCALINGS[:: len(TURNS) + 1])):
            told[way] += Counter(outcome(check_placement(foreign(samples, h)), h) for h in hypotheses)
        others = [s._replace(xy=o.xy) for s, o in zip(samples, [*samples[1:], samples[0]], strict=True)]
        check = check_placement(others)
        told["other"][check.verdict.value] += 1
        wrong += [each.signal for each in check.evidence.values()]
    least = [f"{min(signals[way]):.1f}" for way in signals]
    outcomes = [", ".join(str(told[way][o]) for o in ("found", "undecided", "wrong")) for way in ("turned", "rescaled")]
    coordinates = int(np.mean([sum(len(s.xy) for s in samples) for samples in sets]))
    other = ", ".join(f"{n} {verdict}" for verdict, n in sorted(told["other"].items()))
    return f"| {' | '.join([name, str(coordinates), *least, f'{max(wrong):.2f}', *outcomes, other])} |"


def few(sample: Sample, random: np.random.Generator) -> Sample:
    return sample._replace(xy=sample.xy[random.permutation(len(sample.xy))[: len(sample.xy) // 5]])


def poor(sample: Sample, random: np.random.Generator) -> Sample:
    """Keep 3 of 10 coordinates, and draw the others at random."""
    count = len(sample.xy) * 3 // 10
    stray = random.uniform(0, np.array(sample.image.shape[::-1]) - 1, (len(sample.xy) - count, 2))
    return sample._replace(xy=np.concatenate([sample.xy[random.permutation(len(sample.xy))[:count]], stray]))


def foreign(samples: Sequence[Sample], found: Hypothesis) -> list[Sample]:
    """Return coordinates as a program gives them that need this change."""
    inverse, swaps = found.orientation.inverse, found.orientation.swaps
    shapes = [s.image.shape[::-1] if swaps else s.image.shape for s in samples]
    return [
        s._replace(xy=inverse.apply(s.xy, (shape[0], shape[1])) / float(found.scale))
        for s, shape in zip(samples, shapes, strict=True)
    ]


def outcome(check: PlacementCheck, right: Hypothesis) -> str:
    if check.best == right:
        return "found"
    return "undecided" if check.best == AS_IS and check.verdict is not Verdict.fits else "wrong"


if __name__ == "__main__":
    main()
