"""The files by which RELION finds our coordinates: tables, columns and paths."""

from pathlib import Path

import pytest

from cryoglean.ctf.model import ctf_of
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.relion import write_autopick_star, write_coords_suffix, write_micrographs_star
from cryoglean.io.relion_project import pipeline_stem
from cryoglean.io.star import read_star
from cryoglean.micrograph import MicrographFile

OPTICS = {
    "rlnOpticsGroupName": "grid1",
    "rlnOpticsGroup": "1",
    "rlnMicrographPixelSize": "0.885",
    "rlnVoltage": "300.000000",
    "rlnSphericalAberration": "2.7",
    "rlnAmplitudeContrast": "0.1",
}
CTF = {"rlnDefocusU": "15000.1", "rlnDefocusV": "14800.2", "rlnDefocusAngle": "12.5", "rlnCtfMaxResolution": "4.2"}


def micrograph(name, optics=None, **row):
    optics = OPTICS if optics is None else optics
    row = {"rlnMicrographName": name, **({"rlnOpticsGroup": optics["rlnOpticsGroup"]} if optics else {}), **row}
    return MicrographFile(Path(name), name, pipeline_stem(name), 0.885, row, optics)


def written(tmp_path, files):
    write_micrographs_star(tmp_path / "m.star", files)
    tables = read_star(tmp_path / "m.star")
    assert list(tables) == ["optics", "micrographs"]
    return tables["optics"].to_dict("records"), tables["micrographs"].to_dict("records")


@pytest.mark.parametrize(
    ("name", "stem"),
    [  # the right-hand sides are where relion_preprocess 3.1.3 was seen to look
        ("MotionCorr/job002/Movies/a.mrc", "Movies/a"),
        ("MotionCorr/job002/x/job003/y/a.mrc", "x/job003/y/a"),
        ("./MotionCorr/job002/q/a.mrc", "q/a"),
        ("/home/me/project/MotionCorr/job002/q/a.mrc", "q/a"),
        ("job005/Movies/b.mrc", "Movies/b"),
        ("sub/job1234/M/c.x.mrc", "M/c.x"),
        ("P/job002x/z/a.mrc", "z/a"),
        ("P/job12/a.mrc", "P/job12/a"),
        ("P/xjob002/z/a.mrc", "P/xjob002/z/a"),
        ("P/Job002/z/a.mrc", "P/Job002/z/a"),
        ("P/job00200/job003/r.mrc", "job003/r"),
        ("raw/q/a.tif", "raw/q/a"),
        ("/raw/a.mrc", "raw/a"),
        ("May08_03.13.02.mrc", "May08_03.13.02"),
        ("a.mrc.gz", "a"),
    ],
)
def test_the_place_below_a_job_is_relions(name, stem):
    assert pipeline_stem(name) == stem


def test_autopick_star_is_the_table_that_relion_4_and_5_extract_from(tmp_path):
    names = ["MotionCorr/job002/Movies/a.mrc", "MotionCorr/job002/Movies/0042.mrc"]
    job = "AutoPick/job010/"
    write_autopick_star(tmp_path / "autopick.star", [(n, f"{job}{pipeline_stem(n)}_autopick.star") for n in names])
    text = (tmp_path / "autopick.star").read_text()
    assert [line for line in text.splitlines() if line.startswith(("#", "data_", "_"))] == [
        "# version 30001",
        "data_coordinate_files",
        "_rlnMicrographName #1",
        "_rlnMicrographCoordinates #2",
    ]
    table = read_star(tmp_path / "autopick.star")["coordinate_files"]
    assert table.to_numpy().tolist() == [
        ["MotionCorr/job002/Movies/a.mrc", "AutoPick/job010/Movies/a_autopick.star"],
        ["MotionCorr/job002/Movies/0042.mrc", "AutoPick/job010/Movies/0042_autopick.star"],
    ]


def test_a_list_of_no_micrographs_is_a_header(tmp_path):
    write_autopick_star(tmp_path / "autopick.star", [])
    assert list(read_star(tmp_path / "autopick.star")["coordinate_files"].columns) == [
        "rlnMicrographName",
        "rlnMicrographCoordinates",
    ]


def test_coords_suffix_holds_the_path_of_the_micrographs(tmp_path):
    path = write_coords_suffix(tmp_path / "picks", "CtfFind/job003/micrographs_ctf.star")
    assert path == tmp_path / "picks" / "coords_suffix_autopick.star"
    assert path.read_text() == "CtfFind/job003/micrographs_ctf.star\n"


def test_optics_and_ctf_columns_come_through_as_they_were(tmp_path):
    second = {**OPTICS, "rlnOpticsGroupName": "grid 2", "rlnOpticsGroup": "7", "rlnVoltage": "200"}
    files = [micrograph("M/a.mrc", **CTF), micrograph("M/b b.mrc", second, **CTF), micrograph("M/0042.mrc", **CTF)]
    optics, rows = written(tmp_path, files)
    assert optics == [OPTICS, second]
    assert rows == [{**f.row} for f in files]


