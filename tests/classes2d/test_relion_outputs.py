"""What RELION leaves is read by names: the order of columns, rows and versions plays no part."""

import numpy as np
import pytest

from cryoglean.classes2d.relion.files import read_relion_run
from cryoglean.classes2d.relion.outputs import RelionRun
from cryoglean.errors import TableError
from relion_runs import made_up, write_run

RUN = made_up()
NAMES = RUN["rows"]["rlnImageName"]


def read(folder, run=RUN, names=NAMES, **how):
    write_run(folder, 2, run, **how)
    return RelionRun(folder).read(2, names)


def same(a, b):
    for part in ("classes", "particles"):
        for name, value in vars(getattr(a, part)).items():
            np.testing.assert_array_equal(value, getattr(getattr(b, part), name), err_msg=name)
    assert a.pixel_size_angstrom == b.pixel_size_angstrom


def test_numbers_are_those_of_the_files(tmp_path):
    found, rows = read(tmp_path), RUN["rows"]
    np.testing.assert_array_equal(found.particles.class_index + 1, rows["rlnClassNumber"])
    np.testing.assert_array_equal(found.particles.psi_degrees, rows["rlnAnglePsi"])
    np.testing.assert_array_equal(found.particles.shift_angstrom[:, 1], rows["rlnOriginYAngst"])
    np.testing.assert_array_equal(found.classes.averages, RUN["stack"])
    np.testing.assert_array_equal(found.classes.counts, [5, 5, 0])
    np.testing.assert_array_equal(found.classes.resolution_angstrom, [12.5, np.inf, np.inf])
    np.testing.assert_allclose(found.classes.signal_to_noise, RUN["ssnr"])
    np.testing.assert_allclose(found.classes.ring_correlation, RUN["ssnr"] / (1 + RUN["ssnr"]))


@pytest.mark.parametrize("version", [30001, 40001, 50001])
@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_columns_and_particles_says_the_same(tmp_path, version, seed):
    shuffled = read(tmp_path / "b", version=version, shuffled=np.random.default_rng(seed))
    same(shuffled, read(tmp_path / "a"))


def test_particles_come_in_the_order_that_is_asked_for(tmp_path):
    order = np.random.default_rng(1).permutation(len(NAMES))
    straight, turned = read(tmp_path), RelionRun(tmp_path).read(2, [NAMES[n] for n in order])
    np.testing.assert_array_equal(turned.particles.psi_degrees, straight.particles.psi_degrees[order])
    np.testing.assert_array_equal(turned.particles.quality, straight.particles.quality[order])


def test_quality_ranks_within_a_class_and_is_never_above_the_probability(tmp_path):
    particles = read(tmp_path).particles
    likelihood = np.array(RUN["rows"]["rlnLogLikeliContribution"])
    assert (particles.quality <= particles.posterior).all()
    for k in (0, 1):
        rows = np.flatnonzero(particles.class_index == k)
        best = rows[likelihood[rows].argmax()]
        assert particles.quality[best] == particles.posterior[best]


def test_an_image_that_is_there_twice_is_two_particles(tmp_path):
    run = made_up()
    run["rows"]["rlnImageName"] = [NAMES[0], NAMES[0], *NAMES[2:]]
    found = read(tmp_path, run, run["rows"]["rlnImageName"])
    np.testing.assert_array_equal(found.particles.psi_degrees, run["rows"]["rlnAnglePsi"])


def test_averages_that_are_no_numbers_are_empty(tmp_path):
    run = made_up()
    run["stack"] = np.where(np.arange(3)[:, None, None] == 2, np.float32("nan"), run["stack"])
    with pytest.warns(RuntimeWarning, match="NaN"):  # of the writer
        assert (read(tmp_path, run).classes.averages[2] == 0).all()


def test_an_iteration_is_summed_up(tmp_path):
    write_run(tmp_path, 2, RUN)
    told, now = RelionRun(tmp_path).progress(2, 25, NAMES, None)
    assert (told.number, told.total, told.resolution_angstrom, told.empty) == (2, 25, 11.5, 1)
    assert (told.changed, told.likelihood) == (1.0, 1234.5)
    before = np.where(np.arange(10) < 3, 2, now)
    assert RelionRun(tmp_path).progress(2, 25, NAMES, before)[0].changed == pytest.approx(0.3)


def test_a_job_of_relion_s_own_is_read_with_its_table(tmp_path):
    expected = read(tmp_path)
    found, table = read_relion_run(tmp_path / "run_it002_optimiser.star")
    same(found, expected)
    assert list(table.particles["rlnImageName"]) == NAMES


def without(name, column):
    def change(run):
        del run[name][column]

    return change


def put(name, column, value):
    def change(run):
        run[name][column] = [value] * len(run[name][column])

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("rows", "rlnClassNumber"), "rlnClassNumber"),
        (without("rows", "rlnImageName"), "rlnImageName"),
        (without("classes", "rlnReferenceImage"), "rlnReferenceImage"),
        (without("classes", "rlnEstimatedResolution"), "rlnEstimatedResolution"),
        (put("rows", "rlnClassNumber", 9), "class 9 of 3"),
        (put("rows", "rlnClassNumber", 0), "without a class"),
        (put("rows", "rlnAnglePsi", "turned"), "turned"),
        (put("rows", "rlnImageName", "000001@Extract/a.mrcs"), "10 of 10 particles|particles are in it"),
        (put("classes", "rlnReferenceImage", "000009@c.mrcs"), "stack of 3"),
        (lambda run: run.update(ssnr=run["ssnr"][:2]), "model_class_3"),
    ],
)
def test_broken_files_are_refused_and_named(tmp_path, change, said):
    run = made_up()
    change(run)
    with pytest.raises(TableError, match=said) as caught:
        read(tmp_path, run)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("what", ["model.star", "data.star", "classes.mrcs"])
@pytest.mark.parametrize("left", [None, 0, 0.5])
def test_missing_and_cut_files_are_refused(tmp_path, what, left):
    write_run(tmp_path, 2, RUN)
    path = RelionRun(tmp_path).path(2, what)
    if left is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: int(left * path.stat().st_size)])
    with pytest.raises(TableError):
        RelionRun(tmp_path).read(2, NAMES)


def test_origins_in_pixels_are_not_taken_for_angstrom(tmp_path):
    run = made_up()
    run["rows"]["rlnOriginX"] = run["rows"].pop("rlnOriginXAngst")
    with pytest.raises(TableError, match="relion_convert_star"):
        read(tmp_path, run)
