"""How many particles Kpicker needs: recall against the number of particles that it was trained on.

usage: python benchmarks/training_size.py SHARED [--out FOLDER] [--sizes 50 100 1000 4656] [--seeds 3] [--paper-seeds 1]
       [--evaluated 12] [--paper-evaluated 5] [--cpus N]

McSweeney et al. (IUCrJ 7, 719, 2020): for beta-galactosidase 50 particles recover 13 % of the final ones within 20 px
(17.7 A), 100 recover 65 %, 4,656 recover 81 %. Here the same protein is simulated as they recorded it (200 kV, Cs 1.4
mm, defocus 1 to 2.5 um), at twice their pixel size with half their binning, which comes to the same image for the
network. Training particles are true ones drawn by lot, four fifths of those in as many micrographs as it takes;
picked are other micrographs. Counted are particles, and picks, whose box lies inside the micrograph: the paper's
preset finds no others. What is in FOLDER is not made again.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cryoglean.io.coordinates import write_picks
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.picks import Picks

DIAMETER, PIXEL_SIZE, SIDE_PX = 212.4, 1.77, 1024
HIT_ANGSTROM, NEAR_ANGSTROM = 17.7, DIAMETER / 4
MARGIN_ANGSTROM = DIAMETER * 260 / 240 / 2
KNOWN_SHARE = 0.8
PARTICLES = 40
FEWEST_INSIDE = 26  # of the 40, on average over some micrographs: to know how many to simulate


class Result(NamedTuple):
    """How picks compare with the truth.

    Attributes:
        recall: share of particles with a pick within 17.7 A.
        near: share of particles with a pick within a quarter of the diameter.
        precision: share of picks with a particle within 17.7 A.
        picks: how many for each particle.
    """

    recall: float
    near: float
    precision: float
    picks: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, default=Path("training-size-out"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 1000, 4656])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--paper-seeds", type=int, default=1)
    parser.add_argument("--evaluated", type=int, default=12)
    parser.add_argument("--paper-evaluated", type=int, default=5)
    parser.add_argument("--cpus", type=int, default=1)
    given = parser.parse_args()
    simulated = given.out / "simulated"
    needed = given.evaluated + int(max(given.sizes) / KNOWN_SHARE / FEWEST_INSIDE) + 1
    simulate(given.shared, simulated, needed, given.cpus)
    truth = {name: inside(picks.xy) for name, picks in read_picks_folder(simulated / "truth").items()}
    evaluated, others = sorted(truth)[: given.evaluated], sorted(truth)[given.evaluated :]
    print("| preset | training particles | of micrographs | recall within 17.7 A | within 53 A | precision | picks |")
    print("|---" * 7 + "|", flush=True)
    notes = list[str]()
    for preset, seeds, count in (
        ("default", given.seeds, given.evaluated),
        ("paper", given.paper_seeds, given.paper_evaluated),
    ):
        if not seeds:
            continue
        looked_at = {name: truth[name] for name in evaluated[:count]}
        for size in given.sizes:
            results, used = list[Result](), 0
            for seed in range(seeds):
                lot = drawn({name: truth[name] for name in others}, size, seed)
                used = len(lot)
                folder = given.out / f"{preset}-{size}-{seed}"
                picked = train_and_pick(simulated, lot, list(looked_at), folder, preset, seed, given.cpus)
                results.append(compared(looked_at, picked))
            print(f"| {preset} | {size} | {used} | {' | '.join(map(spread, zip(*results, strict=True)))} |", flush=True)
        particles = sum(map(len, looked_at.values()))
        notes.append(f"{preset}: {seeds} seeds, {particles} particles in {count} other micrographs")
    print("\n" + "; ".join(notes))


def simulate(shared: Path, out: Path, count: int, cpus: int) -> None:
    model = shared / "data/structures/bgal_465kDa_5a1a.pdb.gz"
    words = ["simulate", "--model", model, "--out", out, "--micrographs", count, "--particles", PARTICLES]
    words += ["--size", f"{SIDE_PX}x{SIDE_PX}", "--pixel-size", PIXEL_SIZE, "--voltage", 200, "--cs", 1.4]
    words += ["--defocus", "10000,25000", "--dose", 20, "--ice-blobs", 1, "--fragments", 2, "--cpus", cpus]
    cryoglean(*words)


def inside(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the places whose box lies inside the micrograph."""
    margin = MARGIN_ANGSTROM / PIXEL_SIZE
    return xy[((xy >= margin) & (xy <= SIDE_PX - 1 - margin)).all(axis=1)]


