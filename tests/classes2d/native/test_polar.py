"""Rings and harmonics: against transforms written out, turns and moves as phases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.classes2d.native.polar import PolarGrid, soft_disc

pytestmark = pytest.mark.numerical

CPU = torch.device("cpu")


def grid_of(box=24, rings=6, radius=7.0, edge=3.0):
    return PolarGrid(box, rings, radius, edge, CPU)


def blobs(box, seed=0, count=4):
    """A smooth image inside the mask, as a function of place so that it can be turned and moved exactly."""
    rng = np.random.default_rng(seed)
    places, heights = rng.uniform(-3, 3, (count, 2)), rng.uniform(-1, 2, count)

    def image(angle=0.0, move=(0.0, 0.0)):
        y, x = np.mgrid[:box, :box].astype(float) - box // 2
        y, x = y - move[0], x - move[1]
        back_x, back_y = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
        parts = (
            h * np.exp(-((back_x - px) ** 2 + (back_y - py) ** 2) / 4)
            for (py, px), h in zip(places, heights, strict=True)
        )
        return torch.tensor(sum(parts)[None], dtype=torch.float32)

    return image


@pytest.mark.parametrize("box", [23, 24, 33])
def test_samples_are_the_fourier_transform_of_the_masked_image(box):
    grid = grid_of(box, rings=5, radius=6)
    image = torch.randn(2, box, box, generator=torch.Generator().manual_seed(1))
    masked = (image * soft_disc(box, 6, 3.0, CPU)).double().numpy()
    samples = grid.samples(image).numpy()
    y, x = np.mgrid[:box, :box] - box // 2
    for ring in (1, 3, 5):
        for place in (0, 1, grid.angles // 4, grid.angles // 2 - 1):
            angle = 2 * np.pi * place / grid.angles
            wave = np.exp(-2j * np.pi * ring / box * (np.cos(angle) * x + np.sin(angle) * y))
            expected = (masked * wave).sum((1, 2))
            assert samples[:, ring - 1, place] == pytest.approx(expected, abs=1e-3)


def test_harmonics_are_the_transform_along_the_whole_circle():
    grid = grid_of()
    samples = torch.randn(3, 6, grid.angles // 2, dtype=torch.complex64, generator=torch.Generator().manual_seed(2))
    circle = torch.cat([samples, samples.conj()], -1)
    expected = torch.fft.fft(circle, dim=-1)[..., : grid.harmonics_count] / grid.angles * grid.band
    assert torch.allclose(grid.harmonics(samples), expected, atol=1e-5)


def test_nothing_of_an_image_within_the_mask_is_above_the_band():
    grid = grid_of(32, rings=10, radius=9)
    samples = grid.samples(torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(3)))
    circle = torch.fft.fft(torch.cat([samples, samples.conj()], -1), dim=-1)[..., : grid.harmonics_count]
    left_out = (circle.abs().square() * (1 - grid.band)).sum() / circle.abs().square().sum()
    assert left_out < 0.02


@given(st.floats(-3, 3), st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_turns_and_moves_are_phases(angle, dy, dx):
    grid, image = grid_of(36, rings=5, radius=13), blobs(36)
    still, there = grid.samples(image()), grid.samples(image(angle, (dy, dx)))
    back = grid.harmonics(there * grid.moves(torch.tensor([[-dy, -dx]])))
    turned = grid.harmonics(still) * torch.exp(-1j * angle * torch.arange(grid.harmonics_count))
    scale = turned.abs().max()
    assert torch.allclose(back, turned, atol=0.02 * float(scale))


def test_the_correlation_over_turns_peaks_at_the_turn():
    grid, image, angle = grid_of(rings=6), blobs(24, seed=5), 1.1
    first, second = grid.harmonics(grid.samples(image())), grid.harmonics(grid.samples(image(angle)))
    turns = grid.turned((second * first.conj()).sum(1))[0]
    assert int(turns.argmax()) * 2 * math.pi / grid.angles == pytest.approx(angle, abs=2 * math.pi / grid.angles)


def test_energy_is_the_same_in_samples_and_harmonics():
    grid = grid_of(rings=4)
    samples = grid.samples(blobs(24, seed=7)())
    in_harmonics = (grid.harmonics(samples).abs().square() * grid.twice).sum(-1)
    assert torch.allclose(in_harmonics, samples.abs().square().mean(-1), rtol=0.02)


def test_harmonics_fit_other_grids_by_cutting_and_filling():
    small, large = grid_of(rings=4), grid_of(rings=8)
    values = torch.randn(2, 3, 4, small.harmonics_count, dtype=torch.complex64)
    assert torch.equal(small.fitted(large.fitted(values)), values)
