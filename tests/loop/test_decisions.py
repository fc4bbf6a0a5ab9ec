"""The decisions of the loop depend on counts alone."""

import itertools
import math

import pytest

from cryoglean.jobs.outliers import outliers
from cryoglean.loop.decisions import Contest, RoundFacts, alarm, is_converged, takes_over
from cryoglean.loop.subset import training_subset
from cryoglean.micrograph import MicrographFile


def facts(**changes):
    return RoundFacts(1, 800, 80.0, 800, 640, 12.0)._replace(**changes)


def test_convergence_is_more_than_the_share():
    assert not is_converged(facts(kept=560), 0.7)
    assert is_converged(facts(kept=561), 0.7)
    assert not is_converged(facts(judged=0, kept=0), 0.7)


def test_a_like_round_raises_no_alarm():
    assert alarm(facts(number=0), facts()) is None
    assert alarm(facts(number=0), facts(median_picks=60.0, kept=520, best_resolution_angstrom=14.0)) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"picks": 0}, "picks nothing"),
        ({"median_picks": 20.0}, "collapse"),
        ({"median_picks": 300.0}, "flood"),
        ({"kept": 0}, "not one of its classes"),
        ({"kept": 400}, "50% in kept classes after 80%"),
        ({"best_resolution_angstrom": 25.0}, "25.0 A after 12.0 A"),
    ],
)
def test_an_alarm_says_why(changes, said):
    assert said in alarm(facts(number=0), facts(**changes))


def test_a_contest_is_won_by_a_larger_kept_share_beyond_doubt():
    assert Contest(200, 60, 200, 150).is_won
    assert not Contest(200, 150, 200, 60).is_won
    assert not Contest(200, 100, 200, 104).is_won, "within chance"
    assert not Contest(5, 0, 5, 5).is_won, "too few to tell"
    assert not Contest(100, 100, 100, 100).is_won, "classes that keep all tell nothing"


def test_in_doubt_a_converged_round_takes_over_and_another_does_not():
    doubt, worse, better = Contest(200, 100, 200, 104), Contest(200, 150, 200, 60), Contest(200, 60, 200, 150)
    assert takes_over(facts(kept=700), doubt, 0.7)
    assert not takes_over(facts(kept=400), doubt, 0.7)
    assert not takes_over(facts(kept=700), Contest(200, 104, 200, 100), 0.7)
    assert takes_over(facts(kept=700), Contest(200, 100, 200, 100), 0.7)
    assert not takes_over(facts(kept=700), worse, 0.7)
    assert takes_over(facts(kept=400), better, 0.7)


def test_swapping_the_two_of_a_contest_swaps_the_sign():
    assert Contest(90, 30, 120, 80).deviations == pytest.approx(-Contest(120, 80, 90, 30).deviations)


def test_outliers_have_far_more_than_most():
    counts = {f"m{i}": 100 + i for i in range(9)}
    assert outliers(counts) == []
    assert outliers(counts | {"dirt": 900}) == ["dirt"]
    assert outliers({}) == []


def files(count, defocus=None, resolution="3.5"):
    row = {} if defocus is None else {"rlnCtfMaxResolution": resolution}
    made = []
    for i in range(count):
        z = {} if defocus is None else {"rlnDefocusU": str(defocus(i)), "rlnDefocusV": str(defocus(i))}
        optics = {"rlnVoltage": "300", "rlnSphericalAberration": "2.7", "rlnAmplitudeContrast": "0.1"}
        ctf = {} if defocus is None else {"rlnDefocusAngle": "0", **optics}
        made.append(MicrographFile(f"m{i}.mrc", f"m{i}.mrc", f"m{i}", row=row | z | ctf))
    return made


def test_of_few_micrographs_all_are_taken():
    assert training_subset(files(12), 30)[0] == files(12)


def test_without_a_ctf_the_subset_is_spread_evenly():
    chosen, why = training_subset(files(100), 25)
    places = [int(file.key[1:]) for file in chosen]
    assert len(places) == 25
    assert {b - a for a, b in itertools.pairwise(places)} == {4}
    assert "not known" in why


def test_with_a_ctf_half_of_the_subset_is_below_one_micrometre():
    chosen, _ = training_subset(files(200, lambda i: 5_000 + 100 * i), 30)
    near = sum(file.defocus_angstrom < 10_000 for file in chosen)
    assert (near, len(chosen)) == (15, 30)
    assert max(file.defocus_angstrom for file in chosen) < 20_000


def test_a_share_of_nothing_is_zero():
    assert facts(judged=0, kept=0).kept_share == 0
    assert math.isfinite(Contest(0, 0, 0, 0).deviations)
