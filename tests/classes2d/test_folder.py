"""The folder of a classification: what is written is what is read, here and by RELION."""

import shutil
import subprocess

import mrcfile
import numpy as np
import pytest
import starfile

from cryoglean.classes2d.classification import Assignments, Classes, Classification
from cryoglean.classes2d.folder import is_complete, read_classification, write_classification
from cryoglean.classes2d.progress import Iteration
from cryoglean.classes2d.reading import read_usable
from cryoglean.errors import TableError
from cryoglean.io.star import read_star
from particle_stacks import DEFOCUS, MICROSCOPE, PIXEL, particles, write_project

BOX, N, K = 24, 30, 3
FILES = ("particles.star", "model.star", "classes.mrcs", "classes_uncorrected.mrcs")


def made_up(seed=0):
    rng = np.random.default_rng(seed)
    index = rng.integers(0, K - 1, N)  # the last class is empty
    placed = Assignments(
        index, rng.uniform(-180, 180, N), rng.normal(0, 5, (N, 2)), rng.uniform(0, 1, N), rng.uniform(0, 1, N)
    )
    averages, plain = rng.normal(size=(2, K, BOX, BOX)).astype(np.float32)
    correlation, ssnr = rng.uniform(-1, 1, (K, BOX // 2 + 1)), rng.exponential(9, (K, BOX // 2 + 1))
    counts = np.bincount(index, minlength=K)
    classes = Classes(averages, plain, counts, np.array([12.5, 9.75, np.inf]), correlation, ssnr)
    return Classification(classes, placed, 2.123456789, ("no CTF", "a second: note"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images, _ = particles(N)
    write_project(tmp_path, images, None, MICROSCOPE, "9000 9000 0", DEFOCUS)
    return tmp_path


@pytest.fixture
def table(project):
    return read_usable(project / "particles.star").table


def test_what_is_written_is_what_is_read(project, table):
    written = made_up()
    write_classification(project / "out", written, table)
    read, again = read_classification(project / "out")
    for part in ("classes", "particles"):
        for name, value in vars(getattr(written, part)).items():
            np.testing.assert_allclose(getattr(getattr(read, part), name), value, rtol=1e-7, atol=1e-6, err_msg=name)
    assert read.pixel_size_angstrom == pytest.approx(written.pixel_size_angstrom, rel=1e-8)
    assert read.notes == written.notes
    assert again.optics.to_dict("list") == table.optics.to_dict("list")
    assert again.particles[list(table.particles.columns)].to_dict("list") == table.particles.to_dict("list")


def test_what_is_read_is_written_again_bit_by_bit(project, table):
    write_classification(project / "a", made_up(), table)
    write_classification(project / "b", *read_classification(project / "a"))
    for name in ("particles.star", "classes.mrcs", "classes_uncorrected.mrcs", "classes.csv"):
        assert (project / "a" / name).read_bytes() == (project / "b" / name).read_bytes()


def test_earlier_classes_and_origins_are_replaced_and_not_doubled(project, table):
    table.particles["rlnClassNumber"], table.particles["rlnOriginXAngst"] = "9", "99"
    write_classification(project / "out", made_up(), table)
    found = read_star(project / "out" / "particles.star")["particles"]
    np.testing.assert_array_equal(found["rlnClassNumber"].astype(int) - 1, made_up().particles.class_index)


def test_tables_to_look_at_hold_the_same_numbers(project, table):
    iterations = [Iteration(1, 2, np.inf, 1.0, 0), Iteration(2, 2, 12.5, 0.25, 1, -1234.5, 40)]
    write_classification(project / "out", made_up(), table, iterations)
    rows = [line.split(",") for line in (project / "out" / "classes.csv").read_text().splitlines()]
    assert rows[0] == ["class", "particles", "share_percent", "resolution_angstrom", "percent_per_resolution"]
    counts = made_up().classes.counts
    assert [int(row[1]) for row in rows[1:]] == list(counts)
    assert float(rows[1][4]) == pytest.approx(100 * counts[0] / N / 12.5, abs=1e-6)
    assert rows[3][3:] == ["inf", "0.000000"]
    told = (project / "out" / "iterations.csv").read_text().splitlines()
    assert told[1:] == ["1,inf,100.0000,0,,", "2,12.5000,25.0000,1,-1234.5,40"]


def test_other_programs_read_the_same(project, table):
    write_classification(project / "out", made_up(), table)
    model = starfile.read(project / "out" / "model.star")
    np.testing.assert_allclose(model["model_classes"]["rlnEstimatedResolution"], [12.5, 9.75, np.inf])
    np.testing.assert_allclose(model["model_class_2"]["rlnSsnrMap"], made_up().classes.signal_to_noise[1], rtol=1e-8)
    with mrcfile.open(project / "out" / "classes.mrcs") as stack:
        assert float(stack.voxel_size.x) == pytest.approx(2.123456789)
        assert stack.data.shape == (K, BOX, BOX)


def test_a_folder_is_complete_when_its_last_file_is_there(project, table, monkeypatch):
    write_classification(project / "out", made_up(), table)
    assert is_complete(project / "out")
    monkeypatch.setattr("cryoglean.classes2d.folder.write_particles", fail)
    with pytest.raises(OSError, match="disk full"):
        write_classification(project / "out", made_up(1), table)
    assert not is_complete(project / "out")


def fail(*_):
    raise OSError("disk full")


def test_rows_of_other_particles_are_refused(project, table):
    with pytest.raises(ValueError, match="29 rows for 30 particles"):
        write_classification(project / "out", made_up(), table._replace(particles=table.particles.iloc[1:]))
    assert not (project / "out").exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("left", [None, 0, 0.3])
def test_missing_and_cut_files_are_refused(project, table, name, left):
    write_classification(project / "out", made_up(), table)
    path = project / "out" / name
    if left is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: int(left * path.stat().st_size)])
    with pytest.raises(TableError, match=str(project / "out")):
        read_classification(project / "out")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("model.star", "data_model_general", "data_other"),
        ("model.star", "data_model_class_2", "data_other"),
        ("model.star", "rlnEstimatedResolution", "rlnOther"),
        ("model.star", "12.5", "twelve"),
        ("particles.star", "rlnParticleFigureOfMerit", "rlnOther"),
        ("particles.star", "rlnClassNumber", "rlnOther"),
    ],
)
def test_files_that_do_not_say_what_they_should_are_refused(project, table, name, old, new):
    write_classification(project / "out", made_up(), table)
    path = project / "out" / name
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(TableError, match=name):
        read_classification(project / "out")


