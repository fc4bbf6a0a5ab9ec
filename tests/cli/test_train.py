"""`cryoglean train` and picking with what it made, as a user meets them."""

import json

import mrcfile
import pytest
from typer.testing import CliRunner

from cryoglean.cli.main import app
from cryoglean.io.coordinates import write_picks
from perturbations import jittered
from shells import ShellField

FIELD = {"height_px": 280, "width_px": 333, "particles": 14, "pixel_size_angstrom": 4}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("train")
    for seed in range(3):
        micrograph, truth = ShellField(**FIELD, seed=seed).render()
        (root / "images").mkdir(exist_ok=True)
        with mrcfile.new(root / f"images/m{seed}.mrc", jittered(micrograph.image)) as file:
            file.voxel_size = 4.0
        write_picks(root / f"picks/m{seed}.csv", truth)
    return root


@pytest.fixture
def quick(monkeypatch):
    """A few steps of a small network: what is said matters here, not what is learned."""
    from cryoglean.nets.kpicker_net import KpickerLayers
    from cryoglean.pickers.kpicker import training as module

    tiny = {"layers": KpickerLayers(filters=(2, 3, 4), dense=5), "min_steps": 3, "max_steps": 3}
    for name, value in tiny.items():
        monkeypatch.setattr(module.KpickerTraining.model_fields[name], "default", value)
    module.KpickerTraining.model_rebuild(force=True)
    yield
    monkeypatch.undo()
    module.KpickerTraining.model_rebuild(force=True)


def cryoglean(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def train(folders, out, *words):
    base = ["train", folders / "images", "--picks", folders / "picks", "--diameter", "120", "--cpus", "1"]
    return cryoglean(*base, "--out", out, *words)


@pytest.mark.slow
def test_train_then_pick(quick, folders, tmp_path):
    result = train(folders, tmp_path / "model")
    assert result.exit_code == 0, result.output
    weights = tmp_path / "model/weights.safetensors"
    assert str(weights) in result.stdout
    assert "held-out loss" in result.stderr
    picked = cryoglean(
        "pick",
        folders / "images",
        "--method",
        "kpicker",
        "--model",
        weights,
        "--out",
        tmp_path / "out",
        "--cpus",
        "1",
        "--json",
    )
    assert picked.exit_code == 0, picked.output
    said = json.loads(picked.stdout)
    assert said["settings"]["method"] == "kpicker"
    assert said["settings"]["diameter_angstrom"] == 120
    assert len(said["settings"]["weights_sha256"]) == 64
    assert said["micrographs"] == 3


@pytest.mark.slow
def test_json_on_standard_output_is_all_there_is(quick, folders, tmp_path):
    said = json.loads(train(folders, tmp_path / "model", "--json").stdout)
    assert said["particles"] == {"m0": 14, "m1": 14, "m2": 14}
    assert said["fit"]["held_out"]
    assert said["settings"]["diameter_angstrom"] == 120


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--diameter", "0"], "--diameter must be"),
        (["--certain-share", "2"], "--certain-share must be more than 0 and at most 1 (got 2)"),
        (["--epochs", "3"], "no effect with this method and preset"),
        (["--preset", "paper", "--missed-share", "0.1"], "no effect"),
        (["--seed", "-1"], "--seed must be"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--negatives", "nowhere"], "nowhere"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_before_any_work(folders, tmp_path, words, said):
    result = train(folders, tmp_path / "out", *words)
    assert result.exit_code == 2
    complaint = [line for line in result.stderr.splitlines() if line.startswith("cryoglean: ")]
    assert len(complaint) == 1
    assert said in complaint[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "kpicker"], "needs --model"),
        (["--method", "kpicker", "--model", "nowhere"], "nowhere: no such file"),
        (["--model", "nowhere", "--diameter", "9"], "no effect with --method auto"),
        ([], "give --diameter"),
    ],
)
def test_picking_names_what_is_missing(folders, tmp_path, words, said):
    result = cryoglean("pick", folders / "images", *words, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_table_is_not_taken_for_weights(folders, tmp_path):
    table = next((folders / "picks").iterdir())
    result = cryoglean("pick", folders / "images", "--method", "kpicker", "--model", table, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "safetensors" in result.stderr
