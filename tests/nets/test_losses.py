"""The loss: what it is by hand, and that unlabelled positives do not draw it away."""

import math

import pytest
import torch

from cryoglean.nets.losses import Group, cross_entropy, positive_unlabelled_risk

P, U, N = Group.POSITIVE, Group.UNLABELLED, Group.NEGATIVE


def softplus(z):
    return math.log1p(math.exp(z))


def test_cross_entropy_is_minus_the_mean_log_probability():
    odds = torch.tensor([2.0, -1.0, 0.5])
    by_hand = -sum(math.log(p) for p in (odds[0].sigmoid(), 1 - odds[1].sigmoid(), 1 - odds[2].sigmoid())) / 3
    assert float(cross_entropy(odds, torch.tensor([P, U, N]))) == pytest.approx(by_hand, rel=1e-5)


def test_the_risk_is_the_published_one():
    odds, groups, prior = torch.tensor([1.0, -0.5, 0.3, 2.0, -3.0]), torch.tensor([P, P, U, U, N]), 0.1
    of_positives = (softplus(-1) + softplus(0.5)) / 2
    wrongly = prior * (softplus(1) + softplus(-0.5)) / 2
    of_unlabelled = ((softplus(0.3) + softplus(2)) / 2 - wrongly) / (1 - prior)
    by_hand = 0.5 * (of_positives + 2 / 3 * of_unlabelled + 1 / 3 * softplus(-3))
    assert float(positive_unlabelled_risk(odds, groups, prior)) == pytest.approx(by_hand, rel=1e-5)


def test_the_negatives_part_is_never_below_zero():
    odds, groups = torch.tensor([5.0, -9.0], requires_grad=True), torch.tensor([P, U])
    risk = positive_unlabelled_risk(odds, groups, 0.3)
    assert float(risk.detach()) == pytest.approx(0.5 * softplus(-5), rel=1e-4)
    (gradient,) = torch.autograd.grad(risk, odds)
    assert gradient[1] == 0


def test_without_unlabelled_positives_it_is_the_balanced_cross_entropy():
    odds, groups = torch.linspace(-2, 2, 9), torch.tensor([P, P, N, N, U, U, U, N, N])
    balanced = 0.5 * (cross_entropy(odds[:2], groups[:2]) + cross_entropy(odds[2:], groups[2:]))
    torch.testing.assert_close(positive_unlabelled_risk(odds, groups, 0.0), balanced)


@pytest.mark.parametrize("groups", [[P, P], [U, U], [N, N], [P, N], [U, N]])
def test_a_kind_that_is_missing_spoils_nothing(groups):
    assert torch.isfinite(positive_unlabelled_risk(torch.tensor([0.5, -0.5]), torch.tensor(groups), 0.2))


def test_the_risk_finds_what_labels_would_have_given():
    """With a third of the unlabelled positive, the constant answer that it likes best is the true balance, one half."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.rand(30_000, generator=generator) < 1 / 3
    feature = torch.cat([torch.ones(10_000), hidden.float()])
    groups = torch.cat([torch.full((10_000,), P), torch.full((30_000,), U)])

    def risk_at(slope, prior):
        return float(positive_unlabelled_risk(slope * (feature - 0.5), groups, prior))

    slopes = [0.5, 1, 2, 4, 8]
    assert min(slopes, key=lambda s: risk_at(s, 1 / 3)) == 8
    assert min(slopes, key=lambda s: risk_at(s, 0.0)) < 8
