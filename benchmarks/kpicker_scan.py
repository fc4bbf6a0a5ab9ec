"""Kpicker's pass over a micrograph against the scan of its windows: same answers? how much faster?

usage: python benchmarks/kpicker_scan.py [--side 1024] [--size 4096] [--diameter-px 108]

A network is trained on simulated micrographs; an image that it has not seen, SIDE x SIDE px as the network sees it, is
scanned both ways. The windows go in batches of the size that is fastest. Then the parts of picking one micrograph
of SIZE x SIZE px. One thread; seconds are those of the processor, so that other work on the machine counts little.
"""

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import torch

from cryoglean.micrograph import Micrograph
from cryoglean.nets.convolutional import scan_convolutionally, scan_windows
from cryoglean.nets.kpicker_net import KpickerNet
from cryoglean.pickers.kpicker.image import PARTICLE_PX, net_image, scan_image
from cryoglean.pickers.kpicker.picker import Kpicker, KpickerModel, KpickerSettings, candidates
from cryoglean.pickers.kpicker.training import KpickerTraining, train_kpicker
from cryoglean.scale.threads import limit_threads
from shells import ShellField

Result = TypeVar("Result")

BATCHES = (8, 16, 32, 64, 128, 256, 512)
STRIDE = 4
DIAMETER, PIXEL_SIZE = 191.0, 1.77


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--diameter-px", type=float, default=DIAMETER / PIXEL_SIZE)
    given = parser.parse_args()
    limit_threads(1)
    model = trained()
    with torch.no_grad():
        compare(model.net, given.side)
        split(model, given.size, given.diameter_px)


def trained() -> KpickerModel:
    """Train on three fields of 200 particles each."""
    fields = [field(1024, DIAMETER / PARTICLE_PX, 200, seed).render() for seed in range(3)]
    micrographs, truth = zip(*fields, strict=True)
    return train_kpicker(micrographs, truth, None, KpickerTraining(diameter_angstrom=DIAMETER)).model


def field(side: int, pixel_size: float, particles: int, seed: int) -> ShellField:
    return ShellField(side, side, particles, DIAMETER, pixel_size, signal_to_noise=0.2, seed=seed)


def compare(net: KpickerNet, side: int) -> None:
    """Scan an image both ways; print the difference and the times."""
    micrograph, _ = field(side, DIAMETER / PARTICLE_PX, side * side // 5000, 10).render()
    image = net_image(micrograph, DIAMETER).image
    few = image[: 64 + 8 * STRIDE]
    tries = {n: seconds(lambda n=n: scan_windows(net, few, STRIDE, batch=n))[0] for n in BATCHES}
    best = min(tries, key=lambda n: tries[n])
    by_windows, windows = seconds(lambda: scan_windows(net, image, STRIDE, batch=best))
    by_pass, whole = seconds(lambda: scan_convolutionally(net, image, STRIDE))
    difference = (windows.sigmoid() - whole.sigmoid()).abs().max()
    print(
        f"{whole.numel()} windows of {image.shape[0]} x {image.shape[1]} px, probabilities from "
        f"{whole.sigmoid().min():.1e} to {whole.sigmoid().max():.4f}\n"
    )
    print("| scan | seconds | ratio | largest difference of the probabilities |\n|---|---|---|---|")
    print(f"| windows, {best} at a time | {by_windows:.1f} | 1 | |")
    print(f"| one pass | {by_pass:.2f} | {by_windows / by_pass:.1f} | {difference:.1e} |\n")


def split(model: KpickerModel, size: int, diameter_px: float) -> None:
    """Print what the parts of picking a micrograph take."""
    shown, _ = field(size, DIAMETER / diameter_px, int(0.4 * (size / diameter_px) ** 2), 11).render()
    micrograph = Micrograph(shown.image, shown.pixel_size_angstrom)
    preparing, image = seconds(lambda: net_image(micrograph, DIAMETER))
    scanning, odds = seconds(lambda: scan_image(model.net, image.image, STRIDE))
    finding, _ = seconds(lambda: candidates(image, odds, STRIDE))
    whole, picks = seconds(lambda: Kpicker(KpickerSettings(diameter_angstrom=DIAMETER), model).pick(micrograph))
    print(f"| picking {size} x {size} px, particles of {diameter_px:.0f} px | seconds |\n|---|---|")
    for name, took in (("preparation", preparing), ("network", scanning), ("peaks", finding)):
        print(f"| {name} | {took:.2f} |")
    print(f"| all, {len(picks)} picks | {whole:.2f} |")


def seconds(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return the processor time of a piece of work, once warm where it is short, and what it gives."""
    start = time.process_time()
    result = work()
    took = time.process_time() - start
    if took < 20:
        start = time.process_time()
        result = work()
        took = time.process_time() - start
    return took, result


if __name__ == "__main__":
    main()
