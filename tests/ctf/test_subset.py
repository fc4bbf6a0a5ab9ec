"""Which micrographs are chosen: by resolution, by defocus, and as the paper begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.ctf.subset import low_defocus_subset, paper_subset, passing
from cryoglean.micrograph import MicrographFile

OPTICS = {"rlnVoltage": "300", "rlnSphericalAberration": "2.7", "rlnAmplitudeContrast": "0.1"}


def file(key, defocus, resolution):
    row = {"rlnDefocusU": str(defocus + 100), "rlnDefocusV": str(defocus - 100), "rlnDefocusAngle": "0"}
    return MicrographFile(key, key, key, 1.0, {**row, "rlnCtfMaxResolution": str(resolution)}, OPTICS)


SETS = st.lists(st.tuples(st.integers(3000, 30000), st.floats(2.5, 8)), max_size=40).map(
    lambda rows: [file(str(i), *row) for i, row in enumerate(rows)]
)


@given(SETS, st.integers(1, 30))
def test_the_subset_keeps_its_promises(files, count):
    chosen = paper_subset(files, count)
    allowed = passing(files, max_resolution_angstrom=4, defocus_range_angstrom=(0, 20000))
    near = [f for f in allowed if f.defocus_angstrom < 10000]
    assert len(chosen) == min(count, len(allowed))
    assert all(f in allowed for f in chosen)
    assert chosen == [f for f in files if f in chosen]
    from_near = sum(f.defocus_angstrom < 10000 for f in chosen)
    if len(near) >= count // 2 and len(allowed) - len(near) >= count - count // 2:
        assert from_near == count // 2


@given(SETS, st.integers(1, 30))
def test_the_subset_of_low_defocus_is_the_best_resolved_of_those_near_focus(files, count):
    chosen = low_defocus_subset(files, count)
    near = passing(files, max_resolution_angstrom=4, defocus_range_angstrom=(0, 5000))
    assert len(chosen) == min(count, len(near))
    assert chosen == [f for f in files if f in chosen]
    left = [float(f.row["rlnCtfMaxResolution"]) for f in near if f not in chosen]
    assert all(float(f.row["rlnCtfMaxResolution"]) <= min(left, default=4.0) for f in chosen)


def test_limits_keep_what_is_within_them():
    files = [file("a", 9000, 3.5), file("b", 15000, 4.5), file("c", 25000, 3.0)]
    assert [f.key for f in passing(files, max_resolution_angstrom=4)] == ["a", "c"]
    assert [f.key for f in passing(files, defocus_range_angstrom=(10000, 30000))] == ["b", "c"]
    assert len(passing(files)) == 3


@pytest.mark.parametrize("row", [{}, {"rlnDefocusU": "nan", "rlnDefocusV": "1", "rlnDefocusAngle": "0"}])
def test_without_a_ctf_none_passes(row):
    assert passing([MicrographFile("a", "a", "a", 1.0, row, OPTICS)]) == []


def test_without_a_resolution_it_passes_only_without_a_limit():
    known = file("a", 9000, "inf")
    assert passing([known]) == [known]
    assert passing([known], max_resolution_angstrom=100) == []
