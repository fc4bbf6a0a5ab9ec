"""Extraction from files to files: what is written, what is left out and said, what a second run does."""

import csv
import json

import numpy as np
import pytest

from cryoglean.errors import SettingsError
from cryoglean.io.coordinates import write_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.mrc_stack import read_stack
from cryoglean.io.particles import ParticleTable, read_particles, write_particles
from cryoglean.io.stored_images import stored_images
from cryoglean.jobs.extract_settings import ExtractJob
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.micrograph import MicrographFile
from cryoglean.picks import Picks
from extraction import CTF, PIXEL, SHAPE, XY, run, true_centres, write_project
from listeners import Listener

OPTICS = {"rlnOpticsGroup": "1", "rlnVoltage": "300", "rlnSphericalAberration": "2.7", "rlnAmplitudeContrast": "0.1"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path)


def test_every_box_has_its_particle_in_the_centre_bright_and_the_table_says_where(project):
    summary = run(project)
    assert summary.exit_status == 0
    table = read_particles(project / "boxes" / "particles.star")
    images = stored_images(table, project / "boxes" / "particles.star")[:]
    assert len(images) == len(table.particles) == 15
    assert images.shape[1:] == (20, 20)
    bright = np.clip(images.mean(axis=0) - 5, 0, None)
    steps = np.arange(20) - 10
    assert (bright.sum(0) @ steps, bright.sum(1) @ steps) / bright.sum() == pytest.approx([0, 0], abs=0.15)
    np.testing.assert_allclose(true_centres(table, "a.mrc"), XY[:5], atol=1e-4)
    np.testing.assert_allclose(true_centres(table, "c.tif"), XY[:5] * [1, -1] + [0, SHAPE[0] - 1], atol=1e-4)
    assert float(table.optics["rlnImagePixelSize"].iloc[0]) == pytest.approx(PIXEL * 2)
    assert list(table.particles["rlnAutopickFigureOfMerit"].astype(float)[:5]) == pytest.approx(
        list(np.linspace(0.9, 0.3, 7)[:5])
    )


def test_particles_carry_the_number_of_their_pick_through_what_is_left_out(project):
    order = np.roll(np.arange(len(XY)), 1)  # the last two, at the borders, are not the last any more
    picks = Picks(XY[order, 0], XY[order, 1], np.ones(len(XY)), "probability")
    write_picks(project / "out" / "picks" / "a_autopick.star", picks, "a.mrc")
    run(project)
    rows = read_particles(project / "boxes" / "particles.star").particles
    ids = rows.loc[rows["rlnMicrographName"].str.endswith("a.mrc"), "cryogleanPickId"]
    assert [order[int(number) - 1] for number in ids] == [0, 1, 2, 3, 4]
    assert list(ids) == ["2", "3", "4", "5", "6"]


def test_tables_without_the_numbers_of_picks_are_made_again(project):
    files = find_micrographs([project / "mics"])[:1]
    run(project, files=files)
    path = project / "boxes" / "particles" / "a.star"
    whole = path.read_text()
    path.write_text(whole.replace("cryogleanPickId", "rlnClassNumber"))
    run(project, files=files)
    assert path.read_text() == whole


def test_the_image_name_is_a_path_from_the_project(project):
    run(project)
    assert read_particles(project / "boxes" / "particles.star").particles["rlnImageName"][0] == (
        "000001@boxes/particles/a.mrcs"
    )


def test_boxes_that_leave_the_micrograph_are_said_and_kept_on_request(project):
    listener = Listener()
    run(project, listener)
    assert any("2 of 7 left out" in line for line in listener.lines)
    assert sum(o.count for o in run(project, out="padded", pad=True).done) == 21
    assert np.isfinite(read_stack(project / "padded" / "particles" / "a.mrcs")).all()


def test_contrast_is_left_as_it_is_on_request(project):
    run(project)
    run(project, out="dark", invert=False)
    bright, dark = (read_stack(project / o / "particles" / "a.mrcs") for o in ("boxes", "dark"))
    np.testing.assert_allclose(bright, -dark, atol=1e-5)


def test_a_second_run_does_nothing_and_one_more_micrograph_is_added(project):
    files = find_micrographs([project / "mics"])
    run(project, files=files[:2])
    before = (project / "boxes" / "particles" / "a.mrcs").stat().st_mtime_ns
    listener = Listener()
    run(project, listener, files=files)
    assert listener.done == 2
    assert listener.keys == ["c"]
    assert (project / "boxes" / "particles" / "a.mrcs").stat().st_mtime_ns == before
    assert len(read_particles(project / "boxes" / "particles.star").particles) == 15


