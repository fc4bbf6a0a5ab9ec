"""Laws of finding micrographs: every kind of input, unique keys that stay inside the output folder, clear refusals."""

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.images import pixel_size_of
from cryoglean.io.inputs import find_inputs, find_micrographs
from cryoglean.io.star import star_text
from empty_files import keys, make
from examples import some


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def star(name="mics.star", version=30001, **tables):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    frames = {key.strip("_"): pd.DataFrame(rows, dtype=object) for key, rows in tables.items()}
    Path(name).write_text(star_text(frames, version))
    return Path(name)


def optics(group="1", **more):
    return {"rlnOpticsGroupName": f"group{group}", "rlnOpticsGroup": group, "rlnMicrographPixelSize": "1.77", **more}


def test_a_folder_gives_its_images_sorted_and_nothing_else():
    make(
        "f/b.mrc", "f/a.PNG", "f/c.mrc.gz", "f/notes.txt", "f/._b.mrc", "f/sub/d.mrc", "f/e.eer", "f/May08_03.13.02.tif"
    )
    Path("f/g.mrc").mkdir()
    assert keys("f") == ["May08_03.13.02", "a", "b", "c"]
    assert [f.path for f in find_micrographs([Path("f")])][2] == Path("f/b.mrc")


def test_a_folder_without_images_says_what_was_looked_for_and_where_some_are():
    make("f/sub/a.mrc")
    with pytest.raises(
        SettingsError, match=r"looked for .*\.mrc .*\.jpeg; sub-folders are not searched, but f/sub has"
    ):
        find_micrographs([Path("f")])


def test_nothing_given_and_missing_inputs_are_refused():
    with pytest.raises(SettingsError, match="no micrographs given"):
        find_micrographs([])
    for name in ("none", "none.star", "none.txt"):
        with pytest.raises(SettingsError, match=f"{name}: no such file"):
            find_micrographs([Path(name)])


def test_files_are_taken_as_they_are_called():
    make("x y/a.b.mrc", "ü.png", "odd.eer")
    files = find_micrographs([Path("x y/a.b.mrc"), Path("ü.png"), Path("odd.eer")])
    assert [(f.name, f.key) for f in files] == [("x y/a.b.mrc", "a.b"), ("ü.png", "ü"), ("odd.eer", "odd")]
    assert files[0].row == {}
    assert files[0].pixel_size_angstrom is None


def test_each_file_is_taken_once():
    make("f/a.mrc", "f/b.mrc")
    Path("f/link.mrc").symlink_to("a.mrc")
    assert keys("f/a.mrc", "f", Path("f/b.mrc").resolve()) == ["a", "b"]


def test_equal_names_in_different_folders_get_keys_that_tell_them_apart():
    make("p/grid1/a.mrc", "p/grid2/a.mrc.gz", "p/grid2/b.mrc")
    assert keys("p/grid1", "p/grid2") == ["grid1/a", "grid2/a", "grid2/b"]


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["a.mrc", "a.tif", "b.tif"], ["a.mrc", "b.tif"]),
        (["a.tif", "a.mrc.gz"], ["a.tif"]),
        (["a.mrc", "a.mrc.bz2", "a.tiff"], ["a.mrc"]),
    ],
)
def test_of_files_of_one_name_in_one_folder_the_first_format_is_taken_and_the_others_are_told(names, taken):
    make(*(f"f/{name}" for name in names))
    for inputs in ([Path("f")], [Path("f") / name for name in names]):
        found = find_inputs(inputs)
        assert sorted(file.path.name for file in found.files) == taken
        assert sorted(each.path.name for each in found.left_out) == sorted({*names} - {*taken})


def test_names_that_differ_by_the_case_of_their_suffix_are_kept_apart():
    make("f/a.mrc", "f/a.MRC", "f/b.mrc", "g/a.mrc", "g/a.Mrc")
    assert keys("f") == ["a.MRC", "a.mrc", "b"]
    assert keys("f", "g") == ["f/a.MRC", "f/a.mrc", "f/b", "g/a.Mrc", "g/a.mrc"]


