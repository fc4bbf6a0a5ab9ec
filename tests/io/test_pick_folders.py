"""Picks of many micrographs: folders, lists and tables that hold them, and by which names they are told apart."""

import numpy as np
import pandas as pd
import pytest

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.coordinates import write_picks
from cryoglean.io.micrograph_names import stem_of
from cryoglean.io.pick_folders import read_picks_folder, read_stored_folder
from cryoglean.io.star import star_text
from cryoglean.picks import Picks

HEADER_30 = "data_\n\nloop_ \n"


def some_picks(n=5, kind="uncalibrated", seed=0):
    rng = np.random.default_rng(seed)
    return Picks(rng.uniform(0, 11_519, n), rng.uniform(0, 8_183, n), rng.uniform(0, 1, n), kind)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a_autopick", "a"),
        ("dir/a.mrc", "a"),
        ("a.mrc.gz", "a"),
        ("a_local_autopick", "a"),
        ("May08_03.13.02_picks", "May08_03.13.02"),
        ("a.TIFF", "a"),
        ("b_analog", "b_analog"),
        ("a_log", "a"),
        ("a_automatch", "a"),
        ("Extract/job3/a_extract.star", "a_extract.star"),
        ("a_extract", "a"),
        ("J2/motioncorrected/007437651415402836131_a_patch_aligned_doseweighted.mrc", "a"),
        ("007437651415402836131_a_rigid_aligned_autopick", "a"),
        ("00743765141540283613_a.mrc", "00743765141540283613_a"),
        ("007437651415402836131_.mrc", "007437651415402836131_"),
        ("mics\\a.mrc", "a"),
    ],
)
def test_the_stem_of_a_micrograph(name, stem):
    assert stem_of(name) == stem


def test_a_folder_is_read_by_stem_and_other_tables_are_passed_over(tmp_path):
    write_picks(tmp_path / "a_autopick.star", some_picks(2), "a.mrc")
    write_picks(tmp_path / "b.1.csv", some_picks(3))
    write_picks(tmp_path / ".hidden.csv", some_picks(3))
    (tmp_path / "rejected.csv").write_text("path,reason\nc.mrc,empty\n")
    (tmp_path / "coords_suffix_autopick.star").write_text("CtfFind/job003/micrographs_ctf.star\n")
    (tmp_path / "micrographs.star").write_text(HEADER_30 + "_rlnMicrographName #1\na.mrc\n")
    (tmp_path / "notes.txt").write_text("x,y\n1,2\n")
    (tmp_path / "deep").mkdir()
    write_picks(tmp_path / "deep" / "c.csv", some_picks(4))
    found = read_picks_folder(tmp_path)
    assert {k: len(v) for k, v in found.items()} == {"a": 2, "b.1": 3}


def test_sub_folders_are_read_when_the_top_holds_none_and_always_below_picks(tmp_path):
    for place in ("out/picks/Movies/a_autopick.star", "out/picks/b_autopick.star", "deep/er/c.star"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        write_picks(tmp_path / place, some_picks(), place)
    (tmp_path / "out" / "rejected.csv").write_text("path,reason\n")
    assert sorted(read_picks_folder(tmp_path / "out")) == ["a", "b"]
    assert sorted(read_picks_folder(tmp_path / "out" / "picks")) == ["a", "b"]
    assert sorted(read_picks_folder(tmp_path / "deep")) == ["c"]
    (tmp_path / "nothing").mkdir()
    assert read_picks_folder(tmp_path / "nothing") == {}


def test_two_files_for_one_micrograph_are_refused_with_both_names(tmp_path):
    write_picks(tmp_path / "a.csv", some_picks())
    write_picks(tmp_path / "a_autopick.star", some_picks(), "a.mrc")
    with pytest.raises(TableError, match=r"a_autopick\.star: two files with picks for a, the other is .*a\.csv"):
        read_picks_folder(tmp_path)


def test_one_star_with_many_micrographs_is_split_by_name(tmp_path):
    n = 6
    table = pd.DataFrame(
        {
            "rlnCoordinateX": [f"{i}.5" for i in range(n)],
            "rlnCoordinateY": ["1"] * n,
            "rlnMicrographName": ["M/a.mrc", "M/0042.mrc", "M/a.mrc", "M/a.mrc", "M/b c.mrc", "M/0042.mrc"],
            "rlnAutopickFigureOfMerit": [f"-{i}" for i in range(n)],
        }
    )
    optics = pd.DataFrame({"rlnOpticsGroup": ["1"]})
    (tmp_path / "particles.star").write_text(star_text({"optics": optics, "particles": table}))
    found = read_picks_folder(tmp_path / "particles.star")
    assert {k: v.x.tolist() for k, v in found.items()} == {"0042": [1.5, 5.5], "a": [0.5, 2.5, 3.5], "b c": [4.5]}
    assert found["0042"].score.tolist() == [-1, -5]


def test_a_list_of_coordinate_files_is_followed_from_the_project_folder(tmp_path):
    job = tmp_path / "project" / "AutoPick" / "job003"
    for name in ("Movies/a", "Movies/deep/b"):
        (job / name).parent.mkdir(parents=True, exist_ok=True)
        write_picks(job / f"{name}_autopick.star", some_picks(), name)
    table = pd.DataFrame(
        {
            "rlnMicrographName": ["MotionCorr/job002/Movies/a.mrc", "MotionCorr/job002/Movies/deep/other_name.mrc"],
            "rlnMicrographCoordinates": [f"AutoPick/job003/Movies/{n}_autopick.star" for n in ("a", "deep/b")],
        }
    )
    (job / "autopick.star").write_text(star_text({"coordinate_files": table}))
    assert sorted(read_picks_folder(job / "autopick.star")) == ["a", "other_name"]
    (job / "Movies" / "a_autopick.star").unlink()
    with pytest.raises(TableError, match=r"autopick\.star: names AutoPick/job003/Movies/a_autopick\.star"):
        read_picks_folder(job / "autopick.star")


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="absent"):
        read_picks_folder(tmp_path / "absent")


