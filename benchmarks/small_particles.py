"""Time and memory of Localpicker where particles are small and micrographs large: the worst case for peak finding.

usage: python benchmarks/small_particles.py

Pure noise has the most peaks. One core; learning from the one micrograph, then picking it.
"""

import resource
import time

import numpy as np

from cryoglean.micrograph import Micrograph
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker
from cryoglean.scale.threads import limit_threads

CASES = [((4096, 4096), 40.0), ((4096, 4096), 108.0), ((8184, 11520), 40.0)]


def main() -> None:
    limit_threads(1)
    print("| pixels | diameter, px | learning, s | picking, s | peak memory so far, MiB |\n|---|---|---|---|---|")
    for shape, diameter in CASES:
        noise = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        micrograph, start = Micrograph(noise, 1.0), time.perf_counter()
        model = fit_localpicker([micrograph], diameter)
        learned = time.perf_counter()
        believing = model.model_copy(update={"skewness": 1.0, "skewness_error": 0.0})  # else it stops at once
        Localpicker(LocalpickerSettings(diameter_angstrom=diameter), believing).pick(micrograph)
        picked = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        height, width = shape
        print(f"| {width} x {height} | {diameter:g} | {learned - start:.1f} | {picked - learned:.2f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
