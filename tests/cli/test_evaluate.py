"""The command `evaluate`: what it shows, what it writes, and what it refuses."""

import json

import mrcfile
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cryoglean.cli.evaluate import evaluate
from cryoglean.errors import CryogleanError, SettingsError
from cryoglean.io.coordinates import write_picks
from cryoglean.picks import Picks
from fields import disc, particle_field

PX = ["--diameter-px", "50"]


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for stem in ("May08_03.13.02", "b"):
        xy = rng.uniform(0, 900, (40, 2))
        write_picks(tmp_path / "truth" / f"{stem}.csv", Picks(*xy.T, np.ones(40)))
        found = np.concatenate([xy[:30] + rng.normal(0, 2, (30, 2)), rng.uniform(0, 900, (20, 2))])
        score = np.r_[rng.uniform(0.5, 1, 30), rng.uniform(0, 0.6, 20)]
        write_picks(tmp_path / "out" / "picks" / f"{stem}_autopick.star", Picks(*found.T, score), stem)
    return tmp_path


def run(folders, *options, picks="out", truth="truth"):
    app = typer.Typer()
    app.command("evaluate")(evaluate)
    arguments = [str(folders / picks), str(folders / truth), *map(str, options)]
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, CryogleanError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(folders, *options, **where):
    return json.loads(run(folders, *options, "--json", **where))


def test_the_tables_name_every_micrograph_and_the_totals(folders):
    text = run(folders, *PX, "--best")
    for piece in ("May08_03.13.02", "all picks", "oracle", "average precision", "uncalibrated", "5 px", "recall"):
        assert piece in text
    assert "\x1b" not in text


def test_json_holds_the_same_numbers_for_every_way_to_name_the_picks(folders):
    from_out = as_json(folders, *PX)
    assert from_out["overall"]["n_truth"] == 80
    assert from_out["overall"]["n_picks"] == 100
    assert from_out["overall"]["recall"] == pytest.approx(0.75, abs=0.05)
    assert [m["stem"] for m in from_out["micrographs"]] == ["May08_03.13.02", "b"]
    assert from_out["best_threshold"] is None
    assert as_json(folders, *PX, picks="out/picks") == from_out
    one = as_json(folders, *PX, picks="out/picks/b_autopick.star")
    assert one["without_picks"] == ["May08_03.13.02"]
    assert one["micrographs"][1] == from_out["micrographs"][1]


def test_angstrom_and_pixels_say_the_same(folders):
    in_px = as_json(folders, *PX, "--within", "5,25")
    in_angstrom = as_json(folders, "--diameter", "100", "--pixel-size", "2", "--within", "10,50")
    assert in_px == in_angstrom
    assert [w["distance_px"] for w in in_px["within"]] == [5, 25]
    assert "10 Å" in run(folders, "--diameter", "100", "--pixel-size", "2", "--within", "10,50")


def test_threshold_margin_best_and_only_with_picks_reach_the_library(folders):
    everything = as_json(folders, *PX)["overall"]
    assert as_json(folders, *PX, "--threshold", "0.5")["overall"]["n_picks"] < everything["n_picks"]
    with_margin = as_json(folders, *PX, "--margin", "100", "--size", "900x900")
    assert with_margin["overall"]["n_truth"] < everything["n_truth"]
    assert with_margin["size_px"] == [900, 900]
    best = as_json(folders, *PX, "--best")["best_threshold"]
    assert best["oracle"] is True
    assert best["f1"] >= everything["f1"]
    (folders / "out" / "picks" / "b_autopick.star").unlink()
    assert as_json(folders, *PX)["overall"]["n_truth"] == 80
    assert as_json(folders, *PX, "--only-with-picks")["overall"]["n_truth"] == 40


def test_micrographs_of_one_side_only_are_named(folders):
    (folders / "truth" / "b.csv").rename(folders / "truth" / "c.csv")
    text = run(folders, *PX)
    assert "no file of picks for 1 micrograph: c" in text
    assert "picks but no truth for 1 micrograph: b" in text
    assert {each["topic"] for each in as_json(folders, *PX)["verdict"]} == {"picks", "truth", "unmatched", "score"}


def test_no_picks_in_the_files_is_an_answer(folders):
    for stem in ("May08_03.13.02", "b"):
        write_picks(folders / "out" / "picks" / f"{stem}_autopick.star", Picks.empty(), stem)
    result = as_json(folders, *PX, "--best")
    assert (result["overall"]["f1"], result["average_precision"], result["best_threshold"]) == (0, 0, None)