def drawn(truth: dict[str, NDArray[np.float64]], size: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Draw particles by lot, from the fewest micrographs of which they are four fifths or less."""
    random = np.random.default_rng(seed)
    order = random.permutation(sorted(truth))
    totals = np.cumsum([len(truth[name]) for name in order])
    used = order[: int(np.searchsorted(totals, size / KNOWN_SHARE)) + 1]
    which = np.repeat(np.arange(len(used)), [len(truth[name]) for name in used])
    if len(which) < size:
        sys.exit(f"{len(which)} particles are too few for {size}: more micrographs are needed")
    xy = np.concatenate([truth[name] for name in used])
    chosen = np.sort(random.permutation(len(which))[:size])
    return {name: xy[chosen][which[chosen] == i] for i, name in enumerate(used)}


def train_and_pick(
    simulated: Path,
    lot: dict[str, NDArray[np.float64]],
    evaluated: Sequence[str],
    folder: Path,
    preset: str,
    seed: int,
    cpus: int,
) -> dict[str, NDArray[np.float64]]:
    """Train on some micrographs, pick others; return the picks by micrograph."""
    for name, xy in lot.items():
        write_picks(folder / f"particles/{name}.csv", Picks(xy[:, 0], xy[:, 1], np.ones(len(xy))))
    how = ["--diameter", DIAMETER, "--preset", preset, "--cpus", cpus]
    binning = ["--bin", 2] if preset == "paper" else []
    train = [*paths(simulated, lot), "--picks", folder / "particles", "--out", folder / "model", *how, *binning]
    cryoglean("train", *train, "--seed", seed)
    weights = folder / "model/weights.safetensors"
    pick = [*paths(simulated, evaluated), "--method", "kpicker", "--model", weights, "--out", folder / "picked"]
    cryoglean("pick", *pick, *how)
    return {name: inside(picks.xy) for name, picks in read_picks_folder(folder / "picked").items()}


def paths(simulated: Path, names: Sequence[str] | dict[str, NDArray[np.float64]]) -> list[Path]:
    return [simulated / f"micrographs/{name}.mrc" for name in names]


def compared(truth: dict[str, NDArray[np.float64]], picked: dict[str, NDArray[np.float64]]) -> Result:
    """Compare picks with the truth; both keep so far apart that a pick is near one particle only."""
    recalled = np.concatenate([nearest(xy, picked[name]) for name, xy in truth.items()])
    precise = np.concatenate([nearest(picked[name], xy) for name, xy in truth.items()])
    return Result(
        float((recalled <= HIT_ANGSTROM).mean()),
        float((recalled <= NEAR_ANGSTROM).mean()),
        float((precise <= HIT_ANGSTROM).mean()) if len(precise) else float("nan"),
        len(precise) / len(recalled),
    )


def nearest(xy: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (n,) distances in angstrom to the nearest of the others; infinite if there are none."""
    if not len(others):
        return np.full(len(xy), np.inf)
    return np.asarray(cKDTree(others).query(xy)[0] * PIXEL_SIZE)


def spread(values: Sequence[float]) -> str:
    """Return the mean, and the least and the most if there are several."""
    mean = f"{np.mean(values):.2f}"
    return f"{mean} ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else mean


def cryoglean(*words: object) -> None:
    done = subprocess.run([sys.executable, "-m", "cryoglean.cli", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"cryoglean {words[0]} failed: {done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
