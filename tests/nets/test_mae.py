"""The masked autoencoder: what is hidden is not seen, the masks are data, the sizes are those published."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from cryoglean.nets.mae import Mae, new_mae
from cryoglean.nets.mae_layers import PAPER_LAYERS, MaeLayers
from cryoglean.nets.mae_loss import hidden_error
from cryoglean.nets.masks import Masks, random_masks
from cryoglean.nets.tokens import patches_of
from cryoglean.nets.transformer import Blocks

TINY = MaeLayers(
    tile_px=16,
    patch_px=4,
    encoder=Blocks(width=16, depth=2, heads=2),
    decoder=Blocks(width=8, depth=1, heads=2),
    encoder_place_scale=1.0,
)


def tiles(n=3, seed=0):
    return torch.randn(n, 16, 16, generator=torch.Generator().manual_seed(seed))


def masks(n=3, seed=0):
    return random_masks(np.random.default_rng(seed), n, 16, 0.5)


def is_hidden(some):
    """Where the pixels of hidden patches are."""
    found = torch.zeros(len(some.hidden), 4, 4, dtype=torch.bool)
    for i, hidden in enumerate(some.hidden):
        found[i].view(-1)[hidden] = True
    return found.repeat_interleave(4, 1).repeat_interleave(4, 2)


@torch.no_grad()
def test_hidden_pixels_change_nothing_and_shown_ones_do():
    net, shown = new_mae(TINY, 0), ~is_hidden(masks())
    base = net(tiles(), masks())
    assert base.shape == (3, 8, 16)
    assert torch.equal(net(torch.where(shown, tiles(), 99.0), masks()), base)
    assert not torch.allclose(net(torch.where(shown, 99.0, tiles()), masks()), base)


@torch.no_grad()
def test_the_order_in_which_patches_are_named_changes_only_the_order_of_what_comes_out():
    net, some, order = new_mae(TINY, 0), masks(), torch.tensor([3, 0, 7, 1, 2, 6, 5, 4])
    other = Masks(some.shown[:, order.flip(0)], some.hidden[:, order])
    torch.testing.assert_close(net(tiles(), other), net(tiles(), some)[:, order], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_all_tokens_shown_in_order_is_what_latents_are_of():
    net = new_mae(TINY, 0)
    every = torch.arange(16).expand(3, -1)
    latents = net.encoder.patch_latents(tiles())
    assert latents.shape == (3, 4, 4, 16)
    torch.testing.assert_close(net.encoder(tiles(), every)[:, 1:].view(latents.shape), latents)


@torch.no_grad()
def test_places_matter():
    net = new_mae(TINY, 0)
    same = net.encoder.patch_latents(torch.ones(1, 16, 16))[0].flatten(0, 1)
    assert float(torch.cdist(same, same).fill_diagonal_(1).min()) > 1e-3


def test_the_loss_is_of_hidden_patches_alone():
    truth, some = tiles(), masks()
    right = torch.stack([patches_of(truth, 4)[i, hidden] for i, hidden in enumerate(some.hidden)])
    assert float(hidden_error(right, truth, some.hidden, 4)) == 0
    assert float(hidden_error(right + 2, truth, some.hidden, 4)) == pytest.approx(4)
    elsewhere = torch.where(is_hidden(some), truth, 7.0)
    assert float(hidden_error(right, elsewhere, some.hidden, 4)) == 0


def test_weights_come_from_the_seed_alone():
    first, again, other = (torch.cat([p.flatten() for p in new_mae(TINY, s).parameters()]) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_keys_start_as_queries_or_have_weights_of_their_own_and_all_else_is_alike():
    tied, free = (dict(new_mae(TINY, 0, keys_as_queries=each).named_parameters()) for each in (True, False))
    for name, weight in free.items():
        if not name.endswith("query_key_value.weight"):
            assert torch.equal(tied[name], weight)
            continue
        (query, key, value), (tied_query, tied_key, tied_value) = weight.chunk(3), tied[name].chunk(3)
        assert torch.equal(tied_query, tied_key)
        assert torch.equal(tied_query, query)
        assert torch.equal(tied_value, value)
        similarity = torch.corrcoef(torch.stack([query.flatten(), key.flatten()]))[0, 1]
        assert abs(similarity) < 4 / query.numel() ** 0.5


def test_every_weight_has_a_part_in_the_prediction():
    net = new_mae(TINY, 0)
    loss = hidden_error(net(tiles(), masks()), tiles(), masks().hidden, 4)
    assert all(g.abs().max() > 0 for g in torch.autograd.grad(loss, list(net.parameters())))


def test_the_published_sizes():
    net = Mae(PAPER_LAYERS)
    assert net.layers.tokens == 256
    assert len(net.encoder.transformer.blocks) == 14
    assert len(net.decoder.transformer.blocks) == 7
    block = net.encoder.transformer.blocks[0]
    assert (block.heads, block.dense1.in_features, block.dense1.out_features) == (1, 192, 384)
    assert net.decoder.transformer.blocks[0].heads == 8
    assert net.decoder.pixels.out_features == 16
    assert float(net.encoder.position.abs().max()) == pytest.approx(0.08)


@pytest.mark.parametrize("wrong", [{"patch_px": 5}, {"tile_px": 4}, {"encoder_place_scale": 0}, {"layers": 3}])
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValidationError):
        MaeLayers(**wrong)
