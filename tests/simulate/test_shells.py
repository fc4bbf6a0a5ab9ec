"""The field of shells has its particles where it says they are."""

import numpy as np
import pytest

from shells import ShellField


def test_the_same_seed_gives_the_same_field_and_another_another():
    one, same, other = (ShellField(200, 240, 10, seed=s).render() for s in (1, 1, 2))
    np.testing.assert_array_equal(one[0].image, same[0].image)
    assert not np.array_equal(one[0].image, other[0].image)


def test_particles_do_not_overlap_and_lie_inside():
    field = ShellField(400, 480, particles=60)
    _, truth = field.render()
    apart = np.hypot(*(truth.xy[:, None] - truth.xy[None]).transpose(2, 0, 1))[~np.eye(len(truth), dtype=bool)]
    assert apart.min() >= field.diameter_angstrom / field.pixel_size_angstrom
    assert (truth.xy >= 0).all()
    assert (truth.xy <= [field.width_px - 1, field.height_px - 1]).all()


def test_the_mean_window_at_the_truth_is_a_dark_ring_with_its_centre_at_the_truth():
    field = ShellField(signal_to_noise=0.5)
    micrograph, truth = field.render()
    whole = truth.take(((truth.xy > 50) & (truth.xy < [1230, 974])).all(axis=1))
    x, y = np.rint(whole.x).astype(int), np.rint(whole.y).astype(int)
    mean = np.mean([micrograph.image[b - 40 : b + 41, a - 40 : a + 41] for a, b in zip(x, y, strict=True)], axis=0)
    radius = np.hypot(*np.mgrid[-40:41, -40:41])
    profile = [mean[(radius >= r) & (radius < r + 2)].mean() for r in range(0, 40, 2)]
    assert 18 <= 2 * int(np.argmin(profile)) <= 30
    weight = np.where(radius < 36, np.maximum(mean[radius > 36].mean() - mean, 0), 0)
    centre = [(weight * grid).sum() / weight.sum() for grid in np.mgrid[-40:41, -40:41]]
    np.testing.assert_allclose(centre, 0, atol=0.5)


@pytest.mark.parametrize("ratio", [0.02, 0.5])
def test_noise_has_the_variance_that_was_asked_for(ratio):
    noisy = ShellField(400, 480, 20, signal_to_noise=ratio).render()[0].image
    clean = ShellField(400, 480, 20, signal_to_noise=1e12).render()[0].image
    assert np.var(clean) / np.var(noisy - clean) == pytest.approx(ratio, rel=0.02)
