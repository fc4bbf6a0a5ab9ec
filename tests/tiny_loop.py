"""A run of the loop on micrographs so small, with a network so small, that it takes seconds.

As a program it is `cryoglean` with that network, for tests that kill it.
"""

import hashlib
import json

import mrcfile
from typer.testing import CliRunner

from cryoglean.cli.main import app, main
from cryoglean.io.coordinates import write_picks
from cryoglean.nets.kpicker_net import KpickerLayers
from cryoglean.pickers.kpicker.training import KpickerTraining
from perturbations import jittered
from shells import ShellField

FIELD = {"height_px": 200, "width_px": 215, "particles": 40, "pixel_size_angstrom": 8, "signal_to_noise": 0.2}
DIAMETER = "120"
TINY = {"layers": KpickerLayers(filters=(4, 6, 8), dense=12), "min_steps": 24, "max_steps": 24}


def grow(root, count=3, **changes):
    """Write micrographs and their truth; return the folder of the images."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        micrograph, truth = ShellField(**FIELD | changes, seed=seed).render()
        with mrcfile.new(root / f"images/m{seed}.mrc", jittered(micrograph.image), overwrite=True) as file:
            file.voxel_size = float((FIELD | changes)["pixel_size_angstrom"])
        write_picks(root / f"truth/m{seed}.csv", truth)
    return root / "images"


def shrink(setting=lambda field, name, value: setattr(field, name, value)):
    """Make the network small and its training short."""
    for name, value in TINY.items():
        setting(KpickerTraining.model_fields[name], "default", value)
    KpickerTraining.model_rebuild(force=True)


def run(images, out, *words):
    """Call `cryoglean run` for one round."""
    base = ["run", images, "--diameter", DIAMETER, "--out", out, "--cpus", "1", "--rounds", "1"]
    return CliRunner().invoke(app, [str(word) for word in (*base, *words)])


def final(out):
    """Return the content of all files with picks."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((out / "picks").rglob("*.star"))}


def state(out):
    """Return what a run has told of itself."""
    return json.loads((out / "run.json").read_text())


if __name__ == "__main__":
    shrink()
    main()
