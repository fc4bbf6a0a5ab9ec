"""The blocks: against torch's own encoder layer, and what any set of tokens can expect."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from cryoglean.nets.transformer import Block, Blocks, Transformer


def tokens(n=2, k=7, width=16, seed=0):
    return torch.randn(n, k, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("heads", [1, 2, 8])
@torch.no_grad()
def test_a_block_is_torchs_with_the_norms_first(heads):
    torch.manual_seed(0)
    ours = Block(Blocks(width=16, depth=1, heads=heads, mlp_ratio=3))
    theirs = nn.TransformerEncoderLayer(16, heads, 48, 0.0, "gelu", batch_first=True, norm_first=True)
    theirs.self_attn.in_proj_weight.copy_(ours.query_key_value.weight)
    theirs.self_attn.in_proj_bias.copy_(ours.query_key_value.bias)
    pairs = (("self_attn.out_proj", "joined"), ("linear1", "dense1"), ("linear2", "dense2"))
    for name, mine in (*pairs, ("norm1", "norm1"), ("norm2", "norm2")):
        theirs.get_submodule(name).load_state_dict(ours.get_submodule(mine).state_dict())
    torch.testing.assert_close(ours(tokens()), theirs.train()(tokens()), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_tokens_have_no_order():
    torch.manual_seed(0)
    net, order = Transformer(Blocks(width=16, depth=3, heads=2)), torch.tensor([3, 1, 0, 6, 5, 2, 4])
    torch.testing.assert_close(net(tokens())[:, order], net(tokens()[:, order]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("wrong", [{"width": 18}, {"width": 16, "heads": 3}, {"width": 16, "depth": 0}, {"width": 0}])
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValidationError):
        Blocks(**({"depth": 1} | wrong))
