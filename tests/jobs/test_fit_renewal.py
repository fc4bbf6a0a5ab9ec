"""What is learned depends on the set, not on the order of its files, and not for ever on what came first."""

import json

import mrcfile
import numpy as np
import pytest
from tests.fields import noise_field
from tests.jobs.test_pick import FIELDS, contents, run, write

from cryoglean.io.coordinates import read_picks
from cryoglean.jobs.fit_renewal import is_outdated
from cryoglean.pickers.protocol import FIT_MICROGRAPHS
from shells import ShellField

SMALL = {"height_px": 200, "width_px": 240, "particles": 8, "pixel_size_angstrom": 4}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """More micrographs than a fit takes."""
    folder = tmp_path_factory.mktemp("many")
    for seed in range(FIT_MICROGRAPHS + 3):
        write(folder / f"m{seed}.mrc", ShellField(**SMALL, seed=seed))
    return sorted(folder.glob("*.mrc"))


def learned(out):
    return json.loads((out / "localpicker.json").read_text())


def assert_same_picks(out, other):
    """Compare all but the last bits, in which sums may depend on where in memory an image lies."""
    assert contents(out).keys() == contents(other).keys()
    for path in contents(out):
        one, two = read_picks(out / path), read_picks(other / path)
        np.testing.assert_allclose(one.xy, two.xy, atol=1e-3)
        np.testing.assert_allclose(one.score, two.score, atol=1e-3)


def empty(path, seed=0):
    with mrcfile.new(path, noise_field((300, 360), seed), overwrite=True) as file:
        file.voxel_size = 4


def test_the_order_of_files_changes_nothing(many, tmp_path):
    run(many, tmp_path / "sorted")
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(many))
        run([many[i] for i in order], tmp_path / str(seed))
        assert learned(tmp_path / str(seed))["micrographs"] == learned(tmp_path / "sorted")["micrographs"]
        assert_same_picks(tmp_path / str(seed), tmp_path / "sorted")


def test_the_sample_is_spread_over_the_set(many, tmp_path):
    run(many, tmp_path)
    names = [path.name for path in many]
    taken = [names.index(name.rpartition("/")[2]) for name in learned(tmp_path)["micrographs"]]
    assert len(taken) == FIT_MICROGRAPHS
    assert max(taken) >= len(many) - 2


def test_an_empty_first_micrograph_does_not_empty_those_that_come_later(images, tmp_path):
    empty(tmp_path / "empty.mrc")
    summary, _ = run([tmp_path / "empty.mrc"], tmp_path / "out")
    assert (summary.fit.found_particles, summary.exit_status) == (False, 6)
    summary, listener = run([tmp_path / "empty.mrc", images], tmp_path / "out")
    assert any("no particles were found before" in line for line in listener.said)
    run([tmp_path / "empty.mrc", images], tmp_path / "at_once")
    assert_same_picks(tmp_path / "out", tmp_path / "at_once")
    assert summary.total > 20


def test_a_fit_from_few_micrographs_is_made_anew_as_more_arrive_and_what_was_picked_stays(many, tmp_path):
    run(many[:1], tmp_path)
    first = contents(tmp_path)
    _, listener = run(many, tmp_path)
    assert any("only 1 had been seen; 1 picked" in line for line in listener.said)
    assert len(learned(tmp_path)["micrographs"]) == FIT_MICROGRAPHS
    now = contents(tmp_path)
    assert {path: now[path] for path in first} == first
    _, listener = run(many, tmp_path)
    assert (listener.steps, contents(tmp_path)) == ([], now)


def test_enough_micrographs_settle_what_is_learned(many, tmp_path):
    summary, _ = run(many[:-1], tmp_path)
    assert not is_outdated(summary.fit)
    before = learned(tmp_path)
    run(many, tmp_path)
    assert learned(tmp_path) == before


def test_a_fit_that_is_to_be_kept_stays_as_it_is(many, tmp_path):
    run(many[:1], tmp_path)
    before = learned(tmp_path)
    run(many, tmp_path, is_stage=True)
    assert learned(tmp_path) == before


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for name, field in FIELDS.items():
        write(folder / f"{name}.mrc", field)
    return folder
