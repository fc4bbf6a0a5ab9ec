"""Comparison of pick sets: against truth that is drawn, against what is known beforehand, and in its own words."""

import numpy as np
import pytest

from cryoglean.calibration.comparison import Places, compare, lead_of, nearest_picks
from cryoglean.picks import Picks

DIAMETER, SHAPE = 40.0, (1500, 1600)
OFFSETS = [0.0, 0.1, 0.2, 0.25, 0.3, 0.45]


def picks_at(xy, score=1.0):
    xy = np.asarray(xy, float).reshape(-1, 2)
    return Picks(*xy.T, np.full(len(xy), score) if np.isscalar(score) else score, "probability")


def grid(step=2.0 * DIAMETER, margin=DIAMETER):
    """Places well apart, all of them off the edge."""
    x, y = np.meshgrid(*(np.arange(margin, side - margin, step) for side in SHAPE[::-1]))
    return np.stack([x.ravel(), y.ravel()], 1)


def places(probability, xy=None):
    return Places(picks_at(grid() if xy is None else xy, probability), DIAMETER, SHAPE)


def random_probability(seed):
    return np.random.default_rng(seed).beta(0.5, 0.5, len(grid()))


def test_where_all_is_sure_the_f1_is_that_of_the_counts():
    is_particle = np.arange(len(grid())) % 3 > 0
    known = places(np.where(is_particle, 1.0, 0.0))
    half, all_of_them = picks_at(grid()[is_particle][::2]), picks_at(grid())
    found = compare([[half], [all_of_them]], [known])
    recall = len(half) / is_particle.sum()
    for quality, wanted in zip(found.qualities, [(1.0, recall), (is_particle.mean(), 1.0)], strict=True):
        assert quality.precision.middle == pytest.approx(wanted[0], abs=0.01)
        assert quality.recall.middle == pytest.approx(wanted[1], abs=0.01)
        assert quality.f1.middle == pytest.approx(2 / (1 / wanted[0] + 1 / wanted[1]), abs=0.01)
    assert found.is_sure


def true_f1(picks, is_particle):
    """F1 of picks that lie on places of the grid."""
    taken = {tuple(row) for row in picks.xy}
    hits = sum(is_it and tuple(row) in taken for row, is_it in zip(grid(), is_particle, strict=True))
    return 2 * hits / (len(picks) + is_particle.sum())


def test_of_truth_that_is_drawn_nine_in_ten_lie_in_the_interval():
    covered = []
    for seed in range(24):
        probability = random_probability(seed)
        is_particle = np.random.default_rng(1000 + seed).random(len(probability)) < probability
        picks = picks_at(grid()[probability > 0.4])
        f1 = compare([[picks], [picks]], [places(probability)]).qualities[0].f1
        covered.append(f1.low <= true_f1(picks, is_particle) <= f1.high)
    assert np.mean(covered) >= 0.9


def test_what_is_sure_of_drawn_truth_is_right_and_the_opposite_is_the_other_way_round():
    right = []
    for seed in range(24):
        probability = random_probability(seed)
        random = np.random.default_rng(1000 + seed)
        is_particle = random.random(len(probability)) < probability
        one, other = (picks_at(grid()[probability > random.choice([0.05, 0.2, 0.4, 0.8, 0.95])]) for _ in range(2))
        known = [places(probability)]
        lead, back = lead_of([one], [other], known), lead_of([other], [one], known)
        assert back.deviations == pytest.approx(-lead.deviations)
        assert lead.by == pytest.approx([-each for each in back.by[::-1]])
        if lead.is_sure or back.is_sure:
            right.append((true_f1(one, is_particle) > true_f1(other, is_particle)) == lead.is_sure)
    assert len(right) > 5
    assert np.mean(right) >= 0.9


def test_a_set_has_no_lead_over_itself():
    known, picks = [places(random_probability(0))], picks_at(grid()[::2])
    assert lead_of([picks], [picks], known).deviations == 0
    assert not compare([[picks], [picks]], known).is_sure


