"""A smaller species between the particles: found where it is, and nowhere else."""

import functools

import numpy as np
import pytest
from scipy.spatial import cKDTree
from tests.fields import disc, f1_score, paint, particle_field, scattered
from tests.perturbations import jittered
from tests.pickers.contract import PickerContract

from cryoglean.detect.skewness import Skewness
from cryoglean.io.coordinates import read_picks, write_picks
from cryoglean.micrograph import Micrograph
from cryoglean.pickers.auto.figures import fit_figure
from cryoglean.pickers.auto.files import read_fitted_auto, write_fitted_auto
from cryoglean.pickers.auto.fit import fit_auto
from cryoglean.pickers.auto.picker import AutoModel, AutoSettings, FittedAuto
from cryoglean.pickers.auto.smaller import TwoSizesPicker, auto_picker, clear_maximum, covered, find_smaller
from cryoglean.pickers.localpicker.picker import fit_localpicker
from cryoglean.pickers.localpicker.template_search import DISC_DIAMETERS, Template, TemplateFit
from cryoglean.picks import Picks
from cryoglean.preprocess.left_out import clean_image

LARGE, SMALL, SHAPE = 60.0, 24.0, (500, 560)


def two_sizes(seed, n_small=36, n_large=16, noise=1.2):
    """Paint large and small discs, well apart; return the micrograph, and where each are."""
    rng = np.random.default_rng(seed)
    xy = rng.permutation(scattered(rng, SHAPE, 1.2 * LARGE, n_large + n_small, 0.25 * LARGE))
    large, small = xy[:n_large], xy[n_large : n_large + n_small]
    image = paint(SHAPE, large, disc, LARGE) + paint(SHAPE, small, disc, SMALL)
    image += noise * rng.standard_normal(SHAPE)
    return Micrograph(jittered(image.astype(np.float32)), 1.0, f"m{seed}"), large, small


def learned_from(micrographs):
    fitted = fit_auto(micrographs, fit_localpicker(micrographs, LARGE))
    return find_smaller(lambda: micrographs, fitted)


@pytest.mark.slow
class TestContract(PickerContract):
    """With a smaller species that was learned elsewhere; in noise it is found by chance, so more picks are false."""

    bin_factor = 1
    min_f1 = 0.9

    @staticmethod
    @functools.cache
    def learned(diameter, pixel_size):
        fields = [particle_field(diameter=d, n=60, noise=1.0, seed=3) for d in (diameter, 0.5 * diameter)]
        diameters = (diameter * pixel_size, 0.5 * diameter * pixel_size)
        large, small = (
            FittedAuto(AutoModel(localpicker=fit_localpicker([Micrograph(field.image, pixel_size)], each)))
            for field, each in zip(fields, diameters, strict=True)
        )
        return large._replace(smaller=small)

    def picker(self):
        settings = AutoSettings(diameter_angstrom=self.diameter * self.pixel_size)
        return TwoSizesPicker(settings, self.learned(self.diameter, self.pixel_size))


@functools.cache
def learned():
    return learned_from([two_sizes(seed)[0] for seed in range(3)])


def picker(fitted, **settings):
    return auto_picker(AutoSettings(diameter_angstrom=LARGE, **settings), fitted)


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_both_sizes_are_found_and_each_is_told_by_its_number():
    micrograph, large, small = two_sizes(11)
    assert learned().smaller.diameter_angstrom == pytest.approx(SMALL, rel=0.4)
    picks = picker(learned()).pick(micrograph)
    margin = LARGE / 3
    whole = [each[((each > margin) & (each < np.array(SHAPE[::-1]) - margin)).all(1)] for each in (large, small)]
    assert f1_score(picks.xy[picks.species == 1], whole[0], LARGE / 4) > 0.95
    assert cKDTree(picks.xy[picks.species == 2]).query(whole[1])[0].max() < SMALL / 4
    assert cKDTree(small).query(picks.xy[picks.species == 2])[0].max() < SMALL / 4


@pytest.mark.numerical
def test_among_particles_of_one_size_no_smaller_one_is_found():
    fitted = learned_from([two_sizes(seed, n_small=0)[0] for seed in range(3)])
    assert fitted.model.found_particles
    assert fitted.smaller is fitted.model.smaller is None


@pytest.mark.slow
def test_the_larger_ones_are_picked_as_without_the_smaller():
    micrograph, *_ = two_sizes(11)
    both = picker(learned()).pick(micrograph)
    alone = picker(learned()._replace(smaller=None)).pick(micrograph)
    np.testing.assert_array_equal(np.sort(both.take(both.species == 1).x), np.sort(alone.x))


