"""The course: it learns, and neither threads, nor members of a group, nor a stop in between change anything."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from pydantic import ValidationError

from cryoglean.nets.mae import new_mae
from cryoglean.nets.mae_layers import MaeLayers
from cryoglean.nets.mae_training import MaeCourse, MaeProgress, train_mae
from cryoglean.nets.tiles import TileSampler
from cryoglean.nets.transformer import Blocks
from cryoglean.scale.process_group import SINGLE_PROCESS, ProcessGroup

LAYERS = MaeLayers(
    tile_px=16,
    patch_px=4,
    encoder=Blocks(width=32, depth=1, heads=2),
    decoder=Blocks(width=32, depth=1, heads=2),
)


def waves():
    """An image of which a part tells all the rest."""
    rows, columns = torch.meshgrid(torch.arange(80.0), torch.arange(90.0), indexing="ij")
    return [1.4 * torch.sin(0.2 * columns + 0.1 * rows)]


def sampler(stream=0):
    return TileSampler(waves(), 16, 16, 0.5, seed=3, stream=stream)


def course(**changes):
    return MaeCourse(**({"steps": 12, "batch": 40, "base_rate": 0.02, "check_every": 4} | changes))


class Member(ProcessGroup):
    """One of a group whose members are threads of this process."""

    def __init__(self, rank, brought, barrier):
        super().__init__()
        self.rank, self.size, self._brought, self._barrier = rank, len(brought), brought, barrier

    def sum(self, tensors):
        self._brought[self.rank] = tensors
        self._barrier.wait(timeout=60)
        sums = [torch.stack(same).sum(0) for same in zip(*self._brought, strict=True)]
        self._barrier.wait(timeout=60)
        return sums

    def broadcast_scalar(self, value):
        return float(self.sum([torch.tensor(value if self.is_first else 0.0)])[0])


def trained_together(size, *args, **how):
    """Return what `trained` returns to each member of a group."""
    brought, barrier = [None] * size, threading.Barrier(size)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda rank: trained(*args, **how, group=Member(rank, brought, barrier)), range(size)))


def trained(course, *, begin=None, threads=1, held_out=True, seed=0, group=SINGLE_PROCESS):
    net, told = new_mae(LAYERS, seed), []
    aside = sampler(1).batch(0, 20) if held_out else None

    def watch(progress):
        told.append((progress.checks, {name: t.clone() for name, t in progress.tensors.items()}))

    how = {"begin": begin, "threads": threads, "watch": watch, "group": group}
    checks = train_mae(net, lambda step: sampler().batch(step, course.batch), aside, course, **how)
    return torch.cat([p.detach().flatten() for p in net.parameters()]), checks, told


def way_off(weights, others):
    """Return how far weights are from others, over the way that those went."""
    start = torch.cat([p.detach().flatten() for p in new_mae(LAYERS, 0).parameters()])
    return float((weights - others).norm() / (others - start).norm())


@pytest.mark.numerical
def test_it_learns():
    _, checks, _ = trained(course(steps=90, check_every=30))
    assert [check.step for check in checks] == [30, 60, 90]
    assert checks[-1].loss < 0.6 < checks[0].loss
    assert checks[-1].held_out_loss == pytest.approx(checks[-1].loss, abs=0.1)
    assert checks[-1].rate < checks[0].rate


def assert_same_losses(checks, others):
    """See that checks are the same but for last bits, which some processors' sums take from where memory lies."""
    assert [c.step for c in checks] == [c.step for c in others]
    for name in ("loss", "held_out_loss"):
        assert [getattr(c, name) for c in checks] == pytest.approx([getattr(c, name) for c in others], rel=1e-3)


@pytest.mark.numerical
def test_threads_change_nothing():
    (one, checks, _), (two, others, _) = trained(course()), trained(course(), threads=3)
    assert way_off(two, one) < 0.01
    assert_same_losses(others, checks)


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
@pytest.mark.parametrize(("size", "batch"), [(2, 40), (3, 40), (3, 2)])
def test_a_team_takes_the_steps_of_one(size, batch):
    one, curve, _ = trained(course(batch=batch))
    members = trained_together(size, course(batch=batch))
    for weights, checks, _ in members:
        assert torch.equal(weights, members[0][0])
        assert way_off(weights, one) < 0.01
        for name in ("loss", "held_out_loss"):
            assert [getattr(c, name) for c in checks] == pytest.approx([getattr(c, name) for c in curve], rel=1e-3)


def test_where_time_decides_all_members_stop_at_one_step():
    (first, checks, _), (second, others, _) = trained_together(2, course(steps=None, seconds=0.3, check_every=1))
    assert checks == others
    assert checks[-1].seconds >= 0.3
    assert torch.equal(first, second)


@pytest.mark.numerical
def test_a_team_goes_on_where_one_process_stopped():
    whole, _, told = trained(course())
    (again, checks, _), _ = trained_together(2, course(), begin=MaeProgress(*told[0]))
    assert checks[0] == told[0][0][0]
    assert way_off(again, whole) < 0.01


@pytest.mark.numerical
@pytest.mark.parametrize("after", [0, 1])
def test_a_training_that_goes_on_ends_as_one_that_was_not_stopped(after):
    whole, checks, told = trained(course())
    again, later, _ = trained(course(), begin=MaeProgress(*told[after]), seed=9)  # its own weights are not used
    assert way_off(again, whole) < 0.01
    assert_same_losses(later, checks)


def test_a_finished_training_has_nothing_left_to_do():
    whole, checks, told = trained(course())
    again, later, more = trained(course(), begin=MaeProgress(*told[-1]), seed=9)
    assert torch.equal(whole, again)
    assert later == checks
    assert more == []


def test_without_held_out_tiles_there_is_no_loss_of_them():
    _, checks, _ = trained(course(steps=2), held_out=False)
    assert math.isnan(checks[-1].held_out_loss)
    assert len(checks) == 1


def test_time_can_end_it():
    _, checks, _ = trained(course(steps=None, seconds=0.3))
    assert checks[-1].seconds >= 0.3
    assert checks[-1].rate < 0.5 * course(steps=1).rate_at(0.05)


def test_the_rate_rises_and_falls_along_half_a_cosine_and_goes_with_the_batch():
    one = course(steps=1000, batch=256, base_rate=1e-3, warm_up=0.1)
    assert one.rate_at(0.05) == pytest.approx(0.5e-3)
    assert one.rate_at(0.1) == pytest.approx(1e-3)
    assert one.rate_at(0.55) == pytest.approx(0.5e-3)
    assert one.rate_at(1.0) == pytest.approx(0, abs=1e-12)
    assert course(batch=128, base_rate=1e-3, warm_up=0).rate_at(0) == pytest.approx(0.5e-3)


@pytest.mark.parametrize("wrong", [{"steps": None}, {"seconds": 3.0}, {"steps": 0}, {"batch": 0}, {"warm_up": 1.0}])
def test_wrong_courses_are_refused(wrong):
    with pytest.raises(ValidationError):
        course(**wrong)
