"""Time of `cryoglean simulate` for one 4,096 x 4,096 px micrograph with 300 particles, on one core.

usage: python benchmarks/simulate_speed.py [--model FILE] [--size 4096] [--particles 300] [--pixel-size 1.0]
       [--repeats 3]

Reading the model, once for a whole set, is shown by itself. The table has the median and the slowest of the repeats:
planning, drawing, counting electrons and writing the files.
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

from cryoglean.jobs.simulate import read_species, simulate_one
from cryoglean.jobs.simulation_folder import SimulationFolder
from cryoglean.scale.threads import limit_threads
from cryoglean.simulate.render import Renderer
from cryoglean.simulate.settings import NUISANCES, Microscope, Simulation, Specimen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="test:480kDa:O")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--particles", type=int, default=300)
    parser.add_argument("--pixel-size", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    limit_threads(1)
    print("| what | seconds, median | slowest |\n|---|---|---|")
    for level in ("none", "many"):
        measure(arguments, level)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def measure(arguments: argparse.Namespace, level: str) -> None:
    """Time reading and micrographs with a level of nuisances, and print the rows."""
    simulation = Simulation(
        specimen=Specimen(models=(arguments.model,), particles=arguments.particles),
        microscope=Microscope(pixel_size_angstrom=arguments.pixel_size),
        nuisances=NUISANCES[level],
        height_px=arguments.size,
        width_px=arguments.size,
    )
    start = time.perf_counter()
    renderer = Renderer(simulation, read_species(simulation.specimen))
    reading = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        made = [simulate_one(renderer, SimulationFolder(Path(folder)), number) for number in range(arguments.repeats)]
    seconds = [one.seconds for one in made]
    print(f"| reading the model | {reading:.2f} | |")
    print(f"| a micrograph, nuisances: {level} | {statistics.median(seconds):.2f} | {max(seconds):.2f} |")


if __name__ == "__main__":
    main()
