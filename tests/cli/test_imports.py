"""A command loads what it needs, and no more: what is not loaded costs no time and cannot break it."""

import subprocess
import sys

import mrcfile
import numpy as np
import pytest

import perturbations
import synthetic_ctf

MAX_MODULES, MAX_OF_TABLES = 45, 5

without_torch = pytest.mark.skipif(bool(perturbations.CHOSEN), reason="a perturbed program loads torch at once")

START = """
import sys
NAMES = ("cryoglean", "torch", "pandas", "matplotlib")
def tell():
    print("loaded:", *sorted(name for name in sys.modules if name.partition(".")[0] in NAMES))
"""
COMMAND = """
from cryoglean.cli.main import main
sys.argv = ["cryoglean", *{arguments!r}]
try:
    main()
except SystemExit:
    pass
tell()
"""


def loaded_by(*codes):
    """Return what is loaded after each piece of one program."""
    run = subprocess.run([sys.executable, "-c", "\n".join([START, *codes])], capture_output=True, text=True, check=True)
    return [line.split()[1:] for line in run.stdout.splitlines() if line.startswith("loaded:")]


def loaded_by_commands(*commands):
    return loaded_by(*(COMMAND.format(arguments=[str(a) for a in arguments]) for arguments in commands))


TRAINING = """
import torch
from cryoglean.nets.losses import cross_entropy
from cryoglean.nets.training import Batch, TrainingSchedule, train
class Mean(torch.nn.Linear):
    def forward(self, patches):
        return super().forward(patches.mean(2))[:, 0]
batch = Batch(torch.ones(2, 64, 64), torch.tensor([0, 2]))
for optimiser in ("sgd", "adamw"):
    schedule = TrainingSchedule(steps=1, check_every=1, optimiser=optimiser)
    train(Mean(64, 1), lambda _: batch, None, cross_entropy, schedule)
tell()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ctf")


@pytest.fixture(scope="module")
def loaded(folder):
    """What one program has loaded after `ctf` of a micrograph without rings, then of one with."""
    noise = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    images = {"noise": noise, "rings": synthetic_ctf.micrograph(9500, 9000, 30, shape=(600, 700), snr=0.4, b_factor=20)}
    for name, image in images.items():
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data(image)
            file.voxel_size = 1.5
    words = (["ctf", f"{folder / n}.mrc", "--out", str(folder / n), "--cpus", "1", "--no-plots"] for n in images)
    return loaded_by(*(COMMAND.format(arguments=each) for each in words))


def test_ctf_loads_no_picker_and_little_else(folder, loaded):
    """A table is written by pandas, and by modules more."""
    first, both = loaded
    assert (folder / "noise" / "rejected.csv").exists()
    assert (folder / "rings" / "micrographs_ctf.star").exists()
    assert not [m for m in both if m.startswith(("cryoglean.pickers", "cryoglean.report", "matplotlib"))]
    assert "pandas" not in first
    ours, with_tables = ([m for m in loaded if m.startswith("cryoglean")] for loaded in (first, both))
    assert len(ours) <= MAX_MODULES, ours
    assert len(with_tables) <= MAX_MODULES + MAX_OF_TABLES, with_tables


@without_torch
def test_help_and_the_package_itself_load_no_torch():
    commands = ["--help"], ["--version"], ["pick", "--help"], ["mae", "train", "--help"]
    *_, loaded = loaded_by_commands(*commands)
    assert {"cryoglean.cli.pick", "cryoglean.cli.mae"} <= set(loaded)
    assert "torch" not in loaded


@pytest.mark.slow
def test_a_training_loads_no_compiler():
    """It takes longer to load than some trainings take."""
    (loaded,) = loaded_by(TRAINING)
    assert "torch.optim.adamw" in loaded
    assert "torch._dynamo" not in loaded
