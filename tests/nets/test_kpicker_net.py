"""The network: the published sizes, and weights that depend on the seed alone."""

import pytest
import torch
from pydantic import ValidationError

from cryoglean.nets.kpicker_net import KpickerLayers, KpickerNet, new_net


def test_the_layers_are_the_published_ones():
    net = KpickerNet()
    assert [tuple(c.weight.shape) for c in net.convolutions] == [(32, 1, 8, 8), (64, 32, 8, 8), (128, 64, 3, 3)]
    assert tuple(net.dense.weight.shape) == (1024, 4 * 4 * 128)
    assert tuple(net.output.weight.shape) == (2, 1024)


def test_the_sigmoid_of_the_log_odds_is_the_second_output_of_the_softmax():
    net, seen = new_net(KpickerLayers(), 0), []
    net.output.register_forward_hook(lambda _m, _i, outputs: seen.append(outputs))
    with torch.no_grad():
        odds = net(torch.randn(5, 64, 64, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(odds.sigmoid(), seen[0].softmax(1)[:, 1])


def test_the_seed_alone_decides_the_weights():
    layers = KpickerLayers(filters=(2, 3, 4), dense=5)
    torch.manual_seed(5)
    first = new_net(layers, 1)
    torch.manual_seed(6)
    again, other = new_net(layers, 1), new_net(layers, 2)
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.ndim == 1 or not torch.equal(a, c)


def test_weights_keep_the_size_of_what_goes_through():
    net = new_net(KpickerLayers(), 0)
    for layer in (*net.convolutions, net.dense):
        fan_in, fan_out = layer.weight[0].numel(), layer.weight[:, 0].numel()
        assert float(layer.weight.detach().std()) == pytest.approx((2 / (fan_in + fan_out)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("wrong", [{"kernels": (60, 8, 3)}, {"filters": (0, 1, 1)}, {"dense": 0}, {"colour": 1}])
def test_layers_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValidationError):
        KpickerLayers(**wrong)
