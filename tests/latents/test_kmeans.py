"""k-means: scikit-learn has nothing to better, and neither the seed nor odd points change what clusters are."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from cryoglean.latents.kmeans import kmeans, nearest

pytestmark = pytest.mark.numerical

CENTRES = torch.tensor([[-6.0, 0.0, 1.0], [0.0, 5.0, -5.0], [4.0, -4.0, 0.0], [9.0, 9.0, 9.0]])


def clear_clusters(n=120, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([centre + 0.5 * torch.randn(n, 3, generator=generator) for centre in CENTRES])


def cloud(n=600, c=5, seed=1):
    """Points without clusters, where starts matter most."""
    return torch.randn(n, c, generator=torch.Generator().manual_seed(seed))


def sklearn_from(points, centres, **changes):
    how = {"n_clusters": len(centres), "init": centres.numpy(), "n_init": 1, "tol": 0, "algorithm": "lloyd"}
    return KMeans(**(how | changes)).fit(points.numpy())


@pytest.mark.parametrize("points", [clear_clusters(), cloud()])
@pytest.mark.parametrize("k", [1, 2, 4, 7])
def test_it_ends_where_scikit_learn_moves_no_centre(points, k):
    found = kmeans(points, k, seed=3)
    theirs = sklearn_from(points, found.centres)
    np.testing.assert_allclose(theirs.cluster_centers_, found.centres, atol=1e-5)
    np.testing.assert_array_equal(theirs.labels_, nearest(points, found.centres))
    assert theirs.inertia_ == pytest.approx(found.inertia, rel=1e-5)


@pytest.mark.parametrize("points", [clear_clusters(), cloud()])
@pytest.mark.parametrize("k", [2, 4, 7])
def test_best_of_several_starts_is_about_as_good_as_scikit_learns(points, k):
    theirs = sklearn_from(points, torch.zeros(k), init="k-means++", n_init=10, random_state=0)
    assert kmeans(points, k, seed=0, starts=10).inertia <= 1.02 * theirs.inertia_


def test_more_starts_are_never_worse():
    inertia = [kmeans(cloud(), 6, seed=5, starts=starts).inertia for starts in (1, 2, 4, 8)]
    assert inertia == sorted(inertia, reverse=True)
    assert inertia[-1] < inertia[0]


def test_the_nearest_centre_is_the_one_at_the_least_distance():
    points, centres = cloud().view(20, 30, 5), cloud(9, seed=2)
    apart = (points[:, :, None] - centres).norm(dim=-1)
    assert torch.equal(nearest(points, centres), apart.argmin(dim=-1))


def test_the_same_seed_gives_the_same_clusters():
    one, other = (kmeans(cloud(), 5, seed=8) for _ in range(2))
    assert torch.equal(one.centres, other.centres)
    assert one.inertia == other.inertia


@pytest.mark.parametrize("seed", range(6))
def test_clear_clusters_have_the_same_numbers_whatever_the_seed(seed):
    points = clear_clusters()
    torch.testing.assert_close(kmeans(points, 4, seed).centres, CENTRES, atol=0.2, rtol=0)
    assert nearest(points, kmeans(points, 4, seed).centres).tolist() == [n for n in range(4) for _ in range(120)]


def test_the_order_of_the_points_does_not_matter_where_clusters_are_clear():
    points = clear_clusters()
    mixed = points[torch.randperm(len(points), generator=torch.Generator().manual_seed(0))]
    torch.testing.assert_close(kmeans(mixed, 4, 0).centres, kmeans(points, 4, 0).centres)


def test_as_many_points_as_clusters_are_their_own_centres_and_fewer_are_refused():
    found = kmeans(CENTRES, 4, seed=0)
    assert torch.equal(found.centres, CENTRES)
    assert found.inertia == 0
    with pytest.raises(ValueError, match="3 points cannot make 4 clusters"):
        kmeans(CENTRES[:3], 4, seed=0)


@pytest.mark.parametrize("distinct", [1, 2, 3])
def test_equal_points_leave_clusters_empty_and_nothing_else_goes_wrong(distinct):
    points = CENTRES[:distinct].repeat(50, 1)
    found = kmeans(points, 4, seed=0)
    assert torch.isfinite(found.centres).all()
    assert found.inertia == 0
    assert torch.equal(found.centres[nearest(points, found.centres)], points)
    assert len(nearest(points, found.centres).unique()) == distinct
