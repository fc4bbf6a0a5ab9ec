"""How far Localpicker's chosen constants may be moved before its picks of simulated micrographs get worse.

usage: python benchmarks/constants_flat.py SHARED [--seed 1] [--only NAME ...]

Two proteins of SHARED/data/structures at 80 and 12 e/A^2: four sets of two micrographs (1,024 px at 1.5 A) with ice, a
clump, fragments and perhaps carbon, and one more with such dirt and no particle. Each constant alone is set to 0.5,
0.75, 1.33 and 2 times its value (of one that must be above 1, what exceeds 1), and the sets are learned and picked
anew. Prints as Markdown the mean F1 of the four sets, in brackets the picks in the four micrographs without particles,
and the range of the F1 of the set that changes most. No value was chosen by this.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryoglean.evaluate import Protocol, count_all
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker
from cryoglean.picks import Picks
from cryoglean.scale.threads import limit_threads
from cryoglean.simulate.models import read_model
from cryoglean.simulate.render import Renderer
from cryoglean.simulate.settings import DOSES, Microscope, Nuisances, Simulation, Specimen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.localpicker.picker import LocalpickerModel

PIXEL_SIZE, SIDE_PX, PARTICLES, MICROGRAPHS = 1.5, 1024, 60, 2
PROTEINS = {"apoferritin_432kDa_4v1w.cif.gz": 129.0, "bgal_465kDa_5a1a.pdb.gz": 173.0}  # diameter A
NOISE = ("low", "high")
DIRT = Nuisances(ice_blobs=1, fragments=3, aggregates=1, carbon_share=0.25)
FACTORS = (0.5, 0.75, 1.0, 1.33, 2.0)
ROOMS = ("cryoglean.detect", "cryoglean.preprocess", "cryoglean.pickers.localpicker")
EDGE = "edge_distance_diameters"
NAMES = (
    "_SURE_ERRORS",
    "SURE_ERRORS_OF_BEST",
    "_FALSE_MAXIMA",
    "_STEEP",
    "_SIGMA_DIAMETERS",
    "OUTLIER_DEVIATIONS",
    "_MIN_DEVIATION",
    "TILE_DIAMETERS",
    "_DIRTY_SHARE",
    "JAMMING_COVERAGE",
    "RING_RATIO",
    "PROFILE_REACH_DIAMETERS",
    "PROFILE_STEP_DIAMETERS",
    "_PROFILE_SHARE",
    "_MIN_PROFILE_PEAKS",
    "WINDOW_DIAMETERS",
    "CONTRAST_WINDOW_DIAMETERS",
    "CLIP_SIGMAS",
    "OUTLIER_SIGMAS",
    EDGE,
)
OF_PICKING = ("_SURE_ERRORS", "SURE_ERRORS_OF_BEST", "_FALSE_MAXIMA", "OUTLIER_DEVIATIONS", EDGE)
"""What is learned does not depend on these."""

ABOVE_ONE = ("RING_RATIO",)


class SimulatedSet(NamedTuple):
    """Micrographs with their true centres, the last of them without particles."""

    name: str
    diameter_angstrom: float
    micrographs: list[Micrograph]
    truth: dict[str, Picks]

    def learn(self) -> LocalpickerModel:
        """Learn from the micrographs."""
        return fit_localpicker(self.micrographs, self.diameter_angstrom)

    def score(self, model: LocalpickerModel, edge_distance_diameters: float) -> tuple[float, int]:
        """Pick; return F1 and the number of picks in the last micrograph."""
        settings = LocalpickerSettings(
            diameter_angstrom=self.diameter_angstrom, edge_distance_diameters=edge_distance_diameters
        )
        picker = Localpicker(settings, model)
        picks = {each.name: picker.pick(each) for each in self.micrographs}
        counts = count_all(self.truth, picks, Protocol(self.diameter_angstrom / PIXEL_SIZE))
        return counts.f1, len(picks[self.micrographs[-1].name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, metavar="NAME")
    given = parser.parse_args()
    limit_threads(1)
    structures = given.shared / "data" / "structures"
    sets = [simulated(structures / m, d, DOSES[n], given.seed) for m, d in PROTEINS.items() for n in NOISE]
    models = [each.learn() for each in sets]
    unmoved = scores(sets, models, EDGE, edge_default())
    each_set = ", ".join(f"{each.name} {f1:.3f}" for each, (f1, _) in zip(sets, unmoved, strict=True))
    print(f"F1 as it is: {each_set}\n")
    print(f"| constant | value | {' | '.join(f'x {factor:g}' for factor in FACTORS)} | most sensitive set |")
    print("|---" * (len(FACTORS) + 3) + "|", flush=True)
    for name in given.only:
        value = edge_default() if name == EDGE else value_of(name)
        found = [
            unmoved if factor == 1 else scores(sets, models, name, moved(name, value, factor)) for factor in FACTORS
        ]
        cells = [f"{sum(f1 for f1, _ in row) / len(row):.3f} ({sum(n for _, n in row)})" for row in found]
        ranges = [spread([row[i][0] for row in found]) for i in range(len(sets))]
        which = max(range(len(sets)), key=lambda i: ranges[i][1] - ranges[i][0])
        least, most = ranges[which]
        last = f"{least:.3f} to {most:.3f}, {sets[which].name}" if most > least else "-"
        print(f"| `{name}` | {value:.4g} | {' | '.join(cells)} | {last} |", flush=True)


def simulated(model: Path, diameter_angstrom: float, dose: float, seed: int) -> SimulatedSet:
    """Simulate a set in memory."""
    micrographs: list[Micrograph] = []
    truth, species = dict[str, Picks](), [read_model(str(model))]
    for number in range(MICROGRAPHS + 1):
        particles = PARTICLES if number < MICROGRAPHS else 0
        simulation = Simulation(
            microscope=Microscope(pixel_size_angstrom=PIXEL_SIZE, dose_electrons_per_square_angstrom=dose),
            specimen=Specimen(models=(str(model),), particles=particles),
            nuisances=DIRT,
            height_px=SIDE_PX,
            width_px=SIDE_PX,
            seed=seed,
        )
        renderer = Renderer(simulation, species)
        plan = renderer.plan(number)
        micrographs.append(renderer.render(plan))
        places = [(each.x, each.y) for each in plan.particles]
        truth[micrographs[-1].name] = as_picks(places)
    return SimulatedSet(f"{model.name.split('_')[0]} {dose:g} e", diameter_angstrom, micrographs, truth)


def as_picks(places: list[tuple[float, float]]) -> Picks:
    """Return places as picks with score 1."""
    if not places:
        return Picks.empty()
    x, y = np.array(places).T
    return Picks(x, y, np.ones(len(x)))


def scores(
    sets: list[SimulatedSet], models: list[LocalpickerModel], name: str, value: float
) -> list[tuple[float, int]]:
    """Return the scores of all sets with one constant set to a value."""
    if name == EDGE:
        return [each.score(model, value) for each, model in zip(sets, models, strict=True)]
    with replaced(name, value):
        known = models if name in OF_PICKING else [each.learn() for each in sets]
        return [each.score(model, edge_default()) for each, model in zip(sets, known, strict=True)]


def spread(values: list[float]) -> tuple[float, float]:
    """Return the least and the largest value."""
    return min(values), max(values)


def moved(name: str, value: float, factor: float) -> float:
    """Return a constant times a factor; what counts things stays a whole number, at least 1."""
    if name in ABOVE_ONE:
        return 1 + factor * (value - 1)
    return max(1, round(factor * value)) if isinstance(value, int) else factor * value


def edge_default() -> float:
    """Return the default distance from the edge."""
    return float(LocalpickerSettings.model_fields[EDGE].default)


def value_of(name: str) -> float:
    """Return the value of a constant."""
    value: float = getattr(holders(name)[0], name)
    return value


def holders(name: str) -> list[ModuleType]:
    """Return the modules that hold a constant: where it stands, and where it was imported."""
    found = [module for key, module in sorted(sys.modules.items()) if key.startswith(ROOMS) and name in vars(module)]
    if not found:
        sys.exit(f"{name}: no such constant in {', '.join(ROOMS)}")
    return found


@contextlib.contextmanager
def replaced(name: str, value: float) -> Iterator[None]:
    """Give a constant another value for a while, also where it is a function's default."""
    modules = holders(name)
    before = getattr(modules[0], name)
    functions = [f for m in modules for f in vars(m).values() if inspect.isfunction(f) and f.__defaults__]
    defaults = {f: f.__defaults__ for f in functions}
    for module in modules:
        setattr(module, name, value)
    for function, was in defaults.items():
        function.__defaults__ = tuple(value if default is before else default for default in was)
    try:
        yield
    finally:
        for module in modules:
            setattr(module, name, before)
        for function, was in defaults.items():
            function.__defaults__ = was


if __name__ == "__main__":
    main()
