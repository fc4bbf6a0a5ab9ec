"""The main job: what is done is kept, what is bad is named, what is asked twice is refused."""

import csv
import json
import os
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryoglean.errors import SettingsError
from cryoglean.io.coordinates import read_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.star import read_star
from cryoglean.jobs.pick import PickJob, run_pick_job
from cryoglean.pickers.localpicker.paper import PaperLocalpickerSettings
from cryoglean.pickers.localpicker.picker import LocalpickerSettings
from listeners import Listener
from shells import ShellField

FIELD = {"height_px": 220, "width_px": 260, "particles": 10, "pixel_size_angstrom": 4}
FIELDS = {f"grid.{i}": ShellField(**FIELD, seed=i) for i in range(3)}
DIAMETER = 120.0
PUBLISHED = PaperLocalpickerSettings(diameter_angstrom=DIAMETER, bin_factor=2)
"""It learns nothing of a set, which takes time: for laws of folders and tables, whoever picks."""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of micrographs, only to be read."""
    folder = tmp_path_factory.mktemp("pick") / "images"
    folder.mkdir()
    for name, field in FIELDS.items():
        write(folder / f"{name}.mrc", field)
    return folder


@pytest.fixture
def micrographs(images, tmp_path):
    """A folder of micrographs to be changed."""
    return Path(shutil.copytree(images, tmp_path / "micrographs"))


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
    """The images picked once, only to be looked at: the folder and what the job told."""
    out = tmp_path_factory.mktemp("whole")
    return out, run([images], out)[0]


@pytest.fixture
def picked(whole, tmp_path):
    """The folder of a job that is done."""
    return Path(shutil.copytree(whole[0], tmp_path / "out"))


def write(path, field):
    micrograph, _ = field.render()
    with mrcfile.new(path, micrograph.image, overwrite=True) as file:
        file.voxel_size = micrograph.pixel_size_angstrom


def job(**changes):
    own = LocalpickerSettings(diameter_angstrom=changes.pop("diameter", DIAMETER))
    return PickJob(**{"picker": own} | changes)


def run(inputs, out, **changes):
    listener = Listener()
    summary = run_pick_job(find_micrographs([Path(path) for path in inputs]), job(**changes), Path(out), listener)
    return summary, listener


def contents(folder):
    files = (p for p in sorted(folder.rglob("*_autopick.star")) if not p.name.startswith("coords_suffix"))
    return {p.relative_to(folder): p.read_bytes() for p in files}


def rejected(out):
    with (out / "rejected.csv").open(newline="") as file:
        return {row["micrograph"]: row["reason"] for row in csv.DictReader(file)}


def test_every_micrograph_gets_one_file_of_picks_and_particles_are_found(whole):
    out, summary = whole
    assert summary.exit_status == 0
    for name, field in FIELDS.items():
        picks, (_, truth) = read_picks(out / f"picks/{name}_autopick.star"), field.render()
        distance = np.hypot(*(truth.xy[:, None] - picks.xy[None]).transpose(2, 0, 1)).min(axis=1)
        inside = ((truth.xy > 15) & (truth.xy < [245, 205])).all(axis=1)
        assert (distance[inside] < 4).mean() > 0.9
        assert picks.score_kind == "probability"


def test_a_second_run_changes_nothing_and_does_nothing(images, picked):
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (picked / "picks").rglob("*.star")}
    summary, listener = run([images], picked)
    assert listener.keys == []
    assert listener.done == len(FIELDS)
    assert [o.count for o in summary.results] == [len(read_picks(p)) for p in sorted(before)]
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (picked / "picks").rglob("*.star")}


def test_a_run_goes_on_with_what_is_missing_and_ends_with_the_same_picks(images, picked):
    whole = contents(picked)
    (picked / "picks/grid.1_autopick.star").unlink()
    _, listener = run([images], picked)
    assert listener.keys == ["grid.1"]
    assert contents(picked) == whole


def test_what_a_killed_call_has_picked_is_graded_as_in_one_that_was_left_alone(images, picked):
    grades, whole = (picked / "grades.csv").read_bytes(), contents(picked)
    for name in ("grades.csv", "micrographs.csv", "autopick.star"):  # they are written at the end
        (picked / name).unlink()
    (picked / "picks/grid.1_autopick.star").unlink()
    run([images], picked)
    assert (picked / "grades.csv").read_bytes() == grades
    assert contents(picked) == whole


def test_a_damaged_file_of_picks_is_made_again(images, picked):
    whole = contents(picked)
    path = picked / "picks/grid.2_autopick.star"
    path.write_text("data_\nloop_\n_rlnCoordinateX #1\n_rlnCoordi")
    _, listener = run([images], picked)
    assert listener.keys == ["grid.2"]
    assert contents(picked) == whole


@pytest.mark.slow
def test_the_number_of_workers_changes_neither_the_picks_nor_what_is_set_aside(images, whole, tmp_path):
    (tmp_path / "text.mrc").write_text("this is no image " * 100)
    summary, _ = run([images, tmp_path / "text.mrc"], tmp_path / "two", cpus=2)
    assert summary.exit_status == 3
    assert contents(tmp_path / "two") == contents(whole[0])
    assert [Path(name).stem for name in rejected(tmp_path / "two")] == ["text"]
    models = [json.loads((out / "localpicker.json").read_text()) for out in (whole[0], tmp_path / "two")]
    assert models[0] == models[1]


def test_bad_micrographs_are_named_with_their_reasons_and_the_others_go_on(micrographs, tmp_path):
    (micrographs / "empty.mrc").write_bytes(b"")
    (micrographs / "text.mrc").write_text("this is no image " * 100)
    whole = (micrographs / "grid.0.mrc").read_bytes()
    (micrographs / "cut.mrc").write_bytes(whole[:-10])
    for name, image in {
        "flat": np.full((300, 300), 7, np.float32),
        "stack": np.zeros((4, 300, 300), np.float32),
    }.items():
        with mrcfile.new(micrographs / f"{name}.mrc", image) as file:
            file.voxel_size = 4.0
    hole = np.frombuffer(whole[1024:], np.float32).copy()
    hole[5] = np.nan
    (micrographs / "hole.mrc").write_bytes(whole[:1024] + hole.tobytes())
    summary, _ = run([micrographs], tmp_path / "out", picker=PUBLISHED)
    assert summary.exit_status == 3
    assert len(summary.done) == len(FIELDS)
    reasons = {Path(name).stem: reason for name, reason in rejected(tmp_path / "out").items()}
    said = {"empty": "empty", "text": "MRC", "cut": "truncated", "flat": "constant", "hole": "NaN", "stack": "stack"}
    assert reasons.keys() == said.keys()
    for name, word in said.items():
        assert word.lower() in reasons[name].lower()
    assert len(contents(tmp_path / "out")) == len(FIELDS)


def test_entries_that_are_no_files_are_named_and_the_others_go_on(micrographs, tmp_path):
    (micrographs / "loop.mrc").symlink_to("loop.mrc")
    (micrographs / "lost.mrc").symlink_to("nowhere.mrc")
    (micrographs / "zero.mrc").symlink_to("/dev/zero")
    os.mkfifo(micrographs / "pipe.mrc")
    shutil.copy(micrographs / "grid.0.mrc", micrographs / f"{'l' * 245}.mrc")
    said = {"loop": "links", "lost": "missing", "zero": "a device", "pipe": "a pipe", "l" * 245: "a name of 245 bytes"}
    for _ in range(2):  # the second job finds the results of the first
        summary, _ = run([micrographs], tmp_path / "out", picker=PUBLISHED)
        assert summary.exit_status == 3
        reasons = {Path(name).stem: reason for name, reason in rejected(tmp_path / "out").items()}
        assert reasons.keys() == said.keys()
        assert all(word in reasons[name] for name, word in said.items())
        assert len(contents(tmp_path / "out")) == len(FIELDS)


def test_when_all_are_bad_the_status_says_so_and_there_are_no_picks(tmp_path):
    folder = tmp_path / "micrographs"
    folder.mkdir()
    (folder / "a.mrc").write_bytes(b"")
    summary, _ = run([folder], tmp_path / "out")
    assert summary.exit_status == 4
    assert contents(tmp_path / "out") == {}
    assert list(rejected(tmp_path / "out").values())


def test_a_mended_micrograph_leaves_the_list_of_the_rejected(micrographs, tmp_path):
    path = micrographs / "grid.1.mrc"
    whole = path.read_bytes()
    path.write_bytes(whole[:2000])
    assert run([micrographs], tmp_path / "out", picker=PUBLISHED)[0].exit_status == 3
    path.write_bytes(whole)
    assert run([micrographs], tmp_path / "out", picker=PUBLISHED)[0].exit_status == 0
    assert rejected(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"diameter": 5000.0}, "larger than the micrograph"),
        ({"diameter": 8.0}, "4 px or more"),
    ],
)
def test_a_diameter_that_fits_no_micrograph_is_refused_before_any_work(micrographs, tmp_path, changes, words):
    with pytest.raises(SettingsError, match=words):
        run([micrographs], tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_an_unknown_pixel_size_is_refused_before_any_work(micrographs, tmp_path):
    for path in micrographs.iterdir():
        with mrcfile.open(path, "r+") as file:
            file.voxel_size = 0
    with pytest.raises(SettingsError, match="--pixel-size"):
        run([micrographs], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_made_with_other_settings_is_refused_and_kept_unless_forced(images, picked):
    before = contents(picked)
    with pytest.raises(SettingsError, match=r"diameter_angstrom 120\.0, now 150\.0"):
        run([images], picked, diameter=150.0)
    assert contents(picked) == before
    _, listener = run([images], picked, diameter=150.0, force=True)
    assert len(listener.keys) == len(FIELDS)
    assert json.loads((picked / "settings.json").read_text())["settings"]["diameter_angstrom"] == 150.0


@pytest.mark.slow
def test_new_micrographs_join_and_the_old_ones_stay_as_they_are(micrographs, tmp_path):
    run([micrographs], tmp_path / "out")
    before = contents(tmp_path / "out")
    write(
        micrographs / "later.mrc", ShellField(height_px=301, width_px=353, particles=12, pixel_size_angstrom=4, seed=9)
    )
    _, listener = run([micrographs], tmp_path / "out")
    assert listener.keys == ["later"]
    after = contents(tmp_path / "out")
    assert before.items() <= after.items()
    listed = read_star(tmp_path / "out/autopick.star")["coordinate_files"]
    assert len(listed) == len(after) == len(FIELDS) + 1


def test_a_micrograph_of_equal_name_from_elsewhere_is_not_taken_for_the_one_picked(picked, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write(other / "grid.0.mrc", FIELDS["grid.1"])
    with pytest.raises(SettingsError, match="name another --out"):
        run([other], picked)


def test_pictures_and_csv_asked_for_later_are_made_from_the_picks_that_are_there(images, picked):
    before = contents(picked)
    run([images], picked, plots=True, csv=True)
    assert contents(picked) == before
    for name in FIELDS:
        assert (picked / f"plots/{name}.png").read_bytes()[:4] == b"\x89PNG"
        star, table = (
            read_picks(picked / f"picks/{name}_autopick.star"),
            read_picks(picked / f"csv/{name}.csv"),
        )
        np.testing.assert_allclose(star.xy, table.xy, atol=1e-5)
    made = {path: path.read_bytes() for path in (picked / "plots/grid.0.png", picked / "csv/grid.1.csv")}
    for path in made:
        path.write_bytes(b"")  # as a full disk leaves it
    run([images], picked, plots=True, csv=True)
    assert {path: path.read_bytes() for path in made} == made


def test_a_rejected_micrograph_is_looked_at_again_though_a_file_of_picks_is_there(micrographs, tmp_path):
    out = tmp_path / "out"
    run([micrographs], out, picker=PUBLISHED)
    with mrcfile.open(micrographs / "grid.0.mrc", "r+") as file:
        file.data[5, 5] = np.nan
    (out / "csv/grid.0.csv").unlink(missing_ok=True)
    summary, _ = run([micrographs], out, picker=PUBLISHED)
    assert [each.file.key for each in summary.rejected] == ["grid.0"]
    shutil.copyfile(out / "picks/grid.1_autopick.star", out / "picks/grid.0_autopick.star")
    summary, _ = run([micrographs], out, picker=PUBLISHED)
    assert [each.file.key for each in summary.rejected] == ["grid.0"]
    assert "grid.0" not in (out / "autopick.star").read_text()


def test_an_output_that_is_a_file_is_refused(micrographs, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(SettingsError, match="cannot be written"):
        run([micrographs], tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_star_input_keeps_optics_and_ctf_and_mirrors_its_folders(micrographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MotionCorr/job002").mkdir(parents=True)
    micrographs.rename(tmp_path / "MotionCorr/job002/Movies")
    rows = "\n".join(f"MotionCorr/job002/Movies/{n}.mrc 1 15000 14000 30" for n in FIELDS)
    (tmp_path / "micrographs.star").write_text(
        "data_optics\n\nloop_\n_rlnOpticsGroupName\n_rlnOpticsGroup\n_rlnMicrographPixelSize\n_rlnVoltage\n"
        "opticsGroup1 1 4.0 300\n\ndata_micrographs\n\nloop_\n_rlnMicrographName\n_rlnOpticsGroup\n_rlnDefocusU\n"
        f"_rlnDefocusV\n_rlnDefocusAngle\n{rows}\n"
    )
    out = Path("AutoPick/job003")
    run(["micrographs.star"], out, picker=PUBLISHED)
    assert {str(p) for p in contents(out)} == {f"picks/Movies/{n}_autopick.star" for n in FIELDS}
    kept = read_star(out / "micrographs.star")
    assert kept["micrographs"]["rlnDefocusU"].astype(float).tolist() == [15000.0] * 3
    assert kept["optics"]["rlnVoltage"].tolist() == ["300"]
    listed = read_star(out / "autopick.star")["coordinate_files"]
    assert all(Path(p).is_file() for p in listed["rlnMicrographCoordinates"])
    assert (out / "picks/coords_suffix_autopick.star").read_text().strip() == "AutoPick/job003/micrographs.star"


def test_loose_images_stand_in_the_table_of_micrographs_beside_those_of_a_star_file(micrographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, *others = sorted(FIELDS)
    (tmp_path / "one.star").write_text(
        "data_optics\nloop_\n_rlnOpticsGroupName\n_rlnOpticsGroup\n_rlnMicrographPixelSize\n_rlnVoltage\n"
        "_rlnSphericalAberration\n_rlnAmplitudeContrast\nog1 1 4.0 300 2.7 0.1\n\ndata_micrographs\nloop_\n"
        "_rlnMicrographName\n_rlnOpticsGroup\n_rlnDefocusU\n_rlnDefocusV\n_rlnDefocusAngle\n"
        f"micrographs/{first}.mrc 1 15000 14000 30\n"
    )
    loose = [Path(f"micrographs/{name}.mrc") for name in others]
    run([Path("one.star"), *loose], Path("out"), picker=PUBLISHED)
    listed = {file.name: file for file in find_micrographs([Path("out/micrographs.star")])}
    assert set(listed) == {f"micrographs/{name}.mrc" for name in FIELDS}
    assert [file.pixel_size_angstrom for file in listed.values()] == pytest.approx([4.0] * 3)
    assert listed[f"micrographs/{first}.mrc"].defocus_angstrom == 14500
    assert {listed[path.as_posix()].defocus_angstrom for path in loose} == {None}
    before = Path("out/micrographs.star").read_text()
    run([Path("one.star"), *loose], Path("out"), picker=PUBLISHED)
    assert Path("out/micrographs.star").read_text() == before


def test_nothing_but_picks_lies_in_the_folder_of_picks(images, tmp_path):
    run([images / "grid.0.mrc"], tmp_path / "out", picker=PUBLISHED, plots=True, csv=True)
    names = [p.name for p in (tmp_path / "out/picks").rglob("*") if p.is_file()]
    assert names == ["grid.0_autopick.star"]


def test_a_micrograph_keeps_its_name_when_another_folder_joins(images, picked):
    before = contents(picked)
    other = images.with_name("other")
    other.mkdir()
    write(other / "grid.0.mrc", ShellField(**FIELD, seed=7))
    listener = Listener()
    run_pick_job(find_micrographs([images, other]), job(), picked, listener)
    assert listener.keys == ["other/grid.0"]
    after = contents(picked)
    assert before.items() <= after.items()
    assert len(read_star(picked / "autopick.star")["coordinate_files"]) == len(after) == len(FIELDS) + 1


def test_what_a_killed_run_left_is_not_taken_for_picks_of_another_folder(picked, tmp_path):
    for name in ("micrographs.csv", "rejected.csv", "autopick.star"):  # a kill comes before these
        (picked / name).unlink()
    other = tmp_path / "other"
    other.mkdir()
    write(other / "grid.0.mrc", FIELDS["grid.1"])
    with pytest.raises(SettingsError, match="name another --out"):
        run([other], picked)


def test_picks_that_were_not_made_here_are_neither_used_nor_removed_even_by_force(micrographs, tmp_path):
    mine = [tmp_path / "out" / name for name in ("picks/grid.0_autopick.star", "csv/precious.csv", "plots/figure.png")]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    for force in (False, True):
        with pytest.raises(SettingsError, match="was not made here"):
            run([micrographs], tmp_path / "out", force=force)
    assert [path.read_text() for path in mine] == ["mine"] * 3


def test_bad_micrographs_before_the_first_good_one_are_told_like_the_others(micrographs, tmp_path):
    (micrographs / "a-bad.mrc").write_bytes(b"")
    _, listener = run([micrographs], tmp_path / "out", picker=PUBLISHED)
    assert listener.done == 0
    assert sorted(listener.keys) == ["a-bad", *sorted(FIELDS)]


def test_tables_of_two_runs_end_in_one(micrographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in FIELDS:
        Path(f"{name}.star").write_text(
            f"data_\n\nloop_\n_rlnMicrographName\n_rlnDefocusU\n_rlnDefocusV\nmicrographs/{name}.mrc 15000 14000\n"
        )
        run([f"{name}.star"], Path("out"), picker=PUBLISHED)
    names = read_star(Path("out/micrographs.star"))["micrographs"]["rlnMicrographName"]
    assert set(names) == {f"micrographs/{name}.mrc" for name in FIELDS}


def test_the_folder_of_the_micrographs_is_no_output_folder(micrographs):
    with pytest.raises(SettingsError, match="where the micrographs are"):
        run([micrographs], micrographs)
