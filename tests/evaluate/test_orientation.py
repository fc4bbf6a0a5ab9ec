"""The orientation check finds the turn that was made, on asymmetric fields of dark, bright, disc and ring particles."""

import functools

import numpy as np
import pytest

from cryoglean.evaluate import Orientation, check_orientation
from cryoglean.picks import Picks

DIAMETER = 30.0


@functools.cache
def field(seed=0, n=80, shape=(500, 730), kind="disc", noise=1.0, sign=-1):
    """Particles at random places on noise with a gradient, and their centres as (n, 2), x first."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(25, np.array(shape[::-1]) - 25, (n, 2))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = rng.normal(0, noise, shape) + 3 * rows / shape[0] - 2 * columns / shape[1]
    for x, y in xy:
        r = np.hypot(columns - x, rows - y) / DIAMETER
        image += sign * ((r < 0.45) if kind == "disc" else (r > 0.3) & (r < 0.5))
    image = image.astype(np.float32)
    for array in (image, xy):
        array.flags.writeable = False
    return image, xy


def picks(xy):
    return Picks(xy[:, 0], xy[:, 1], np.ones(len(xy)))


@pytest.mark.parametrize("kind", ["disc", "ring"])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("orientation", Orientation)
def test_the_turn_that_was_made_is_found(kind, sign, orientation):
    image, xy = field(kind=kind, sign=sign)
    turned = orientation.apply(xy, image.shape)
    check = check_orientation(image, picks(turned), DIAMETER)
    assert check.best is orientation
    assert check.is_certain
    assert check.lead > 2
    np.testing.assert_allclose(orientation.apply(turned, image.shape), xy)


@pytest.mark.parametrize("seed", range(5))
def test_coordinates_that_fit_no_way_are_not_certain(seed):
    image, _ = field(seed)
    stray = np.random.default_rng(99 + seed).uniform(0, 480, (80, 2))
    assert not check_orientation(image, picks(stray), DIAMETER).is_certain


@pytest.mark.parametrize("n", [0, 3])
def test_too_few_windows_say_nothing(n):
    image, xy = field()
    check = check_orientation(image, picks(xy[:n]), DIAMETER)
    assert check.best is Orientation.IDENTITY
    assert (check.lead, check.is_certain) == (1, False)


@pytest.mark.parametrize("image", [np.zeros((300, 400)), np.full((300, 400), np.nan), np.ones((5, 5)), np.ones((1, 1))])
def test_an_image_without_content_says_nothing(image):
    _, xy = field()
    assert not check_orientation(image.astype(np.float32), picks(xy), DIAMETER).is_certain


def test_scale_offset_and_burnt_pixels_do_not_matter():
    image, xy = field(noise=0.7)
    plain = check_orientation(image, picks(xy), DIAMETER)
    burnt = image * 1000 + 1e6
    burnt[::50, ::50] = 1e9
    check = check_orientation(burnt.astype(np.float32), picks(xy), DIAMETER)
    assert check.best is plain.best is Orientation.IDENTITY
    assert check.snr[check.best] > plain.snr[plain.best] / 2


def test_windows_outside_the_image_are_left_out():
    image, xy = field(shape=(300, 900))
    check = check_orientation(image, picks(xy), DIAMETER)
    assert check.n_windows[Orientation.SWAP] < check.n_windows[Orientation.IDENTITY] <= len(xy)


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="image"):
        check_orientation(np.zeros((3, 4, 5), np.float32), Picks.empty(), 10)
    with pytest.raises(ValueError, match="diameter"):
        check_orientation(np.zeros((4, 5), np.float32), Picks.empty(), 0)