def test_a_small_lead_of_the_places_themselves_over_others_is_in_doubt_and_among_others_it_is_not():
    known, part = [places(0.999)], np.arange(len(grid())) % 40 > 0
    beside = grid() + 0.03 * DIAMETER
    own, own_part, other, other_part = ([picks_at(xy)] for xy in (grid(), grid()[part], beside, beside[part]))
    assert 0.005 < lead_of(own, own_part, known).by.middle < 0.03
    assert lead_of(own, own_part, known).is_sure
    assert lead_of(other, other_part, known).is_sure
    assert not lead_of(own, other_part, known).is_sure
    assert lead_of(own, [picks_at(beside[::2])], known).is_sure


@pytest.mark.parametrize(
    "worse",
    [
        lambda xy: xy[::2],
        lambda xy: np.concatenate([xy, xy[::2] + DIAMETER]),
        lambda xy: np.concatenate([xy, xy[::2] + 1.0]),
        lambda xy: xy + 0.2 * DIAMETER,
    ],
    ids=["thinned", "background", "twice", "moved"],
)
def test_particles_left_out_background_repeats_and_shifts_make_a_set_worse(worse):
    lead = lead_of([picks_at(grid())], [picks_at(worse(grid()))], [places(0.95)])
    assert lead.is_sure
    assert lead.by.low > 0.05


def test_a_pick_between_places_is_a_hit_by_how_near_it_is():
    known = [places(1.0)]
    shifted = [[picks_at(grid() + np.array([off * DIAMETER, 0.0]))] for off in OFFSETS]
    f1 = [each.f1.middle for each in compare(shifted, known).qualities]
    assert (np.diff(f1) <= 0).all()
    assert f1[0] > 0.99
    assert f1[OFFSETS.index(0.25)] == pytest.approx(0.5, abs=0.05)
    assert f1[-1] == 0


def test_what_is_near_the_edge_counts_on_neither_side():
    inner, rim = grid(), np.array([[5.0, 700.0], [1590.0, 300.0], [800.0, 10.0], [800.0, 1495.0]])
    everywhere = np.concatenate([inner, rim])
    alone = compare([[picks_at(inner)], [picks_at(inner[::2])]], [places(0.9)])
    with_rim = compare([[picks_at(everywhere)], [picks_at(inner[::2])]], [places(0.9, everywhere)])
    assert with_rim.qualities[0].picks == len(inner)
    assert with_rim.qualities[0].f1.middle == pytest.approx(alone.qualities[0].f1.middle, abs=0.02)


@pytest.mark.parametrize(("xy", "n"), [([], 0), ([[3.0, 3.0]], 0), ([[800.0, 800.0]], 1)])
def test_nothing_found_is_a_set_too(xy, n):
    nothing = Places(picks_at([]), DIAMETER, SHAPE)
    for known in (nothing, places(0.5)):
        quality = compare([[picks_at(xy)], [picks_at([])]], [known]).qualities
        assert [each.picks for each in quality] == [n, 0]
        assert quality[1].f1.high == 0


def test_the_nearest_pick_is_that_of_a_place():
    known = picks_at([[100.0, 100.0], [180.0, 100.0]])
    which, off = nearest_picks(
        picks_at([[104.0, 100.0], [102.0, 100.0], [180.0, 118.0], [140.0, 140.0]]), known, DIAMETER
    )
    assert which.tolist() == [0, 1]
    np.testing.assert_allclose(off, [[0.05, 0.0], [0.0, 0.45]])


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_particles_without_a_place_lower_the_recall_and_nothing_else(share):
    picks, known = picks_at(grid()[::2]), places(0.9)
    without, hidden = (compare([[picks], [picks]], [known], each).qualities[0] for each in (0.0, share))
    assert hidden.precision == without.precision
    assert hidden.recall.middle == pytest.approx((1 - share) * without.recall.middle, rel=0.03)
    assert hidden.recall.high - hidden.recall.low > without.recall.high - without.recall.low
