"""Tiles: cut where they should be, from a seed and a step alone, and an epoch of a grid sees each once."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.nets.tiles import TileSampler, at_least, even_starts

SIDE = 8


def numbered(height=30, width=22, first=0):
    """An image in which every pixel is unique."""
    return first + torch.arange(float(height * width)).view(height, width)


def sampler(images=None, **changes):
    return TileSampler(images or [numbered()], **({"tile_px": SIDE, "tokens": 16, "mask_ratio": 0.5} | changes))


def turns(tile):
    return [view.rot90(k) for view in (tile, tile.flip(1)) for k in range(4)]


def test_a_tile_from_anywhere_is_one_of_eight_views_of_a_square_of_the_image():
    image = numbered()
    seen = set()
    for tile in sampler().batch(0, 64).tiles:
        top, left = divmod(int(tile.min()), 22)
        square = image[top : top + SIDE, left : left + SIDE]
        view = [torch.equal(tile, turned) for turned in turns(square)]
        assert sum(view) == 1
        seen.add(view.index(True))
    assert seen == set(range(8))


@pytest.mark.parametrize("sampling", ["anywhere", "grid", "crops"])
def test_a_batch_depends_on_seed_stream_and_step_alone(sampling):
    def batch(step=3, **changes):
        return sampler(sampling=sampling, **changes).batch(step, 5)

    one, again = batch(), batch()
    assert torch.equal(one.tiles, again.tiles)
    assert torch.equal(one.masks.shown, again.masks.shown)
    for other in (batch(4), batch(seed=1), batch(stream=1)):
        assert not torch.equal(one.masks.shown, other.masks.shown)
        assert not torch.equal(one.tiles, other.tiles)


def test_an_epoch_of_a_grid_sees_every_tile_once_whatever_the_batch():
    images = [numbered(16, 24), numbered(17, 8, first=1000)]
    some = sampler(images, sampling="grid")
    assert some.tiles_of_an_epoch == 6 + 3
    tiles = torch.cat([some.batch(step, 4).tiles for step in range(9)])  # four epochs
    firsts = [int(tile[0, 0]) for tile in tiles]
    epochs = [firsts[k : k + 9] for k in range(0, 36, 9)]
    corners = {0, 8, 16, 192, 200, 208, 1000, 1032, 1072}
    assert all(set(epoch) == corners for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_larger_images_give_more_tiles():
    images = [torch.zeros(20, 20), torch.ones(40, 60)]
    share = float(sampler(images).batch(0, 3000).tiles[:, 0, 0].mean())
    assert share == pytest.approx(2400 / 2800, abs=0.03)


def test_a_crop_is_a_square_resized():
    smooth = torch.linspace(0, 1, 60)[:, None] * torch.linspace(1, 2, 60)
    tiles = sampler([smooth], sampling="crops", crop_area=(0.1, 0.5)).batch(0, 40).tiles
    assert tiles.shape == (40, SIDE, SIDE)
    assert float(tiles.min()) >= 0
    assert float(tiles.max()) <= 2
    spread = tiles.flatten(1).max(1).values - tiles.flatten(1).min(1).values
    assert float(spread.max() / spread.min()) > 1.5  # of several sizes


@pytest.mark.parametrize("shape", [(3, 30), (30, 5), (1, 1)])
def test_images_smaller_than_a_tile_are_continued(shape):
    tiles = sampler([numbered(*shape)]).batch(0, 3).tiles
    assert tiles.shape == (3, SIDE, SIDE)
    grown = at_least(numbered(*shape), SIDE)
    assert min(grown.shape) >= SIDE
    assert torch.equal(grown[: shape[0], : shape[1]], numbered(*shape))


@given(
    unit=st.integers(1, 4), side=st.integers(1, 20), more=st.integers(0, 90), stride=st.floats(0.05, 1), seed=st.just(0)
)
def test_even_windows_cover_a_line_from_end_to_end(unit, side, more, stride, seed):
    length, step = unit * (side + more), max(unit, int(stride * side) * unit)
    starts = even_starts(length, unit * side, step, unit)
    assert starts[0] == 0
    assert starts[-1] + unit * side == length
    assert all(start % unit == 0 for start in starts)
    gaps = np.diff(starts)
    assert (gaps > 0).all()
    assert (gaps <= step).all()
    assert len(Counter(gaps)) <= 2  # even, but for whole units
