"""Masks: every token in one of the two groups, from nothing but the generator's state."""

import numpy as np
import pytest
import torch

from cryoglean.nets.masks import random_masks


def masks(seed=0, tiles=5, tokens=64, ratio=0.5):
    return random_masks(np.random.default_rng(seed), tiles, tokens, ratio)


@pytest.mark.parametrize("ratio", [0.01, 0.25, 0.5, 0.75, 0.99])
@pytest.mark.parametrize("tokens", [2, 16, 255])
def test_every_token_is_either_shown_or_hidden(ratio, tokens):
    found = masks(tokens=tokens, ratio=ratio)
    both = torch.cat(found, dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(tokens).expand(5, -1))
    assert found.hidden.shape[1] == min(max(round(ratio * tokens), 1), tokens - 1)


def test_the_same_state_gives_the_same_masks_and_another_others():
    assert all(torch.equal(a, b) for a, b in zip(masks(), masks(), strict=True))
    assert not torch.equal(masks(0).shown, masks(1).shown)


def test_every_token_is_hidden_as_often_as_any_other():
    often = torch.bincount(masks(tiles=4000, tokens=16, ratio=0.25).hidden.flatten(), minlength=16)
    assert (often - 1000).abs().max() < 5 * (4000 * 0.25 * 0.75) ** 0.5


def test_parts_of_masks_are_masks_of_parts():
    whole = masks(tiles=7)
    parts = whole.split(3)
    assert [len(part.shown) for part in parts] == [3, 3, 1]
    assert torch.equal(torch.cat([part.hidden for part in parts]), whole.hidden)
