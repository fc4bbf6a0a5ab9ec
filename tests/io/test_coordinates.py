"""Coordinates written and read back: the same picks, whatever the file and the side from which rows count."""

import contextlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.coordinates import YConvention, read_picks, relion_y_convention, write_picks
from cryoglean.io.coordinates.files import read_stored
from cryoglean.io.pick_folders import read_picks_folder, read_stored_folder
from cryoglean.io.star import read_star, star_text
from cryoglean.picks import Picks
from examples import some

HEADER_30 = "data_\n\nloop_ \n"
quick = settings(max_examples=some(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def some_picks(n=5, kind="uncalibrated", seed=0):
    rng = np.random.default_rng(seed)
    return Picks(rng.uniform(0, 11_519, n), rng.uniform(0, 8_183, n), rng.uniform(0, 1, n), kind)


def assert_same(a, b, atol=1e-5):
    for name in ("x", "y", "score"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=atol, rtol=1e-8)


def field(shape, xy, sigma=2.0):
    """Blobs at xy on an image: what a reader of the coordinates must find under them."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)) for x, y in xy)


columns = st.lists(
    st.tuples(st.floats(-10, 20_000), st.floats(-10, 20_000), st.floats(0, 1), st.booleans()), max_size=20
)


@quick
@given(rows=columns, kind=st.sampled_from(["uncalibrated", "probability", "foreign"]), suffix=st.sampled_from("sc"))
def test_round_trip_keeps_picks_to_a_ten_thousandth_pixel(tmp_path, rows, kind, suffix):
    x, y, score, _ = np.array(rows, dtype=float).reshape(-1, 4).T
    picks = Picks(x, y, score, kind)
    if suffix == "s":
        write_picks(tmp_path / "a.star", picks, "a.mrc")
        back = read_picks(tmp_path / "a.star")
    else:
        write_picks(tmp_path / "a.csv", picks)
        back = read_picks(tmp_path / "a.csv")
    assert_same(back, picks)
    assert back.score_kind == kind or (suffix == "c" and not len(picks))


def test_the_star_has_the_five_columns_of_relions_own_pickers_and_a_header_without_picks(tmp_path):
    for picks in (some_picks(), Picks.empty("probability")):
        write_picks(tmp_path / "a_autopick.star", picks, "Movies/a.mrc")
        (name, table), *others = read_star(tmp_path / "a_autopick.star").items()
        assert (name, others) == ("", [])
        expected = ["rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit", "rlnClassNumber", "rlnAnglePsi"]
        assert list(table.columns) == expected
        assert set(table["rlnClassNumber"]) | set(table["rlnAnglePsi"]) <= {"0"}
        back = read_picks(tmp_path / "a_autopick.star")
        assert (len(back), back.score_kind) == (len(picks), picks.score_kind)


def test_a_micrograph_name_of_any_characters_stays_in_its_comment(tmp_path):
    write_picks(tmp_path / "a.star", some_picks(), "a\ndata_x\nloop_ # score: probability.mrc")
    assert read_picks(tmp_path / "a.star").score_kind == "uncalibrated"


def test_a_failed_write_leaves_the_old_picks(tmp_path, monkeypatch):
    write_picks(tmp_path / "a.star", some_picks(3), "a.mrc")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_picks(tmp_path / "a.star", some_picks(4), "a.mrc")
    assert len(read_picks(tmp_path / "a.star")) == 3


# ---- what other programs write


def test_columns_are_found_by_name_in_any_order_and_any_layout(tmp_path):
    rows = "_rlnAnglePsi #1 \n_rlnCoordinateY #2 \n_rlnCoordinateX #3 \n-999 20.5 10.25\n 3 40 30\n"
    for text in (HEADER_30 + rows, "# version 30001\n" + HEADER_30 + rows, "data_picks\nloop_\n" + rows):
        (tmp_path / "a.star").write_text(text)
        picks = read_picks(tmp_path / "a.star")
        assert picks.xy.tolist() == [[10.25, 20.5], [30, 40]]
        assert (picks.score.tolist(), picks.score_kind) == ([1, 1], "foreign")


@pytest.mark.parametrize(
    "text",
    [
        "x,y,score\n10.25,20.5,-999\n30,40,7.5\n",
        "\ufeffscore, Y ,X\r\n-999,20.5,10.25\r\n7.5,40,30\r\n\r\n",
        "fom,x,y\n-999,10.25,20.5\n7.5,30,40\n",
        "x,y,X-Coordinate,Y-Coordinate,score\n10.25,20.5,1,2,-999\n30,40,1,2,7.5\n",
        "x;y;score\n10,25;20,5;-999\n30;40;7,5\n",
        "\ufeffsep=;\r\nX;Y;Score\r\n10,25;20,5;-999\r\n30;40;7,5\r\n",
        "# by hand\n\nx\ty\tscore\n10.25\t20.5\t-999\n30\t40\t7.5\n",
        "x,y,score\r10.25,20.5,-999\r30,40,7.5\r",
    ],
)
def test_csv_columns_are_found_by_name(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    picks = read_picks(tmp_path / "a.csv")
    assert picks.xy.tolist() == [[10.25, 20.5], [30, 40]]
    assert (picks.score.tolist(), picks.score_kind) == ([-999, 7.5], "foreign")


def test_a_csv_may_be_utf_16_and_its_broken_rows_have_their_lines(tmp_path):
    (tmp_path / "a.csv").write_text("# by hand\n\nx;y\n1,5;2\n;3\n", encoding="utf-16")
    stored = read_stored(tmp_path / "a.csv")[None]
    assert stored.picks.xy.tolist() == [[1.5, 2]]
    assert [fault.partition(": ")[2] for fault in stored.faults] == ["line 5: x '' is no number: row left out"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("all.csv", "micrograph,x,y\nm/a.mrc,1,2\nm/b.mrc,3,4\nm/a.mrc,5,6\n"),
        ("topaz.csv", "image_name,x_coord,y_coord,score\na,1,2,-1.5\nb,3,4,0\na,5,6,2\n"),
        ("topaz.txt", "image_name x_coord y_coord\na 1 2\nb 3 4\na 5 6\n"),
    ],
)
def test_a_table_of_several_micrographs_is_parted_by_their_names(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = read_picks_folder(tmp_path)
    assert {key: picks.xy.tolist() for key, picks in found.items()} == {"a": [[1, 2], [5, 6]], "b": [[3, 4]]}


def test_cryoppps_rows_count_from_the_last_one(tmp_path):
    text = "X-Coordinate,Y-Coordinate,Diameter,Angle-Psi,Origin X (Ang)\n10,4089,108,12.5,0.1\n"
    (tmp_path / "a.csv").write_text(text)
    picks = read_picks(tmp_path / "a.csv", height_px=4096)
    assert picks.xy.tolist() == [[10, 6]]
    told = read_picks(tmp_path / "a.csv", y_convention=YConvention.FIRST_ROW)
    assert told.xy.tolist() == [[10, 4089]]


def test_a_file_of_a_suffix_that_no_format_has_is_named_with_those_there_are(tmp_path):
    (tmp_path / "a.dat").write_text("1 2 3 3\n")
    with pytest.raises(TableError, match=r"a\.dat: .*only \.star, \.csv"):
        read_picks(tmp_path / "a.dat")
    with pytest.raises(SettingsError, match=r"relion, csv, not as \.dat"):
        write_picks(tmp_path / "b.dat", some_picks())
    with pytest.raises(SettingsError, match="not as cryoppp"):
        write_picks(tmp_path / "b.csv", some_picks(), format_name="cryoppp")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.csv", "", "empty"),
        ("a.csv", "a,b\n1,2\n", "no coordinates"),
        ("a.csv", "x,y\n1,2\n3\n", "line 3 has no y"),
        ("a.csv", "x,y\n1,2\n3,\n", "1 broken row: .*line 3: y '' is no number"),
        ("a.csv", "x,y\n1,two\n", "line 2: y 'two' is no number"),
        ("a.csv", "x,y\n1,nan\n", "line 2: y 'nan' is no number"),
        ("a.csv", "x,y,score,score_kind\n1,2,1.5,probability\n", r"\[0, 1\]"),
        ("a.star", HEADER_30 + "_rlnMicrographName #1\na.mrc\n", "no coordinates"),
        (
            "a.star",
            HEADER_30 + "_rlnCoordinateX #1\n_rlnCoordinateY #2\n1 inf\n",
            "line 6: rlnCoordinateY 'inf' is no number",
        ),
        ("a.star", HEADER_30 + "_rlnCoordinateX #1\n_rlnCoordinateY #2\n1\n", "columns"),
        (
            "a.star",
            HEADER_30 + "_rlnMicrographName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\na 1 2\nb 1 2\n",
            "of 2 micrographs",
        ),
    ],
)
def test_what_holds_no_whole_picks_is_named_with_the_reason(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    with pytest.raises(TableError, match=rf"{name}: .*{reason}"):
        read_picks(tmp_path / name)


def test_binary_and_missing_files_are_named(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x,y\n\xff\xfe\x00,1\n")
    for name in ("a.csv", "b.csv", "c.star"):
        with pytest.raises(TableError, match=name):
            read_picks(tmp_path / name)


@quick
@given(data=st.binary(max_size=200), head=st.sampled_from([b"", b"x,y\n", b"data_\nloop_\n_rlnCoordinateX\n"]))
def test_no_bytes_give_anything_but_picks_or_a_table_error(tmp_path, data, head):
    for name in ("a.csv", "a.star"):
        (tmp_path / name).write_bytes(head + data)
        with contextlib.suppress(TableError):
            assert isinstance(read_picks(tmp_path / name), Picks)


# ---- from which side rows count


@pytest.mark.parametrize(
    ("suffix", "convention"),
    [(".mrc", YConvention.FIRST_ROW), (".tif", YConvention.LAST_ROW), (".TIFF", YConvention.LAST_ROW)],
)
def test_what_relion_reads_lies_on_the_particles_of_the_image_as_relion_reads_it(tmp_path, suffix, convention):
    xy = [(10, 7), (40, 12), (31, 33)]
    image = field((50, 61), xy)
    picks = Picks(*np.array(xy).T, np.ones(3))
    assert relion_y_convention("Movies/a" + suffix) is convention
    write_picks(tmp_path / "a.star", picks, "a" + suffix, height_px=50)
    table = read_star(tmp_path / "a.star")[""]
    as_relion_sees_it = image[::-1] if convention is YConvention.LAST_ROW else image
    x, y = (table[c].astype(float).astype(int) for c in ("rlnCoordinateX", "rlnCoordinateY"))
    assert (as_relion_sees_it[y, x] > 0.99).all()
    back = read_picks(tmp_path / "a.star")
    assert (image[back.y.astype(int), back.x.astype(int)] > 0.99).all()


@given(y=st.floats(0, 99), height=st.integers(100, 200))
@settings(deadline=None)
def test_turning_rows_twice_is_the_identity(y, height):
    for convention in YConvention:
        once = convention.convert(np.array([y]), height)
        assert convention.convert(once, height) == pytest.approx(y)
        assert -1e-9 <= once[0] <= height - 1 + 1e-9


def test_counting_from_the_last_row_needs_a_height(tmp_path):
    with pytest.raises(ValueError, match="height"):
        write_picks(tmp_path / "a.star", some_picks(), "a.tif")
    assert list(tmp_path.iterdir()) == []


# ---- rows that cannot be read


COORDINATES = "_rlnCoordinateX #1\n_rlnCoordinateY #2\n"


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.star", HEADER_30 + COORDINATES + "1 2\nnan 4\n5 6\n", "line 7: rlnCoordinateX 'nan' is no number"),
        ("a.star", HEADER_30 + COORDINATES + "1 2\n3 -inf\n5 6\n", "line 7: rlnCoordinateY '-inf' is no number"),
        ("a.csv", "x,y\n1,2\n\nthree,4\n5,6\n", "line 4: x 'three' is no number"),
        ("a.csv", "X-Coordinate,Y-Coordinate\n1,2\n3,\n5,6\n", "line 3: y-coordinate '' is no number"),
        ("a.box", "0 1 2 2\n2 nan 2 2\n4 5 2 2\n", "line 2: y 'nan' is no number"),
        ("a.txt", "image_name\tx_coord\ty_coord\na\t1\t2\na\tnan\t4\na\t5\t6\n", "line 3: x_coord 'nan' is no"),
    ],
)
def test_a_broken_row_is_named_and_the_others_are_read(tmp_path, name, text, fault):
    (tmp_path / name).write_text(text)
    (stored,) = read_stored(tmp_path / name).values()
    assert stored.picks.xy.tolist() == [[1, 2], [5, 6]]
    (said,) = stored.faults
    assert said.startswith(f"{tmp_path / name}: {fault}")


# ---- origins, and TIFF files without our comment


def test_a_table_of_a_tiff_counts_from_the_last_row_also_without_our_comment(tmp_path):
    (tmp_path / "a_autopick.star").write_text(HEADER_30 + COORDINATES + "10 4\n")
    (stored,) = read_stored_folder(tmp_path).values()
    assert stored.from_first_row(50, micrograph_name="Movies/a.tiff").xy.tolist() == [[10, 45]]
    assert stored.from_first_row(50, micrograph_name="Movies/a.mrc").xy.tolist() == [[10, 4]]
    (tmp_path / "p.star").write_text(HEADER_30 + "_rlnMicrographName\n" + COORDINATES + "a.tif 10 4\nb.mrc 10 4\n")
    found = read_picks_folder(tmp_path / "p.star", height_px=50)
    assert {name: picks.y.tolist() for name, picks in found.items()} == {"a": [45], "b": [4]}
    with pytest.raises(TableError, match="--size"):
        read_picks_folder(tmp_path / "p.star")
    (tmp_path / "a.csv").write_text("x,y\n10,4\n")
    (of_csv,) = read_stored(tmp_path / "a.csv").values()
    assert of_csv.from_first_row(50, micrograph_name="a.tif").xy.tolist() == [[10, 4]]


@pytest.mark.parametrize(
    ("optics", "columns", "x"),
    [
        ({"rlnMicrographPixelSize": "2"}, {"rlnOriginXAngst": "-3", "rlnOriginYAngst": "0"}, 11.5),
        ({}, {"rlnOriginX": "-3", "rlnOriginY": "0"}, 13.0),
        ({"rlnMicrographPixelSize": "2", "rlnImagePixelSize": "4"}, {"rlnOriginX": "-3", "rlnOriginY": "0"}, 16.0),
        (
            {"rlnMicrographPixelSize": "2"},
            {"rlnOriginX": "-3", "rlnOriginY": "0", "rlnDetectorPixelSize": "4", "rlnMagnification": "10000"},
            16.0,
        ),
    ],
)
def test_origins_are_taken_off_in_their_unit(tmp_path, optics, columns, x):
    particles = pd.DataFrame([{"rlnMicrographName": "a.mrc", "rlnCoordinateX": "10", "rlnCoordinateY": "5", **columns}])
    tables = {"optics": pd.DataFrame([{"rlnOpticsGroup": "1", **optics}]), "particles": particles}
    (tmp_path / "p.star").write_text(star_text(tables))
    assert read_picks_folder(tmp_path / "p.star")["a"].xy.tolist() == [[x, 5]]


def test_origins_count_from_the_row_that_the_coordinates_count_from(tmp_path):
    row = {"rlnMicrographName": "a.tif", "rlnCoordinateX": "10", "rlnCoordinateY": "4"}
    table = pd.DataFrame([row | {"rlnOriginXAngst": "0", "rlnOriginYAngst": "3"}])
    (tmp_path / "p.star").write_text(star_text({"particles": table}))
    (stored,) = read_stored_folder(tmp_path / "p.star").values()
    assert stored.from_first_row(50, pixel_size_angstrom=3.0).xy.tolist() == [[10, 46]]
    with pytest.raises(TableError, match="--pixel-size"):
        stored.from_first_row(50)


# ---- other programs' own formats


def test_emans_boxes_are_read_by_their_corners(tmp_path):
    (tmp_path / "a.box").write_text("88\t158\t40\t40\n-6 425 40 40 \n")
    picks = read_picks(tmp_path / "a.box")
    assert (picks.xy.tolist(), picks.score.tolist()) == ([[108, 178], [14, 445]], [1, 1])
    (tmp_path / "a.box").write_text("0 0 4 4 0.25\n0 0 4 4 0.5\n")
    assert read_picks(tmp_path / "a.box").score.tolist() == [0.25, 0.5]
    (tmp_path / "a.box").write_text("0 0 4 4 -1\n0 0 4 4 -2\n")
    assert read_picks(tmp_path / "a.box").score.tolist() == [1, 1]
    (tmp_path / "a.box").write_text("12 13\n")
    with pytest.raises(TableError, match=r"not an EMAN \.box file.*line 1"):
        read_picks(tmp_path / "a.box")


@pytest.mark.parametrize(
    ("name", "reason"), [("a.cs", "cryoSPARC.*csparc2star"), ("a.cbox", "crYOLO"), ("a.json", "EMAN2.*box")]
)
def test_formats_that_are_not_read_are_called_by_their_names(tmp_path, name, reason):
    (tmp_path / name).write_text("x")
    with pytest.raises(TableError, match=reason):
        read_picks(tmp_path / name)


def test_an_empty_table_with_pixel_sizes_holds_no_picks(tmp_path):
    (tmp_path / "a.star").write_text(HEADER_30 + "_rlnMicrographPixelSize\n" + COORDINATES)
    assert len(read_picks(tmp_path / "a.star")) == 0
