"""Ring CTF and the ring to which halves agree."""

import numpy as np
import pytest
import torch

from cryoglean.classes2d.half_bit import half_bit
from cryoglean.classes2d.native.rings import reproducible_rings, ring_ctf, smoothed
from cryoglean.ctf.model import Ctf, Microscope, ctf_2d

MANY = torch.full((12,), 1e6)


def test_the_ring_ctf_is_the_mean_of_the_2d_ctf_around_a_ring():
    ctf, box, pixel = Ctf(12000, 11000, 30, Microscope()), 256, 3.0
    rings = ring_ctf([ctf], 1, 40, 1 / (box * pixel))[0]
    plane = ctf_2d(ctf, (box, box), pixel)
    fy, fx = torch.fft.fftfreq(box, 1 / box)[:, None], torch.fft.rfftfreq(box, 1 / box)[None]
    radius = torch.hypot(fy, fx)
    for ring in (5, 20, 39):
        around = plane[(radius - ring).abs() < 0.5].mean()
        assert float(rings[ring - 1]) == pytest.approx(float(around), abs=0.06)


def test_without_a_ctf_all_rings_are_1_and_with_turned_phases_none_is_negative():
    assert torch.equal(ring_ctf(None, 3, 5, 0.01), torch.ones(3, 5))
    ctf = [Ctf(15000, 15000, 0, Microscope())]
    assert ring_ctf(ctf, 1, 40, 0.002).min() < -0.5
    assert torch.allclose(ring_ctf(ctf, 1, 40, 0.002, is_phase_flipped=True), ring_ctf(ctf, 1, 40, 0.002).abs())


def test_astigmatism_lowers_the_ctf_of_a_ring():
    round_, long = (Ctf(15000 + d, 15000 - d, 0, Microscope()) for d in (0, 3000))
    assert ring_ctf([long], 1, 40, 0.002).abs().sum() < ring_ctf([round_], 1, 40, 0.002).abs().sum()


def test_particles_of_two_microscopes_keep_their_order():
    ctfs = [Ctf(10000 + 100 * n, 10000 + 100 * n, 0, Microscope(voltage_kv=200 + 100 * (n % 2))) for n in range(6)]
    together = ring_ctf(ctfs, 6, 20, 0.003)
    for n, ctf in enumerate(ctfs):
        assert torch.allclose(together[n], ring_ctf([ctf], 1, 20, 0.003)[0])


def test_the_half_bit_threshold_asks_for_more_where_members_are_few():
    values = half_bit(torch.tensor([4.0, 16.0, 100.0, 1e8]))
    assert (values[:-1] > values[1:]).all()
    assert float(values[-1]) == pytest.approx(0.2071 / 1.2071, abs=1e-3)


@pytest.mark.parametrize(
    ("agrees", "rings"),
    [
        ([1] * 12, 12),
        ([0] * 12, 0),
        ([1] * 6 + [0] * 6, 6),
        ([1] * 4 + [0] * 2 + [1] * 2 + [0] * 4, 8),
        ([1] * 3 + [0] * 5 + [1] * 4, 3),
        ([0] * 5 + [1] * 7, 0),
    ],
)
def test_a_gap_at_a_zero_of_the_ctf_is_bridged_and_a_longer_one_ends_it(agrees, rings):
    found = int(reproducible_rings(torch.tensor([agrees]).float(), MANY)[0])
    assert abs(found - rings) <= 1  # smoothing moves an edge by up to a ring


def test_noise_does_not_reproduce():
    noise = torch.tensor(np.random.default_rng(0).normal(0, 0.25, (500, 30)))
    members = 2.5 * torch.arange(1, 31)
    assert (reproducible_rings(noise, members) > 6).float().mean() < 0.01


def test_smoothing_keeps_what_is_constant():
    assert torch.allclose(smoothed(torch.full((2, 9), 0.3)), torch.tensor(0.3))
