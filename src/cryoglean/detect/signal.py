"""Whether a response shows particles at all, as a value, and how sure that is."""

from __future__ import annotations

from enum import StrEnum

from cryoglean.detect.emptiness import SURE_ERRORS_OF_BEST

NUMERICAL_ERRORS = 0.05
"""A skewness so near to the limit, in its standard errors, may lie on its other side on another processor. Chosen by
hand: changed last bits of micrographs were seen to move it by 0.00001, a network in another precision moves it more."""


class Signal(StrEnum):
    """Whether a response is skewed as particles make it."""

    found = "found"
    undecided = "undecided"
    none = "none"

    @property
    def remark(self) -> str:
        """What a user should know besides, with a semicolon before it; empty where it is sure."""
        return "; so near to the limit that another processor may find the other" if self is Signal.undecided else ""


def is_skewed(skewness: float, error: float) -> bool:
    """Tell whether the response of the best template is skewed beyond what noise makes.

    Args:
        skewness: of the response.
        error: its standard error, were the response nothing but noise.
    """
    return skewness > SURE_ERRORS_OF_BEST * error


def signal_of(skewness: float, error: float) -> Signal:
    """Tell the same with its certainty."""
    if abs(skewness - SURE_ERRORS_OF_BEST * error) <= NUMERICAL_ERRORS * error and error > 0:
        return Signal.undecided
    return Signal.found if is_skewed(skewness, error) else Signal.none