def test_a_list_is_relative_to_the_working_folder_and_then_to_itself():
    make("here.mrc", "lists/there.mrc", "lists/x y.mrc")
    Path("lists/l.txt").write_text("# mine\n here.mrc \n\nthere.mrc\r\nx y.mrc\nnowhere.mrc\n")
    files = find_micrographs([Path("lists/l.txt")])
    assert [str(f.path) for f in files] == ["here.mrc", "lists/there.mrc", "lists/x y.mrc", "nowhere.mrc"]


@pytest.mark.parametrize(
    ("content", "error"), [(b"", SettingsError), (b"# a\n", SettingsError), (b"\0", TableError), (b"\xff", TableError)]
)
def test_a_list_of_nothing_or_of_no_text_is_refused(content, error):
    Path("l.lst").write_bytes(content)
    with pytest.raises(error):
        find_micrographs([Path("l.lst")])


@pytest.mark.parametrize("line", [".", "/", "..mrc", "...mrc"])
def test_a_name_that_is_no_name_is_refused(line):
    Path("l.txt").write_text(line + "\n")
    try:
        files = find_micrographs([Path("l.txt")])
    except SettingsError:
        return
    assert all(f.key.rpartition("/")[2] not in ("", ".", "..") for f in files)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_star_of_relion_31_brings_optics_and_ctf_whatever_the_order_of_its_tables(swapped):
    make("MotionCorr/job002/Movies/a.mrc")
    row = {"rlnMicrographName": "MotionCorr/job002/Movies/a.mrc", "rlnOpticsGroup": "2", "rlnDefocusU": "1e4"}
    row |= {"rlnDefocusV": "12000", "rlnCtfFigureOfMerit": "nan", "rlnOther": "0042"}
    groups = [optics("1"), optics("2", rlnMicrographPixelSize="0.885", rlnVoltage="300")]
    tables = {"optics": groups, "micrographs": [row]}
    path = star(**dict(reversed(tables.items())) if swapped else tables)
    (file,) = find_micrographs([path])
    assert file.key == "Movies/a"
    assert file.name == "MotionCorr/job002/Movies/a.mrc"
    assert file.path == Path("MotionCorr/job002/Movies/a.mrc")
    assert file.pixel_size_angstrom == 0.885
    assert file.defocus_angstrom == 11000
    assert dict(file.row) == row
    assert dict(file.optics) == groups[1]


@pytest.mark.parametrize(("of_row", "of_group"), [("1.0", "1"), ("1", "1.000000"), ("1.", "1.0")])
def test_an_optics_group_is_the_same_whether_it_is_written_as_a_whole_number_or_not(of_row, of_group):
    path = star(optics=[optics(of_group), optics("2")], micrographs=[{"rlnMicrographName": "a.mrc", **optics(of_row)}])
    (file,) = find_micrographs([path])
    assert (file.pixel_size_angstrom, file.optics["rlnOpticsGroup"], file.row["rlnOpticsGroup"]) == (1.77, "1", "1")


def test_a_column_of_the_row_overrides_the_optics():
    path = star(optics=[optics()], micrographs=[{"rlnMicrographName": "a.mrc", "rlnMicrographPixelSize": "2.5"}])
    assert find_micrographs([path])[0].pixel_size_angstrom == 2.5


@pytest.mark.parametrize("table", ["_", "images", "micrographs"])
def test_a_star_of_relion_30_gives_the_pixel_size_by_detector_and_magnification(table):
    row = {"rlnMicrographName": "Micrographs/a.mrc", "rlnDetectorPixelSize": "5.0", "rlnMagnification": "28248.587571"}
    (file,) = find_micrographs([star(version=None, **{table: [row]})])
    assert file.pixel_size_angstrom == pytest.approx(1.77)
    assert file.key == "Micrographs/a"
    assert file.optics == {}