def test_a_folder_of_cryoppp_tables_is_turned_and_refused_without_a_height(tmp_path):
    (tmp_path / "a.csv").write_text("X-Coordinate,Y-Coordinate,Diameter\n10,4089,108\n")
    with pytest.raises(TableError, match="--size"):
        read_picks_folder(tmp_path)
    np.testing.assert_allclose(read_picks_folder(tmp_path, height_px=4096)["a"].xy, [[10, 6]])


def test_micrographs_of_one_stem_are_told_apart_by_uid_or_folder(tmp_path):
    uids = ("007437651415402836131", "007437651415402836132")
    for uid in uids:
        write_picks(tmp_path / f"{uid}_a_autopick.star", some_picks(), "")
    assert sorted(read_picks_folder(tmp_path)) == [f"{uid}_a" for uid in uids]
    for job in ("job002", "job003"):
        path = tmp_path / f"out/picks/{job}/a_autopick.star"
        path.parent.mkdir(parents=True)
        write_picks(path, some_picks(), f"MotionCorr/{job}/a.mrc")
    assert sorted(read_picks_folder(tmp_path / "out")) == ["MotionCorr/job002/a", "MotionCorr/job003/a"]


COORDINATES = "_rlnCoordinateX #1\n_rlnCoordinateY #2\n"


def test_a_broken_row_takes_nothing_from_other_micrographs_and_many_are_counted(tmp_path):
    rows = ["a 1 2", *["b nan 4"] * 30, "c 5 6"]
    (tmp_path / "p.star").write_text(HEADER_30 + "_rlnMicrographName\n" + COORDINATES + "\n".join(rows))
    found = read_stored_folder(tmp_path / "p.star")
    assert {name: len(stored.picks) for name, stored in found.items()} == {"a": 1, "b": 0, "c": 1}
    faults = [fault for stored in found.values() for fault in stored.faults]
    assert len(faults) == 22
    assert faults[-2].endswith("10 more such rows left out")
    assert found["b"].faults == (f"{tmp_path / 'p.star'}: not one row of b can be read",)


def test_a_list_of_coordinate_files_tells_which_are_of_tiffs(tmp_path):
    (tmp_path / "a.star").write_text(HEADER_30 + COORDINATES + "10 4\n")
    table = pd.DataFrame({"rlnMicrographName": ["a.tif"], "rlnMicrographCoordinates": ["a.star"]})
    (tmp_path / "autopick.star").write_text(star_text({"coordinate_files": table}))
    assert read_picks_folder(tmp_path / "autopick.star", height_px=50)["a"].y.tolist() == [45]


def test_topazs_table_is_split_by_image_and_other_text_files_are_passed_over(tmp_path):
    (tmp_path / "p.txt").write_text("image_name\tx_coord\ty_coord\tscore\nb\t1\t2\t-1.5\na\t3\t4\t2\nb\t5\t6\t0\n")
    (tmp_path / "notes.txt").write_bytes(b"\xff\x00 notes")
    found = read_picks_folder(tmp_path)
    assert {name: picks.xy.tolist() for name, picks in found.items()} == {"a": [[3, 4]], "b": [[1, 2], [5, 6]]}
    assert (found["b"].score.tolist(), found["b"].score_kind) == ([-1.5, 0], "foreign")


def test_a_folder_of_a_format_that_is_not_read_says_so(tmp_path):
    (tmp_path / "a.cbox").write_text("data_global\n")
    with pytest.raises(TableError, match=r"a\.cbox: crYOLO"):
        read_picks_folder(tmp_path)


def test_boxes_beside_star_files_of_the_same_micrographs_do_not_count_twice(tmp_path):
    for name, text in (("STAR/a.star", HEADER_30 + COORDINATES + "1 2\n"), ("EMAN/a.box", "0 1 2 2\n")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    assert read_picks_folder(tmp_path)["a"].xy.tolist() == [[1, 2]]
    assert read_picks_folder(tmp_path / "EMAN")["a"].xy.tolist() == [[1, 2]]
