"""Coordinates from elsewhere on their way into extraction, training and runs: turned, refused, or as they are."""

import json
import shutil

import mrcfile
import numpy as np
import pytest

from cryoglean.errors import SettingsError
from cryoglean.evaluate.orientation import Orientation, OrientationChoice
from cryoglean.findings import Level
from cryoglean.io.coordinates import write_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.particles import read_particles
from cryoglean.jobs.coordinate_check import checked_picks, spread
from cryoglean.jobs.coordinate_findings import UNREAD_ROWS
from cryoglean.jobs.extract import run_extract_job
from cryoglean.jobs.extract_settings import ExtractJob
from cryoglean.jobs.pick_sources import find_picks, holds_own_picks
from cryoglean.jobs.train import TrainJob, run_train_job
from cryoglean.loop.rounds import run_loop
from cryoglean.loop.settings import LoopJob, LoopSettings
from cryoglean.pickers.kpicker.training import KpickerTraining
from cryoglean.picks import Picks
from fields import disc, particle_field
from listeners import Listener

SHAPE, DIAMETER, PIXEL = (300, 380), 30.0, 2.0
AUTO, AS_IS = OrientationChoice.auto, OrientationChoice.as_is


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Three micrographs with coordinates of another program: right, upside down, binned, and with repeated rows."""
    root = tmp_path_factory.mktemp("project")
    (root / "mics").mkdir()
    for seed in range(3):
        field = particle_field(SHAPE, DIAMETER, disc, n=30, noise=0.7, seed=seed)
        with mrcfile.new(root / f"mics/m{seed}.mrc", field.image) as file:
            file.voxel_size = PIXEL
        xy = np.asarray(field.xy, float)
        tables = {
            "right": xy,
            "flipped": Orientation.FLIP_Y.apply(xy, SHAPE),
            "half": xy / 2,
            "repeated": np.concatenate([xy, xy + 1.5, xy[:5]]),
        }
        for name, coordinates in tables.items():
            write_table(root / name / f"m{seed}.csv", coordinates)
    return root


def write_table(path, xy):
    path.parent.mkdir(exist_ok=True)
    path.write_text("x,y\n" + "".join(f"{x:.3f},{y:.3f}\n" for x, y in xy))


def found(project, name, choice=AUTO):
    files = find_micrographs([project / "mics"])
    picked, _ = find_picks(project / name, files)
    return checked_picks(project / name, picked, choice, DIAMETER * PIXEL, None)


def extract(project, name, out, **changes):
    notes = Listener()
    job = ExtractJob(**{"diameter_angstrom": DIAMETER * PIXEL, "scale_to": None, "pad": True} | changes)
    summary = run_extract_job(project / name, find_micrographs([project / "mics"]), job, out, notes)
    return summary, notes.lines


def centres(out):
    rows = read_particles(out / "particles.star").particles
    xy = rows[["rlnCoordinateX", "rlnCoordinateY"]].to_numpy(float)
    shift = rows[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy(float) / PIXEL
    return np.round(xy - shift, 2)


def test_right_coordinates_stay_byte_for_byte(project):
    checked = found(project, "right")
    before, _ = find_picks(project / "right", find_micrographs([project / "mics"]))
    assert checked.orientation is Orientation.IDENTITY
    assert [each.digest() for each in checked.picked] == [each.digest() for each in before]
    assert "as they are" in checked.lines[0]
    assert len(checked.lines) == 1
    assert [each.level for each in checked.findings] == [Level.fact]


def test_what_is_upside_down_is_turned_and_told_with_evidence(project, tmp_path):
    summary, said = extract(project, "flipped", tmp_path / "turned")
    extract(project, "right", tmp_path / "right")
    assert summary.total == 90
    np.testing.assert_allclose(centres(tmp_path / "turned"), centres(tmp_path / "right"), atol=0.02)
    line = next(line for line in said if "flip-y" in line)
    assert "signal" in line
    assert "--orientation as-is" in line
    (note,) = summary.on_places
    assert (note.level, "turned (flip-y)" in note.text) == (Level.note, True)


def test_as_is_leaves_them_and_is_another_result_than_auto(project, tmp_path):
    extract(project, "flipped", tmp_path / "out")
    turned = centres(tmp_path / "out")
    _, said = extract(project, "flipped", tmp_path / "out", orientation=AS_IS)
    assert not np.allclose(centres(tmp_path / "out"), turned)
    assert not any("turned" in line for line in said)


def test_a_turn_that_is_asked_for_is_made(project):
    checked = found(project, "right", OrientationChoice.flip_x)
    assert {each.orientation for each in checked.picked} == {Orientation.FLIP_X}
    assert "flip-x" in checked.lines[0]


def test_angles_of_turned_particles_are_told_and_their_rows_stay_with_them(project, tmp_path):
    rows = [
        f"mics/m{seed}.mrc {line.replace(',', ' ')} {number}"
        for seed in range(3)
        for number, line in enumerate((project / f"flipped/m{seed}.csv").read_text().splitlines()[1:])
    ]
    names = ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY", "rlnAnglePsi")
    head = "\n".join(f"_{name} #{n}" for n, name in enumerate(names, start=1))
    table = tmp_path / "refined.star"
    table.write_text(f"data_particles\n\nloop_\n{head}\n" + "\n".join([*rows, *rows[::-1]]) + "\n")
    notes, job = Listener(), ExtractJob(diameter_angstrom=DIAMETER * PIXEL, scale_to=None, pad=True)
    summary = run_extract_job(table, find_micrographs([project / "mics"]), job, tmp_path / "out", notes)
    assert summary.total == 90
    assert any("rlnAnglePsi are carried as they are" in line for line in notes.lines)
    psi = read_particles(tmp_path / "out/particles.star").particles["rlnAnglePsi"].astype(float)
    assert sorted(psi) == sorted([*range(30)] * 3)


def test_another_scale_is_refused_before_any_work_with_the_remedy(project, tmp_path):
    with pytest.raises(SettingsError, match=r"half: .*multiplied by 2 .*--orientation as-is"):
        extract(project, "half", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert extract(project, "half", tmp_path / "out", orientation=AS_IS)[0].total == 90


def test_coordinates_that_lie_outside_for_no_known_reason_are_an_alarm(project, tmp_path):
    for seed in range(3):
        rows = (project / f"right/m{seed}.csv").read_text().splitlines()[1:]
        write_table(tmp_path / f"larger/m{seed}.csv", 1.27 * np.array([row.split(",") for row in rows], float))
    picked, _ = find_picks(tmp_path / "larger", find_micrographs([project / "mics"]))
    checked = checked_picks(tmp_path / "larger", picked, AUTO, DIAMETER * PIXEL, None)
    assert checked.orientation is Orientation.IDENTITY
    (alarm,) = [each for each in checked.findings if "lie outside the micrographs" in each.text]
    assert alarm.level is Level.alarm


def test_repeated_particles_are_told_and_kept_once(project, tmp_path):
    summary, said = extract(project, "repeated", tmp_path / "out")
    assert summary.total == 90
    assert any("105 rows repeat particles, 90 of them" in line for line in said)
    assert "105 rows of particles that the tables had before: left out" in [each.text for each in summary.on_places]


def test_rows_that_could_not_be_read_are_part_of_the_verdict(project, tmp_path):
    shutil.copytree(project / "right", project / "broken")
    with (project / "broken/m1.csv").open("a") as table:
        table.write("nan,30\n")
    summary, said = extract(project, "broken", tmp_path / "out")
    assert any("m1.csv: line 32: x 'nan' is no number" in line for line in said)
    assert UNREAD_ROWS in summary.on_places
    assert summary.total == 90


def test_a_box_alone_tells_the_diameter(project, tmp_path):
    _, said = extract(project, "flipped", tmp_path / "out", diameter_angstrom=None, box_size_px=44)
    assert any("flip-y" in line for line in said)


@pytest.mark.slow
def test_training_turns_refuses_and_keeps_once(project, tmp_path):
    training = KpickerTraining(
        diameter_angstrom=DIAMETER * PIXEL, layers={"filters": (2, 3, 4), "dense": 5}, min_steps=2, max_steps=2
    )
    files, notes = find_micrographs([project / "mics"]), Listener()
    summary = run_train_job(files, project / "flipped", None, TrainJob(training=training), tmp_path / "a", notes)
    assert summary.total == 90
    assert any("flip-y" in line for line in notes.lines)
    with pytest.raises(SettingsError, match="multiplied by 2"):
        run_train_job(files, project / "half", None, TrainJob(training=training), tmp_path / "b", notes)
    assert not (tmp_path / "b").exists()


def test_a_run_refuses_before_it_makes_a_folder(project, tmp_path):
    settings = LoopSettings(diameter_angstrom=DIAMETER * PIXEL, start_from=project / "half")
    with pytest.raises(SettingsError, match="multiplied by 2"):
        run_loop(find_micrographs([project / "mics"]), LoopJob(settings=settings), tmp_path / "run", Listener())
    assert not (tmp_path / "run").exists()


def test_own_picks_are_not_looked_at_but_turned_if_asked(project, tmp_path):
    for seed in range(3):
        xy = np.random.default_rng(seed).uniform(20, 280, (40, 2))
        write_picks(tmp_path / f"out/picks/m{seed}_autopick.star", Picks(*xy.T, np.ones(40), "probability"), "m.mrc")
    files = find_micrographs([project / "mics"])
    assert found_in(files, tmp_path / "out").lines  # it has no record: it may be of another program
    (tmp_path / "out/settings.json").write_text(json.dumps({"job": "pick"}))
    checked = found_in(files, tmp_path / "out")
    assert (checked.lines, checked.findings) == ([], ())
    assert {each.orientation for each in checked.picked} == {Orientation.IDENTITY}
    asked = found_in(files, tmp_path / "out", OrientationChoice.flip_y)
    assert {each.orientation for each in asked.picked} == {Orientation.FLIP_Y}


def found_in(files, path, choice=AUTO):
    return checked_picks(path, find_picks(path, files)[0], choice, DIAMETER * PIXEL, None)


def test_what_a_run_leaves_is_its_own(tmp_path):
    pool, beside = tmp_path / "run/rounds/00/pool", tmp_path / "run/mine"
    for folder in (pool, beside):
        folder.mkdir(parents=True)
    (tmp_path / "run/run.json").write_text("{}")
    assert holds_own_picks(pool)
    assert holds_own_picks(tmp_path / "run/rounds/00/selected/junk.star")
    assert not holds_own_picks(beside)


def test_a_bad_micrograph_stops_no_check(project, tmp_path):
    mics = tmp_path / "mics"
    mics.mkdir()
    for each in (project / "mics").iterdir():
        (mics / each.name).symlink_to(each)
    (mics / "m1.mrc").unlink()
    (mics / "m1.mrc").write_bytes(b"no image")
    checked = found_in(find_micrographs([mics]), project / "flipped")
    assert checked.orientation is Orientation.FLIP_Y
    assert len(checked.picked) == 3


@pytest.mark.parametrize(("n", "some"), [(0, 0), (1, 1), (8, 8), (9, 8), (1000, 8)])
def test_a_sample_is_spread_and_has_both_ends(n, some):
    chosen = spread(range(n))
    assert len(set(chosen)) == some
    assert not n or (chosen[0], chosen[-1]) == (0, n - 1)