def test_micrographs_are_looked_for_from_the_folders_above_the_star_file(project, monkeypatch):
    make("proj/Movies/a.mrc", "else/x")
    path = star(
        "proj/CtfFind/job003/mics.star", micrographs=[{"rlnMicrographName": n} for n in ("Movies/a.mrc", "b.mrc")]
    )
    monkeypatch.chdir("else")
    first, missing = find_micrographs([Path("..") / path])
    assert first.path.resolve() == project / "proj/Movies/a.mrc"
    assert first.name == "Movies/a.mrc"
    assert missing.path == Path("b.mrc")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("MotionCorr/job002/Movies/a.mrc", "Movies/a"),
        ("MotionCorr/job1234/a.b.mrc", "a.b"),
        ("Movies/grid1/a.mrc", "Movies/grid1/a"),
        ("a", "a"),
        ("/data/x/a.mrc", "data/x/a"),
        ("../../etc/a.mrc", "etc/a"),
        ("MotionCorr/job002/../../../a.mrc", "a"),
        ("MotionCorr/job002//a.mrc", "a"),
        ("job12/a.mrc", "job12/a"),
    ],
)
def test_keys_of_a_star_follow_relions_rule_and_stay_inside(name, key):
    assert keys(star(micrographs=[{"rlnMicrographName": name}])) == [key]


@settings(max_examples=some(100), deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["..", ".", "/", "a", "job001/", ".mrc", "b c", "\\", "~", " "]), min_size=1).map("".join)
)
def test_no_name_leads_out_of_the_output_folder(name):
    try:
        (file,) = find_micrographs([star(micrographs=[{"rlnMicrographName": name}])])
    except (TableError, SettingsError):
        return
    for place in (f"/out/{file.key}", f"/out/{file.key}_autopick.star"):
        assert os.path.normpath(place) == place
    assert file.key.rpartition("/")[2] not in ("", ".", "..")


def test_micrographs_of_one_name_from_two_jobs_are_kept_apart():
    names = [f"MotionCorr/job00{i}/Movies/{name}.mrc" for i, name in ((1, "a"), (2, "a"), (2, "b"))]
    path = star(micrographs=[{"rlnMicrographName": name} for name in names])
    assert keys(path) == ["job001/Movies/a", "job002/Movies/a", "Movies/b"]


def test_micrographs_of_one_name_from_jobs_of_one_number_are_kept_apart():
    path = star(micrographs=[{"rlnMicrographName": f"{name}/job001/a.mrc"} for name in ("Import", "MotionCorr")])
    assert keys(path) == ["Import/job001/a", "MotionCorr/job001/a"]


def test_a_micrograph_of_a_table_is_kept_apart_from_a_file_of_its_name():
    make("elsewhere/a.mrc", "elsewhere/a.MRC")
    path = star(micrographs=[{"rlnMicrographName": "Import/a.mrc"}])
    assert len(set(keys(path, "elsewhere"))) == 3


def test_remarks_behind_names_and_backslashes_in_a_list_are_understood():
    make("mics/a.mrc", "mics/b.mrc", "mics/c #1.mrc", "d\\e.mrc")
    Path("l.txt").write_text("mics/a.mrc   # good one\nmics\\b.mrc\nmics/c #1.mrc\nd\\e.mrc\nmics\\gone.mrc # lost\n")
    found = [file.path.as_posix() for file in find_micrographs([Path("l.txt")])]
    assert found == ["mics/a.mrc", "mics/b.mrc", "mics/c #1.mrc", "d\\e.mrc", "mics/gone.mrc"]


