"""Full micrographs whose particles hardly stand out of noise, and empty ones among them: are they told apart?

Each set is 12 simulated fields of shells; told are the fewest picks of a field over the median of all, and the most
picks of four micrographs of white noise over that median.
"""

from __future__ import annotations

import argparse

import numpy as np

from cryoglean.evaluate import Protocol, evaluate_picks
from cryoglean.micrograph import Micrograph
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker
from cryoglean.pickers.protocol import FIT_MICROGRAPHS
from shells import ShellField

DIAMETER, PIXEL_SIZE, FIELDS, EMPTY = 112.5, 1.5, 12, 4


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="sets of each kind")
    print("| signal to noise | set | F1 | median picks | fewest / median | most in noise / median |")
    print("|---|---|---|---|---|---|")
    for signal_to_noise in (0.0006, 0.0007, 0.0008, 0.001, 0.002):
        for seed in range(parser.parse_args().seeds):
            print(row(signal_to_noise, seed), flush=True)


def row(signal_to_noise: float, seed: int) -> str:
    """Pick one set."""
    kind = {"height_px": 1200, "width_px": 1240, "particles": 150, "signal_to_noise": signal_to_noise}
    size = {"diameter_angstrom": DIAMETER, "pixel_size_angstrom": PIXEL_SIZE}
    fields = [ShellField(**kind, **size, seed=1000 * seed + i).render() for i in range(FIELDS)]
    random = np.random.default_rng(seed)
    empty = [random.standard_normal((1200, 1240)).astype(np.float32) for _ in range(EMPTY)]
    model = fit_localpicker([m for m, _ in fields[:FIT_MICROGRAPHS]], DIAMETER)
    if not model.found_particles:
        return f"| {signal_to_noise:g} | {seed} | - | nothing found | - | - |"
    picker = Localpicker(LocalpickerSettings(diameter_angstrom=DIAMETER), model)
    picks = {m.name: picker.pick(m) for m, _ in fields}
    noise = [len(picker.pick(Micrograph(image, PIXEL_SIZE))) for image in empty]
    f1 = evaluate_picks({m.name: truth for m, truth in fields}, picks, Protocol(DIAMETER / PIXEL_SIZE)).overall.f1
    counts = np.array([len(each) for each in picks.values()])
    usual = float(np.median(counts))
    return (
        f"| {signal_to_noise:g} | {seed} | {f1:.3f} | {usual:.0f} "
        f"| {counts.min() / usual:.2f} | {max(noise) / usual:.2f} |"
    )


if __name__ == "__main__":
    main()
