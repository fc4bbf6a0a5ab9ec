"""The sample of a set: spread over it, of what most of it is like, and no more read than needed."""

import pytest

from cryoglean.errors import MicrographError
from cryoglean.jobs.sample import spread_sample
from cryoglean.micrograph import MicrographFile


class Set:
    """Micrographs by name; u for unusual, n for not worth learning from, x for unreadable."""

    def __init__(self, names, tmp_path):
        self.files = [MicrographFile(tmp_path / name, None, name) for name in names]
        self.read_names = []

    def read(self, file):
        self.read_names.append(file.key)
        if "x" in file.key:
            raise MicrographError(file.path, "cannot be read")
        return file.key

    def sample(self, max_count):
        return sorted(
            spread_sample(
                self.files,
                self.read,
                max_count=max_count,
                suits=lambda name: "n" not in name,
                is_usual=lambda name: "u" not in name,
            )
        )


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["a0", "a1", "u0", "u1"], ["a0", "a1"]),
        (["a0", "u0", "u1", "x0"], ["a0", "u0", "u1"]),
        (["u0", "n0"], ["u0"]),
        (["n0", "x0"], ["n0"]),
        (["a0", "n0", "n1", "n2"], ["a0"]),
        (["x0"], []),
    ],
)
def test_what_most_are_like_is_taken_and_the_rest_where_there_is_nothing_better(names, chosen, tmp_path):
    for order in (names, names[::-1]):
        assert Set(order, tmp_path).sample(8) == chosen


def test_unusual_ones_give_way_to_usual_ones_and_no_more_are_taken_than_asked_for(tmp_path):
    one = Set([f"{'au'[i % 3 == 0]}{i:02}" for i in range(40)], tmp_path)
    chosen = one.sample(8)
    assert len(chosen) == 8
    assert not any("u" in name for name in chosen)


def test_of_a_large_set_of_unusual_ones_not_all_are_read(tmp_path):
    one = Set([f"u{i:04}" for i in range(1000)], tmp_path)
    assert len(one.sample(8)) == 8
    assert len(one.read_names) <= 16
