"""Two roads to one answer: windows one by one, and all of them in one convolutional pass."""

import numpy as np
import pytest
import torch

from cryoglean.nets.convolutional import (
    STRIDES,
    scan_convolutionally,
    scan_shape,
    scan_windows,
    standardise_each,
)
from cryoglean.nets.kpicker_net import KpickerLayers, new_net
from examples import with_slow

SMALL = KpickerLayers(filters=(3, 4, 5), dense=6)


def image(height=85, width=92, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32))


def decided_net(layers=SMALL):
    """A network whose answers are far apart, so that equality is worth something."""
    net = new_net(layers, 1)
    with torch.no_grad():
        net.output.weight *= 40
        for parameter in net.parameters():
            if parameter.ndim == 1:
                parameter += 0.05 * torch.arange(parameter.numel()).cos()
    return net


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("shape", [(85, 92), (64, 64), (71, 64), (73, 99)])
def test_the_pass_gives_what_the_windows_give(stride, shape):
    net, field = decided_net(), image(*shape)
    windows, whole = scan_windows(net, field, stride), scan_convolutionally(net, field, stride)
    assert windows.shape == whole.shape == scan_shape(shape, stride)
    assert (windows.sigmoid() - whole.sigmoid()).abs().max() < 1e-5
    torch.testing.assert_close(whole, windows, rtol=1e-4, atol=1e-4)
    if whole.numel() > 50:
        assert whole.std() > 0.1


@pytest.mark.parametrize(
    "layers",
    with_slow(
        KpickerLayers(filters=(2, 3, 4), dense=5, kernels=(1, 2, 4)),
        slow=[
            KpickerLayers(filters=(2, 3, 4), dense=5, kernels=(5, 3, 3)),
            KpickerLayers(filters=(4, 2, 2), dense=3, kernels=(7, 7, 9)),
        ],
    ),
)
@pytest.mark.parametrize("stride", with_slow(4, slow=[2]))
def test_other_filters_too(layers, stride):
    net, field = decided_net(layers), image()
    torch.testing.assert_close(
        scan_convolutionally(net, field, stride), scan_windows(net, field, stride), rtol=1e-4, atol=1e-4
    )


def test_the_published_network_within_a_thousandth():
    net, field = decided_net(KpickerLayers()), image(84, 80)
    windows, whole = scan_windows(net, field), scan_convolutionally(net, field)
    assert (windows.sigmoid() - whole.sigmoid()).abs().max() < 1e-3


@pytest.mark.parametrize("tile", [1, 2, 3, 50])
def test_tiles_change_nothing(tile):
    net, field = decided_net(), image()
    torch.testing.assert_close(
        scan_convolutionally(net, field, 4, tile), scan_convolutionally(net, field, 4), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_change_nothing(batch):
    net, field = decided_net(), image()
    torch.testing.assert_close(
        scan_windows(net, field, 4, batch=batch), scan_windows(net, field, 4), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_coarse_scan_is_a_part_of_a_fine_one(stride):
    net, field = decided_net(), image()
    fine, coarse = scan_convolutionally(net, field, stride), scan_convolutionally(net, field, 8)
    every = 8 // stride
    torch.testing.assert_close(fine[::every, ::every], coarse, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scan", [scan_windows, scan_convolutionally])
def test_an_image_smaller_than_a_window_has_no_windows(scan):
    assert scan(decided_net(), image(63, 200)).numel() == 0


@pytest.mark.parametrize("stride", [0, 3, 16, -4])
def test_a_stride_that_the_halvings_do_not_divide_is_refused(stride):
    with pytest.raises(ValueError, match="stride"):
        scan_convolutionally(decided_net(), image(), stride)


def test_windows_standardised_one_by_one_forget_scale_and_offset():
    field = image()
    patches = standardise_each(torch.stack([3 + 5 * field[:64, :64], torch.full((64, 64), 7.0)]))
    torch.testing.assert_close(patches[:1], standardise_each(field[None, :64, :64]), rtol=1e-4, atol=1e-4)
    assert patches[0].mean().abs() < 1e-4
    assert abs(float(patches[0].square().mean()) - 1) < 1e-4
    assert not patches[1].any()
