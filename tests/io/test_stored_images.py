"""Images that stay on disk: the same as if all had been read, and named where they are not what they should be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.errors import TableError
from cryoglean.io.particles import ParticleTable, write_stack
from cryoglean.io.stored_images import stored_images

IMAGES = np.random.default_rng(0).normal(size=(7, 12, 12)).astype(np.float32)


def table(names):
    return ParticleTable(pd.DataFrame(), pd.DataFrame({"rlnImageName": list(names)}, dtype=object))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Images 5, 0, 4, 3 and 1 of two stacks, as a table names them."""
    folder = tmp_path_factory.mktemp("stacks")
    write_stack(folder / "job" / "a.mrcs", [IMAGES[:4]], 2)
    write_stack(folder / "job" / "b.mrcs", [IMAGES[4:]], 2)
    names = ["000002@job/b.mrcs", "1@job/a.mrcs", "000001@job/b.mrcs", "000004@job/a.mrcs", "2@job/a.mrcs"]
    return stored_images(table(names), folder / "job" / "particles.star")


def test_images_come_in_the_order_of_the_table_from_whatever_stack(stored):
    assert stored.shape == (5, 12, 12)
    np.testing.assert_array_equal(stored[:], IMAGES[[5, 0, 4, 3, 1]])


@given(rows=st.lists(st.integers(0, 4), max_size=8))
def test_any_rows_are_those_of_the_array(stored, rows):
    which = np.array(rows, np.int64)
    np.testing.assert_array_equal(stored[which], IMAGES[[5, 0, 4, 3, 1]][which])
    np.testing.assert_array_equal(stored.only(which)[:], stored[which])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.mrcs"], "not of the form"),
        (["0@a.mrcs"], "not of the form"),
        (["x@a.mrcs"], "not of the form"),
        (["1@a.mrcs", "9@a.mrcs"], "has 7 images, but number 9"),
        (["1@missing.mrcs"], "missing"),
        (["1@broken.mrcs"], "broken"),
        (["1@a.mrcs", "1@small.mrcs"], "12 x 12 px in .*a.mrcs, 8 x 8 px in .*small.mrcs"),
    ],
)
def test_what_does_not_go_with_the_table_is_one_clear_error_before_any_image_is_read(tmp_path, names, said):
    write_stack(tmp_path / "a.mrcs", [IMAGES], 2)
    write_stack(tmp_path / "small.mrcs", [IMAGES[:, :8, :8]], 2)
    (tmp_path / "broken.mrcs").write_bytes((tmp_path / "a.mrcs").read_bytes()[:-100])
    with pytest.raises(TableError, match=said) as error:
        stored_images(table(names), tmp_path / "p.star")
    assert "\n" not in str(error.value)


def test_a_stack_that_is_replaced_meanwhile_is_named(tmp_path):
    write_stack(tmp_path / "a.mrcs", [IMAGES], 2)
    images = stored_images(table(["1@a.mrcs", "7@a.mrcs"]), tmp_path / "p.star")
    write_stack(tmp_path / "a.mrcs", [IMAGES[:3, :8, :8]], 2)
    with pytest.raises(TableError, match=r"a\.mrcs"):
        images[:]
    with pytest.raises(TableError, match="has changed: images of 8 x 8 px"):
        images[np.array([0])]
