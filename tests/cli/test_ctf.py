"""`cryoglean ctf` as a user meets it."""

import json
import shutil

import mrcfile
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cryoglean.cli.ctf import ctf
from cryoglean.cli.extract import extract
from cryoglean.cli.main import guarded
from cryoglean.ctf.model import ctf_of
from cryoglean.io.coordinates import write_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.particles import read_particles
from cryoglean.io.star import read_star
from cryoglean.picks import Picks
from synthetic_ctf import micrograph

app = typer.Typer()
for command in (ctf, extract):
    app.command()(guarded(command))


def cryoglean(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def write(path, image, pixel=1.5):
    with mrcfile.new(path) as file:
        file.set_data(image)
        file.voxel_size = pixel


@pytest.fixture(scope="module")
def set_of_three(tmp_path_factory):
    """Two micrographs with rings and one without."""
    folder = tmp_path_factory.mktemp("micrographs")
    write(folder / "a.mrc", micrograph(9500, 9000, 30, shape=(600, 700), snr=0.4, b_factor=20))
    write(folder / "b.mrc", micrograph(15000, 14200, -40, shape=(600, 700), snr=0.4, b_factor=20))
    write(folder / "noise.mrc", np.random.default_rng(0).standard_normal((600, 700)).astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def done(set_of_three, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    result = cryoglean("ctf", set_of_three, "--out", out, "--cpus", 1, "--subset", 2, "--defocus-range", "10000,20000")
    return out, result


def test_it_writes_what_relion_calls_a_ctf_and_says_where(done):
    out, result = done
    assert result.exit_code == 3
    assert str(out / "micrographs_ctf.star") in result.stdout
    tables = read_star(out / "micrographs_ctf.star")
    assert {"optics", "micrographs"} == set(tables)
    assert float(tables["optics"]["rlnVoltage"][0]) == 300
    rows = tables["micrographs"]
    np.testing.assert_allclose(rows["rlnDefocusU"].astype(float), [9500, 15000], rtol=0.02)
    np.testing.assert_allclose(rows["rlnDefocusV"].astype(float), [9000, 14200], rtol=0.02)
    np.testing.assert_allclose(rows["rlnDefocusAngle"].astype(float), [30, -40], atol=5)
    assert (rows["rlnCtfMaxResolution"].astype(float) < 5).all()


def test_it_reads_back_as_micrographs_with_a_ctf(done):
    out, _ = done
    found = [ctf_of(file) for file in find_micrographs([out / "micrographs_ctf.star"])]
    assert [round(c.defocus_angstrom, -3) for c in found] == [9000, 15000]


def test_where_there_are_no_rings_it_says_so_instead_of_a_number(done):
    out, result = done
    assert "noise.mrc" in (out / "rejected.csv").read_text()
    assert "no Thon rings found" in result.stderr


def test_pictures_and_selections_are_written(done):
    out, _ = done
    assert sorted(p.name for p in (out / "plots").iterdir()) == ["a.png", "b.png", "noise.png"]
    selected, subset = (find_micrographs([out / f"micrographs_{what}.star"]) for what in ("selected", "subset"))
    assert [f.path.stem for f in selected] == ["b"]
    assert {f.path.stem for f in subset} == {"a", "b"}


def test_a_second_run_estimates_only_what_is_missing_and_can_select_anew(done, set_of_three, tmp_path):
    out = tmp_path / "again"
    shutil.copytree(done[0], out)
    before = (out / "micrographs_ctf.star").read_bytes()
    result = cryoglean("ctf", set_of_three, "--out", out, "--cpus", 1, "--resolution-limit", 0.5)
    assert "2 of 3 micrographs done already" in result.stderr
    assert "0 of 2 micrographs selected" in result.stderr
    assert (out / "micrographs_ctf.star").read_bytes() == before
    assert not (out / "micrographs_selected.star").exists()


def test_what_a_star_file_knows_is_taken_and_not_estimated(done, tmp_path):
    out, _ = done
    result = cryoglean("ctf", out / "micrographs_ctf.star", "--out", tmp_path / "taken", "--json", "--cpus", 1)
    assert result.exit_code == 0
    assert sorted(json.loads(result.stdout)["known"]) == [
        str(f.key) for f in find_micrographs([out / "micrographs_ctf.star"])
    ]
    assert "it is taken" in result.stderr
    old, new = (read_star(o / "micrographs_ctf.star")["micrographs"] for o in (out, tmp_path / "taken"))
    assert list(old["rlnDefocusU"]) == list(new["rlnDefocusU"])


def test_extraction_takes_phases_from_what_was_found(done, set_of_three, tmp_path):
    """From a folder of micrographs to its CTF to flipped boxes: picks are matched by the micrograph's name."""
    for stem in ("a", "noise"):
        picks = Picks([200, 350.5], [300, 250.25], [0.9, 0.5], "probability")
        write_picks(tmp_path / "out" / "picks" / f"{stem}_autopick.star", picks, f"{stem}.mrc")
    words = ["extract", tmp_path / "out", "--micrographs", done[0] / "micrographs_ctf.star", "--phase-flip"]
    result = cryoglean(*words, "--box-size-px", 96, "--out", tmp_path / "boxes", "--cpus", 1)
    assert result.exit_code == 0
    table = read_particles(tmp_path / "boxes" / "particles.star")
    np.testing.assert_allclose(table.particles["rlnDefocusU"].astype(float), [9500, 9500], rtol=0.02)
    assert list(table.optics["rlnCtfDataArePhaseFlipped"]) == ["1"]


def test_a_movie_is_refused_with_the_program_to_run_first(tmp_path):
    (tmp_path / "m").mkdir()
    write(tmp_path / "m" / "movie.mrc", np.random.default_rng(0).standard_normal((5, 128, 128)).astype(np.float32))
    result = cryoglean("ctf", tmp_path / "m", "--out", tmp_path / "out", "--pixel-size", 1.5, "--cpus", 1)
    assert result.exit_code == 4
    assert "relion_run_motioncorr" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--voltage", "3"], "--voltage must be between 20 and 3,000 (got 3)"),
        (["--cs", "99"], "99"),
        (["--min-defocus", "9000", "--max-defocus", "8000"], "--min-defocus 9000"),
        (["--defocus-range", "9000"], "two numbers"),
        (["--defocus-range", "9000,1"], "first must be below"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(set_of_three, tmp_path, words, said):
    result = cryoglean("ctf", set_of_three, "--out", tmp_path / "out", *words)
    assert result.exit_code == 2
    (complaint,) = [line for line in result.stderr.splitlines() if line.startswith("cryoglean: ")]
    assert said in complaint
    assert not (tmp_path / "out").exists()


def test_a_pixel_size_that_nobody_knows_is_asked_for_before_any_work(tmp_path):
    (tmp_path / "m").mkdir()
    write(tmp_path / "m" / "a.mrc", np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32), 0)
    result = cryoglean("ctf", tmp_path / "m", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "--pixel-size" in result.stderr
