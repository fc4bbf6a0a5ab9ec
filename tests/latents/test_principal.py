"""Principal axes: those of a cloud that is made along known directions, and an outside program's."""

import numpy as np
import pytest
import torch

from cryoglean.latents.principal import principal_axes

pytestmark = pytest.mark.numerical


def cloud(n=400, seed=0):
    """Points that vary by 5, 2 and 0.1 along three directions that are not the coordinates'."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    points = rng.normal(size=(n, 3)) * (5, 2, 0.1) @ turn.T + (7, -3, 1)
    return torch.from_numpy(points), turn


def test_the_axes_are_those_that_the_cloud_was_made_along():
    points, turn = cloud()
    found = principal_axes(points)
    assert np.abs(found.axes.numpy() @ turn[:, :2]) == pytest.approx(np.eye(2), abs=0.05)


def test_the_axes_are_those_of_a_singular_value_decomposition():
    points, _ = cloud()
    _, size, axes = np.linalg.svd((points - points.mean(dim=0)).numpy(), full_matrices=False)
    found = principal_axes(points)
    assert found.share.numpy() == pytest.approx((size**2 / (size**2).sum())[:2])
    assert np.abs(found.axes.numpy() @ axes[:2].T) == pytest.approx(np.eye(2), abs=1e-9)
    assert (found.axes.gather(1, found.axes.abs().argmax(dim=1, keepdim=True)) > 0).all()


def test_coordinates_vary_as_the_share_says_and_do_not_go_together():
    points, _ = cloud()
    found = principal_axes(points)
    covariance = np.cov(found.along(points).T.numpy(), bias=True)
    total = float(points.var(dim=0, correction=0).sum())
    assert covariance == pytest.approx(np.diag(found.share.numpy() * total), abs=1e-9)


def test_points_that_do_not_vary_lie_in_the_middle():
    found = principal_axes(torch.full((4, 3), 2.5))
    assert found.share.tolist() == [0, 0]
    assert found.along(torch.full((1, 3), 2.5)).abs().max() == 0
