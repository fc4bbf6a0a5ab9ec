"""Our numbers against the reference tool of the project, run as a program of its own: the same to three digits."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryoglean.evaluate import Protocol, evaluate_picks
from cryoglean.io.coordinates import write_picks
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.picks import Picks
from examples import some

SHARED = Path(__file__).parents[2] / "../shared"
TOOL = SHARED / "tools" / "score_picks.py"
PEERS = SHARED / "data" / "empiar-10017" / "peers"
TRUTH_10017 = SHARED / "data" / "empiar-10017" / "particles"
TRUTH_10146 = SHARED / "data" / "empiar-10146" / "particles"

pytestmark = pytest.mark.skipif(not TOOL.is_file(), reason="the reference tool is not there: ../shared/tools")
needs_data = pytest.mark.skipif(not PEERS.is_dir(), reason="the labelled micrographs are not there: ../shared/data")


def reference(truth, picks, *options):
    command = [sys.executable, str(TOOL), str(truth), str(picks), *map(str, options), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


def assert_agrees(ours, theirs):
    assert (ours.n_truth, ours.n_picks) == (theirs["n_truth"], theirs["n_picks"])
    for name, value in (
        ("recall", ours.recall),
        ("precision", ours.precision),
        ("f1", ours.f1),
        ("iou", ours.mean_iou),
    ):
        assert value == pytest.approx(theirs[name], abs=5e-4), name


def compare(truth, picks, protocol, *, best=True, threshold=None, only_with_picks=False):
    options = ["--diameter", protocol.diameter_px]
    if protocol.margin_px:
        options += ["--margin", protocol.margin_px, "--size", "{}x{}".format(*protocol.size_px)]
    options += ["--best"] if best else []
    options += ["--only-with-picks"] if only_with_picks else []
    options += [] if threshold is None else ["--threshold", threshold]
    theirs = reference(truth, picks, *options)
    ours = evaluate_picks(
        read_picks_folder(truth),
        read_picks_folder(picks),
        protocol,
        find_best=best,
        threshold=threshold,
        only_with_picks=only_with_picks,
    )
    assert_agrees(ours.overall, theirs["as given"])
    assert len(ours.micrographs) == theirs["micrographs"]
    if best:
        assert_agrees(ours.best.counts, theirs["best cut"])
        assert ours.best.threshold == pytest.approx(theirs["best cut"]["threshold"])


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize(
    ("peer", "margin", "best"),
    [
        ("cryolo-cassper", 0, True),
        pytest.param("cryolo-cassper", 144, False, marks=pytest.mark.slow),
        pytest.param("gautomatch-cassper", 144, False, marks=pytest.mark.slow),
        pytest.param("gautomatch-cassper", 0, False, marks=pytest.mark.slow),
        pytest.param("topaz-repic", 0, False, marks=pytest.mark.slow),
        pytest.param("cryolo-repic", 144, True, marks=pytest.mark.slow),
    ],
)
def test_published_picks_score_as_with_the_reference(peer, margin, best):
    protocol = Protocol(108, margin, (4096, 4096) if margin else None)
    compare(TRUTH_10017, PEERS / peer, protocol, best=best, only_with_picks=peer.endswith("repic"))


@needs_data
def test_the_truth_scores_one_against_itself():
    compare(TRUTH_10146, TRUTH_10146, Protocol(75, 37.5, (1200, 1240)))


@pytest.fixture
def synthetic(tmp_path):
    def make(seed, n_micrographs, n, crowding):
        rng = np.random.default_rng(seed)
        for folder in ("truth", "picks"):
            (tmp_path / folder).mkdir(exist_ok=True)
            for old in (tmp_path / folder).iterdir():
                old.unlink()
        size = 60 * np.sqrt(n) / crowding
        for i in range(n_micrographs):
            xy = rng.uniform(0, size, (rng.integers(0, n + 1), 2))
            write_picks(tmp_path / "truth" / f"m.{i}.csv", Picks(*xy.T, np.ones(len(xy))))
            if rng.uniform() < 0.2:
                continue
            stray = rng.uniform(0, size, (rng.integers(0, n), 2))
            found = np.concatenate([xy + rng.normal(0, 6, xy.shape), stray])
            picks = Picks(*found.T, rng.uniform(0, 1, len(found)))
            write_picks(tmp_path / "picks" / f"m.{i}_autopick.star", picks, f"m.{i}")
        return tmp_path / "truth", tmp_path / "picks", (int(size), int(size) + 7)

    return make


@pytest.mark.slow
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 60),
    crowding=st.floats(0.3, 2),
    margin=st.sampled_from([0, 20, 30]),
    threshold=st.sampled_from([None, 0.3]),
)
@settings(max_examples=some(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_picks_score_as_with_the_reference(synthetic, seed, n, crowding, margin, threshold):
    truth, picks, size = synthetic(seed, 4, n, crowding)
    if not any(picks.iterdir()):
        return
    protocol = Protocol(50, margin, size if margin else None)
    compare(truth, picks, protocol, threshold=threshold, best=any(len(p) for p in read_picks_folder(picks).values()))
