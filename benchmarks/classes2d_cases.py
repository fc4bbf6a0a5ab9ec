"""Particle sets with known truth, on which 2D classification is compared.

usage: python benchmarks/classes2d_cases.py SHARED OUT [CASE ...]

SHARED holds `data/<set>/micrographs`, `data/<set>/particles` and `data/structures`. Each case becomes a folder of OUT
with `particles.star` and `particles.mrcs` (boxes of 64 px, background normalised, protein bright, phases as they are),
`truth.csv` (one row a particle, in the same order), and `contact.png` to look at: true boxes above, junk below. The
order of the particles is drawn by lot. OUT/READY lists what is finished; a case that is there is left as it is.

truth.csv: `label` (1 a particle, 0 junk), `kind` (species, or what the junk is), `subset` (whether the particle belongs
to the fixed part of at most 2,000 that slow programs get) and `micrograph`.

`sim-low`, `sim-mid`, `sim-high`: the same 3,500 single particles of beta-galactosidase and 1,500 pieces of junk, ice,
carbon, empty places and overlapping particles in equal parts, at three doses. `10146`, `10017`, `10146-noisy`: boxes at
labels, and as many at random places that are not within 0.35 diameters of one. `species`: apoferritin,
beta-galactosidase and GroEL, 700 of each, without junk.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from PIL import Image

from cryoglean.io.images import read_micrograph
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.particles import ParticleTable, write_particles, write_stack
from cryoglean.io.relion_columns import IMAGE
from cryoglean.jobs.extract_settings import PAPER_BACKGROUND_RADIUS, ExtractJob
from cryoglean.jobs.simulate import read_species
from cryoglean.micrograph import Micrograph, MicrographFile
from cryoglean.particles.boxes import Anchors, anchors, cut_boxes, normalise_background, scale_boxes
from cryoglean.particles.joining import joined
from cryoglean.particles.tables import particle_table
from cryoglean.simulate.plan import Kind
from cryoglean.simulate.render import Renderer
from cryoglean.simulate.settings import Microscope, Nuisances, Simulation, Specimen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cryoglean.simulate.plan import Plan

SEED = 20240
SIZE_PX = 64
SUBSET = 2_000
STRUCTURES = {
    "apoferritin": "apoferritin_432kDa_4v1w.cif.gz",
    "beta-galactosidase": "bgal_465kDa_5a1a.pdb.gz",
    "groel": "groel_740kDa_1mnf.pdb.gz",
}
PIXEL_SIZE, SIDE_PX = 2.8, 1536
DOSES = {"sim-low": 160.0, "sim-mid": 40.0, "sim-high": 8.0}
CENTRING_ERROR = 0.04  # standard deviation along an axis, in diameters
TRUE, JUNK = 3_500, ("ice", "carbon", "empty", "overlap")
JUNK_EACH = 375
REAL = {  # folder, diameter A, pixel size A, margin px (None: half a box), labels at most
    "10146": ("empiar-10146", 112.5, 1.5, None, 1_000),
    "10017": ("empiar-10017", 191.0, 1.77, 144, 1_000),
    "10146-noisy": ("empiar-10146-noisy", 112.5, 1.5, None, 1_000),
}
REAL_SPECIES = {"10146": "apoferritin", "10017": "beta-galactosidase", "10146-noisy": "apoferritin"}
NEAR_LABEL = 0.35  # diameters
CASES = ("10146", "sim-mid", "10017", "species", "sim-high", "sim-low", "10146-noisy")


@dataclass(frozen=True)
class Place:
    """Where a box is cut.

    Attributes:
        micrograph: its number.
        x: column, in pixels.
        y: row.
        kind: species, or what the junk is.
        label: 1 for a particle, 0 for junk.
    """

    micrograph: int
    x: float
    y: float
    kind: str
    label: int


@dataclass(frozen=True)
class Cut:
    """How boxes are cut.

    Attributes:
        diameter_angstrom: of the particle.
        box_diameters: side of a box, in diameters.
    """

    diameter_angstrom: float
    box_diameters: float = 1.5

    def box_px(self, pixel_size_angstrom: float) -> int:
        """Return the side of a box in pixels of the micrograph."""
        job = ExtractJob(diameter_angstrom=self.diameter_angstrom, box_diameters=self.box_diameters)
        return job.box_px(pixel_size_angstrom)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("case", nargs="*", default=CASES)
    arguments = parser.parse_args()
    for name in arguments.case:
        folder = arguments.out / name
        if not (folder / "truth.csv").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            build(arguments.shared / "data", name, folder)
            with (arguments.out / "READY").open("a") as ready:
                print(name, file=ready)


def build(data: Path, name: str, folder: Path) -> None:
    """Build one case."""
    if name in REAL:
        build_real(data, name, folder)
    elif name in DOSES:
        build_simulated(data, name, folder)
    elif name == "species":
        build_species(data, folder)
    else:
        raise SystemExit(f"{name}: no such case; there are {' '.join(CASES)}")


def build_simulated(data: Path, name: str, folder: Path) -> None:
    """One species and four kinds of junk at one dose; places, views and CTFs are the same at all doses."""
    simulation = Simulation(
        microscope=microscope(DOSES[name]),
        specimen=Specimen(models=(structure(data, "beta-galactosidase"),), particles=130, overlapping_share=0.2),
        nuisances=Nuisances(ice_blobs=6, ice_crystals=3, aggregates=3, carbon_share=0.5),
        height_px=SIDE_PX,
        width_px=SIDE_PX,
        seed=SEED,
    )
    wanted = {"beta-galactosidase": TRUE, **dict.fromkeys(JUNK, JUNK_EACH)}
    cut_simulated(simulation, ["beta-galactosidase"], Cut(190.0), wanted, folder, micrographs=90)


def build_species(data: Path, folder: Path) -> None:
    """Three species, no junk."""
    simulation = Simulation(
        microscope=microscope(DOSES["sim-mid"]),
        specimen=Specimen(models=tuple(structure(data, name) for name in STRUCTURES), particles=110),
        height_px=SIDE_PX,
        width_px=SIDE_PX,
        seed=SEED + 1,
    )
    wanted = dict.fromkeys(STRUCTURES, 700)
    cut_simulated(simulation, list(STRUCTURES), Cut(185.0, 1.4), wanted, folder, micrographs=40)


def structure(data: Path, name: str) -> str:
    """Return the path of a model."""
    return str(data / "structures" / STRUCTURES[name])


def microscope(dose: float) -> Microscope:
    """Return the microscope of all simulated cases."""
    return Microscope(
        pixel_size_angstrom=PIXEL_SIZE,
        defocus_min_angstrom=8_000,
        defocus_max_angstrom=25_000,
        dose_electrons_per_square_angstrom=dose,
    )


def cut_simulated(
    simulation: Simulation, names: Sequence[str], cut: Cut, wanted: dict[str, int], folder: Path, *, micrographs: int
) -> None:
    """Plan micrographs, choose places, draw the micrographs, and cut the boxes."""
    random = np.random.default_rng(simulation.seed)
    renderer = Renderer(simulation, read_species(simulation.specimen))
    plans = [renderer.plan(number) for number in range(micrographs)]
    places: list[Place] = []
    for plan in plans:
        finder = Finder(plan, names, cut, random)
        places += [*finder.particles(), *(finder.junk() if "ice" in wanted else ())]
    chosen = choose(places, wanted, random)
    files = [simulated_file(simulation, plan) for plan in plans]
    draw = partial(draw_simulated, renderer, plans)
    write_case(folder, files, draw, chosen, cut, random)


def draw_simulated(renderer: Renderer, plans: Sequence[Plan], number: int) -> Micrograph:
    """Draw a micrograph that is planned."""
    return renderer.render(plans[number])


def choose(places: Sequence[Place], wanted: dict[str, int], random: np.random.Generator) -> list[Place]:
    """Choose so many places of each kind by lot, and put all in an order drawn by lot.

    Raises:
        SystemExit: if there are too few of a kind.
    """
    chosen: list[Place] = []
    for kind, count in wanted.items():
        there = [place for place in places if place.kind == kind]
        if len(there) < count:
            raise SystemExit(f"{kind}: {len(there)} places, {count} wanted: simulate more micrographs")
        chosen += [there[n] for n in random.choice(len(there), count, replace=False)]
    return [chosen[n] for n in random.permutation(len(chosen))]


class Finder:
    """Finds places for boxes in a planned micrograph; all boxes lie inside it.

    Args:
        plan: what is in it.
        names: of the species.
        cut: how boxes are cut.
        random: what is drawn by lot.
    """

    def __init__(self, plan: Plan, names: Sequence[str], cut: Cut, random: np.random.Generator) -> None:
        self.plan, self.names, self.random = plan, names, random
        self.diameter = cut.diameter_angstrom / PIXEL_SIZE
        self.half_box = cut.box_px(PIXEL_SIZE) / 2 + 1
        everyone = (*plan.particles, *plan.outside)
        self.xy = np.array([(p.x, p.y) for p in everyone]).reshape(-1, 2)

    def particles(self) -> Iterator[Place]:
        """Yield single, whole, uncovered particles, centred as badly as picks are."""
        for particle in self.plan.particles:
            x, y = self.random.normal((particle.x, particle.y), CENTRING_ERROR * self.diameter)
            clean = not (particle.overlapped or particle.at_edge or particle.covered)
            if clean and self.is_inside(x, y):
                yield Place(self.plan.number, x, y, self.names[particle.species], 1)

    def junk(self) -> Iterator[Place]:
        """Yield places of junk of all kinds."""
        for kind, find in zip(JUNK, (self.ice, self.carbon, self.empty, self.overlap), strict=True):
            for x, y in find():
                if self.is_inside(x, y):
                    yield Place(self.plan.number, x, y, kind, 0)

    def ice(self) -> Iterator[tuple[float, float]]:
        """Yield places on drops and crystals of ice, away from particles."""
        for nuisance in self.plan.nuisances:
            if nuisance.kind in (Kind.ice_blob, Kind.ice_crystal):
                x, y = self.random.normal((nuisance.x, nuisance.y), 0.3 * nuisance.radius_px)
                if self.away(x, y) > 0.6 * self.diameter:
                    yield x, y

    def carbon(self) -> Iterator[tuple[float, float]]:
        """Yield places at the edge of the carbon film and up to a box behind it, away from particles."""
        for x, y in self.scattered(400):
            if -0.3 * self.half_box < self.beyond_edge(x, y) < 2 * self.half_box and self.away(x, y) > self.diameter:
                yield x, y

    def empty(self) -> Iterator[tuple[float, float]]:
        """Yield places in the ice with nothing in them."""
        round_things = [n for n in self.plan.nuisances if n.kind != Kind.carbon_edge]
        for x, y in self.scattered(40):
            clear = all(math.hypot(x - n.x, y - n.y) > n.radius_px + 0.5 * self.diameter for n in round_things)
            if clear and self.away(x, y) > 0.9 * self.diameter and self.beyond_edge(x, y) < -0.75 * self.diameter:
                yield x, y

    def overlap(self) -> Iterator[tuple[float, float]]:
        """Yield places in clumps and, one more than these, places between two particles that lie over each other."""
        clumps = [n for n in self.plan.nuisances if n.kind == Kind.aggregate]
        in_clumps = [self.random.normal((n.x, n.y), 0.3 * n.radius_px) for n in clumps]
        between = self.between_two()
        yield from (between[n] for n in self.random.permutation(len(between))[: len(clumps) + 1])
        yield from ((float(x), float(y)) for x, y in in_clumps)

    def between_two(self) -> list[tuple[float, float]]:
        """Return the middles of two particles that lie over each other, at least half a diameter from each other."""
        found: list[tuple[float, float]] = []
        for one in range(len(self.plan.particles)):
            apart = np.hypot(*(self.xy[one + 1 :] - self.xy[one]).T)
            for other in np.flatnonzero(apart < 0.75 * self.diameter)[:1]:
                x, y = (self.xy[one] + self.xy[one + 1 + other]) / 2
                if all(math.hypot(x - u, y - v) > 0.5 * self.diameter for u, v in found):
                    found.append((float(x), float(y)))
        return found

    def scattered(self, tries: int) -> list[tuple[float, float]]:
        """Return places anywhere, at least half a box from each other."""
        found: list[tuple[float, float]] = []
        for x, y in self.random.uniform(self.half_box, SIDE_PX - 1 - self.half_box, (tries, 2)):
            if all(math.hypot(x - u, y - v) > self.half_box for u, v in found):
                found.append((x, y))
        return found

    def is_inside(self, x: float, y: float) -> bool:
        """Whether the whole box lies in the micrograph."""
        return self.half_box <= min(x, y) and max(x, y) <= SIDE_PX - 1 - self.half_box

    def away(self, x: float, y: float) -> float:
        """Return the distance of the nearest particle."""
        return float(np.hypot(*(self.xy - (x, y)).T).min(initial=math.inf))

    def beyond_edge(self, x: float, y: float) -> float:
        """Return how far a place lies behind the edge of the carbon film; negative in the hole."""
        edges = [n for n in self.plan.nuisances if n.kind == Kind.carbon_edge]
        return max((math.hypot(x - n.x, y - n.y) - n.radius_px for n in edges), default=-math.inf)


def simulated_file(simulation: Simulation, plan: Plan) -> MicrographFile:
    """Return what a micrographs STAR would say of a simulated micrograph."""
    optics, transfer = simulation.microscope, plan.transfer
    row = {
        "rlnDefocusU": transfer.defocus_u_angstrom,
        "rlnDefocusV": transfer.defocus_v_angstrom,
        "rlnDefocusAngle": transfer.defocus_angle_deg,
        "rlnCtfBfactor": transfer.b_factor_square_angstrom,
    }
    group = {
        "rlnVoltage": optics.voltage_kv,
        "rlnSphericalAberration": optics.spherical_aberration_mm,
        "rlnAmplitudeContrast": optics.amplitude_contrast,
    }
    name = f"micrographs/simulated_{plan.number + 1:05d}.mrc"
    texts = [{column: f"{value:.6f}" for column, value in values.items()} for values in (row, group)]
    return MicrographFile(Path(name), name, Path(name).stem, optics.pixel_size_angstrom, texts[0], texts[1])


def build_real(data: Path, name: str, folder: Path) -> None:
    """Boxes at labels of real micrographs, and as many at random places."""
    source, diameter, pixel_size, margin, most = REAL[name]
    cut, random = Cut(diameter), np.random.default_rng(SEED)
    files = find_micrographs([data / source / "micrographs"])
    draw = partial(read_real, files, pixel_size)
    half = cut.box_px(pixel_size) // 2 + 1
    rim = half if margin is None else max(half, margin)
    labels = [read_labels(data / source / "particles" / f"{file.key}.csv") for file in files]
    shapes = [draw(number).shape for number in range(len(files))]
    true = [
        Place(number, x, y, REAL_SPECIES[name], 1)
        for number, (xy, shape) in enumerate(zip(labels, shapes, strict=True))
        for x, y in xy
        if rim <= min(x, y) and x <= shape[1] - 1 - rim and y <= shape[0] - 1 - rim
    ]
    count = min(most, len(true))
    junk = random_places(labels, shapes, rim, NEAR_LABEL * diameter / pixel_size, count, random)
    chosen = choose([*true, *junk], {REAL_SPECIES[name]: count, "random": count}, random)
    write_case(folder, files, draw, chosen, cut, random)


def read_real(files: Sequence[MicrographFile], pixel_size: float, number: int) -> Micrograph:
    """Read a real micrograph."""
    return read_micrograph(files[number], pixel_size)[0]


def read_labels(path: Path) -> NDArray[np.float64]:
    """Return the labelled centres of a micrograph, (n, 2)."""
    return pd.read_csv(path)[["x", "y"]].to_numpy(np.float64)


def random_places(
    labels: Sequence[NDArray[np.float64]],
    shapes: Sequence[tuple[int, int]],
    rim: float,
    near: float,
    count: int,
    random: np.random.Generator,
) -> list[Place]:
    """Draw places that are not near a label, the same number in each micrograph as far as it can be divided."""
    found: list[Place] = []
    for number, (xy, (height, width)) in enumerate(zip(labels, shapes, strict=True)):
        quota = (count * (number + 1)) // len(labels) - len(found)
        while quota:
            x, y = random.uniform(rim, (width - 1 - rim, height - 1 - rim))
            if np.hypot(*(xy - (x, y)).T).min(initial=math.inf) > near:
                found.append(Place(number, x, y, "random", 0))
                quota -= 1
    return found


def write_case(
    folder: Path,
    files: Sequence[MicrographFile],
    draw: Callable[[int], Micrograph],
    places: Sequence[Place],
    cut: Cut,
    random: np.random.Generator,
) -> None:
    """Cut the boxes and write the four files; the truth last."""
    boxes = np.empty((len(places), SIZE_PX, SIZE_PX), np.float32)
    tables, order = [], []
    for number in sorted({place.micrograph for place in places}):
        rows = [row for row, place in enumerate(places) if place.micrograph == number]
        boxes[rows], table = cut_micrograph(files[number], draw(number), [places[row] for row in rows], cut)
        tables.append(table)
        order += rows
    table = joined(tables)
    particles = table.particles.iloc[np.argsort(order)].reset_index(drop=True)
    particles[IMAGE] = [f"{row + 1:06d}@particles.mrcs" for row in range(len(places))]
    pixel_size = float(table.optics["rlnImagePixelSize"][0])
    write_stack(folder / "particles.mrcs", [boxes], pixel_size)
    write_particles(folder / "particles.star", ParticleTable(table.optics, particles))
    write_contact_sheet(folder / "contact.png", boxes, [place.kind for place in places])
    truth = pd.DataFrame({"label": [p.label for p in places], "kind": [p.kind for p in places]})
    truth["subset"] = subset(truth["label"].to_numpy(), random)
    truth["micrograph"] = [Path(files[place.micrograph].name).name for place in places]
    truth.to_csv(folder / "truth.csv", index=False)
    print(f"{folder.name}: {len(places)} boxes, {truth['subset'].sum()} of them in the subset", flush=True)


def cut_micrograph(
    file: MicrographFile, micrograph: Micrograph, places: Sequence[Place], cut: Cut
) -> tuple[NDArray[np.float32], ParticleTable]:
    """Cut boxes from one micrograph, and make their table."""
    pixel_size = micrograph.pixel_size_angstrom
    box, (height, width) = cut.box_px(pixel_size), micrograph.shape
    where = anchors(torch.tensor([(p.x, p.y) for p in places]).double(), box, slice(0, height), slice(0, width))
    raw = scale_boxes(cut_boxes(torch.from_numpy(micrograph.image), where.xy, box), SIZE_PX)
    normal, usable = normalise_background(-raw, PAPER_BACKGROUND_RADIUS * SIZE_PX / 2)
    if not bool(usable.all() and where.inside.all()):
        raise SystemExit(f"{file.name}: a box is flat, or leaves the micrograph")
    return normal.numpy(), table_of(file, where, pixel_size, box)


def table_of(file: MicrographFile, where: Anchors, pixel_size: float, box: int) -> ParticleTable:
    """Return the table of the boxes of one micrograph."""
    scores = np.ones(len(where.xy))
    return particle_table(
        file,
        "particles.mrcs",
        where,
        scores,
        np.arange(1, len(scores) + 1),
        pixel_size,
        pixel_size * box / SIZE_PX,
        SIZE_PX,
        False,
    )


def subset(labels: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.bool_]:
    """Choose at most `SUBSET` particles, as many of them junk by share as of the whole."""
    chosen = np.zeros(len(labels), bool)
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        count = round(min(1.0, SUBSET / len(labels)) * len(rows))
        chosen[random.choice(rows, count, replace=False)] = True
    return chosen


def write_contact_sheet(path: Path, boxes: NDArray[np.float32], kinds: Sequence[str], columns: int = 16) -> None:
    """Write rows of boxes, two for each kind; -3 to 4 standard deviations of the background from black to white."""
    rows = []
    for kind in dict.fromkeys(sorted(kinds)):
        shown = boxes[[n for n, other in enumerate(kinds) if other == kind][: 2 * columns]]
        shown = np.concatenate([shown, np.zeros((2 * columns - len(shown), *shown.shape[1:]), np.float32)])
        rows.append(shown.reshape(2, columns, SIZE_PX, SIZE_PX).transpose(0, 2, 1, 3).reshape(2 * SIZE_PX, -1))
    grey = np.clip((np.concatenate(rows) + 3) / 7, 0, 1) * 255
    Image.fromarray(grey.astype(np.uint8)).save(path)


if __name__ == "__main__":
    main()
