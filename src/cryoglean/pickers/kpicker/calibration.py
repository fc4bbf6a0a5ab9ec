"""From log-odds of the network to probabilities, and the threshold: learned on micrographs held out of the training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

MIN_LABELLED_SHARE = 0.5
"""Picks to train from are taken to hold at least this share of the particles. Chosen by hand: with a smaller one, a
network that is unsure of everything could be explained by labels that are missing."""

_SLOPE_WEIGHT = 1e-3
"""Weight of the squared logarithm of the slope. Chosen by hand: it bounds the slope where the two kinds are apart, and
hardly moves it elsewhere."""

_EDGE = 1e-6
"""Smallest chance of a label, either way. Chosen by hand: logarithms stay finite."""


class Calibration(NamedTuple):
    """Probability as a function of the network's log-odds.

    Attributes:
        slope: of the calibrated log-odds, above 0.
        offset: of the same.
        labelled_share: share of the particles that carry a label.
    """

    slope: float
    offset: float
    labelled_share: float

    def probability(self, odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of places being particles, from (n,) log-odds of the network."""
        return np.asarray(expit(self.slope * odds + self.offset))


def calibrate(odds: NDArray[np.float64], labelled: NDArray[np.bool_]) -> Calibration:
    """Fit a logistic function of two parameters to peaks of which only some particles carry a label.

    Were all particles labelled it would be Platt's (1999). Labels miss some, whatever their score, so the chance of a
    label is the probability of a particle times the labelled share (Elkan and Noto, KDD 2008), which is fitted, too:
    it is where the chance of a label levels off for the surest peaks (Jaskie, Elkan and Spanias, Asilomar 2019).

    Args:
        odds: (n,) log-odds of the network at its peaks.
        labelled: (n,) whether there is a label.

    Returns:
        The most likely function; without both kinds of peaks, the network's own probabilities.
    """
    if labelled.all() or not labelled.any():
        return Calibration(1.0, 0.0, 1.0)
    scale = max(float(odds.std()), _EDGE)

    def unlikelihood(parameters: NDArray[np.float64]) -> float:
        log_slope, offset, share = parameters
        chance = share * expit(np.exp(log_slope) * (odds / scale) + offset)
        chance = chance.clip(_EDGE, 1 - _EDGE)
        surprise = -np.where(labelled, np.log(chance), np.log1p(-chance)).mean()
        return float(surprise + _SLOPE_WEIGHT * log_slope**2)  # bounds the slope where the two kinds are apart

    limits = [(-6.0, 6.0), (-200.0, 200.0), (MIN_LABELLED_SHARE, 1.0)]
    middle = 0.5 * float(np.median(odds[labelled]) + np.median(odds[~labelled])) / scale
    starts = [np.array([0.0, -middle, share]) for share in (0.9, 0.6)]
    fits = [minimize(unlikelihood, start, method="L-BFGS-B", bounds=limits) for start in starts]
    log_slope, offset, share = min(fits, key=lambda fit: fit.fun).x
    return Calibration(float(np.exp(log_slope) / scale), float(offset), float(share))