@pytest.mark.parametrize(
    "line",
    ['"mics/a.mrc"', "'mics/a.mrc'  # good", "mics/a.mrc, 1.7", "mics/a.mrc\tgood one", "mics/a.mrc;x", "mics/a.mrc#1"],
)
def test_quotation_marks_and_columns_behind_names_in_a_list_are_no_part_of_them(line):
    make("mics/a.mrc")
    Path("l.txt").write_text(f"{line}\n")
    assert [file.path.as_posix() for file in find_micrographs([Path("l.txt")])] == ["mics/a.mrc"]


def test_two_names_in_one_line_of_a_list_are_not_taken_for_a_name_and_a_remark():
    make("a.mrc", "b.mrc", "c.tif copy.mrc")
    Path("l.txt").write_text("a.mrc b.mrc\nc.tif copy.mrc\n")
    assert [file.path.exists() for file in find_micrographs([Path("l.txt")])] == [False, True]


def test_a_list_in_utf_16_is_read():
    make("ä.mrc", "b.mrc")
    Path("l.txt").write_bytes("ä.mrc\r\nb.mrc\r\n".encode("utf-16"))
    assert keys("l.txt") == ["ä", "b"]


@pytest.mark.parametrize("off", ["0", "-1", "False"])
def test_what_a_star_file_disables_is_left_out_and_said(off):
    rows = [{"rlnEnabled": value, "rlnMicrographName": name} for value, name in ((off, "a.mrc"), ("1", "b.mrc"))]
    found = find_inputs([star(Micrographs=rows)])
    assert [file.key for file in found.files] == ["b"]
    assert [(each.path, each.kind.one) for each in found.left_out] == [
        (Path("a.mrc"), "micrograph that its STAR file disables (rlnEnabled)")
    ]
    with pytest.raises(SettingsError, match="disables all"):
        find_inputs([star(Micrographs=rows[:1])])


def test_backslashes_in_a_star_file_are_understood():
    make("mics/a.mrc")
    (file,) = find_micrographs([star(micrographs=[{"rlnMicrographName": "mics\\a.mrc"}])])
    assert (file.path, file.name, file.key) == (Path("mics/a.mrc"), "mics/a.mrc", "mics/a")
    assert file.row["rlnMicrographName"] == "mics/a.mrc"


def test_the_case_of_a_tables_name_does_not_matter():
    (file,) = find_micrographs([star(Micrographs=[NAME | {"rlnOpticsGroup": "1"}], OPTICS=[optics()])])
    assert (file.key, file.pixel_size_angstrom) == ("a", 1.77)


def test_an_optics_group_may_be_there_twice_if_it_is_the_same():
    (file,) = find_micrographs([star(micrographs=[NAME | {"rlnOpticsGroup": "1"}], optics=[optics(), optics()])])
    assert file.optics == optics()
    again = optics() | {"rlnMicrographPixelSize": "1.7700"}
    (file,) = find_micrographs([star(micrographs=[NAME | {"rlnOpticsGroup": "1"}], optics=[optics(), again])])
    assert file.pixel_size_angstrom == 1.77


def test_the_pixel_size_of_the_movie_is_the_last_to_be_believed_and_is_told():
    of_movie = {"rlnOpticsGroupName": "g", "rlnOpticsGroup": "1", "rlnMicrographOriginalPixelSize": "1.5"}
    (file,) = find_micrographs([star(micrographs=[NAME], optics=[of_movie])])
    assert pixel_size_of(file, None, None) == (1.5, ANY_NOTE)
    assert pixel_size_of(file, None, 3.0) == (3.0, ANY_NOTE)
    (file,) = find_micrographs([star(micrographs=[NAME], optics=[of_movie | {"rlnMicrographPixelSize": "3"}])])
    assert pixel_size_of(file, None, 3.0) == (3.0, None)


class _AnyNote:
    """Equal to any note on a pixel size of 1.5 angstrom."""

    def __eq__(self, other):
        return isinstance(other, str) and "1.5" in other

    __hash__ = None


ANY_NOTE = _AnyNote()


