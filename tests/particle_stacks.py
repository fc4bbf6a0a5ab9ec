"""Small stacks of particles of two shapes with known class, angle and place, drawn by no module under test."""

import warnings

import mrcfile
import numpy as np

from perturbations import jittered

PIXEL = 4.0


def bar(x, y):
    """A bar that is thicker at one end, so that it has a direction."""
    return np.exp(-((x / 6) ** 2) - (y / (2 + x / 12)) ** 2)


def ring(x, y):
    """A ring."""
    return np.exp(-(((np.hypot(x, y) - 6) / 1.5) ** 2))


SHAPES = (bar, ring)


def particles(n=40, box=24, signal=3.0, seed=0):
    """Draw n particles, bars and rings by turns, at any angle, up to a pixel off centre, in white noise.

    Returns (n, box, box) images, and the shape of each.
    """
    rng = np.random.default_rng(seed)
    steps = np.arange(box) - box // 2
    images = []
    for number in range(n):
        angle, (dx, dy) = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1, 2)
        x, y = steps[None, :] - dx, steps[:, None] - dy
        turned = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
        images.append(signal * SHAPES[number % 2](*turned) + rng.standard_normal((box, box)))
    return jittered(np.array(images, np.float32)), np.arange(n) % 2


def write_project(folder, images, names=None, optics="", row="", row_columns=(), stack="Extract/a.mrcs"):
    """Write a stack and `particles.star` (3.1 layout) as RELION has them; `optics` is "name value name value ...".

    `row` is one text of further values for all particles, or a text for each.
    """
    path = folder / stack
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), mrcfile.new(path, overwrite=True) as file:
        warnings.simplefilter("ignore")  # of values that are not finite, which some tests want
        file.set_data(images)
        file.set_image_stack()
        file.voxel_size = PIXEL
    names = names or [f"{n + 1:06d}@{stack}" for n in range(len(images))]
    words = {"rlnOpticsGroupName": "one", "rlnOpticsGroup": "1", "rlnImagePixelSize": str(PIXEL)}
    words |= dict(zip(optics.split()[::2], optics.split()[1::2], strict=True))
    columns = ["rlnImageName", "rlnMicrographName", "rlnOpticsGroup", *row_columns]
    rows = [row] * len(names) if isinstance(row, str) else row
    lines = [f"{name} mics/m{n // 20}.mrc 1 {more}" for n, (name, more) in enumerate(zip(names, rows, strict=True))]
    star = folder / "particles.star"
    star.write_text(block("optics", list(words), [" ".join(words.values())]) + block("particles", columns, lines))
    return star


def block(name, columns, lines):
    """Lay out a STAR table."""
    head = "".join(f"_{column} #{n}\n" for n, column in enumerate(columns, start=1))
    return f"\n# version 30001\n\ndata_{name}\n\nloop_\n{head}" + "".join(f"{line}\n" for line in lines) + "\n"


MICROSCOPE = "rlnVoltage 300 rlnSphericalAberration 2.7 rlnAmplitudeContrast 0.1"
DEFOCUS = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")
