"""The loop: it learns, it keeps the best, and nothing but its inputs decides what comes out."""

import math

import pytest
import torch
from torch import nn

from cryoglean.nets.losses import Group, cross_entropy, positive_unlabelled_risk
from cryoglean.nets.training import Batch, TrainingSchedule, train

pytestmark = pytest.mark.numerical


class Judge(nn.Module):
    """Log-odds from the mean of a patch's left half and that of its right."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[-0.5, 0.3]]))
            self.layer.bias.zero_()

    def forward(self, patches):
        halves = torch.stack([patches[..., :32].mean((1, 2)), patches[..., 32:].mean((1, 2))], dim=1)
        return self.layer(halves)[:, 0]


def batch(step, n=50):
    """Positives are brighter on their left."""
    generator = torch.Generator().manual_seed(step)
    groups = torch.where(torch.rand(n, generator=generator) < 0.5, Group.POSITIVE, Group.NEGATIVE)
    patches = 0.3 * torch.randn(n, 64, 64, generator=generator)
    patches[..., :32] += torch.where(groups == Group.POSITIVE, 1.0, -1.0)[:, None, None]
    return Batch(patches, groups)


def schedule(**changes):
    return TrainingSchedule(**({"steps": 30, "check_every": 5, "rate": 0.1} | changes))


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def trained(held_out=None, threads=1, loss=cross_entropy, batch_at=batch, **changes):
    net = Judge()
    checks = train(net, batch_at, held_out, loss, schedule(**changes), threads)
    return weights(net), checks


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("rate_decay", ["plateau", "cosine"])
@pytest.mark.parametrize("averaging", [0.0, 0.7])
def test_it_learns(optimiser, rate_decay, averaging):
    _, checks = trained(batch(-1), optimiser=optimiser, rate_decay=rate_decay, averaging=averaging, rate=0.5)
    assert checks[-1].held_out_accuracy > 0.95
    assert checks[-1].loss < checks[0].loss
    assert [check.step for check in checks] == [5, 10, 15, 20, 25, 30]


@pytest.mark.parametrize("loss", [cross_entropy, lambda odds, groups: positive_unlabelled_risk(odds, groups, 0.1)])
def test_threads_and_parts_of_a_batch_change_nothing(loss):
    one, two, three = (trained(batch(-1), threads=n, loss=loss) for n in (1, 2, 3))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[0], three[0])
    assert one[1] == two[1] == three[1]


def test_a_batch_in_parts_steps_as_it_does_whole():
    net, together = Judge(), batch(0)
    value = cross_entropy(net(together.patches), together.groups)
    by_hand = [
        p.detach() - 0.1 * g
        for p, g in zip(net.parameters(), torch.autograd.grad(value, net.parameters()), strict=True)
    ]
    stepped, checks = trained(steps=1, optimiser="sgd", rate_decay="plateau")
    torch.testing.assert_close(stepped, torch.cat([w.flatten() for w in by_hand]))
    assert checks[0].loss == pytest.approx(float(value.detach()), rel=1e-5)


def test_it_ends_with_the_weights_that_did_best():
    """Batches turn against the held-out examples half way: what was kept is from before."""

    def turning(step):
        patches, groups = batch(step)
        return Batch(patches, groups if step < 10 else Group.NEGATIVE - groups)

    kept, checks = trained(batch(-1), batch_at=turning, rate_decay="plateau", optimiser="sgd")
    best = min(checks, key=lambda check: check.held_out_loss)
    assert best.step == 10
    again, _ = trained(batch(-1), batch_at=turning, steps=10, rate_decay="plateau", optimiser="sgd")
    assert torch.equal(kept, again)


def test_it_stops_when_nothing_gets_better():
    _, checks = trained(batch(-1), batch_at=lambda step: Batch(-batch(step).patches, batch(step).groups), patience=2)
    assert [check.step for check in checks] == [5, 10, 15]


def test_without_held_out_examples_the_last_weights_stay():
    _, checks = trained()
    assert checks[-1].step == 30
    assert math.isnan(checks[-1].held_out_loss)


def test_the_rate_falls_to_a_tenth_on_a_plateau():
    hopeless = Batch(torch.zeros(4, 64, 64), torch.tensor([0, 2, 0, 2]))
    _, checks = trained(
        hopeless, batch_at=lambda _: hopeless, steps=25, check_every=1, rate_decay="plateau", optimiser="sgd"
    )
    rates = [check.rate for check in checks]
    assert rates[0] == 0.1
    assert rates[-1] == pytest.approx(0.001)


def test_the_running_mean_is_that_of_all_steps_at_first():
    last = [trained(steps=n, rate_decay="plateau", optimiser="sgd", batch_at=lambda _: batch(0))[0] for n in (1, 2)]
    mean, _ = trained(steps=2, rate_decay="plateau", optimiser="sgd", batch_at=lambda _: batch(0), averaging=0.999)
    torch.testing.assert_close(mean, (last[0] + last[1]) / 2, rtol=1e-3, atol=1e-4)


def test_gains_too_small_to_matter_do_not_keep_it_going():
    _, checks = trained(batch(-1), rate=1e-3, patience=2, min_gain=0.5)
    assert [check.step for check in checks] == [5, 10, 15]
    assert checks[2].held_out_loss < checks[1].held_out_loss < checks[0].held_out_loss
