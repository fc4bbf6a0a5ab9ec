"""Candidates lie beside the picks of a job, below its threshold, and share the fate of its picks."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from cryoglean.io.candidates import read_candidates
from cryoglean.io.coordinates import read_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.jobs.pick import PickJob, run_pick_job
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.pickers.candidates import CANDIDATE_SCORE
from cryoglean.pickers.localpicker.paper import PaperLocalpickerSettings
from cryoglean.pickers.localpicker.picker import LocalpickerSettings
from faint_fields import DIAMETER, PIXEL, faint, write_faint
from fake_run import write_image
from listeners import Listener

NAMES = ("faint.0", "faint.1")


def run(images, out, picker=None, **changes):
    """Pick as the command does, by Localpicker unless it is another one."""
    settings = picker or LocalpickerSettings(diameter_angstrom=DIAMETER, **changes.pop("picks", {}))
    job = PickJob(picker=settings, pixel_size_angstrom=PIXEL, contrast="dark", **changes)
    return run_pick_job(find_micrographs([images]), job, out, Listener())


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_faint(tmp_path_factory.mktemp("faint") / "images", [f"{name}.mrc" for name in NAMES])


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
    """The images picked once, only to be looked at."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert run(images, out).exit_status == 0
    return out


@pytest.fixture
def picked(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "out"))


def picks_at(out, name):
    return read_picks(out / f"picks/{name}_autopick.star")


def candidates_at(out, name):
    return read_candidates(out / f"candidates/{name}.npz")


def test_candidates_lie_below_the_threshold_and_are_no_picks(whole):
    for name in NAMES:
        candidates = candidates_at(whole, name)
        assert len(candidates) > 0
        assert candidates.score.min() >= CANDIDATE_SCORE - 1e-6
        assert candidates.score.max() < picks_at(whole, name).score.min()
    assert {key: len(picks) for key, picks in read_picks_folder(whole).items()} == {
        name: len(picks_at(whole, name)) for name in NAMES
    }


@pytest.mark.slow
def test_picks_with_candidates_are_what_a_lower_threshold_picks(images, whole, tmp_path):
    run(images, tmp_path / "low", picks={"threshold": 0.2})
    for name in NAMES:
        lower, both = picks_at(tmp_path / "low", name), (picks_at(whole, name), candidates_at(whole, name))
        xy = np.concatenate([each.at_least(0.2).xy for each in both])
        np.testing.assert_allclose(xy, lower.xy, atol=1e-3)
    more = [len(picks_at(tmp_path / "low", name)) - len(picks_at(whole, name)) for name in NAMES]
    assert sum(more) > 0


def test_candidates_are_kept_with_picks_and_made_again_with_them(images, picked):
    path = picked / f"candidates/{NAMES[0]}.npz"
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    run(images, picked)
    assert path.stat().st_mtime_ns == stamp
    path.unlink()
    (picked / f"picks/{NAMES[0]}_autopick.star").unlink()
    run(images, picked)
    assert path.read_bytes() == before


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


DAMAGES = {
    "removed": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": cut,
    "no archive": lambda path: path.write_bytes(b"not an archive"),
    "of a folder made before there were any": lambda path: shutil.rmtree(path.parent),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_missing_and_damaged_candidates_are_made_again_beside_picks_that_stay(images, picked, damage):
    path, picks = (picked / f"{name}" for name in (f"candidates/{NAMES[0]}.npz", f"picks/{NAMES[0]}_autopick.star"))
    before, stamp = candidates_at(picked, NAMES[0]), picks.stat().st_mtime_ns
    DAMAGES[damage](path)
    summary = run(images, picked)
    assert summary.counts == {name: len(picks_at(picked, name)) for name in NAMES}
    assert picks.stat().st_mtime_ns == stamp
    np.testing.assert_allclose(candidates_at(picked, NAMES[0]).xy, before.xy, atol=1e-2)
    stamp = path.stat().st_mtime_ns
    run(images, picked)
    assert path.stat().st_mtime_ns == stamp


def test_no_candidates_of_one_fit_are_put_beside_picks_of_another(images, picked):
    picks, path = picked / f"picks/{NAMES[0]}_autopick.star", picked / f"candidates/{NAMES[0]}.npz"
    fit = picks_at(picked, NAMES[0]).fit
    picks.write_text(picks.read_text().replace(fit, "0123456789ab"))
    path.unlink()
    run(images, picked)
    assert not path.exists()
    run(images, picked, repick=True)
    assert picks_at(picked, NAMES[0]).fit == fit
    assert path.exists()


@pytest.mark.slow
def test_candidates_go_with_force_and_with_the_picks_of_another_image(images, picked, tmp_path):
    stray = picked / "candidates/stray.npz"
    shutil.copyfile(picked / f"candidates/{NAMES[0]}.npz", stray)
    run(images, picked, force=True)
    assert not stray.exists()
    other = Path(shutil.copytree(images, tmp_path / "images"))
    run(other, tmp_path / "own")
    before = candidates_at(tmp_path / "own", NAMES[0])
    write_image(other / f"{NAMES[0]}.mrc", faint(7))
    run(other, tmp_path / "own")
    after = candidates_at(tmp_path / "own", NAMES[0])
    assert before.xy.shape != after.xy.shape or not np.allclose(before.xy, after.xy, atol=1)


def test_what_is_forgotten_leaves_neither_picks_nor_candidates(picked):
    folder = PickFolder(picked)
    folder.forget_results_of(NAMES[0])
    assert (folder.done_picks(NAMES[0]), folder.candidates(NAMES[0])) == (None, None)
    assert folder.candidates(NAMES[1]) is not None


def test_a_picker_whose_threshold_is_no_score_leaves_no_candidates(images, tmp_path):
    run(images, tmp_path / "paper", PaperLocalpickerSettings(diameter_angstrom=DIAMETER, bin_factor=2))
    assert not (tmp_path / "paper/candidates").exists()
