"""What the minimum distance that `cryoglean run` learns is worth, and how far its four constants may be moved.

usage: python benchmarks/constants_spacing.py SHARED [--out FOLDER]

Localpicker's candidates of simulated sets: fields of shells that hardly stand out of noise (eight of 1,240 x 1,200 px),
and the sets of `run_against_pick.py`, which lie in FOLDER or are made there; one of these is crowded, with neighbours
at 0.75 diameters. Prints F1 of the candidates, and of those left by the rule, for each set; then the mean F1 where each
constant alone is set to 0.5 to 2 times its value, with the set that changes most. No value was chosen by this.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cryoglean.evaluate import Protocol, evaluate_picks
from cryoglean.io.images import read_micrograph
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.micrograph_names import stem_of
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.loop import spacing
from cryoglean.loop.spacing import Spacing, find_spacing, suppress_neighbours
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker
from cryoglean.scale.threads import limit_threads
from run_against_pick import PIXEL_SIZE, SIMULATED, simulated
from shells import ShellField

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryoglean.micrograph import Micrograph
    from cryoglean.picks import Picks

CONSTANTS = ("SURE_SHARE", "FEW", "SLACK", "MANY")
FACTORS = (0.5, 0.75, 0.9, 1.0, 1.1, 1.33, 2.0)
MOST = 0.99
"""Shares stay below 1."""

SHELLS = tuple((noise, seed) for noise in (0.0006, 0.0008) for seed in (7, 8))
FIELDS, SHELL_DIAMETER, SHELL_PIXEL_SIZE = 8, 112.5, 1.5


class Candidates(NamedTuple):
    """Candidates of a set with what is needed to judge them."""

    name: str
    diameter_px: float
    areas_px: list[float]
    picks: dict[str, Picks]
    truth: Mapping[str, Picks]

    def found(self) -> Spacing:
        """Return the minimum distance found."""
        return find_spacing(list(self.picks.values()), [self.diameter_px] * len(self.picks), self.areas_px)

    def f1(self, diameters: float) -> float:
        """Return F1 of the candidates that keep a minimum distance."""
        left = {key: suppress_neighbours(each, diameters * self.diameter_px) for key, each in self.picks.items()}
        return float(evaluate_picks(self.truth, left, Protocol(self.diameter_px)).overall.f1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, default=Path("run-against-pick-out"))
    given = parser.parse_args()
    limit_threads(1)
    sets = [shells(*each) for each in SHELLS] + [proteins(given.shared, given.out, name) for name in SIMULATED]
    print("| set | F1 of candidates | with the rule | finding | diameters |\n" + "|---" * 5 + "|")
    for each in sets:
        found = each.found()
        print(
            f"| {each.name} | {each.f1(0.5):.3f} | {each.f1(found.diameters):.3f} | {found.finding.value} "
            f"| {found.diameters:.2f} |",
            flush=True,
        )
    print(f"\n| constant | value | {' | '.join(f'x {f:g}' for f in FACTORS)} | most sensitive set |")
    print("|---" * (len(FACTORS) + 3) + "|", flush=True)
    for name in CONSTANTS:
        print(row(sets, name), flush=True)


def row(sets: Sequence[Candidates], name: str) -> str:
    """Score all sets at each value of a constant."""
    value = getattr(spacing, name)
    found = list[list[float]]()
    for factor in FACTORS:
        setattr(spacing, name, min(factor * value, MOST))
        found.append([each.f1(each.found().diameters) for each in sets])
    setattr(spacing, name, value)
    of_set = list(zip(*found, strict=True))
    which = max(range(len(sets)), key=lambda i: max(of_set[i]) - min(of_set[i]))
    means = " | ".join(f"{sum(each) / len(each):.3f}" for each in found)
    sensitive = f"{min(of_set[which]):.3f} to {max(of_set[which]):.3f}, {sets[which].name}"
    return f"| `{name}` | {value:g} | {means} | {sensitive} |"


def shells(signal_to_noise: float, seed: int) -> Candidates:
    """Pick a set of fields of shells."""
    size = {"diameter_angstrom": SHELL_DIAMETER, "pixel_size_angstrom": SHELL_PIXEL_SIZE, "particles": 150}
    kind = {"height_px": 1200, "width_px": 1240, "signal_to_noise": signal_to_noise} | size
    fields = [ShellField(**kind, seed=1000 * seed + i).render() for i in range(FIELDS)]
    truth = {m.name: picks for m, picks in fields}
    return candidates(f"shells {signal_to_noise:g}, {seed}", [m for m, _ in fields], SHELL_DIAMETER, truth)


def proteins(shared: Path, out: Path, name: str) -> Candidates:
    """Pick a simulated set."""
    folder = simulated(shared, out, name)
    micrographs = [read_micrograph(file, PIXEL_SIZE)[0] for file in find_micrographs([folder])]
    return candidates(name, micrographs, SIMULATED[name][0], read_picks_folder(folder.parent / "truth"))


def candidates(
    name: str, micrographs: Sequence[Micrograph], diameter_angstrom: float, truth: Mapping[str, Picks]
) -> Candidates:
    """Pick micrographs by Localpicker."""
    model = fit_localpicker(micrographs, diameter_angstrom)
    picker = Localpicker(LocalpickerSettings(diameter_angstrom=diameter_angstrom), model)
    picks = {stem_of(m.name): picker.pick(m) for m in micrographs}
    areas = [float(m.image.size) for m in micrographs]
    diameter_px = diameter_angstrom / micrographs[0].pixel_size_angstrom
    return Candidates(name, diameter_px, areas, picks, {stem_of(key): each for key, each in truth.items()})


if __name__ == "__main__":
    main()
