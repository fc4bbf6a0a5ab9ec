"""Patches: where their centre is, and what turning does."""

import numpy as np
import pytest
import torch

from cryoglean.nets.patches import PatchSource, Places, Rotations


def places(xy, image=0):
    xy = np.asarray(xy, dtype=float).reshape(-1, 2)
    return Places(np.full(len(xy), image, dtype=np.int64), xy)


def smooth(shape=(120, 140), x=70.0, y=60.0, sigma=6.0):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return torch.from_numpy(np.exp(-((columns - x) ** 2 + 2 * (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32))


def centre_of_mass(patch):
    rows, columns = np.mgrid[:64, :64]
    weight = patch.double().numpy()
    return (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()


def test_between_pixels_a_patch_is_a_part_of_the_image():
    image = torch.randn(100, 110, generator=torch.Generator().manual_seed(0))
    (patch,) = PatchSource([image]).cut(places([(50.5, 42.5)]), Rotations.none(1))
    torch.testing.assert_close(patch, image[11:75, 19:83], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("angle", [0.0, 0.3, 2.0, 4.5])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_place_stays_in_the_middle(angle, mirrored):
    rotations = Rotations(np.array([angle]), np.array([mirrored]))
    (patch,) = PatchSource([smooth(x=70.3, y=60.8)]).cut(places([(70.3, 60.8)]), rotations)
    assert centre_of_mass(patch) == pytest.approx((31.5, 31.5), abs=0.06)


def test_a_quarter_turn_and_a_mirror_are_those_of_arrays():
    source, xy = PatchSource([torch.randn(90, 90, generator=torch.Generator().manual_seed(1))]), places([(44.5, 43.5)])
    (plain,) = source.cut(xy, Rotations.none(1))
    (turned,) = source.cut(xy, Rotations(np.array([np.pi / 2]), np.array([False])))
    (mirrored,) = source.cut(xy, Rotations(np.zeros(1), np.array([True])))
    torch.testing.assert_close(turned, torch.rot90(plain, 1), rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(mirrored, plain.flip(1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("corner", [(0, 0), (69, 49), (0, 49), (68.9, 0.1)])
def test_beyond_the_edge_there_is_nothing(corner):
    (patch,) = PatchSource([torch.ones(50, 70)]).cut(places([corner]), Rotations.none(1))
    assert 0.2 < float(patch.mean()) < 0.3


def test_each_place_is_of_its_image():
    source = PatchSource([torch.zeros(80, 80), torch.ones(90, 100)])
    cut = source.cut(Places(np.array([1, 0, 1]), np.full((3, 2), 40.0)), Rotations.none(3))
    assert cut[:, 31, 31].round().tolist() == [1, 0, 1]
