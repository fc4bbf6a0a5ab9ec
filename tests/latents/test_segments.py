"""From a mask of patches to centres: painted discs, squeezed ones, and pieces that are no particles."""

import numpy as np
import pytest
import torch
from tests.fields import scattered

from cryoglean.latents.segments import AREA_SHARE, FINER, segments

pytestmark = pytest.mark.numerical

SHAPE = (90, 110)


def painted(xy, diameter, shape=SHAPE):
    """A mask of ellipses that are `diameter` patches high and wide."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, dtype=bool)
    for x, y in xy:
        mask |= np.hypot((rows - y) / diameter[0], (columns - x) / diameter[1]) < 0.5
    return torch.from_numpy(mask)


def found_at(mask, diameter, **changes):
    found = segments(mask, diameter, **changes)
    return (np.stack([found.x, found.y], axis=1) + 0.5) / FINER - 0.5, found.strength


def assert_same_places(found, wanted, tolerance):
    assert len(found) == len(wanted)
    apart = np.hypot(*(found[:, None] - np.asarray(wanted)[None]).transpose(2, 0, 1))
    assert sorted(apart.argmin(1)) == list(range(len(wanted)))
    assert apart.min(1).max() <= tolerance


@pytest.mark.parametrize("diameter", [(10.0, 10.0), (14.0, 8.0), (8.0, 14.0)])
@pytest.mark.parametrize("n", [3, 12])
def test_centres_of_discs_are_found_squeezed_or_not(diameter, n):
    widest = max(diameter)
    xy = scattered(np.random.default_rng(n), SHAPE, 1.6 * widest, n, widest)
    found, strength = found_at(painted(xy, diameter), diameter)
    assert_same_places(found, xy, 0.5)
    assert ((strength > 0) & (strength <= 1)).all()


def test_pieces_come_largest_first():
    small, large = [(25, 30)], [(75, 60)]
    mask = painted(small, (8, 8)) | painted(large, (14, 14))
    found, _ = found_at(mask, (10.0, 10.0))
    assert_same_places(found[:1], large, 0.5)
    assert_same_places(found[1:], small, 0.5)


def test_of_two_closer_than_the_distance_the_larger_stays():
    small, large = (50, 45), (62, 45)
    mask = painted([small], (5, 5)) | painted([large], (9, 9))
    assert_same_places(found_at(mask, (20.0, 20.0))[0], [small, large], 0.5)
    assert_same_places(found_at(mask, (20.0, 20.0), min_distance=0.55)[0], [small, large], 0.5)
    assert_same_places(found_at(mask, (20.0, 20.0), min_distance=0.65)[0], [large], 0.5)
    assert_same_places(found_at(mask, (26.0, 26.0))[0], [large], 0.5)  # 12 patches are less than half a diameter


def test_the_distance_is_of_the_particle_as_it_was_before_squeezing():
    pair = [(50, 40), (50, 52)]  # above each other
    mask = painted(pair, (6, 6))
    assert len(found_at(mask, (20.0, 30.0))[0]) == 2
    assert len(found_at(mask, (30.0, 20.0))[0]) == 1


def test_pieces_wider_than_two_diameters_are_no_particles():
    mask = painted([(30, 45)], (10, 10)) | painted([(75, 45)], (26, 26))
    assert_same_places(found_at(mask, (10.0, 10.0))[0], [(30, 45)], 0.5)
    assert_same_places(found_at(mask, (16.0, 16.0))[0], [(30, 45), (75, 45)], 0.5)


def test_pieces_with_centres_near_the_border_are_left_out():
    diameter = (12.0, 6.0)
    margin = [d / 1.5 for d in diameter]
    middle = (55, 45)
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        edge = np.array([(SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2]) * (1 + np.array([dx, dy]))
        for inwards, count in ((-1.5, 1), (1.5, 2)):
            near = edge - np.array([dx * (margin[1] + inwards), dy * (margin[0] + inwards)])
            assert len(found_at(painted([near, middle], (5, 5)), diameter)[0]) == count


def test_no_patch_or_every_patch_makes_no_particle():
    for mask in (torch.zeros(SHAPE, dtype=torch.bool), torch.ones(SHAPE, dtype=torch.bool)):
        found = segments(mask, (10.0, 10.0))
        assert len(found.x) == len(found.y) == len(found.strength) == 0


def test_many_discs_are_cut_to_their_certain_middles_and_few_are_taken_whole():
    diameter = (10.0, 10.0)
    many = scattered(np.random.default_rng(0), SHAPE, 13.0, 30, 8.0)
    few = many[:3]
    assert painted(many, diameter).float().mean() > 2 * AREA_SHARE
    assert painted(few, diameter).float().mean() < AREA_SHARE
    assert (found_at(painted(many, diameter), diameter)[1] == 1).all()
    assert (found_at(painted(few, diameter), diameter)[1] < 0.9).all()


def test_a_transposed_mask_has_transposed_centres():
    xy = scattered(np.random.default_rng(5), SHAPE, 16.0, 9, 10.0)
    mask = painted(xy, (12, 8))
    plain, turned = (found_at(m, d)[0] for m, d in ((mask, (12.0, 8.0)), (mask.T, (8.0, 12.0))))
    assert_same_places(turned, plain[:, ::-1], 1e-6)
