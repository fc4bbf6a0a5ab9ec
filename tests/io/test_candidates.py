"""The file of candidates: only digits are lost, none reaches the threshold that it was below, and it is no pick."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.errors import TableError
from cryoglean.io.candidates import read_candidates, write_candidates
from cryoglean.io.coordinates import read_picks
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.picks import Picks


def some(count, kind="uncalibrated", high=0.5):
    rng = np.random.default_rng(0)
    return Picks(rng.uniform(0, 11_000, count), rng.uniform(0, 8_000, count), rng.uniform(0.1, high, count), kind)


@pytest.mark.parametrize("count", [0, 1, 500])
@pytest.mark.parametrize("kind", ["uncalibrated", "probability"])
def test_what_is_written_is_read(tmp_path, count, kind):
    path, known = tmp_path / "in/candidates.npz", some(count, kind)
    write_candidates(path, known)
    read = read_candidates(path)
    np.testing.assert_allclose(read.xy, known.xy, atol=1e-3)
    np.testing.assert_allclose(read.score, known.score, atol=1e-7)
    assert read.score_kind == kind


@given(threshold=st.floats(0.11, 1))
def test_none_reaches_the_threshold_that_it_was_below(threshold, tmp_path_factory):
    path = tmp_path_factory.mktemp("near") / "candidates.npz"
    write_candidates(path, Picks([1.0], [1.0], [np.nextafter(threshold, 0)]))
    assert len(read_candidates(path).at_least(threshold)) == 0


def test_a_thousand_take_no_more_than_twelve_bytes_each_and_a_little(tmp_path):
    write_candidates(tmp_path / "c.npz", some(1000))
    assert (tmp_path / "c.npz").stat().st_size < 12 * 1000 + 1000


def test_where_there_is_no_file_nothing_is_known(tmp_path):
    assert read_candidates(tmp_path / "c.npz") is None


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "pickle", "columns"])
def test_a_damaged_file_is_named_and_what_to_do(tmp_path, damage):
    path = tmp_path / "c.npz"
    write_candidates(path, some(50))
    whole = path.read_bytes()
    if damage == "pickle":
        np.savez(path, x=np.array([{}], dtype=object), y=np.zeros(1), score=np.zeros(1), score_kind="uncalibrated")
    elif damage == "columns":
        np.savez(path, x=np.zeros(2), y=np.zeros(1), score=np.zeros(1), score_kind="uncalibrated")
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"no candidates at all", "empty": b""}[damage])
    with pytest.raises(TableError, match=r"c\.npz.*damaged candidates.*--repick makes it again"):
        read_candidates(path)


def test_no_reader_of_picks_takes_it_for_picks(tmp_path):
    write_candidates(tmp_path / "candidates/m.npz", some(20))
    write_candidates(tmp_path / "m_autopick.npz", some(20))
    assert read_picks_folder(tmp_path) == read_picks_folder(tmp_path / "candidates") == {}
    with pytest.raises(TableError, match="cannot read coordinates from this kind of file"):
        read_picks(tmp_path / "candidates/m.npz")
