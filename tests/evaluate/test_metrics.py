"""Recall, precision and their kin: by hand on small fields, and as laws on random ones."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoglean.errors import SettingsError
from cryoglean.evaluate import (
    Counts,
    Protocol,
    best_threshold,
    count_all,
    count_micrograph,
    evaluate_picks,
    precision_recall_curve,
    share_within,
)
from cryoglean.picks import Picks
from cryoglean.report.evaluation_picture import plot_curve
from examples import some, with_slow


def picks(xy, score=None):
    xy = np.asarray(xy, float).reshape(-1, 2)
    return Picks(xy[:, 0], xy[:, 1], np.ones(len(xy)) if score is None else score)


TEN = Protocol(10)


def random_set(seed, n_micrographs=3, n=20, size=200, levels=None):
    rng = np.random.default_rng(seed)
    truth, found = {}, {}
    for i in range(n_micrographs):
        t = rng.uniform(0, size, (n, 2))
        p = np.concatenate([t[: n // 2] + rng.normal(0, 2, (n // 2, 2)), rng.uniform(0, size, (n, 2))])
        score = np.clip(np.r_[rng.normal(0.7, 0.1, n // 2), rng.normal(0.4, 0.2, n)], 0, 1)
        truth[f"m{i}"] = picks(t)
        found[f"m{i}"] = picks(p, score if levels is None else np.round(score * levels) / levels)
    return truth, found


def test_counts_by_hand():
    truth = picks([(0, 0), (100, 0), (200, 0), (300, 0)])
    found = picks([(1, 0), (102, 2), (205, 0), (400, 0), (500, 0)])
    counts = count_micrograph(truth, found, TEN)
    assert (counts.n_truth, counts.n_picks, counts.n_hits) == (4, 5, 1)
    assert (counts.recall, counts.precision) == (0.25, 0.2)
    assert counts.f1 == pytest.approx(2 * 0.25 * 0.2 / 0.45)
    assert counts.mean_iou == pytest.approx((90 / 110 + 64 / 136 + 50 / 150) / 4)


def test_perfect_picks_score_one_and_none_score_zero():
    truth, _ = random_set(0)
    perfect = count_all(truth, truth, TEN)
    assert (perfect.recall, perfect.precision, perfect.f1, perfect.mean_iou) == (1, 1, pytest.approx(1), 1)
    for nothing in ({}, {s: Picks.empty() for s in truth}):
        none = count_all(truth, nothing, TEN)
        assert (none.recall, none.precision, none.f1, none.mean_iou, none.n_truth) == (0, 0, 0, 0, 60)
    assert Counts().f1 == 0


def test_a_margin_ignores_both_sides_but_not_pairs_across_the_line():
    protocol = Protocol(10, margin_px=20, size_px=(100, 200))
    truth = picks([(20.5, 50), (19.5, 60), (10, 10), (180, 80), (100, 50)])
    found = picks([(19.5, 50), (20.5, 60), (5, 5), (180, 80), (150, 90)])
    counts = count_micrograph(truth, found, protocol)
    assert (counts.n_truth, counts.n_picks, counts.n_hits) == (4, 3, 3)


def test_the_size_is_height_then_width():
    protocol = Protocol(10, margin_px=20, size_px=(100, 200))
    assert protocol.inside(np.array([[150.0, 50], [50, 150]])).tolist() == [True, False]


@pytest.mark.parametrize(
    ("settings_", "reason"),
    [
        ({"diameter_px": 0}, "diameter"),
        ({"diameter_px": float("nan")}, "diameter"),
        ({"diameter_px": 5, "margin_px": -1}, "margin"),
        ({"diameter_px": 5, "margin_px": 1}, "size"),
    ],
)
def test_unusable_lengths_are_refused(settings_, reason):
    with pytest.raises(SettingsError, match=reason):
        Protocol(**settings_)


def test_the_threshold_is_the_lowest_score_that_counts():
    truth, found = {"a": picks([(0, 0), (50, 0)])}, {"a": picks([(0, 0), (50, 0), (99, 0)], [0.5, 0.4, 0.3])}
    assert [count_all(truth, found, TEN, t).n_picks for t in (0.2, 0.3, 0.30001, 0.5, 0.6)] == [3, 3, 2, 1, 0]


def test_shares_within_a_distance_are_of_true_particles_and_rise():
    truth = {"a": picks([(0, 0), (100, 0)]), "b": picks([(0, 0)]), "c": Picks.empty()}
    found = {"a": picks([(3, 4)]), "c": picks([(1, 1)])}
    assert share_within(truth, found, TEN, (4.9, 5, 97.1, 1e9)) == pytest.approx((0, 1 / 3, 2 / 3, 2 / 3))
    assert share_within({}, {}, TEN, (1,)) == (0,)
    margin = Protocol(10, 20, (50, 200))
    assert share_within({"a": picks([(100, 25), (1, 1)])}, {"a": picks([(100, 25)])}, margin, (1,)) == (1,)


@given(seed=st.integers(0, 2**31), levels=st.sampled_from([None, 4]))
@settings(max_examples=some(20), deadline=None)
def test_every_point_of_the_curve_is_what_its_threshold_gives(seed, levels):
    truth, found = random_set(seed, levels=levels)
    curve = precision_recall_curve(truth, found, TEN)
    thresholds = [point.threshold for point in curve.points]
    assert thresholds == sorted(thresholds, reverse=True)
    for point in curve.points:
        assert point.counts == count_all(truth, found, TEN, point.threshold)
    assert curve.points[-1].counts == count_all(truth, found, TEN)
    assert 0 <= curve.average_precision <= 1 + 1e-12
    best = best_threshold(truth, found, TEN)
    assert best.counts.f1 >= curve.points[-1].counts.f1
    assert best.counts == count_all(truth, found, TEN, best.threshold)


def test_average_precision_by_hand():
    truth = {"a": picks([(0, 0), (50, 0)])}
    found = {"a": picks([(0, 0), (99, 0), (50, 0), (150, 0)], [0.9, 0.8, 0.7, 0.6])}
    assert precision_recall_curve(truth, found, TEN).average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert precision_recall_curve(truth, truth, TEN).average_precision == 1
    assert precision_recall_curve(truth, {}, TEN).average_precision == 0
    assert best_threshold(truth, {}, TEN) is None


@given(seed=st.integers(0, 2**31))
@settings(max_examples=some(20), deadline=None)
def test_only_the_order_of_scores_matters_to_the_area(seed):
    truth, found = random_set(seed, levels=50)
    squeezed = {s: picks(p.xy, p.score**3 / 2) for s, p in found.items()}
    area = precision_recall_curve(truth, found, TEN).average_precision
    assert precision_recall_curve(truth, squeezed, TEN).average_precision == pytest.approx(area)


@pytest.mark.slow
def test_many_scores_are_cut_at_a_hundred_points_that_keep_the_area():
    truth, found = random_set(1, n_micrographs=5, n=36, size=300)
    curve = precision_recall_curve(truth, found, TEN)
    assert 90 <= len(curve.points) <= 101
    scores = np.unique(np.concatenate([p.score for p in found.values()]))[::-1]
    area = reached = 0.0
    for score in scores:
        counts = count_all(truth, found, TEN, score)
        area += max(counts.recall - reached, 0) * counts.precision
        reached = max(reached, counts.recall)
    assert curve.average_precision == pytest.approx(area, abs=0.01)


def test_the_curve_as_csv_reads_back():
    truth, found = random_set(2)
    curve = precision_recall_curve(truth, found, TEN)
    rows = list(csv.DictReader(io.StringIO(curve.csv_text())))
    assert [int(r["n_picks"]) for r in rows] == [c.counts.n_picks for c in curve.points]
    assert float(rows[-1]["recall"]) == pytest.approx(curve.points[-1].counts.recall, abs=1e-6)


def test_an_evaluation_adds_up_over_its_micrographs_and_names_who_is_missing():
    truth, found = random_set(3)
    del found["m1"]
    found["stranger"] = picks([(1, 1)])
    result = evaluate_picks(truth, found, TEN, threshold=0.4, within_px=(2.0, 5.0), find_best=True)
    assert sum((m.counts for m in result.micrographs), Counts()) == result.overall == count_all(truth, found, TEN, 0.4)
    assert [(m.stem, m.has_picks) for m in result.micrographs] == [("m0", True), ("m1", False), ("m2", True)]
    assert (result.without_picks, result.without_truth) == (("m1",), ("stranger",))
    assert result.best.counts.f1 >= result.overall.f1 - 0.02
    assert [d for d, _ in result.within] == [2, 5]
    fewer = evaluate_picks(truth, found, TEN, only_with_picks=True)
    assert [m.stem for m in fewer.micrographs] == ["m0", "m2"]
    assert fewer.without_picks == ("m1",)


@pytest.mark.parametrize(
    ("truth", "found", "reason"),
    [
        ({}, {"a": picks([(1, 1)])}, "no true centres"),
        ({"a": picks([(1, 1)])}, {}, "no picks"),
        ({"a": picks([(1, 1)])}, {"b": picks([(1, 1)])}, "picks are for b.*truth for a"),
    ],
)
def test_what_cannot_be_compared_is_refused(truth, found, reason):
    with pytest.raises(SettingsError, match=reason):
        evaluate_picks(truth, found, TEN)


@pytest.mark.parametrize("suffix", with_slow(".png", slow=[".pdf", ".svg"]))
def test_the_plot_is_a_whole_picture_of_the_asked_format(tmp_path, suffix):
    result = evaluate_picks(*random_set(4), TEN)
    plot_curve(tmp_path / f"curve{suffix}", result)
    head = (tmp_path / f"curve{suffix}").read_bytes()[:5]
    assert head.startswith({".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix])
    with pytest.raises(SettingsError, match=r"\.xyz"):
        plot_curve(tmp_path / "curve.xyz", result)