def test_new_picks_or_a_lost_stack_are_extracted_anew(project):
    run(project)
    picks = Picks(XY[:2, 0], XY[:2, 1], np.ones(2))
    write_picks(project / "out" / "picks" / "a_autopick.star", picks, "a.mrc")
    (project / "boxes" / "particles" / "b.mrcs").unlink()
    listener = Listener()
    run(project, listener)
    assert sorted(listener.keys) == ["a", "b"]
    assert len(read_particles(project / "boxes" / "particles.star").particles) == 12


@pytest.mark.slow
def test_workers_make_the_same_bytes(project):
    run(project)
    run(project, out="two", cpus=2)
    for key in "abc":
        one, two = ((project / o / "particles" / f"{key}.mrcs").read_bytes() for o in ("boxes", "two"))
        assert one == two


def test_particles_of_an_alignment_are_centred_anew(project):
    """A first extraction off centre, with the origins an alignment would find, leads to the same boxes."""
    run(project)
    star = project / "boxes" / "particles.star"
    table = read_particles(star)
    off = table.particles.copy()
    off["rlnCoordinateX"] = [f"{float(v) + 3}" for v in off["rlnCoordinateX"]]
    off["rlnOriginXAngst"] = [f"{float(v) + 3 * PIXEL}" for v in off["rlnOriginXAngst"]]
    write_particles(project / "aligned.star", ParticleTable(table.optics, off))
    run(project, picks="aligned.star", out="again")
    for key in "abc":
        first, again = (read_stack(project / o / "particles" / f"{key}.mrcs") for o in ("boxes", "again"))
        np.testing.assert_allclose(first, again, atol=1e-5)


def test_ctf_columns_are_carried_and_phases_flipped_only_with_them(project):
    names = ["mics/a.mrc", "mics/b.mrc"]
    files = [
        MicrographFile(project / n, n, n[5], PIXEL, {"rlnMicrographName": n, **(CTF if "a" in n[5] else {})}, OPTICS)
        for n in names
    ]
    summary = run(project, files=files, phase_flip=True)
    assert summary.exit_status == 3
    assert "cryoglean ctf" in summary.rejected[0].reason
    table = read_particles(project / "boxes" / "particles.star")
    assert set(table.particles["rlnDefocusU"]) == {"15000"}
    assert list(table.optics["rlnVoltage"]) == ["300"]
    assert list(table.optics["rlnCtfDataArePhaseFlipped"]) == ["1"]
    with pytest.raises(SettingsError, match="no micrograph has one"):
        run(project, out="none", phase_flip=True)


def test_without_ctf_it_says_what_that_means(project):
    listener = Listener()
    run(project, listener)
    assert any("without a CTF" in line and "low resolution" in line for line in listener.lines)


def test_float16_stacks_are_half_the_size_and_equal_to_three_digits(project):
    run(project)
    run(project, out="half", float16=True)
    whole, half = (read_stack(project / o / "particles" / "a.mrcs") for o in ("boxes", "half"))
    np.testing.assert_allclose(whole, half, atol=0.02, rtol=1e-3)


def test_bad_micrographs_and_broken_picks_are_set_aside(project):
    (project / "mics" / "b.mrc").write_bytes(b"no image")
    (project / "out" / "picks" / "c_autopick.star").write_text("data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 x\n")
    summary = run(project)
    assert summary.exit_status == 3
    with (project / "boxes" / "rejected.csv").open() as lines:
        rows = {row["micrograph"].rpartition("/")[2]: row["reason"] for row in csv.DictReader(lines)}
    assert set(rows) == {"b.mrc", "c.tif"}
    assert "picks" in rows["c.tif"]
    assert len(read_particles(project / "boxes" / "particles.star").particles) == 5


def test_a_micrograph_without_picks_gives_no_particles_and_no_stack(project):
    write_picks(project / "out" / "picks" / "a_autopick.star", Picks.empty(), "a.mrc")
    assert run(project).exit_status == 0
    assert not (project / "boxes" / "particles" / "a.mrcs").exists()
    assert len(read_particles(project / "boxes" / "particles.star").particles) == 10


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"box_size_px": 400}, "larger than the micrograph of 260 x 220 px"),
        ({"box_size_px": 40, "diameter_angstrom": 100}, "smaller than the particle of 100 A"),
        ({"box_size_px": None}, "--diameter or --box-size-px"),
    ],
)
def test_settings_that_fit_nothing_are_refused_before_any_work(project, job, said):
    with pytest.raises(SettingsError, match=said):
        run(project, **job)
    assert not (project / "boxes").exists()


def test_picks_of_other_micrographs_are_refused_by_name(project):
    for path in (project / "out" / "picks").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    with pytest.raises(SettingsError, match="other_a"):
        run(project)


def test_a_folder_with_picks_is_never_taken_even_by_force(project):
    PickFolder(project / "out").claim({"diameter_angstrom": 40.0}, [], force=False)
    with pytest.raises(SettingsError, match="results of cryoglean pick, not of extract"):
        run(project, out="out", force=True)
    assert (project / "out" / "picks" / "a_autopick.star").exists()


