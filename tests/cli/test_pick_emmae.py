"""`cryoglean pick --method emmae`, as a user meets it."""

import json

import mrcfile
import pytest
from tests.fields import particle_field
from tests.small_emmae import trained, untrained
from typer.testing import CliRunner

from cryoglean.cli.main import app
from cryoglean.pickers.emmae.network_files import write_emmae

BASE = ["--diameter", "42", "--pixel-size", "1.4", "--cpus", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emmae")
    (folder / "images").mkdir()
    for seed in range(2):
        mrcfile.write(folder / f"images/m{seed}.mrc", particle_field((260, 300), n=24, noise=0.7, seed=seed).image)
    write_emmae(folder / "weights.safetensors", untrained("default"))
    return folder


def pick(root, out, *words):
    words = ["pick", root / "images", *BASE, "--out", out, *words]
    return CliRunner().invoke(app, [str(word).replace("MODEL", str(root / "weights.safetensors")) for word in words])


@pytest.mark.slow
def test_a_network_that_is_given_picks_and_says_what_was_learned(root, tmp_path):
    write_emmae(tmp_path / "weights.safetensors", trained())
    words = ("--method", "emmae", "--model", tmp_path / "weights.safetensors")
    result = pick(root, tmp_path / "out", *words, "--json", "-v")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["picks"] > 30
    assert said["fit"]["preset"] == "default"
    assert "weights_sha256" in said["settings"]
    assert "candidates" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preprocess", "none"], "--preprocess none: has no effect with --method auto"),
        (
            ["--reference-mask", "m0.png"],
            "--reference-mask m0.png: has no effect with --method auto --preset default",
        ),
        (["--preset", "paper", "--reference-mask", "m0.png"], "has no effect with --method localpicker"),
        (["--model", "MODEL"], "has no effect with --method auto"),
        (["--method", "emmae", "--reference-mask", "m0.png"], "has no effect with --method emmae --preset default"),
        (["--method", "emmae", "--model", "nowhere"], "nowhere: no such file"),
        (["--method", "emmae", "--model", "MODEL", "--preprocess", "none"], "images of --preprocess default, not none"),
        (["--method", "emmae", "--model", "MODEL", "--preset", "paper"], "was trained with --preset default"),
        (
            ["--method", "emmae", "--preset", "paper", "--threshold", "0.4"],
            "--threshold 0.4: has no effect with --method emmae --preset paper",
        ),
        (["--method", "emmae", "--preset", "paper", "--reference-mask", "nowhere.png"], "nowhere.png"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_before_any_work(root, tmp_path, words, said):
    result = pick(root, tmp_path / "out", *words)
    assert result.exit_code == 2
    complaint = [line for line in result.stderr.splitlines() if line.startswith("cryoglean: ")]
    assert len(complaint) == 1
    assert said in complaint[0]
    assert not (tmp_path / "out").exists()
