"""Laws of STAR tables: text in, the same text out, agreement with starfile, and a reason for everything else."""

import math
import time

import pandas as pd
import pytest
import starfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryoglean.errors import TableError
from cryoglean.io.star import MAX_STAR_BYTES, read_star, star_lines, star_text
from examples import some

# A tilde stands for the blanks that RELION leaves at the ends of lines.
RELION_31 = """
# version 30001

data_optics

loop_~
_rlnOpticsGroupName #1~
_rlnOpticsGroup #2~
_rlnMicrographPixelSize #3~
opticsGroup1            1     1.770000~
~

# version 30001

data_micrographs

loop_~
_rlnMicrographName #1~
_rlnOpticsGroup #2~
_rlnDefocusU #3~
MotionCorr/job002/Movies/0042.mrc            1 10863.857422~
MotionCorr/job002/Movies/0043.mrc            1          nan~
~
""".replace("~", " ")


def write(folder, text, name="a.star"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def strings(**columns):
    return pd.DataFrame(columns, dtype=object)


def same(left, right):
    assert list(left) == list(right)
    for name, table in left.items():
        assert list(table.columns) == list(right[name].columns)
        assert table.to_numpy().tolist() == right[name].to_numpy().tolist()


def test_a_table_of_relion_is_read_value_by_value_as_text(tmp_path):
    tables = read_star(write(tmp_path, RELION_31))
    assert list(tables) == ["optics", "micrographs"]
    assert tables["optics"].loc[0].to_list() == ["opticsGroup1", "1", "1.770000"]
    assert tables["micrographs"]["rlnDefocusU"].to_list() == ["10863.857422", "nan"]


def test_names_that_look_like_numbers_stay_names(tmp_path):
    table = strings(rlnMicrographName=["0042", "1e5", "nan", "<NA>", "inf", "1_000"])
    same(read_star(write(tmp_path, star_text({"micrographs": table}))), {"micrographs": table})


@pytest.mark.parametrize("written", ["1.0", "1.", "1.000000", "1"])
def test_whole_numbers_of_relion_are_whole_whoever_wrote_them_and_what_else_looks_so_stays(tmp_path, written):
    table = strings(rlnOpticsGroup=[written], rlnRandomSubset=[written], rlnImageName=[f"00000{written}@a.0@1.0.mrcs"])
    table = table.assign(rlnMicrographName=[written], rlnDefocusU=[written], own=[written])
    (read,) = read_star(write(tmp_path, star_text({"particles": table})))["particles"].to_numpy().tolist()
    assert read == ["1", "1", "000001@a.0@1.0.mrcs", written, written, written]
    other = strings(rlnOpticsGroup=["1.5", "1.0x", "-1.0"], rlnImageName=["1.0", "1.5@a", "x1.0@a"])
    read = read_star(write(tmp_path, star_text({"particles": other})))["particles"].to_numpy().T.tolist()
    assert read == [["1.5", "1.0x", "-1"], ["1", "1.5@a", "x1.0@a"]]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_ends_comments_byte_order_marks_and_a_missing_last_line_end_do_not_matter(tmp_path, ending):
    text = "# made by hand\n\ndata_x # here\n#\nloop_\n_a #1\n_b #2 # second\n  1 2 # why\n\n# between\n3\t4"
    tables = read_star(write(tmp_path, b"\xef\xbb\xbf" + text.replace("\n", ending).encode()))
    assert tables["x"].to_numpy().tolist() == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize("change", [str.upper, str.title])
def test_keywords_may_be_in_letters_of_any_case(tmp_path, change):
    text = f"{change('data_')}x\n{change('loop_')}\n_a\n1\n"
    assert read_star(write(tmp_path, text))["x"].to_numpy().tolist() == [["1"]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_table_that_a_program_of_windows_has_saved_is_read(tmp_path, encoding):
    path = write(tmp_path, "data_x\r\nloop_\r\n_a\r\nä\r\n".encode(encoding))
    assert read_star(path)["x"].to_numpy().tolist() == [["ä"]]


def test_a_list_of_pairs_is_a_table_of_one_row(tmp_path):
    tables = read_star(write(tmp_path, "data_general\n\n_rlnA 1\n_rlnB  'two words'  # note\n\ndata_x\nloop_\n_c\n3\n"))
    same(tables, {"general": strings(rlnA=["1"], rlnB=["two words"]), "x": strings(c=["3"])})


def test_quotation_marks_blanks_and_hashes_inside_values_are_kept(tmp_path):
    path = write(tmp_path, """data_\nloop_\n_a\n_b\n"two words" it's\n'say "hi"' a#1.mrc\n"" 'x'\n""")
    assert read_star(path)[""].to_numpy().tolist() == [["two words", "it's"], ['say "hi"', "a#1.mrc"], ["", "x"]]


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    empty = strings(rlnCoordinateX=[], rlnCoordinateY=[])
    tables = read_star(write(tmp_path, star_text({"": empty, "next": strings(a=["1"])})))
    assert list(tables[""].columns) == ["rlnCoordinateX", "rlnCoordinateY"]
    assert len(tables[""]) == 0
    assert len(tables["next"]) == 1


def test_a_row_may_begin_like_a_keyword(tmp_path):
    table = strings(a=["x", "data_1/a.mrc", "loop_", "_a", "#c", "save_"], b=list("123456"))
    same(read_star(write(tmp_path, star_text({"m": table}))), {"m": table})
    plain = write(tmp_path, "data_\nloop_\n_rlnMicrographName\nx/a.mrc\ndata_1/a.mrc\n")
    assert read_star(plain)[""]["rlnMicrographName"].to_list() == ["x/a.mrc", "data_1/a.mrc"]


def test_the_layout_is_relions():
    table = pd.DataFrame({"rlnMicrographName": ["a.mrc"], "rlnDefocusU": [10000.0], "rlnOpticsGroup": [1]})
    assert star_text({"micrographs": table}, version=50001) == (
        "\n# version 50001\n\ndata_micrographs\n\nloop_\n_rlnMicrographName #1\n_rlnDefocusU #2\n_rlnOpticsGroup #3\n"
        "a.mrc 10000.000000 1\n\n"
    )
    assert "version" not in star_text({"": table}, version=None)


@pytest.mark.parametrize("value", ["two\nlines", "a\x1b", "a\u2028b", "\" and ' both"])
def test_a_value_that_star_cannot_hold_is_not_written(value):
    with pytest.raises(ValueError, match="cannot hold"):
        star_text({"": strings(a=[value])})


def test_starfile_reads_what_is_written_here_and_the_other_way_round(tmp_path):
    tables = {
        "optics": strings(rlnOpticsGroup=["1"]),
        "micrographs": strings(rlnName=["a b.mrc", "c"], rlnX=["1.5", "2"]),
    }
    theirs = starfile.read(write(tmp_path, star_text(tables)), always_dict=True)
    assert theirs["micrographs"]["rlnName"].to_list() == ["a b.mrc", "c"]
    assert theirs["micrographs"]["rlnX"].to_list() == [1.5, 2]
    starfile.write(tables, tmp_path / "b.star")
    same(read_star(tmp_path / "b.star"), tables)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ("# nothing\n", "no data_"),
        ("hello world\n", "line 1: text before"),
        (b"\xff\xfe\x00", "UTF-8"),
        ("data_\0", "control characters"),
        ("data_x\nloop_\n_a\x1d b\n", "line 3 holds control characters"),
        ("data_x\n_a \x1b[2J\n", "control characters"),
        ("data_x\nloop_\n_a\n_b\n1 2\n3\n", "line 6: 1 values for 2 columns"),
        ("data_x\nloop_\n_a\n_b\n1 2 3\n", "line 5: 3 values for 2 columns"),
        ("data_x\nloop_\n_a\n_a\n", "column a twice"),
        ("data_x\ndata_x\n", "second table"),
        ("data_x\nloop_\n_a\n1\nloop_\n_b c\n", "second loop_"),
        ("data_x\n_a\n", "followed by 0 values"),
        ("data_x\n_a 1 2\n", "followed by 2 values"),
        ("data_x\n1 2\n", "loop_ is missing"),
        ("data_x\nloop_\n_a\n'b\n", "not closed"),
        ("data_x\nloop_\n1\n", "1 values for 0 columns"),
        ("data_x\nloop_\n_\n1\n", "followed by"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line_and_reason(tmp_path, text, reason):
    with pytest.raises(TableError, match=reason):
        read_star(write(tmp_path, text))


def test_a_missing_file_and_a_folder_are_table_errors(tmp_path):
    for path in (tmp_path / "none.star", tmp_path):
        with pytest.raises(TableError):
            read_star(path)


def test_a_long_hostile_line_takes_no_long_time(tmp_path):
    start = time.process_time()
    for line in ("'a " * 200_000, "\"a' " * 200_000, "x#" * 300_000, "_a " * 200_000, "'a'b" * 200_000):
        with pytest.raises(TableError):
            read_star(write(tmp_path, f"data_\nloop_\n_a\n_b\n{line}\n"))
    assert time.process_time() - start < 5


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=8)


@settings(max_examples=some(100), deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(VALUES, VALUES), max_size=5), st.sampled_from([None, 30001, 50001]))
def test_what_is_written_is_what_is_read(tmp_path, rows, version):
    table = pd.DataFrame(rows, columns=["rlnA", "rlnB"], dtype=object)
    try:
        text = star_text({"t": table}, version)
    except ValueError:
        assert any('"' in value and "'" in value for row in rows for value in row)
        return
    same(read_star(write(tmp_path, text)), {"t": table})


PIECES = st.sampled_from(
    ["data_", "loop_", "_rlnA", "#1", "\n", " ", "'", '"', "x", "1", "data_x\nloop_\n_a\n1\n", "#", "\t"]
)


@settings(max_examples=some(200), deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.lists(PIECES, max_size=30).map("".join), st.text(max_size=60)).map(
        lambda text: text.encode("utf-8", "replace")
    )
)
def test_garbage_gives_a_table_error_or_tables_of_text(tmp_path, content):
    try:
        tables = read_star(write(tmp_path, content))
    except TableError:
        return
    for table in tables.values():
        assert all(isinstance(value, str) for value in table.to_numpy().ravel())