def test_other_settings_are_refused_until_forced(project):
    run(project)
    with pytest.raises(SettingsError, match="scale_to 20, now 16"):
        run(project, scale_to=16)
    run(project, scale_to=16, force=True)
    assert read_stack(project / "boxes" / "particles" / "a.mrcs").shape == (5, 16, 16)
    assert json.loads((project / "boxes" / "settings.json").read_text())["settings"]["scale_to"] == 16


def test_the_box_follows_the_diameter_and_is_even():
    job = ExtractJob(diameter_angstrom=100)
    assert [job.box_px(size) for size in (1.0, 1.5, 1.77, 2.5)] == [150, 100, 84, 60]


@pytest.mark.parametrize("folder", ["out", "theirs"])
def test_a_broken_row_is_told_and_the_sound_ones_are_extracted(project, folder):
    path = project / ("out/picks/a_autopick.star" if folder == "out" else "theirs/a_autopick.star")
    path.parent.mkdir(exist_ok=True)
    path.write_text("data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n60 70\n130 nan\n200 90\n")
    listener = Listener()
    summary = run(project, listener, picks=folder)
    assert summary.exit_status == 0
    assert summary.counts["a"] == 2
    assert (
        sum(
            line.endswith("a_autopick.star: line 6: rlnCoordinateY 'nan' is no number: row left out")
            for line in listener.lines
        )
        == 1
    )


def test_relions_own_coordinates_of_a_tiff_and_emans_boxes_give_the_same_boxes_as_ours(project):
    run(project)
    y = SHAPE[0] - 1 - XY[:, 1]
    (project / "relion").mkdir()
    rows = [f"{x:.2f} {row:.2f}\n" for x, row in zip(XY[:, 0], y, strict=True)]
    text = "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n"
    (project / "relion" / "c_manualpick.star").write_text(text + "".join(rows))
    (project / "eman").mkdir()
    boxes = [f"{x - 20:.2f} {row - 20:.2f} 40 40\n" for x, row in zip(XY[:, 0], y, strict=True)]
    (project / "eman" / "c.box").write_text("".join(boxes))
    for folder in ("relion", "eman"):
        run(project, picks=folder, out=f"boxes_{folder}")
        ours, theirs = (read_stack(project / out / "particles/c.mrcs") for out in ("boxes", f"boxes_{folder}"))
        np.testing.assert_array_equal(ours, theirs)


def test_micrographs_of_one_name_from_two_jobs_keep_their_own_particles(project):
    for job, name in (("job002", "a.mrc"), ("job003", "b.mrc")):
        (project / "MotionCorr" / job).mkdir(parents=True)
        (project / "mics" / name).rename(project / "MotionCorr" / job / "m.mrc")
    names = [f"MotionCorr/{job}/m.mrc" for job in ("job002", "job003")]
    table = "data_micrographs\nloop_\n_rlnMicrographName\n"
    (project / "mics.star").write_text(table + "\n".join(names) + "\n")
    files = find_micrographs([project / "mics.star"])
    rows = f"{names[0]} 60 70\n{names[1]} 130 60\n{names[1]} 200 90\n"
    (project / "p.star").write_text("data_\nloop_\n_rlnMicrographName\n_rlnCoordinateX\n_rlnCoordinateY\n" + rows)
    assert run(project, picks="p.star", files=files).counts == {"job002/m": 1, "job003/m": 2}


def test_cryosparcs_names_are_matched(project):
    name = "J2/motioncorrected/007437651415402836131_a_patch_aligned_doseweighted.mrc"
    columns = "_rlnMicrographName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnOriginX\n_rlnOriginY\n"
    (project / "p.star").write_text(f"data_images\nloop_\n{columns}{name} 60 70 0 0\n")
    assert run(project, picks="p.star").counts == {"a": 1}


def test_one_species_alone_is_extracted_and_one_that_is_not_there_is_refused(project):
    species = np.array([1, 2, 1, 2, 1, 1, 1])
    picks = Picks(*XY.T, np.linspace(0.9, 0.3, len(XY)), "probability", species=species)
    write_picks(project / "out" / "picks" / "a_autopick.star", picks, "a.mrc", height_px=SHAPE[0])
    run(project, out="small", species=2)
    small = read_particles(project / "small" / "particles.star")
    np.testing.assert_allclose(true_centres(small, "a.mrc"), XY[species == 2], atol=1e-4)
    assert len(true_centres(small, "b.mrc")) == 0
    run(project, out="large", species=1)
    large = read_particles(project / "large" / "particles.star")
    assert len(large.particles) + len(small.particles) == len(run_all(project))
    with pytest.raises(SettingsError, match="--species 3: no pick is of it; their species are 1 and 2"):
        run(project, out="none", species=3)
    assert not (project / "none").exists()


def run_all(project):
    run(project, out="all")
    return read_particles(project / "all" / "particles.star").particles
