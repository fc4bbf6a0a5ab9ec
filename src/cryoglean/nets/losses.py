"""Losses of training: the published cross-entropy, and a risk for examples of which some carry no label."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from torch.nn.functional import softplus

if TYPE_CHECKING:
    from torch import Tensor


class Group(IntEnum):
    """Label of an example, as far as it is known."""

    POSITIVE = 0
    UNLABELLED = 1
    NEGATIVE = 2


def cross_entropy(odds: Tensor, groups: Tensor) -> Tensor:
    """Return the mean binary cross-entropy, whatever is not positive counting as negative.

    Args:
        odds: `(n,)` log-odds of being a particle.
        groups: `(n,)` of `Group`.
    """
    return softplus(odds * (1 - 2 * (groups == Group.POSITIVE).to(odds))).mean()


def positive_unlabelled_risk(odds: Tensor, groups: Tensor, prior: float) -> Tensor:
    """Return the class-balanced, non-negative risk of Kiryo et al. (NIPS 2017), with known negatives beside.

    Of the unlabelled examples a share `prior` is positive. Their loss as negatives, less that share of the loss which
    positives would have as negatives, is what true negatives lose; it cannot be below 0, and is held there. Particles
    are rare, so positives and negatives weigh the same (Su et al., IJCAI 2021).

    Args:
        odds: `(n,)` log-odds of being a particle.
        groups: `(n,)` of `Group`, positives among them.
        prior: from 0 to below 1.
    """
    as_positive, as_negative = softplus(-odds), softplus(odds)
    positive, unlabelled, negative = (groups == group for group in Group)
    wrongly_negative = prior * _mean(as_negative, positive)
    true_negative = ((_mean(as_negative, unlabelled) - wrongly_negative) / (1 - prior)).clamp_min(0)
    share = unlabelled.sum() / (unlabelled | negative).sum().clamp_min(1)
    of_negatives = share * true_negative + (1 - share) * _mean(as_negative, negative)
    return 0.5 * (_mean(as_positive, positive) + of_negatives)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp_min(1)
