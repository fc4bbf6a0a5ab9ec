"""`cryoglean mae train` as several processes: they end where one does, whoever starts them and whatever stops one."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import mrcfile
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from cryoglean.cli.main import app
from cryoglean.nets.mae import new_mae
from cryoglean.nets.mae_layers import MaeLayers
from cryoglean.pickers.emmae.network_files import read_emmae
from perturbations import fast, jittered
from shells import ShellField

pytestmark = pytest.mark.skipif(find_spec("lightning_fabric") is None, reason="Lightning Fabric is not installed")

COMMAND = [sys.executable, "-m", "cryoglean.cli"]
PATIENCE_S = 300
BROKEN = """
import os
from cryoglean.cli.main import main
from cryoglean.nets.tiles import TileSampler

draw = TileSampler.batch

def batch(self, step, size):
    if step == 3 and os.environ.get("LOCAL_RANK", "0") == "{rank}":
        raise OSError("no tile left")
    return draw(self, step, size)

TileSampler.batch = batch
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("mae")
    for seed in range(2):
        micrograph, _ = ShellField(height_px=160, width_px=190, particles=6, pixel_size_angstrom=4, seed=seed).render()
        with mrcfile.new(root / f"m{seed}.mrc", jittered(micrograph.image)) as file:
            file.voxel_size = 4.0
    return root


def words(folder, out, devices=2):
    how = f"--diameter 120 --cpus 2 --epochs 2 --batch 5 --device cpu --devices {devices}"
    return ["mae", "train", str(folder), "--out", str(out), *how.split()]


def trained_alone(folder, out, dtype):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: dtype == "bfloat16")
        result = CliRunner().invoke(app, words(folder, out, 1))
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def alone(folder, tmp_path_factory):
    """What one process makes."""
    return trained_alone(folder, tmp_path_factory.mktemp("alone"), "float32")


def run(command, dtype="float32"):
    how = {"capture_output": True, "text": True, "timeout": PATIENCE_S, "check": False}
    return subprocess.run(command, env=fast(dtype), **how)


def weights_of(net):
    return torch.cat([weight.detach().flatten() for weight in net.parameters()])


def assert_as_alone(out, alone, max_off=0.01):
    """See that weights went the way of those of one process, and that the loss fell as there, but for rounding.

    With shares of tiles that are not theirs, processes end a quarter of the way off.
    """
    start = weights_of(new_mae(MaeLayers(), 0))
    single, several = (weights_of(read_emmae(root / "weights.safetensors").net) for root in (alone, out))
    assert float((several - single).norm() / (single - start).norm()) < max_off
    losses = [np.genfromtxt(root / "curves.csv", delimiter=",", names=True)["loss"] for root in (alone, out)]
    np.testing.assert_allclose(*losses, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.numerical
def test_two_processes_make_what_one_does_and_say_no_more(folder, alone, tmp_path):
    done = run([*COMMAND, *words(folder, tmp_path)])
    assert done.returncode == 0, done.stderr
    assert_as_alone(tmp_path, alone)
    told = done.stdout.splitlines()
    assert told[0] == f"trained on 1 micrograph, 8 steps: {tmp_path}/weights.safetensors"
    assert len(set(told)) == len(told)
    said = done.stderr.splitlines()
    assert "not filtered" in said[0]
    assert "device cpu and 1 more" in said[1]
    assert all(re.fullmatch(r"step \d+: loss \S+, held-out loss \S+", line) for line in said[2:])


@pytest.mark.slow
def test_two_processes_make_what_one_does_where_products_are_rounded_more(folder, tmp_path):
    """A share of a batch is multiplied in other blocks than the whole: each product of bfloat16 may round otherwise."""
    one = trained_alone(folder, tmp_path / "one", "bfloat16")
    done = run([*COMMAND, *words(folder, tmp_path / "two")], "bfloat16")
    assert done.returncode == 0, done.stderr
    assert "bfloat16" in done.stderr
    assert_as_alone(tmp_path / "two", one, max_off=0.08)


@pytest.mark.slow
def test_one_that_was_stopped_goes_on_with_another_number_of_processes(folder, alone, tmp_path):
    started = subprocess.Popen(
        [*COMMAND, *words(folder, tmp_path)], stderr=subprocess.PIPE, text=True, env=fast("float32")
    )
    end = time.monotonic() + PATIENCE_S
    while not (tmp_path / "progress.safetensors").exists() and time.monotonic() < end:
        time.sleep(0.01)
    started.send_signal(signal.SIGTERM)
    _, said = started.communicate(timeout=PATIENCE_S)
    assert started.returncode == 130
    assert [line for line in said.splitlines() if line.startswith("cryoglean:")] == [
        "cryoglean: interrupted: what is finished is kept; give the same command again"
    ]
    done = run([*COMMAND, *words(folder, tmp_path, 3)])
    assert done.returncode == 0, done.stderr
    assert "going on from step" in done.stderr
    assert_as_alone(tmp_path, alone)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_one_process_that_fails_ends_all_and_is_heard(folder, tmp_path, rank):
    script = tmp_path / "broken.py"
    script.write_text(BROKEN.format(rank=rank))
    done = run([sys.executable, str(script), *words(folder, tmp_path / "out")])
    assert done.returncode == 1
    assert "cryoglean: no tile left" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out/weights.safetensors").exists()


@pytest.mark.slow
def test_torchrun_may_start_them_and_they_end_where_there_is_nothing_to_do(folder, alone, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    for _ in range(2):
        done = run([*torchrun, "cryoglean.cli", *words(folder, tmp_path)])
        assert done.returncode == 0, done.stderr
        assert_as_alone(tmp_path, alone)
    assert "is done already" in done.stderr


@pytest.mark.slow
def test_two_nodes_are_one_team(folder, alone, tmp_path):
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(20_000 + os.getpid() % 10_000)}
    command = [*COMMAND, *words(folder, tmp_path, 1), "--nodes", "2"]
    nodes = [subprocess.Popen(command, env=fast("float32") | place | {"NODE_RANK": rank}) for rank in "01"]
    assert [node.wait(timeout=PATIENCE_S) for node in nodes] == [0, 0]
    assert_as_alone(tmp_path, alone)