def test_groups_of_two_tables_that_share_a_number_or_a_name_stay_apart(tmp_path):
    other = {**OPTICS, "rlnVoltage": "200"}
    third = {**OPTICS, "rlnOpticsGroup": "2", "rlnMicrographPixelSize": "1.77"}
    optics, rows = written(tmp_path, [micrograph("a.mrc"), micrograph("b.mrc", other), micrograph("c.mrc", third)])
    by_number = {o["rlnOpticsGroup"]: o for o in optics}
    groups = [by_number[r["rlnOpticsGroup"]] for r in rows]
    assert [g["rlnVoltage"] for g in groups] == ["300.000000", "200", "300.000000"]
    assert [g["rlnMicrographPixelSize"] for g in groups] == ["0.885", "0.885", "1.77"]
    assert len(optics) == len({o["rlnOpticsGroup"] for o in optics}) == len({o["rlnOpticsGroupName"] for o in optics})


def test_equal_groups_of_one_table_keep_their_numbers(tmp_path):
    twin = {**OPTICS, "rlnOpticsGroup": "2", "rlnOpticsGroupName": "grid2"}
    optics, rows = written(tmp_path, [micrograph("a.mrc"), micrograph("b.mrc", twin), micrograph("c.mrc", twin)])
    assert optics == [OPTICS, twin]
    assert [r["rlnOpticsGroup"] for r in rows] == ["1", "2", "2"]


def test_the_columns_of_relion_3_0_become_an_optics_table(tmp_path):
    microscope = {"rlnVoltage": "300", "rlnSphericalAberration": "2.7", "rlnAmplitudeContrast": "0.1"}
    files = [micrograph(n, {}, **CTF, **microscope) for n in ("a.mrc", "b.mrc")]
    optics, rows = written(tmp_path, files)
    named = {"rlnOpticsGroupName": "opticsGroup1", "rlnOpticsGroup": "1", "rlnMicrographPixelSize": "0.885"}
    assert optics == [{**named, **microscope}]
    assert rows == [{"rlnMicrographName": n, "rlnOpticsGroup": "1", **CTF} for n in ("a.mrc", "b.mrc")]


def test_micrographs_that_no_table_describes_get_a_group_of_their_pixel_size(tmp_path):
    files = [MicrographFile(Path(n), n, n, size) for n, size in (("a.mrc", 1.5), ("b.mrc", 1.77), ("c.mrc", 1.5))]
    optics, rows = written(tmp_path, files)
    assert [(o["rlnOpticsGroup"], o["rlnMicrographPixelSize"]) for o in optics] == [("1", "1.5"), ("2", "1.77")]
    assert [r["rlnOpticsGroup"] for r in rows] == ["1", "2", "1"]


def test_a_micrograph_without_a_ctf_or_a_microscope_leaves_the_others_theirs(tmp_path):
    loose = MicrographFile(Path("c.mrc"), "c.mrc", "c", 0.885)
    files = [micrograph("a.mrc", **CTF, rlnPhaseShift="90"), micrograph("b.mrc", rlnDefocusU="1"), loose]
    optics, rows = written(tmp_path, files)
    assert rows[0] == {**files[0].row}
    assert optics[0] == OPTICS
    nothing = {**dict.fromkeys([*CTF, "rlnPhaseShift"], "0"), "rlnCtfMaxResolution": "999"}
    assert rows[2] == {**nothing, "rlnOpticsGroup": "2", "rlnMicrographName": "c.mrc"}
    assert (tmp_path / "m.star").read_text().startswith("# 2 of 3 micrographs have no CTF: 0 stands")
    again = find_micrographs([tmp_path / "m.star"])
    assert [ctf_of(file) is not None for file in again] == [True, False, False]
    assert [file.defocus_angstrom is not None for file in again] == [True, False, False]
    assert [file.pixel_size_angstrom for file in again] == [0.885] * 3
    assert again[2].optics.keys() & {"rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"} == set()
    write_micrographs_star(tmp_path / "again.star", again)
    assert (tmp_path / "again.star").read_text() == (tmp_path / "m.star").read_text()


def test_pixel_sizes_of_micrograph_and_movie_stand_for_each_other(tmp_path):
    binned = {**OPTICS, "rlnOpticsGroup": "2", "rlnMicrographOriginalPixelSize": "0.4425"}
    optics, _ = written(tmp_path, [micrograph("a.mrc"), micrograph("b.mrc", binned)])
    assert [group["rlnMicrographOriginalPixelSize"] for group in optics] == ["0.885", "0.4425"]


def test_loose_micrographs_take_no_number_from_groups_that_have_one(tmp_path):
    loose = MicrographFile(Path("c.mrc"), "c.mrc", "c", 1.5)
    optics, rows = written(tmp_path, [loose, micrograph("a.mrc")])
    assert [row["rlnOpticsGroup"] for row in rows] == ["2", "1"]
    assert [group["rlnOpticsGroupName"] for group in optics] == ["grid1", "opticsGroup2"]
