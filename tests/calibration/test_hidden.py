"""How many particles are hidden, against places of which all is known."""

import numpy as np
import pytest
from scipy.spatial import KDTree
from tests.fields import paint, particle_field, soft

from cryoglean.calibration.hidden import SeenPlaces, hidden_by_dirt, hidden_by_others, hidden_share
from cryoglean.micrograph import Micrograph
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker

SIDE, DIAMETER = 2000.0, 40.0


def scattered(number, seed):
    return np.random.default_rng(seed).uniform(0, SIDE, (number, 2))


def seen(picks, near_dirt=None, dirty_area=0.0, is_sure=None):
    near_dirt = np.zeros(len(picks), bool) if near_dirt is None else near_dirt
    is_sure = np.ones(len(picks), bool) if is_sure is None else is_sure
    return SeenPlaces(picks, is_sure, near_dirt, DIAMETER, SIDE**2, dirty_area)


def one_of_near_ones(picks):
    """Leave out the later of each two that are one peak."""
    kept = np.ones(len(picks), bool)
    for one, other in sorted(KDTree(picks).query_pairs(DIAMETER / 2)):
        kept[other] &= not kept[one]
    return picks[kept]


@pytest.mark.parametrize("number", [400, 800, 1200])
def test_of_places_at_random_it_tells_how_many_are_one_with_another(number):
    kept = [one_of_near_ones(scattered(number, seed)) for seed in range(12)]
    lost = 12 * number - sum(map(len, kept))
    assert sum(hidden_by_others(picks, DIAMETER) for picks in kept) == pytest.approx(lost, rel=0.15)


def test_where_particles_keep_their_distance_others_hide_none():
    rows, columns = np.indices((40, 40))
    grid = np.stack([rows.ravel(), columns.ravel()], axis=1) * 0.7 * DIAMETER
    assert hidden_by_others(grid, DIAMETER) == 0


@pytest.mark.parametrize("number", [0, 1])
def test_of_one_place_nothing_is_told(number):
    assert hidden_by_others(scattered(number, 0), DIAMETER) == 0


def test_doubtful_places_tell_nothing_of_others():
    picks = scattered(1200, 1)
    assert hidden_share([seen(picks, is_sure=np.zeros(len(picks), bool))]) == 0
    assert hidden_share([seen(picks)]) > 0


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("found", [0.0, 0.5])
def test_dirt_hides_what_is_missing_there_beside_what_lies_elsewhere(share, found):
    places = [scattered(1500, seed) for seed in range(4)]
    lost, fields = 0, []
    for seed, picks in enumerate(places):
        in_dirt = picks[:, 0] < share * SIDE
        is_lost = in_dirt & (np.random.default_rng(seed).random(len(picks)) >= found)
        lost += is_lost.sum()
        fields.append(seen(picks[~is_lost], in_dirt[~is_lost], share * SIDE**2))
    assert hidden_by_dirt(fields) == pytest.approx(lost, rel=0.15)


def test_dirt_that_hides_none_is_told_to_hide_next_to_none():
    fields = [seen(p := scattered(1500, seed), p[:, 0] < 0.2 * SIDE, 0.2 * SIDE**2) for seed in range(4)]
    assert hidden_by_dirt(fields) < 0.02 * 4 * 1500


def test_where_all_is_dirt_or_nothing_was_found_nothing_is_hidden():
    picks = scattered(50, 0)
    assert hidden_share([seen(picks[::25], np.ones(2, bool), SIDE**2)]) == 0
    assert hidden_share([seen(picks[:0], dirty_area=0.2 * SIDE**2)]) == 0
    assert hidden_share([]) == 0


def below_clumps(seed, depth, clumps=9):
    """Particles, and bright clumps of their size above some; return the micrograph and where the particles are."""
    field = particle_field((480, 540), n=80, noise=1.0, seed=seed)
    xy = np.random.default_rng(seed).uniform(60, 420, (clumps, 2))
    bright = paint(field.image.shape, xy, lambda r, diameter: soft(r, 0.6 * diameter), 30.0)
    image = np.where(bright > 0, depth * np.minimum(bright, 1), field.image)
    return Micrograph(image.astype(np.float32), 1.4, f"m{seed}"), field.xy


@pytest.mark.slow
@pytest.mark.numerical
@pytest.mark.parametrize("depth", [0.0, 1.5, 3.0])
def test_of_micrographs_it_is_told_what_clumps_hide(depth):
    micrographs, truths = zip(*(below_clumps(seed, depth, 9 if depth else 0) for seed in range(4)), strict=True)
    fit = fit_localpicker(micrographs, 42.0)
    picker = Localpicker(LocalpickerSettings(diameter_angstrom=42.0), fit)
    apart = [KDTree(picker.pick(m).xy).query(xy)[0] for m, xy in zip(micrographs, truths, strict=True)]
    assert fit.hidden_share == pytest.approx((np.concatenate(apart) > 10).mean(), abs=0.04)
