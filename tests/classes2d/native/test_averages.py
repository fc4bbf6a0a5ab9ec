"""Aligned averages: where they lie, how halves correlate, what the CTF correction undoes."""

import math

import numpy as np
import pytest
import torch

from cryoglean.classes2d.native import averages
from cryoglean.classes2d.native.rings import ring_ctf
from cryoglean.ctf.model import Ctf, Microscope, ctf_2d
from turned_shapes import comma

pytestmark = pytest.mark.numerical

BOX = 48


def test_aligned_images_lie_as_their_average_does():
    rng = np.random.default_rng(0)
    angle, move = rng.uniform(-3, 3, 20), rng.uniform(-3, 3, (20, 2))
    images = torch.stack([comma(BOX, a, m) for a, m in zip(angle, move, strict=True)])
    back = averages.aligned(images, torch.tensor(-move).float(), torch.tensor(angle).float())
    middle = slice(6, -6)
    difference = (back - comma(BOX))[:, middle, middle]
    assert float(difference.abs().max()) < 0.02


def test_sums_are_by_class_and_half():
    images = torch.arange(6.0)[:, None, None].expand(6, 8, 8).contiguous()
    nothing = torch.zeros(6)
    index, half = torch.tensor([0, 0, 1, 1, 1, 0]), torch.tensor([0, 1, 0, 1, 1, 1])
    sums = averages.add_up(images.numpy(), torch.ones(6, 3), torch.zeros(6, 2), nothing, index, half, 3)
    assert sums.counts.tolist() == [[1, 1, 0], [2, 2, 0]]
    assert averages.plain(sums)[:, 4, 4].tolist() == pytest.approx([2.0, 3.0, 0.0], abs=1e-5)
    assert torch.allclose(sums.squared_ctf[1, 1], torch.tensor(2.0))


def test_the_correction_undoes_the_ctf():
    pixel, microscope = 4.0, Microscope()
    ctfs = [Ctf(d, d, 0, microscope) for d in np.linspace(8000, 22000, 40)]
    truth = comma(BOX)
    images = torch.stack(
        [torch.fft.irfft2(torch.fft.rfft2(truth) * ctf_2d(ctf, (BOX, BOX), pixel), s=(BOX, BOX)) for ctf in ctfs]
    )
    rings = ring_ctf(ctfs, len(ctfs), BOX // 2 - 1, 1 / (BOX * pixel))
    zero = torch.zeros(len(ctfs))
    half, index = (torch.arange(len(ctfs)) % 2), torch.zeros(len(ctfs), dtype=torch.long)
    sums = averages.add_up(images.numpy(), rings, torch.zeros(len(ctfs), 2), zero, index, half, 1)
    ratio = torch.full((1, BOX // 2 + 1), 1e4)

    def likeness(image):
        a, b = torch.fft.rfft2(image), torch.fft.rfft2(truth)
        a[0, 0] = 0
        return float((a * b.conj()).real.sum() / (a.abs().square().sum() * b.abs().square().sum()).sqrt())

    assert likeness(averages.corrected(sums, ratio)[0]) > 0.94
    assert likeness(averages.plain(sums)[0]) < 0.9


def test_halves_of_a_signal_correlate_and_of_noise_do_not():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(400, BOX, BOX, generator=generator)
    images = torch.cat([noise[:200], noise[200:] + comma(BOX)])
    index = (torch.arange(400) >= 200).long()
    zero = torch.zeros(400)
    sums = averages.add_up(
        images.numpy(), torch.ones(400, 23), torch.zeros(400, 2), zero, index, torch.arange(400) % 2, 2
    )
    correlation = averages.half_correlation(sums, 14, 5)
    assert float(correlation[1, 1:6].min()) > 0.9
    assert abs(float(correlation[0, 4:].mean())) < 0.1


@pytest.mark.parametrize("box", [15, 16])
def test_ring_sums_count_every_place_once(box):
    image = torch.randn(2, box, box, generator=torch.Generator().manual_seed(0))
    half = torch.fft.rfft2(image).abs().square()
    whole = torch.fft.fft2(image).abs().square()
    fy = torch.fft.fftfreq(box, 1 / box)
    radius = torch.hypot(fy[:, None], fy[None]).round().long()
    for ring in range(box // 2 + 1):
        expected = (whole * (radius == ring)).sum((1, 2))
        assert torch.allclose(averages.ring_sums(half)[:, ring], expected, rtol=1e-4)


def test_angles_are_within_half_a_turn_of_zero():
    psi = averages.degrees(torch.linspace(-4 * math.pi, 4 * math.pi, 101))
    assert float(psi.abs().max()) <= 180
