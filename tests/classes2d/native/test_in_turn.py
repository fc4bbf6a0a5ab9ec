"""Work of threads, taken in order."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cryoglean.classes2d.native.in_turn import in_turn


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 8, 9, 100])
def test_all_that_is_done_comes_in_the_order_of_the_parts(threads, count):
    with ThreadPoolExecutor(threads) as pool:
        assert list(in_turn(pool, lambda part: part**2, range(count))) == [part**2 for part in range(count)]


def test_no_more_is_begun_than_a_few_parts_ahead_of_what_is_taken():
    begun = []
    with ThreadPoolExecutor(2) as pool:
        taken = in_turn(pool, begun.append, range(1000))
        for number in range(50):
            next(taken)
            assert len(begun) <= number + 10


def test_what_goes_wrong_is_raised_where_it_is_taken():
    def work(part):
        if part == 3:
            raise ValueError(part)
        return threading.get_ident()

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="3"):
        list(in_turn(pool, work, range(20)))
