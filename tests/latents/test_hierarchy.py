"""Clusters of a set, then of a micrograph: which cluster a mask is about, and that planted particles are found."""

import numpy as np
import pytest
import torch

from cryoglean.latents.hierarchy import most_alike, particle_patches, smoothed

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5])
def test_smoothed_latents_are_means_over_squares(window):
    latents = np.random.default_rng(0).standard_normal((7, 9, 2))
    before, after = (window - 1) // 2, window // 2
    padded = np.pad(latents, ((before, after), (before, after), (0, 0)), mode="edge")
    wanted = [[padded[y : y + window, x : x + window].mean((0, 1)) for x in range(9)] for y in range(7)]
    np.testing.assert_allclose(smoothed(torch.from_numpy(latents), window), wanted, atol=1e-12)


def counted(*sizes):
    """Return a label of each patch and a mask, given (inside, outside) of each cluster."""
    label = [k for k, (inside, outside) in enumerate(sizes) for _ in range(inside + outside)]
    mask = [n < inside for inside, outside in sizes for n in range(inside + outside)]
    return torch.tensor(label), torch.tensor(mask)


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ([(30, 0), (0, 100)], 0),
        ([(0, 100), (30, 0)], 1),
        ([(40, 160), (30, 5), (0, 500)], 1),  # a cluster of edges holds most of the mask, and lies mostly outside
        ([(40, 10), (30, 20), (0, 500)], 0),
        ([(40, 60), (30, 40), (5, 0)], 1),  # one wholly inside holds too little to be asked
        ([(10, 90), (10, 0), (0, 9)], 1),
    ],
)
def test_of_two_clusters_that_hold_most_of_a_mask_it_is_about_the_one_more_inside(sizes, wanted):
    label, mask = counted(*sizes)
    assert most_alike(label, mask, len(sizes)) == wanted
    mixed = torch.randperm(len(label), generator=torch.Generator().manual_seed(0))
    assert most_alike(label[mixed], mask[mixed], len(sizes)) == wanted


def test_clusters_without_points_are_no_ones():
    label, mask = counted((0, 0), (9, 1), (0, 0), (0, 20))
    assert most_alike(label, mask, 4) == 1


def planted(shape=(60, 70), seed=0, strength=4.0):
    """Latents with discs of particles, on a background of two kinds, and where the particles are."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    particles = np.zeros(shape, dtype=bool)
    for y, x in [(12, 15), (30, 40), (45, 20), (15, 55), (48, 58)]:
        particles |= np.hypot(rows - y, columns - x) < 5
    centres = np.array([[0, 0, 0, 0], [0, strength, 0, 0], [strength, 0, strength, 0], [9, 9, 9, 9]], dtype=float)
    kind = np.where(particles, 2, columns > 35)
    latents = centres[kind] + 0.7 * rng.standard_normal((*shape, 4))
    return torch.from_numpy(latents).float(), torch.from_numpy(centres).float(), particles


@pytest.mark.parametrize("seed", range(4))
def test_planted_particles_are_found(seed):
    latents, centres, particles = planted(seed=seed)
    found = particle_patches(latents, centres, 2, seed).numpy()
    assert (found & particles).sum() > 0.9 * (found | particles).sum()


def test_the_same_seed_tells_the_same_patches():
    latents, centres, _ = planted()
    one, other = (particle_patches(latents, centres, 2, 5) for _ in range(2))
    assert torch.equal(one, other)


def test_where_no_patch_is_of_the_particles_cluster_there_are_none():
    latents, centres, _ = planted()
    assert not particle_patches(latents, centres, 3, 0).any()
