"""Distances of picks: against all pairs, and at the edge of what is allowed."""

import numpy as np
import pytest

from cryoglean.picks import Picks
from cryoglean.report.spacing_audit import nearest_distances, spacing_audit


def at(*xy):
    x, y = np.transpose(xy)
    return Picks(x, y, np.ones(len(x)))


def test_the_nearest_distance_is_that_of_all_pairs():
    xy = np.random.default_rng(3).uniform(0, 1000, (300, 2))
    pairs = np.linalg.norm(xy[:, None] - xy, axis=-1) + np.diag(np.full(len(xy), np.inf))
    assert np.allclose(nearest_distances(xy), pairs.min(axis=1))


def test_picks_of_different_micrographs_are_never_near():
    audit = spacing_audit({"a": at((10, 10)), "b": at((10, 11)), "c": Picks.empty()}, 50)
    assert audit.smallest_px is None
    assert audit.too_near == 0


def test_dozens_of_picks_on_one_particle_are_found():
    crowd = [(100 + 0.5 * i, 100) for i in range(24)]
    audit = spacing_audit({"a": at((10, 10), (90, 90)), "b": at(*crowd, (400, 400))}, 20)
    assert audit.smallest_px == pytest.approx(0.5)
    assert audit.where == "b"
    assert audit.too_near == len(crowd)


@pytest.mark.parametrize(("least", "found"), [(9.9, 0), (10.0, 0), (10.1, 2)])
def test_just_the_least_distance_is_allowed(least, found):
    audit = spacing_audit({"a": at((0, 0), (6, 8), (500, 0)), "b": at((0, 0), (500, 0))}, least)
    assert audit.too_near == found
    assert audit.crowded == (("a",) if found else ())
