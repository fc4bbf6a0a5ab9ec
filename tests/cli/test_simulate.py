"""`cryoglean simulate` as a user meets it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from cryoglean.cli.main import guarded
from cryoglean.cli.simulate import simulate

app = typer.Typer()
app.command()(guarded(simulate))
SMALL = ["--model", "test:480kDa:O", "--micrographs", "2", "--particles", "8", "--size", "203x240", "--pixel-size", "4"]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_it_says_what_it_made_and_where(tmp_path):
    result = run(*SMALL, "--out", tmp_path / "SIM", "--cpus", 1)
    assert result.exit_code == 0
    assert "16 particles in 2 micrographs" in result.stdout
    assert "480 kDa" in result.stderr
    assert "[2/2] micrographs/simulated_00002.mrc" in result.stderr


def test_json_on_standard_output_is_all_there_is(tmp_path):
    result = run(
        *SMALL,
        "--out",
        tmp_path / "SIM",
        "--cpus",
        1,
        "--json",
        "--noise",
        "high",
        "--nuisances",
        "some",
        "--carbon",
        0,
    )
    said = json.loads(result.stdout)
    assert said["micrographs"] == 2
    assert set(said["particles"].values()) <= {7, 8}
    assert said["species"][0]["mass_kda"] == pytest.approx(480)
    assert said["settings"]["microscope"]["dose_electrons_per_square_angstrom"] == 12
    assert said["settings"]["nuisances"]["ice_blobs"] == 3
    assert said["settings"]["nuisances"]["carbon_share"] == 0


def test_it_says_when_there_is_no_room(tmp_path):
    result = run(*SMALL, "--out", tmp_path / "SIM", "--cpus", 1, "--particles", 120)
    assert "no room" in result.stdout
    assert f"cryoglean evaluate {tmp_path / 'SIM-picks'} {tmp_path / 'SIM/truth'} --diameter" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dose", "-1"], "--dose must be"),
        (["--dose", "nan"], "--dose must be"),
        (["--pixel-size", "0"], "--pixel-size must be"),
        (["--model", "nowhere.cif"], "nowhere.cif"),
        (["--size", "12"], "--size"),
        (["--size", "0x100"], "--size must be between 16 and 32,768 (got 0)"),
        (["--defocus", "20000"], "--defocus"),
        (["--defocus", "20000,1000"], "least first"),
        (["--amplitude-contrast", "1.5"], "--amplitude-contrast must be"),
        (["--b-factor", "-5"], "--b-factor must be"),
        (["--ice", "-5"], "--ice must be"),
        (["--particles", "-5"], "--particles must be"),
        (["--gold-beads", "-5"], "--gold-beads must be"),
        (["--carbon", "2"], "--carbon must be"),
        (["--shares", "1,2"], "shares"),
        (["--shares", "a"], "--shares"),
        (["--seed", "-1"], "--seed must be"),
        (["--voltage", "0"], "--voltage must be"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_before_any_work(tmp_path, words, said):
    result = run(*SMALL, "--out", tmp_path / "SIM", "--cpus", 1, *words)
    assert result.exit_code == 2
    complaint = result.stderr.strip().splitlines()
    assert len(complaint) == 1
    assert said in complaint[0]
    assert not (tmp_path / "SIM").exists()
