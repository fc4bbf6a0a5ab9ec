"""Each step is that of torch's own classes, to the last bit, and can be taken by another one that goes on."""

import pytest
import torch

from cryoglean.nets.optimisers import AdamW, GradientDescent

RATES = (0.1, 0.03, 0.2)


def weights():
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((3, 4), (5,), ())]


def give_gradients(to, step):
    for number, weight in enumerate(to):
        weight.grad = torch.cos(weight.detach() * (number + step + 1))


def stepped(optimiser, its, steps=range(3)):
    for step in steps:
        give_gradients(its, step)
        optimiser.rate = RATES[step]
        optimiser.step()
    return its


def stepped_by_torch(kind, **how):
    its = weights()
    optimiser = kind(its, **how)
    for step, rate in enumerate(RATES):
        give_gradients(its, step)
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
    return its


def assert_equal(ones, others):
    assert all(torch.equal(one, other) for one, other in zip(ones, others, strict=True))


def test_gradient_descent_steps_as_that_of_torch():
    its = weights()
    assert_equal(stepped(GradientDescent(its, 1.0), its), stepped_by_torch(torch.optim.SGD))


@pytest.mark.parametrize("how", [{}, {"betas": (0.9, 0.95), "weight_decay": 0.3}, {"weight_decay": 0.0}])
def test_adamw_steps_as_that_of_torch(how):
    its = weights()
    assert_equal(stepped(AdamW(its, 1.0, **how), its), stepped_by_torch(torch.optim.AdamW, **how))


def test_another_one_goes_on_where_one_stopped():
    its, whole = weights(), weights()
    stepped(AdamW(whole, 1.0), whole)
    before = AdamW(its, 1.0)
    stepped(before, its, range(2))
    after = AdamW(its, 1.0)
    after.go_on(2, before.first, before.second)
    kept = [mean.clone() for mean in before.first]
    assert_equal(stepped(after, its, range(2, 3)), whole)
    assert_equal(before.first, kept)


@pytest.mark.parametrize("kind", [AdamW, GradientDescent])
def test_a_weight_without_a_gradient_is_an_error(kind):
    its = weights()
    give_gradients(its[:2], 0)
    with pytest.raises(ValueError, match="1 of 3 weights have no gradient"):
        kind(its, 1.0).step()
