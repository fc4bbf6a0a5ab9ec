"""A response is skewed as particles make it, or not, or so near to the limit that it is told as undecided."""

import pytest

from cryoglean.detect.emptiness import SURE_ERRORS_OF_BEST
from cryoglean.detect.signal import NUMERICAL_ERRORS, Signal, is_skewed, signal_of

ERROR = 0.02


@pytest.mark.parametrize(
    ("beyond", "signal"),
    [
        (3.0, Signal.found),
        (0.9, Signal.undecided),
        (0.0, Signal.undecided),
        (-0.9, Signal.undecided),
        (-3, Signal.none),
    ],
)
def test_near_the_limit_a_signal_is_undecided(beyond, signal):
    skewness = (SURE_ERRORS_OF_BEST + beyond * NUMERICAL_ERRORS) * ERROR
    assert signal_of(skewness, ERROR) is signal
    assert bool(signal.remark) == (signal is Signal.undecided)


@pytest.mark.parametrize("deviations", [-1, 0, 4.9, 5.1, 80])
def test_the_value_agrees_with_the_decision_or_is_undecided(deviations):
    decided = {Signal.found: True, Signal.none: False}[signal_of(deviations * ERROR, ERROR)]
    assert decided is is_skewed(deviations * ERROR, ERROR)


def test_a_flat_response_shows_nothing():
    assert signal_of(0.0, 0.0) is Signal.none
