"""Rounds by the probabilities of the first picks: what a round lacks counts; without probabilities nothing is told."""

import numpy as np
import pytest

from cryoglean.detect.skewness import Skewness
from cryoglean.io.candidates import write_candidates
from cryoglean.io.coordinates import write_picks
from cryoglean.jobs.pick_folder import PickFolder
from cryoglean.jobs.survey import SURVEY
from cryoglean.loop.expected_rounds import lead_over
from cryoglean.micrograph import Contrast
from cryoglean.pickers.localpicker.survey import MicrographSurvey, SizeEstimate
from cryoglean.picks import Picks

DIAMETER, PIXEL, SIDE = 120.0, 2.0, 1200
SIZES = dict.fromkeys("abc", (PIXEL, SIDE, SIDE))


def places(seed, n=60, low=0.1, high=1.0):
    """Places well apart, with probabilities in a range."""
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(*[np.arange(80, SIDE - 80, 110.0)] * 2)
    chosen = random.permutation(x.size)[:n]
    return Picks(x.ravel()[chosen], y.ravel()[chosen], random.uniform(low, high, n), "probability")


@pytest.fixture
def first(tmp_path):
    """Picks of a first round above 0.5, and candidates below."""
    folder, every = PickFolder(tmp_path), {key: places(number) for number, key in enumerate(SIZES)}
    for key, each in every.items():
        is_pick = each.score >= 0.5
        write_picks(folder.picks_path(key), each.take(is_pick), f"{key}.mrc")
        write_candidates(folder.candidates_path(key), each.take(~is_pick))
    return tmp_path, {key: each.at_least(0.5) for key, each in every.items()}


def lead(first, accepted, new):
    return lead_over(accepted, new, first, first, DIAMETER, SIZES)


def test_a_round_that_lacks_half_of_the_particles_is_behind_and_the_other_way_round_ahead(first):
    folder, picks = first
    half = {key: each.take(np.arange(len(each)) % 2 == 0) for key, each in picks.items()}
    assert lead(folder, picks, half).deviations == pytest.approx(-lead(folder, half, picks).deviations)
    assert lead(folder, half, picks).is_sure
    assert lead(folder, picks, picks).deviations == 0


def test_a_micrograph_without_first_picks_is_left_out(first):
    folder, picks = first
    half = {key: each.take(np.arange(len(each)) % 2 == 0) for key, each in picks.items()}
    whole = lead(folder, picks, half)
    PickFolder(folder).picks_path("b").unlink()
    assert lead(folder, picks, half).by.middle == pytest.approx(whole.by.middle, abs=0.1)


def test_scores_that_are_no_probabilities_tell_nothing(first):
    folder, picks = first
    for key, each in picks.items():
        write_picks(PickFolder(folder).picks_path(key), Picks(each.x, each.y, each.score), f"{key}.mrc")
    assert lead(folder, picks, picks) is None


def test_nothing_is_told_where_the_micrographs_show_another_size(first):
    folder, picks = first
    skewness = (Skewness(0.8, 0.01, 0.01),)
    size = SizeEstimate(5 * DIAMETER, 4 * DIAMETER, 6 * DIAMETER, has_edge=True)
    seen = {"discs_angstrom": (400.0,), "dark": skewness, "bright": skewness, "contrast": Contrast.dark}
    survey = MicrographSurvey(**seen, size=size, micrographs=("a",) * 8)
    (folder / SURVEY).write_text(survey.model_dump_json())
    assert lead(folder, picks, picks) is None
