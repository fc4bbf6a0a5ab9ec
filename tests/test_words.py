"""Counts that agree with their nouns, and names that fit."""

import pytest

from cryoglean.words import counted, shortened


@pytest.mark.parametrize(
    ("number", "words"), [(0, "no patches"), (1, "1 patch"), (2, "2 patches"), (1234, "1,234 patches")]
)
def test_counts_agree(number, words):
    assert counted(number, "patch", "patches") == words


def test_the_plural_has_an_s_unless_told_otherwise():
    assert [counted(n, "pick") for n in (0, 1, 2)] == ["no picks", "1 pick", "2 picks"]


def test_names_are_cut_in_the_middle_only_where_they_are_too_long():
    assert shortened("a" * 32) == "a" * 32
    assert shortened("abc" + "-" * 40 + "xyz", 9) == "abc…---xyz"
