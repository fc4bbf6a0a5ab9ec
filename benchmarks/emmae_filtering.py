"""Should Cryo-EMMAE filter micrographs that were filtered before? Simulated sets, processed as people process them.

usage: python benchmarks/emmae_filtering.py SHARED [--out FOLDER] [--sets NAME ...] [--processed NAME ...] [--floors]

SHARED holds `data/structures`. Four micrographs of 1,536 x 1,536 px at 2 A each; a network is trained on each processed
set, with its filters (`--preprocess default`) and without (`none`). Prints F1 at its threshold, and the noise floor by
which `auto` chooses; --floors prints that alone. What is there in FOLDER is not made again.
"""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import mrcfile
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, median_filter

from cryoglean.io.images import read_micrograph
from cryoglean.io.inputs import find_micrographs
from cryoglean.preprocess.noise_floor import SetFiltering, noise_floor
from run_against_pick import PIXEL_SIZE, SIMULATED, call, f1, simulated

Image = NDArray[np.float32]


def low_passed(cycles: float) -> Callable[[Image, float], Image]:
    """Return a Gaussian low-pass to half the amplitude at so many cycles per diameter."""
    per_cycle = np.sqrt(2 * np.log(2)) / (2 * np.pi)
    return lambda image, diameter_px: gaussian_filter(image, per_cycle * diameter_px / cycles)


def non_local_means(image: Image, _: float) -> Image:
    """Denoise by non-local means, in grey values of 8 bits."""
    low, high = np.percentile(image, (0.1, 99.9))
    grey = (255 * (image - low) / (high - low)).clip(0, 255).astype(np.uint8)
    return cv2.fastNlMeansDenoising(grey, h=1.2 * float(np.std(grey)), templateWindowSize=7).astype(np.float32)


def jpeg(image: Image, _: float) -> Image:
    """Keep 8 bits, as a JPEG file."""
    low, high = np.percentile(image, (0.1, 99.9))
    grey = (255 * (image - low) / (high - low)).clip(0, 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", grey)[1], cv2.IMREAD_GRAYSCALE).astype(np.float32)


def binned(image: Image, _: float) -> Image:
    """Blur by the mean of 2 x 2 pixels, as detectors and motion correction do."""
    return np.asarray(cv2.blur(image, (2, 2)), np.float32)


PROCESSED: dict[str, Callable[[Image, float], Image]] = {
    "as recorded": lambda image, _: image,
    "JPEG": jpeg,
    "mean of 2 x 2 px": binned,
    "median of 5 x 5 px": lambda image, _: median_filter(image, 5),
    "low-pass 12": low_passed(12),
    "low-pass 8": low_passed(8),
    "low-pass 6": low_passed(6),
    "low-pass 4": low_passed(4),
    "low-pass 3": low_passed(3),
    "non-local means": non_local_means,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, default=Path("emmae-filtering-out"))
    parser.add_argument("--sets", nargs="+", default=list(SIMULATED), choices=list(SIMULATED))
    parser.add_argument("--processed", nargs="+", default=list(PROCESSED), choices=list(PROCESSED))
    parser.add_argument("--floors", action="store_true")
    arguments = parser.parse_args()
    print("| set | processed | noise floor | taken as | `none` | `default` |\n" + "|---" * 6 + "|", flush=True)
    for name in arguments.sets:
        micrographs = simulated(arguments.shared, arguments.out, name)
        for how in arguments.processed:
            folder = arguments.out / f"{name}-{how.replace(' ', '-')}"
            process(micrographs, folder / "micrographs", name, how)
            cells = floors(folder / "micrographs", name)
            if not arguments.floors:
                cells += [picked(arguments.shared, arguments.out, folder, name, chain) for chain in ("none", "default")]
            print(f"| {name} | {how} | {' | '.join(cells)} |", flush=True)


def process(micrographs: Path, out: Path, name: str, how: str) -> None:
    """Write processed micrographs, unless they are there."""
    if out.exists():
        return
    partial = out.with_name("partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in find_micrographs([micrographs]):
        image = read_micrograph(file, PIXEL_SIZE)[0].image
        mrcfile.write(partial / file.path.name, PROCESSED[how](image, SIMULATED[name][0] / PIXEL_SIZE))
    partial.rename(out)


def floors(micrographs: Path, name: str) -> list[str]:
    """Return the noise floor of a set, and what is told by it."""
    images = [read_micrograph(file, PIXEL_SIZE)[0].image for file in find_micrographs([micrographs])]
    found = SetFiltering.of(noise_floor(image, SIMULATED[name][0] / PIXEL_SIZE) for image in images)
    return ["-" if found.noise_floor is None else f"{found.noise_floor:.2g}", found.filtering.value]


def picked(shared: Path, out: Path, folder: Path, name: str, chain: str) -> str:
    """Pick with a network trained on images of a chain; return F1."""
    words = ["--diameter", SIMULATED[name][0], "--pixel-size", PIXEL_SIZE, "--preprocess", chain, "--cpus", 1]
    call("pick", folder / "micrographs", "--method", "emmae", *words, "--out", folder / chain)
    return f"{f1(shared, out, name, folder / chain / 'picks') or 0:.3f}"


if __name__ == "__main__":
    main()
