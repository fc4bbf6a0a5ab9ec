"""Grades: by what is left out and by the set; what is bad teaches nothing as long as there are others."""

import dataclasses

import mrcfile
import numpy as np
import pytest
from PIL import Image

from cryoglean.io.inputs import find_micrographs
from cryoglean.io.masks import with_masks
from cryoglean.jobs.grades import Evidence, Grade, findings_on_grades, grade_micrographs
from cryoglean.jobs.pick import PickJob, run_pick_job
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.pick_report import gather
from cryoglean.pickers.localpicker.paper import PaperLocalpickerSettings
from cryoglean.pickers.localpicker.picker import LocalpickerSettings
from cryoglean.report.pick_page import pick_page
from html_page import Page
from listeners import Listener
from shells import ShellField

USUAL = {"picks": 100, "left_out": 0.05, "unevenness": 0.2, "ctf_resolution_angstrom": 4.0}
SETTINGS = LocalpickerSettings(diameter_angstrom=120)


def graded(others=5, **changes):
    """The grade of one beside others that are as usual."""
    seen = [Evidence(key=f"m{n}", **USUAL) for n in range(others)] + [Evidence(key="odd", **USUAL | changes)]
    rows = {row.key: row for row in grade_micrographs(seen)}
    assert all(row.grade is Grade.good and not row.reason for key, row in rows.items() if key != "odd")
    return rows["odd"]


@pytest.mark.parametrize(
    ("changes", "grade", "reason"),
    [
        ({}, Grade.good, ""),
        ({"left_out": 0.51}, Grade.bad, "51% of it is left out"),
        ({"left_out": 0.3}, Grade.doubtful, "30% of it is left out"),
        ({"left_out": 0.2}, Grade.good, ""),
        ({"picks": 0}, Grade.doubtful, "no picks, and most have 100"),
        ({"picks": 30}, Grade.good, ""),
        ({"picks": 700}, Grade.doubtful, "700 picks, far more than most have"),
        ({"unevenness": 0.5}, Grade.doubtful, "its contrast varies 2.5 times as much as in most: carbon, ice or dirt?"),
        ({"unevenness": 0.03}, Grade.doubtful, "its contrast varies 0.15 times as much as in most: is it empty?"),
        ({"unevenness": 0.35}, Grade.good, ""),
        ({"ctf_resolution_angstrom": 9}, Grade.doubtful, "its CTF fits to 9 Å, that of most to 4 Å"),
        ({"ctf_resolution_angstrom": 7}, Grade.good, ""),
        ({"left_out": None, "unevenness": None, "ctf_resolution_angstrom": None}, Grade.good, ""),
        ({"picks": 0, "left_out": 0.9}, Grade.bad, "90% of it is left out"),
    ],
)
def test_a_grade_says_what_is_wrong(changes, grade, reason):
    row = graded(**changes)
    assert (row.grade, row.reason) == (grade, reason)


def test_several_doubts_are_all_said():
    assert graded(picks=1, unevenness=0.9).reason.count(";") == 1


def test_of_two_micrographs_neither_is_judged_by_the_other():
    assert graded(others=1, picks=0, unevenness=2.0, ctf_resolution_angstrom=20).grade is Grade.good


def test_a_set_that_is_uneven_or_covered_throughout_is_good():
    seen = [Evidence(key=f"m{n}", picks=4, left_out=0.4, unevenness=0.7) for n in range(6)]
    assert {row.grade for row in grade_micrographs(seen)} == {Grade.good}
    assert findings_on_grades({row.key: row for row in grade_micrographs(seen)}) == ()


def write(path, image):
    with mrcfile.new(path, image.astype(np.float32)) as file:
        file.voxel_size = 4.0


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Three micrographs with particles, the first of which shows nothing in more than half of it."""
    folder = tmp_path_factory.mktemp("graded") / "images"
    folder.mkdir()
    for seed in range(3):
        field = ShellField(height_px=220, width_px=260, particles=10, pixel_size_angstrom=4, seed=seed)
        image = field.render()[0].image.copy()
        if seed == 0:
            image[70:, 60:] = image.mean()
        write(folder / f"m{seed}.mrc", image)
    return folder


def pick(files, out, picker=SETTINGS):
    return run_pick_job(files, PickJob(picker=picker), out, Listener())


@pytest.fixture(scope="module")
def picked(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return out, pick(find_micrographs([images]), out)


def test_a_bad_micrograph_is_picked_told_and_not_learned_from(picked):
    out, summary = picked
    row = summary.grades["m0"]
    assert (row.grade, row.left_out > 0.5) == (Grade.bad, True)
    assert [summary.grades[key].grade for key in ("m1", "m2")] == [Grade.good, Grade.good]
    assert [name.rpartition("/")[2] for name in summary.fit.micrographs] == ["m1.mrc", "m2.mrc"]
    (finding,) = findings_on_grades(summary.grades)
    assert finding.text == "1 bad micrograph: m0: see grades.csv"
    assert "of it is left out" in Page(pick_page(gather(out), "now")).words


def test_where_all_are_bad_they_are_learned_from_all_the_same(images, tmp_path):
    assert len(pick(find_micrographs([images / "m0.mrc"]), tmp_path / "out").fit.micrographs) == 1


@pytest.mark.slow
def test_what_a_user_masks_does_not_keep_the_rest_from_being_learned_from(images, tmp_path):
    mask = np.zeros((220, 260), np.uint8)
    mask[:, :160] = 1
    Image.fromarray(mask).save(tmp_path / "m1.png")
    summary = pick(with_masks(find_micrographs([images]), tmp_path), tmp_path / "out")
    assert [name.rpartition("/")[2] for name in summary.fit.micrographs] == ["m1.mrc", "m2.mrc"]
    assert summary.grades["m1"].grade is Grade.bad


def test_a_later_call_keeps_what_is_known_of_earlier_micrographs(images, tmp_path):
    out, picker = tmp_path / "out", PaperLocalpickerSettings(diameter_angstrom=120, bin_factor=2)
    files = find_micrographs([images])
    with_ctf = [dataclasses.replace(file, row={"rlnCtfMaxResolution": "5.5"}) for file in files]
    pick(with_ctf[:2], out, picker)
    before = PickFolder(out).grades()
    assert before["m1"].unevenness > 0
    assert before["m1"].ctf_resolution_angstrom == 5.5
    pick(files[1:], out, picker)
    now = PickFolder(out).grades()
    assert list(now) == ["m0", "m1", "m2"]
    assert [now[key] for key in ("m0", "m1")] == [before[key] for key in ("m0", "m1")]