def test_files_of_different_runs_do_not_pass_for_one(project, table):
    write_classification(project / "out", made_up(), table)
    shutil.copy(project / "Extract" / "a.mrcs", project / "out" / "classes.mrcs")
    with pytest.raises(TableError, match="do not go with"):
        read_classification(project / "out")


def relion(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("relion_refine") is None, reason="relion_refine is not on PATH (Debian package relion)"
)
def test_relion_s_own_tools_read_it(project, table):
    write_classification(project / "out", made_up(), table)
    index = made_up().particles.class_index
    select = ["--select", "rlnClassNumber", "--minval", 2, "--maxval", 2]
    relion("relion_star_handler", "--i", "out/particles.star", "--o", "second.star", *select)
    second = read_star(project / "second.star")["particles"]
    kept = [f"{n + 1:06d}@Extract/a.mrcs" for n in np.flatnonzero(index == 1)]
    assert sorted(second["rlnImageName"]) == sorted(kept)
    np.testing.assert_allclose(
        np.sort(second["rlnAnglePsi"].astype(float)), np.sort(made_up().particles.psi_degrees[index == 1]), atol=1e-4
    )
    relion("relion_stack_create", "--i", "out/particles.star", "--o", "stacked")
    assert mrcfile.read(project / "stacked.mrcs").shape == (N, BOX, BOX)
    stats = relion("relion_image_handler", "--i", "out/classes.mrcs", "--stats")
    assert stats.count("24 x 24 x 1") == K
    assert stats.count("angpix = 2.12346") == K


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("relion_refine") is None, reason="relion_refine is not on PATH (Debian package relion)"
)
def test_relion_takes_particles_and_classes_as_a_start(project, table):
    """`model.star` as references, and the aligned particles: classified again without a search."""
    written = made_up()
    write_classification(project / "out", Classification(written.classes, written.particles, PIXEL), table)
    words = ["relion_refine", "--i", "out/particles.star", "--ref", "out/model.star", "--K", K, "--o", "out/again"]
    relion(*words, "--iter", 1, "--particle_diameter", 88, "--skip_align", "--ctf", "--dont_check_norm", "--pad", 1)
    found = read_star(project / "out" / "again_it001_data.star")["particles"]
    of_name = dict(zip(table.particles["rlnImageName"], written.particles.psi_degrees, strict=True))
    assert len(found) == N
    for name, psi in zip(found["rlnImageName"], found["rlnAnglePsi"], strict=True):
        assert float(psi) == pytest.approx(of_name[name], abs=1e-3)
