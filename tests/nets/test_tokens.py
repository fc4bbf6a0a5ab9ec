"""Patches and their places."""

import pytest
import torch

from cryoglean.nets.tokens import patches_of, position_code, take, tiles_of


@pytest.mark.parametrize(("height", "width", "side"), [(64, 64, 4), (8, 24, 8), (12, 6, 3)])
def test_patches_are_cut_row_by_row_and_put_back(height, width, side):
    tiles = torch.randn(3, height, width, generator=torch.Generator().manual_seed(0))
    patches = patches_of(tiles, side)
    assert torch.equal(patches[:, 1], tiles[:, :side, side : 2 * side].flatten(1))
    assert torch.equal(tiles_of(patches, side, height // side), tiles)


@pytest.mark.parametrize("width", [4, 192, 128])
def test_codes_of_places_are_sines_and_cosines(width):
    code = position_code(3, 5, width).view(3, 5, width)
    quarter = width // 4
    frequency = 10_000.0 ** (-torch.arange(quarter) / quarter)
    torch.testing.assert_close(code[2, 4, :quarter], (2 * frequency).sin())
    torch.testing.assert_close(code[2, 4, quarter : 2 * quarter], (2 * frequency).cos())
    torch.testing.assert_close(code[2, 4, 2 * quarter : 3 * quarter], (4 * frequency).sin())
    torch.testing.assert_close(code[2, 4, 3 * quarter :], (4 * frequency).cos())


def test_every_place_has_a_code_of_its_own_and_all_are_equally_long():
    code = position_code(16, 16, 64)
    assert float(torch.cdist(code, code).fill_diagonal_(1).min()) > 0.1
    torch.testing.assert_close(code.square().sum(1), torch.full((256,), 32.0))


def test_each_row_takes_its_own():
    tokens = torch.arange(24.0).view(2, 4, 3)
    taken = take(tokens, torch.tensor([[3, 0], [1, 1]]))
    assert torch.equal(taken, torch.stack([tokens[0, [3, 0]], tokens[1, [1, 1]]]))
