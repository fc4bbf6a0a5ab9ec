"""The published Localpicker: its own rules, beside those of every picker."""

import numpy as np
import pytest
from pydantic import ValidationError
from tests.fields import disc, f1_score, paint
from tests.pickers.contract import PickerContract

from cryoglean.micrograph import Micrograph
from cryoglean.pickers.localpicker.paper import (
    THRESHOLD_WITHOUT_DEFOCUS,
    PaperLocalpicker,
    PaperLocalpickerSettings,
    local_mean_image,
)

GRID = [(x, y) for x in range(60, 500, 80) for y in range(60, 400, 80)]


class TestContract(PickerContract):
    score_kind = "uncalibrated"
    bin_factor = 3
    tolerance = 4.0
    min_f1 = 0.95

    def picker(self):
        settings = PaperLocalpickerSettings(
            diameter_angstrom=self.diameter * self.pixel_size,
            bin_factor=self.bin_factor,
            max_sigma_px=5,
            threshold=0.008,
        )
        return PaperLocalpicker(settings)


def settings(**changes):
    return PaperLocalpickerSettings(**({"diameter_angstrom": 40.0, "bin_factor": 3, "threshold": 0.005} | changes))


def grid_image(profile=disc, xy=GRID, shape=(460, 540), diameter=40.0):
    return with_noise(paint(shape, xy, profile, diameter))


def with_noise(image):
    """A grey background: the brightest pixel sets the scale."""
    return (image + 0.5 * np.random.default_rng(0).standard_normal(image.shape)).astype(np.float32)


def pick(image, defocus=None, **changes):
    return PaperLocalpicker(settings(**changes)).pick(Micrograph(image, 1.0, defocus_angstrom=defocus))


@pytest.mark.parametrize(
    ("defocus", "threshold"),
    [(5e3, 8e-5), (3e4, 1.5e-4), (17_500, 1.15e-4), (100, 8e-5), (9e4, 1.5e-4), (None, THRESHOLD_WITHOUT_DEFOCUS)],
)
def test_the_threshold_follows_the_defocus(defocus, threshold):
    micrograph = Micrograph(grid_image(), 1.0, defocus_angstrom=defocus)
    assert PaperLocalpicker(settings(threshold=None)).threshold(micrograph) == pytest.approx(threshold)
    assert PaperLocalpicker(settings(threshold=0.5)).threshold(micrograph) == 0.5


@pytest.mark.parametrize("factor", [2, 5, 9])
def test_binning_moves_no_centre(factor):
    """Pixels drawn as blocks of pixels and binned again are the same image, half a block less half a pixel off."""
    image = grid_image(shape=(230, 270), xy=[(x / 2, y / 2) for x, y in GRID], diameter=24.0)
    plain = pick(image, diameter_angstrom=30, bin_factor=1).xy
    blocks = pick(
        np.kron(image, np.ones((factor, factor), np.float32)), diameter_angstrom=30 * factor, bin_factor=factor
    )
    assert len(plain) == len(GRID)
    assert f1_score(blocks.xy, factor * plain + (factor - 1) / 2, 0.01) > 0.7
    apart = np.abs(plain[:, None] - np.array(GRID)[None] / 2).max(2).min(1)
    assert apart.max() <= 1.5


def test_the_whole_image_is_standardised_not_each_column():
    image = np.zeros((60, 60), np.float32)
    image[30, 30] = -1
    image[50, 30] = 3
    level = local_mean_image(image, 1)
    far = level[5:15]
    np.testing.assert_allclose(far, far[0, 0], atol=1e-12)  # a column's own mean would show above the particle
    np.testing.assert_allclose(local_mean_image(image.T, 1), level.T, atol=1e-9)


def test_dark_blobs_are_picked_and_bright_ones_are_not():
    dark, bright = (paint((460, 540), xy, disc, 40.0) for xy in (GRID[::2], GRID[1::2]))
    assert f1_score(pick(with_noise(dark - bright), max_sigma_px=6).xy, GRID[::2], 8) == 1


@pytest.mark.parametrize(("n", "found"), [(5, 0), (6, 6)])
def test_five_particles_or_fewer_are_none(n, found):
    assert len(pick(grid_image(xy=GRID[:n]))) == found
    assert len(pick(grid_image(xy=GRID[:n]), min_particles=0)) == n


def test_a_particle_whose_box_leaves_the_micrograph_is_dropped():
    near_edge = np.array([(260, 431), (511, 260)])
    image = grid_image(xy=GRID + near_edge.tolist())

    def kept(**changes):
        return np.abs(pick(image, max_sigma_px=6, **changes).xy[:, None] - near_edge[None]).sum(2).min(0) < 10

    assert kept().all()
    assert not kept(box_diameters=1.8).any()


def test_of_a_close_pair_the_larger_stays():
    left = [(x, y) for x, y in GRID if x < 400]
    right = [(x + 34, y) for x, y in left]
    image = with_noise(paint((460, 540), left, disc, 40.0) + 1.5 * paint((460, 540), right, disc, 24.0))
    common = {"bin_factor": 2, "threshold": 0.02, "box_diameters": 0.5}
    apart = pick(image, diameter_angstrom=40, max_sigma_px=6, **common)
    close = pick(image, diameter_angstrom=80, max_sigma_px=9, **common)
    assert f1_score(apart.xy, left + right, 8) > 0.9
    assert f1_score(close.xy, left, 8) > 0.95


def test_scores_rise_with_contrast_from_one_half_at_the_threshold():
    contrasts = 1.0 + np.arange(len(GRID)) / 15
    image = sum(c * paint((460, 540), [xy], disc, 40.0) for c, xy in zip(contrasts, GRID, strict=True))
    picks = pick(with_noise(image))
    nearest = np.abs(picks.xy[:, None] - np.array(GRID)[None]).sum(2).argmin(1)
    assert len(picks) == len(GRID)
    assert np.corrcoef(contrasts[nearest], -np.arange(len(picks)))[0, 1] > 0.95  # best first
    assert picks.score.min() >= 0.5
    assert (pick(with_noise(image), threshold=0.01).score < picks.score).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"diameter_angstrom": 0},
        {"diameter_angstrom": float("nan")},
        {"bin_factor": 0},
        {"threshold": 0},
        {"overlap": 1.5},
        {"min_sigma_px": 5, "max_sigma_px": 4},
        {"colour": "red"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        settings(**wrong)