def test_the_curve_is_written_as_csv_and_picture(folders):
    run(folders, *PX, "--curve", folders / "new" / "curve.csv", "--plot", folders / "curve.png")
    lines = (folders / "new" / "curve.csv").read_text().splitlines()
    assert lines[0].startswith("threshold,recall,precision")
    assert len(lines) > 50
    assert (folders / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "neither given"),
        (["--diameter", 5, "--diameter-px", 5], "both given"),
        (["--diameter", 100], "needs --pixel-size"),
        (["--diameter", 100, "--pixel-size", 0], "--pixel-size must be above 0"),
        (["--diameter", -3, "--pixel-size", 2], "diameter must be above 0"),
        (["--diameter-px", 0], "diameter must be above 0"),
        (["--diameter-px", "nan"], "diameter must be above 0"),
        (["--diameter-px", 50, "--pixel-size", 2], "--pixel-size goes with --diameter"),
        ([*PX, "--margin", 5], "--size"),
        ([*PX, "--margin", -5], "margin"),
        ([*PX, "--size", "4096"], "HEIGHTxWIDTH.*'4096'"),
        ([*PX, "--size", "0x10"], "HEIGHTxWIDTH"),
        ([*PX, "--within", "10,far"], "--within.*far"),
        ([*PX, "--within", "-1"], "--within"),
        ([*PX, "--threshold", "nan"], "--threshold"),
        ([*PX, "--plot", "curve.xyz"], "xyz"),
    ],
)
def test_unusable_options_are_refused_in_one_line(folders, options, reason):
    with pytest.raises(SettingsError, match=reason) as error:
        run(folders, *options)
    assert "\n" not in str(error.value)


def test_unusable_folders_are_refused(folders):
    (folders / "empty").mkdir()
    for where in ({"picks": "absent"}, {"truth": "absent"}, {"picks": "empty"}, {"truth": "empty"}):
        with pytest.raises(SettingsError):
            run(folders, *PX, **where)
    (folders / "stranger.csv").write_text("x,y\n1,2\n")
    with pytest.raises(SettingsError, match="stranger"):
        run(folders, *PX, picks="stranger.csv")


def test_nothing_is_written_when_the_call_is_refused(folders):
    with pytest.raises(SettingsError):
        run(folders, *PX, "--margin", 5, "--curve", folders / "curve.csv")
    assert not (folders / "curve.csv").exists()


def test_help_shows_commands_to_copy(folders):
    app = typer.Typer()
    app.command("evaluate")(evaluate)
    text = CliRunner().invoke(app, ["--help"], terminal_width=200).stdout
    assert "cryoglean evaluate OUT particles --diameter 191 --pixel-size 1.77" in text
    assert "--only-with-picks" in text


def test_broken_rows_are_told_on_standard_error_and_the_others_count(folders):
    with (folders / "truth" / "b.csv").open("a") as lines:
        lines.write("nan,5,1,uncalibrated\n")
    app = typer.Typer()
    app.command("evaluate")(evaluate)
    result = CliRunner().invoke(app, [str(folders / "out"), str(folders / "truth"), *PX, "--json"])
    assert json.loads(result.stdout)["overall"]["n_truth"] == 80
    assert "b.csv: line 42: x 'nan' is no number: row left out" in result.stderr


def test_particles_of_tiffs_are_evaluated_where_they_truly_are(folders):
    xy = np.random.default_rng(1).uniform(100, 800, (20, 2))
    write_picks(folders / "tiff" / "b.csv", Picks(*xy.T, np.ones(20)))
    rows = [f"Movies/b.tif {x - 30:.3f} {899 - y + 60:.3f} -60 120\n" for x, y in xy]
    columns = ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY", "rlnOriginXAngst", "rlnOriginYAngst")
    text = "data_particles\nloop_\n" + "".join(f"_{name}\n" for name in columns)
    (folders / "p.star").write_text(text + "".join(rows))
    size = ("--size", "900x900")
    found = as_json(folders, "--diameter", 100, "--pixel-size", 2, *size, picks="p.star", truth="tiff")
    assert found["overall"]["f1"] == 1
    assert found["overall"]["mean_iou"] == pytest.approx(1, abs=1e-3)
    with pytest.raises(CryogleanError, match=r"origins are in angstrom.*--pixel-size"):
        run(folders, *PX, *size, picks="p.star", truth="tiff")


def test_a_table_of_a_tiff_without_comment_is_turned_if_the_other_side_names_the_tiff(folders):
    xy = np.random.default_rng(1).uniform(100, 800, (20, 2))
    write_picks(folders / "ours" / "b_autopick.star", Picks(*xy.T, np.ones(20)), "Movies/b.tif", height_px=900)
    rows = [f"{x:.3f} {899 - y:.3f}\n" for x, y in xy]
    (folders / "relion").mkdir()
    text = "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n" + "".join(rows)
    (folders / "relion" / "b_manualpick.star").write_text(text)
    assert as_json(folders, *PX, "--size", "900x900", picks="ours", truth="relion")["overall"]["f1"] == 1


