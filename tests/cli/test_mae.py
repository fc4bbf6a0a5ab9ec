"""`cryoglean mae train`, as a user meets it."""

import json
import sys

import mrcfile
import pytest
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from cryoglean.cli.main import app
from cryoglean.pickers.emmae.network_files import read_emmae
from perturbations import jittered
from shells import ShellField

FIELD = {"height_px": 160, "width_px": 190, "particles": 6, "pixel_size_angstrom": 4}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("mae")
    for seed in range(3):
        micrograph, _ = ShellField(**FIELD, seed=seed).render()
        folder = root / ("one" if seed < 2 else "two")
        folder.mkdir(exist_ok=True)
        with mrcfile.new(folder / f"m{seed}.mrc", jittered(micrograph.image)) as file:
            file.voxel_size = 4.0
    return root


def train(out, *words):
    base = ["mae", "train", "--out", out, "--cpus", "1", "--epochs", "1", "--batch", "4"]
    return CliRunner().invoke(app, [str(word) for word in [*base, *words]])


@pytest.mark.slow
def test_it_trains_and_says_where_the_weights_are(folders, tmp_path):
    result = train(tmp_path / "out", folders / "one", "--diameter", "120")
    assert result.exit_code == 0, result.output
    weights = tmp_path / "out/weights.safetensors"
    assert str(weights) in result.stdout
    assert "loss" in result.stderr
    assert read_emmae(weights).facts.training["preset"] == "default"


@pytest.mark.slow
def test_sets_with_diameters_of_their_own_and_json(folders, tmp_path):
    sets = ["--set", f"{folders / 'one'}:120", "--set", f"{folders / 'two'}:90:4.5"]
    result = train(tmp_path / "out", *sets, "--json", "--preprocess", "none", "--tiles", "crops")
    said = json.loads(result.stdout)
    assert said["settings"]["sampling"] == "crops"
    assert said["fit"]["preprocess"]["chain"] == "none"
    assert len(said["fit"]["micrographs"]) + len(said["fit"]["held_out"]) == 3


@pytest.mark.slow
def test_the_published_preset_is_the_published_network(folders, tmp_path):
    result = train(tmp_path / "out", folders / "one/m0.mrc", "--diameter", "120", "--preset", "paper", "--json")
    said = json.loads(result.stdout)["fit"]
    assert said["layers"]["encoder"] == {"width": 192, "depth": 14, "heads": 1, "mlp_ratio": 2.0}
    assert said["preprocess"]["chain"] == "paper"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no micrographs given"),
        (["ONE"], "give --diameter"),
        (["--diameter", "120"], "--set has its own"),
        (["ONE", "--diameter", "0"], "--diameter must be"),
        (["ONE", "--diameter", "120", "--minutes", "3"], "not both"),
        (["ONE", "--diameter", "120", "--batch", "0"], "--batch must be"),
        (["--set", "ONE"], "FOLDER:DIAMETER"),
        (["--set", "ONE:-5"], "--diameter must be"),
        (["--set", "nowhere:120"], "nowhere: no such file"),
        (["ONE", "--diameter", "120", "--from", "nowhere"], "nowhere: no such file"),
        (["ONE", "--diameter", "120", "--device", "cuda:99"], "cuda:99"),
        (["ONE", "--diameter", "120", "--device", "cuda", "--devices", "99"], "--devices 99: CUDA devices found"),
        (["ONE", "--diameter", "120", "--device", "cuda:0", "--devices", "2"], "that is one device"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_before_any_work(folders, tmp_path, words, said):
    result = train(tmp_path / "out", *(word.replace("ONE", str(folders / "one")) for word in words))
    assert result.exit_code == 2
    complaint = [line for line in result.stderr.splitlines() if line.startswith("cryoglean: ")]
    assert len(complaint) == 1
    assert said in complaint[0]
    assert not (tmp_path / "out").exists()


def test_several_devices_without_lightning_fabric_are_refused_with_the_remedy(folders, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    monkeypatch.delitem(sys.modules, "cryoglean.scale.fabric_group", raising=False)
    result = train(tmp_path / "out", folders / "one", "--diameter", "120", "--device", "cpu", "--devices", "2")
    assert result.exit_code == 2
    (complaint,) = result.stderr.splitlines()
    assert "--devices 2" in complaint
    assert "pip install 'cryoglean[multi]'" in complaint
    assert not (tmp_path / "out").exists()


def test_a_colon_in_a_folders_name_is_part_of_it(folders, tmp_path):
    (tmp_path / "a:b").mkdir()
    (tmp_path / "a:b/m.mrc").write_bytes((folders / "one/m0.mrc").read_bytes())
    assert train(tmp_path / "out", "--set", f"{tmp_path / 'a:b'}:120").exit_code == 0


@pytest.mark.slow
def test_pick_prepares_micrographs_as_the_weights_were_trained_and_others_start_from_them(folders, tmp_path):
    for path in (folders / "one").iterdir():
        with mrcfile.new(tmp_path / path.name, gaussian_filter(mrcfile.read(path), 6.0)) as file:
            file.voxel_size = 4.0
    weights = tmp_path / "MAE/weights.safetensors"
    result = train(tmp_path / "MAE", tmp_path / "*.mrc", "--diameter", "120")
    assert result.exit_code == 0, result.output
    assert "prepared with --preprocess none" in result.stderr
    words = ["pick", tmp_path / "*.mrc", "--method", "emmae", "--model", weights, "--diameter", "120", "--cpus", "1"]
    picked = CliRunner().invoke(app, [str(word) for word in (*words, "--out", tmp_path / "out", "--json")])
    assert picked.exit_code in (0, 6), picked.output
    assert json.loads(picked.stdout)["fit"]["chain"] == "none"
    again = train(tmp_path / "more", tmp_path / "*.mrc", "--diameter", "120", "--from", weights)
    assert again.exit_code == 0, again.output
    assert read_emmae(tmp_path / "more/weights.safetensors").facts.preprocess.chain == "none"