@pytest.mark.slow
def test_picks_of_both_keep_the_minimum_distance_and_a_lower_threshold_adds_only():
    micrograph, *_ = two_sizes(12)
    two = picker(learned(), min_distance_angstrom=40.0)
    assert isinstance(two, TwoSizesPicker)
    more = two.pick_down_to(micrograph, 0.05)
    assert cKDTree(more.xy).query(more.xy, k=2)[0][:, 1].min() >= 40.0
    np.testing.assert_array_equal(more.at_least(two.threshold).xy, two.pick(micrograph).xy)


def test_what_is_covered_was_not_exposed_and_the_rest_is_as_before():
    micrograph, large, _ = two_sizes(11)
    working = clean_image(micrograph, SMALL)
    places = Picks(*large.T, np.ones(len(large)))
    found = covered(working, places, LARGE, micrograph)
    assert not found.is_exposed(*working.from_stored(large).T).any()
    assert (found.image == working.image)[found.exposed].all()
    assert found.exposed_share == pytest.approx(1 - len(large) * np.pi * 30**2 / np.prod(SHAPE), abs=0.03)


def test_a_place_beyond_the_edge_covers_what_of_it_is_inside():
    micrograph, *_ = two_sizes(11)
    beyond = Picks(np.array([-3.0, 600.0]), np.array([10.0, 520.0]), np.ones(2))
    assert covered(clean_image(micrograph, SMALL), beyond, LARGE, micrograph).exposed_share < 1


def fits(skewness):
    return [
        TemplateFit(Template(disc), Skewness(value, 0.01, 0.01))
        for disc, value in zip(DISC_DIAMETERS, skewness, strict=True)
    ]


@pytest.mark.parametrize(
    ("skewness", "best"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.3, 0.2] + [0.1] * 12, DISC_DIAMETERS[3]),
        ([0.1, 0.2, 0.3, 0.4, 0.3, 0.2] + [0.9] * 12, DISC_DIAMETERS[3]),
        (np.linspace(0, 0.9, 18), None),
        (np.linspace(0.9, 0, 18), None),
        ([0.1, 0.2, 0.3, 0.32, 0.31, 0.3] + [0.9] * 12, None),
        ([-0.3, -0.2, -0.1, 0.04, -0.1, -0.2] + [-0.3] * 12, None),
        ([0.1] * 14 + [0.4, 0.3, 0.2, 0.1], None),
        ([0.1] * 8 + [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.5, 0.2, 0.1], None),
    ],
    ids=["alone", "before the halo's", "halo", "falling", "shallow", "not skewed", "as large", "flank of one as large"],
)
def test_a_smaller_species_makes_a_maximum_that_stands_out_on_both_sides(skewness, best):
    assert clear_maximum(fits(skewness), larger_disc=0.7) == best


@pytest.mark.slow
def test_what_was_learned_of_both_is_written_and_read(tmp_path):
    write_fitted_auto(tmp_path / "auto.safetensors", learned())
    found = read_fitted_auto(tmp_path / "auto.safetensors")
    assert found.model == learned().model
    micrograph, *_ = two_sizes(11)
    np.testing.assert_array_equal(picker(found).pick(micrograph).xy, picker(learned()).pick(micrograph).xy)


def test_the_species_of_picks_is_kept_in_a_star_file(tmp_path):
    picks = Picks(np.arange(3.0), np.arange(3.0), np.full(3, 0.5), "probability", species=np.array([1, 2, 2]))
    write_picks(tmp_path / "m_autopick.star", picks, "m.mrc", height_px=100)
    np.testing.assert_array_equal(read_picks(tmp_path / "m_autopick.star").species, [1, 2, 2])
    write_picks(tmp_path / "one_autopick.star", Picks(picks.x, picks.y, picks.score), "m.mrc", height_px=100)
    assert "species" not in (tmp_path / "one_autopick.star").read_text().lower()


@pytest.mark.slow
def test_the_summary_and_the_figure_tell_of_the_smaller_ones():
    assert "a smaller species" in learned().model.summary()
    titles = [panel.title for panel in fit_figure(learned()).panels]
    assert ("Smaller species 1" in titles) == (learned().smaller.averages is not None)


@pytest.mark.parametrize("cell", ["0", "-1", "1.5", "none"])
def test_a_column_that_holds_no_species_is_none(tmp_path, cell):
    path = tmp_path / "m_autopick.star"
    write_picks(path, Picks([1.0], [2.0], [0.5], species=np.array([7])), "m.mrc", height_px=100)
    path.write_text(path.read_text().replace(" 7\n", f" {cell}\n"))
    assert read_picks(path).species is None