def test_a_large_table_is_read_in_reasonable_time(tmp_path):
    table = strings(**{f"rln{i}": [str(math.sin(i + j)) for j in range(20_000)] for i in range(8)})
    path = write(tmp_path, star_text({"particles": table}))
    start = time.process_time()
    assert read_star(path)["particles"].shape == (20_000, 8)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("form", ["loop", "pairs"])
def test_a_table_of_very_many_columns_is_read_in_reasonable_time(tmp_path, form):
    names = [f"_c{i}" for i in range(60_000)]
    loop = "loop_\n" + "\n".join(names) + "\n" + "1 " * len(names)
    path = write(tmp_path, "data_\n" + (loop if form == "loop" else "".join(f"{name} 1\n" for name in names)))
    start = time.process_time()
    assert read_star(path)[""].shape == (1, len(names))
    assert time.process_time() - start < 3


def test_a_file_that_is_too_large_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "large.star"
    with path.open("wb") as stream:
        stream.truncate(MAX_STAR_BYTES + 1)
    with pytest.raises(TableError, match="536870913 bytes, and at most 536870912 are read: split it"):
        read_star(path)


def test_rows_are_found_by_their_lines(tmp_path):
    path = write(tmp_path, RELION_31)
    assert star_lines(path, "micrographs") == [21, 22]
    assert star_lines(path, "optics") == [10]