@pytest.fixture
def imaged(tmp_path):
    """Micrographs, their true centres, and picks of another program that are upside down or at half the scale."""
    for seed, stem in enumerate("ab"):
        field = particle_field((300, 380), 30.0, disc, n=30, noise=0.7, seed=seed)
        (tmp_path / "mics").mkdir(exist_ok=True)
        with mrcfile.new(tmp_path / f"mics/{stem}.mrc", field.image) as file:
            file.voxel_size = 2.0
        xy = np.asarray(field.xy, float)
        flipped = np.stack([xy[:, 0], 299 - xy[:, 1]], axis=1)
        for name, places, header in (
            ("truth", xy, "x,y"),
            ("flipped", flipped, "x,y"),
            ("cryoppp", xy, "X-Coordinate,Y-Coordinate"),
            ("half", xy / 2, "x,y"),
            ("twice", np.concatenate([xy, xy]), "x,y"),
        ):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{stem}.csv").write_text(f"{header}\n" + "".join(f"{x},{y}\n" for x, y in places))
    return tmp_path


@pytest.mark.parametrize("picks", ["truth", "flipped", "cryoppp"])
@pytest.mark.parametrize("truth", ["truth", "flipped", "cryoppp"])
def test_the_micrographs_decide_how_both_sides_are_turned(imaged, picks, truth):
    found = as_json(imaged, "--diameter-px", 30, "--micrographs", imaged / "mics", picks=picks, truth=truth)
    assert found["overall"]["f1"] == 1
    for side, name in (("picks", picks), ("truth", truth)):
        check = found["coordinates"][side]
        assert check["verdict"] == ("fits" if name == "truth" else "turned")
        assert check["orientation"] == ("identity" if name == "truth" else "flip-y")
        assert check["signal"] > 3.5
        assert "signal" in check["messages"][0]


@pytest.mark.parametrize(("picks", "truth"), [("flipped", "truth"), ("truth", "flipped"), ("truth", "cryoppp")])
def test_without_micrographs_the_sides_are_turned_to_agree(imaged, picks, truth):
    found = as_json(imaged, "--diameter-px", 30, "--size", "300x380", picks=picks, truth=truth)
    assert found["overall"]["f1"] == 1
    assert found["coordinates"]["picks"]["verdict"] == "turned to agree"
    assert "--micrographs tells" in found["coordinates"]["picks"]["messages"][0]


def test_a_turn_may_be_forbidden_or_asked_for(imaged):
    options = ["--diameter-px", 30, "--micrographs", imaged / "mics"]
    forbidden = as_json(imaged, *options, "--orientation", "as-is", picks="flipped")
    assert forbidden["overall"]["f1"] < 0.3
    assert forbidden["coordinates"]["picks"]["verdict"] == "as asked"
    asked = as_json(imaged, "--diameter-px", 30, "--size", "300x380", "--orientation", "flip-y", picks="flipped")
    assert asked["overall"]["f1"] == 1
    truth = as_json(imaged, *options, "--truth-orientation", "flip-y", truth="flipped", picks="truth")
    assert truth["overall"]["f1"] == 1
    with pytest.raises(SettingsError, match="--micrographs or --size"):
        as_json(imaged, "--diameter-px", 30, "--orientation", "flip-y", picks="flipped")


def test_another_scale_is_told_and_nothing_is_changed(imaged):
    found = as_json(imaged, "--diameter-px", 30, "--micrographs", imaged / "mics", picks="half")
    assert found["coordinates"]["picks"]["verdict"] == "rescaled"
    assert found["coordinates"]["picks"]["scale"] == 2
    assert found["overall"]["f1"] < 0.3
    without = as_json(imaged, "--diameter-px", 30, picks="half")
    assert without["coordinates"]["picks"]["scale"] == 2


def test_repeated_particles_are_counted_and_all_of_them_compared(imaged):
    found = as_json(imaged, "--diameter-px", 30, "--orientation", "as-is", picks="twice")
    assert found["coordinates"]["picks"]["repeated"] == 60
    assert found["overall"]["n_picks"] == 120


def test_micrographs_give_the_size_that_a_margin_needs(imaged):
    found = as_json(imaged, "--diameter-px", 30, "--margin", 20, "--micrographs", imaged / "mics", picks="truth")
    assert found["size_px"] == [300, 380]


def test_micrographs_without_coordinates_are_refused(imaged):
    (imaged / "mics/a.mrc").rename(imaged / "other.mrc")
    with pytest.raises(SettingsError, match="none has coordinates"):
        run(imaged, "--diameter-px", 30, "--micrographs", imaged / "other.mrc", picks="truth")