NAME = {"rlnMicrographName": "a.mrc"}


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"movies": [{"rlnMicrographMovieName": "a.tif"}]}, "motion-correct"),
        ({"_": [{"rlnMicrographMovieName": "a.tif"}]}, "motion-correct"),
        ({"particles": [{"rlnImageName": "1@a.mrcs"}], "optics": [optics()]}, "particles"),
        ({"_": [NAME | {"rlnCoordinateX": "1"}]}, "particles"),
        ({"coordinate_files": [NAME | {"rlnMicrographCoordinates": "a.star"}]}, "found data_coordinate_files"),
        ({"micrographs": [{"rlnOther": "a"}]}, "no column rlnMicrographName"),
        ({"micrographs": [NAME | {"rlnDefocusU": "high"}]}, "rlnDefocusU 'high' is not a number"),
        ({"micrographs": [NAME | {"rlnMicrographPixelSize": "x"}]}, "not a number"),
        ({"micrographs": [NAME | {"rlnMicrographPixelSize": "0"}]}, "not a positive number"),
        ({"micrographs": [NAME | {"rlnMicrographPixelSize": "nan"}]}, "not a positive number"),
        ({"micrographs": [NAME | {"rlnDetectorPixelSize": "5", "rlnMagnification": "0"}]}, "rlnMagnification 0"),
        ({"micrographs": [NAME | {"rlnOpticsGroup": "3"}], "optics": [optics()]}, "optics group 3"),
        ({"micrographs": [NAME], "optics": [optics("1"), optics("2")]}, r"optics group \(none\)"),
        ({"micrographs": [NAME], "optics": [optics("1"), optics("1") | {"rlnMicrographPixelSize": "2"}]}, "1 twice"),
        ({"global": [{"rlnTomoName": "TS_1", "rlnTomoTiltSeriesStarFile": "t.star"}]}, "tomography.*not supported"),
        ({"micrographs": [NAME | {"rlnTomoXTilt": "0"}]}, "tomography.*not supported"),
        ({"micrographs": [NAME], "optics": [{"rlnVoltage": "300"}]}, "no column rlnOpticsGroup"),
        ({"micrographs": [{"rlnMicrographName": "1@a.mrcs"}]}, "does not name a micrograph"),
        ({"micrographs": [{"rlnMicrographName": ""}]}, "does not name a micrograph"),
    ],
)
def test_a_star_that_is_not_of_micrographs_or_holds_nonsense_is_refused(tables, reason):
    with pytest.raises(TableError, match=reason):
        find_micrographs([star(**tables)])


@pytest.mark.parametrize("unknown", ["None", "null", "<NA>", "N/A"])
def test_numbers_that_one_row_does_not_know_are_missing_there_and_nowhere_else(unknown):
    names = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle", "rlnPhaseShift", "rlnCtfMaxResolution")
    known, lacking = dict.fromkeys(names, "12000"), dict.fromkeys(names, unknown)
    rows = [NAME | known, {"rlnMicrographName": "b.mrc", "rlnGridSquare": unknown} | lacking]
    first, second = find_micrographs([star(micrographs=rows)])
    assert first.defocus_angstrom == 12000
    assert second.defocus_angstrom is None
    assert second.row == {"rlnMicrographName": "b.mrc", "rlnGridSquare": unknown}


def test_a_star_without_rows_lists_nothing():
    path = Path("m.star")
    path.write_text(star_text({"micrographs": pd.DataFrame(columns=["rlnMicrographName"])}))
    with pytest.raises(SettingsError, match="lists no micrographs"):
        find_micrographs([path])


def test_inputs_of_all_kinds_go_together():
    make("Movies/a.mrc", "f/b.mrc", "c.mrc")
    path = star(micrographs=[{"rlnMicrographName": "Movies/a.mrc"}])
    Path("l.txt").write_text("c.mrc\nMovies/a.mrc\n")
    assert keys(path, "f", "l.txt") == ["Movies/a", "b", "c"]
