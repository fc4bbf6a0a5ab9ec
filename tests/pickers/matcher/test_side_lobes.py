"""Side lobes: what is far lower than a particle beside it, by both templates; a weak neighbour is none."""

import numpy as np
import pytest
from tests.fields import f1_score, scattered
from tests.perturbations import jittered

from cryoglean.detect.peaks import Peaks
from cryoglean.micrograph import Micrograph
from cryoglean.pickers.localpicker.picker import fit_localpicker
from cryoglean.pickers.matcher.class_averages import ClassAverages
from cryoglean.pickers.matcher.picker import Matcher, MatcherSettings, fit_matcher
from cryoglean.pickers.matcher.side_lobes import are_side_lobes
from examples import with_slow

DIAMETER = 30.0


def lobes(heights, round_heights, x=(0, 20)):
    peaks = Peaks(np.array(x, float), np.zeros(len(x)), np.array(heights, float))
    return are_side_lobes(peaks, np.array(round_heights, float), DIAMETER).tolist()


def test_far_lower_by_both_templates_is_a_side_lobe():
    assert lobes([12, 5], [8, 1]) == [False, True]
    assert lobes([5, 12], [1, 8]) == [True, False]


@pytest.mark.parametrize(("heights", "round_heights"), [([12, 7], [8, 1]), ([12, 5], [8, 4]), ([6, 6], [8, 1])])
def test_a_weak_neighbour_is_none(heights, round_heights):
    assert lobes(heights, round_heights) == [False, False]


def test_what_is_farther_than_a_diameter_is_none():
    assert lobes([12, 5], [8, 1], x=(0, 31)) == [False, False]
    assert lobes([], [], x=()) == []
    assert lobes([3], [1], x=(5,)) == [False]


def striped(x, y):
    """A blob crossed by stripes, dark ones prevailing."""
    return np.where(np.hypot(x, y) < DIAMETER / 2, 0.4 + np.cos(2 * np.pi * x / (DIAMETER / 3.5)), 0.0)


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
@pytest.mark.parametrize(("noise", "f1"), with_slow((0.8, 0.85), slow=[(0.4, 0.95)]))
def test_stripes_are_found_and_not_what_is_beside_them(noise, f1):
    rng, shape = np.random.default_rng(1), (520, 560)
    xy = scattered(rng, shape, 2 * DIAMETER, 45, DIAMETER)
    rows, columns = np.indices(shape)
    image = noise * rng.standard_normal(shape)
    for (x, y), angle in zip(xy, rng.uniform(0, 2 * np.pi, len(xy)), strict=True):
        dx, dy = columns - x, rows - y
        image -= striped(np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx)
    micrographs = [Micrograph(jittered(image.astype(np.float32)), 1.0)]
    place = np.indices((48, 48)) - 24.0
    averages = ClassAverages(striped(place[1], place[0]).astype(np.float32)[None], 1.0)
    facts = fit_matcher(micrographs, fit_localpicker(micrographs, DIAMETER), averages)
    settings = MatcherSettings(diameter_angstrom=DIAMETER)
    picks = Matcher(settings, facts.localpicker, facts.matched, averages).pick(micrographs[0])
    assert f1_score(picks.xy, xy, 6) > f1
