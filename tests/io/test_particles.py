"""Stacks and particles STAR: round trips, another program's reading of them, and files that are not what they say."""

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile

from cryoglean.errors import TableError
from cryoglean.io.mrc_stack import read_stack
from cryoglean.io.particles import (
    ParticleTable,
    read_particles,
    write_particles,
    write_stack,
)

IMAGES = np.random.default_rng(0).normal(size=(7, 12, 12)).astype(np.float32)


def table(names, group="1", size="2.0", **more):
    optics = pd.DataFrame(
        [{"rlnOpticsGroupName": "g", "rlnOpticsGroup": group, "rlnImagePixelSize": size, **more}], dtype=object
    )
    columns = {
        "rlnCoordinateX": [f"{10.5 + i}" for i in range(len(names))],
        "rlnCoordinateY": ["20.0"] * len(names),
        "rlnOriginXAngst": ["1.5"] * len(names),
        "rlnOriginYAngst": ["-3"] * len(names),
        "rlnImageName": list(names),
        "rlnMicrographName": ["a.mrc"] * len(names),
        "rlnOpticsGroup": [group] * len(names),
    }
    return ParticleTable(optics, pd.DataFrame(columns, dtype=object))


@pytest.mark.parametrize(("float16", "mode", "exact"), [(False, 2, 0.0), (True, 12, 2e-3)])
def test_a_stack_reads_back_and_mrcfile_finds_nothing_wrong_with_it(tmp_path, float16, mode, exact):
    path = tmp_path / "deep" / "a.mrcs"
    assert write_stack(path, iter([IMAGES[:3], IMAGES[3:3], IMAGES[3:]]), 1.5, float16=float16) == 7
    assert mrcfile.validate(path)
    with mrcfile.open(path) as stack:
        assert stack.is_image_stack()
        assert int(stack.header.mode) == mode
        assert float(stack.voxel_size.x) == pytest.approx(1.5)
        assert float(stack.header.rms) == pytest.approx(IMAGES.std(), rel=1e-3)
    np.testing.assert_allclose(read_stack(path), IMAGES, atol=exact * 4)
    np.testing.assert_allclose(read_stack(path, [6, 0]), IMAGES[[6, 0]], atol=exact * 4)


def test_nothing_is_written_where_there_is_nothing(tmp_path):
    assert write_stack(tmp_path / "a.mrcs", [], 1.5) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    def chunks():
        yield IMAGES
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_stack(tmp_path / "a.mrcs", chunks(), 1.5)
    assert list(tmp_path.iterdir()) == []


def test_starfile_reads_what_is_written(tmp_path):
    write_particles(tmp_path / "p.star", table(["1@a.mrcs", "2@a.mrcs"]), ["a note"])
    tables = starfile.read(tmp_path / "p.star", always_dict=True)
    assert list(tables["particles"]["rlnImageName"]) == ["1@a.mrcs", "2@a.mrcs"]
    assert float(tables["optics"]["rlnImagePixelSize"].iloc[0]) == 2


def test_a_micrographs_star_is_not_a_particles_star(tmp_path):
    (tmp_path / "m.star").write_text("data_micrographs\nloop_\n_rlnMicrographName\na.mrc\n")
    with pytest.raises(TableError, match="not a STAR file of particles"):
        read_particles(tmp_path / "m.star")


@pytest.mark.parametrize("name", ["Particles", "model_class_1", "PARTICLES", "images"])
def test_a_table_of_particles_may_have_another_name(tmp_path, name):
    (tmp_path / "a.star").write_text(f"data_{name}\nloop_\n_rlnImageName\n_rlnCoordinateX\n1@a.mrcs 5\n")
    assert read_particles(tmp_path / "a.star").particles["rlnCoordinateX"].to_list() == ["5"]


def test_two_tables_of_particles_of_other_names_and_those_of_tomography_are_refused(tmp_path):
    table = "data_model_class_{}\nloop_\n_rlnImageName\n1@a.mrcs\n"
    for text, reason in (
        (table.format(1) + table.format(2), "no one table"),
        ("data_x\n_rlnTomoName a\n", "tomography"),
    ):
        (tmp_path / "a.star").write_text(text)
        with pytest.raises(TableError, match=reason):
            read_particles(tmp_path / "a.star")
