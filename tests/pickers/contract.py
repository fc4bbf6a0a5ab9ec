"""What every picker keeps to, whatever its method: a test class to inherit, with `picker` and the field to pick."""

import abc
import copy
import functools

import numpy as np
import pytest
from tests.fields import disc, f1_score, noise_field, particle_field

from cryoglean.micrograph import Micrograph
from cryoglean.pickers.candidates import CANDIDATE_SCORE, pick_with_candidates
from cryoglean.pickers.protocol import ScoringPicker
from cryoglean.pickers.registry import describe
from cryoglean.picks import Picks
from examples import with_slow


@functools.cache
def picked_field(laws):
    """Return the field of a class of laws, whose image cannot be written to, and the picks in it."""
    field = laws().make_field()
    field.image.flags.writeable = False
    return field, laws().pick(field.image)


@functools.cache
def faint_field(laws):
    """Return the field in so much more noise that scores lie on both sides of the threshold, and what is in it."""
    field, _ = picked_field(laws)
    more = np.random.default_rng(0).normal(0, laws.faintness * field.image.std(), field.image.shape)
    image = (field.image + more).astype(np.float32)
    return image, pick_with_candidates(laws().picker(), Micrograph(image, laws.pixel_size))


class PickerContract(abc.ABC):
    """Laws of `pick`.

    Attributes:
        diameter: particle diameter in pixels; micrographs have pixels of `pixel_size` angstrom.
        noise: standard deviation of the field's noise, particles having unit contrast.
        crowded_shape: shape of the crowded field.
        bin_factor: stored pixels per pixel that the picker looks at.
        tolerance: how far, in stored pixels, a pick may move when the grid of binned pixels does.
        min_f1: what the picker reaches on the field.
        score_kind: what its scores are.
        faintness: of `faint_field`, in standard deviations of the field: so many places are as probably noise.
    """

    diameter = 30.0
    pixel_size = 1.4
    bin_factor = 1
    tolerance = 0.2
    min_f1 = 0.95
    score_kind = "probability"
    faintness = 2.0
    noise = 1.0
    crowded_shape = (960, 1080)

    @abc.abstractmethod
    def picker(self):
        """Return a picker that is ready for `field`."""

    @pytest.fixture
    def field(self):
        return picked_field(type(self))[0]

    @pytest.fixture
    def picks(self):
        """Picks of the field."""
        return picked_field(type(self))[1]

    def make_field(self, shape=(480, 540), seed=3):
        return particle_field(shape, self.diameter, disc, n=60, noise=self.noise, seed=seed)

    @pytest.fixture
    def faint_image(self):
        return faint_field(type(self))[0]

    def crowded_field(self):
        """Particles that touch and overlap, in a part of the micrograph."""
        size = {"n": 60, "distance": 0.7, "margin": 3}
        return particle_field(self.crowded_shape, self.diameter, disc, noise=self.noise, **size)

    def pick(self, image):
        return self.picker().pick(Micrograph(np.asarray(image), self.pixel_size))

    def both(self):
        """Picks and candidates in the faint image, and both in one table; skips pickers whose threshold is no score."""
        found, picker = faint_field(type(self))[1], self.picker()
        is_score = describe(picker.settings.method, picker.settings.preset).threshold_is_score
        assert (found.candidates is not None) == isinstance(picker, ScoringPicker) == is_score
        if found.candidates is None:
            pytest.skip("its threshold is no score")
        columns = (np.concatenate([getattr(each, name) for each in found]) for name in ("x", "y", "score"))
        return found, Picks(*columns, found.picks.score_kind)

    def pick_from(self, threshold, image):
        other = copy.copy(self.picker())
        other.settings = other.settings.model_copy(update={"threshold": threshold})
        return other.pick(Micrograph(np.asarray(image), self.pixel_size))

    def assert_same_centres(self, found, wanted, share=1.0, tolerance=None):
        assert f1_score(found, wanted, tolerance or self.tolerance) >= share

    def test_finds_the_particles(self, field, picks):
        assert f1_score(picks.xy, field.xy, self.diameter / 5) >= self.min_f1

    @pytest.mark.parametrize("shape", with_slow((397, 331), (128, 601), (17, 16), slow=[((480, 540),), ((64, 64),)]))
    def test_picks_lie_inside_the_micrograph_best_first_and_scored_from_0_to_1(self, shape):
        picks = self.pick(self.make_field(shape).image)
        assert ((picks.xy >= 0) & (picks.xy <= np.array(shape)[::-1] - 1)).all()
        assert (np.diff(picks.score) <= 0).all()
        assert ((picks.score >= 0) & (picks.score <= 1)).all()
        assert picks.score_kind == self.score_kind

    def test_no_two_picks_are_closer_than_half_a_diameter(self):
        crowded = self.crowded_field().image
        xy = self.pick(crowded).xy
        apart = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
        assert len(xy) > 20
        assert apart[~np.eye(len(xy), dtype=bool)].min() >= self.diameter / 2 - 1e-9

    def test_candidates_are_what_lies_between_their_least_score_and_the_threshold(self, faint_image):
        found, _ = self.both()
        picks, threshold = self.pick(faint_image), self.picker().threshold
        np.testing.assert_allclose(found.picks.xy, picks.xy)
        np.testing.assert_allclose(found.picks.score, picks.score)
        assert len(found.candidates) > 0
        assert found.candidates.score.max() < threshold <= found.picks.score.min()
        assert found.candidates.score.min() >= CANDIDATE_SCORE

    @pytest.mark.parametrize("threshold", with_slow(0.3, slow=[0.6]))
    def test_candidates_cut_at_a_threshold_are_the_picks_of_that_threshold(self, faint_image, threshold):
        _, everything = self.both()
        picks, cut = self.pick_from(threshold, faint_image), everything.at_least(threshold)
        assert len(picks) > 0
        np.testing.assert_allclose(cut.xy, picks.xy)
        np.testing.assert_allclose(cut.score, picks.score)

    def test_no_candidate_is_closer_to_a_pick_or_another_one_than_half_a_diameter(self):
        _, everything = self.both()
        apart = np.hypot(*(everything.xy[:, None] - everything.xy[None]).transpose(2, 0, 1))
        assert apart[~np.eye(len(everything), dtype=bool)].min() >= self.diameter / 2 - 1e-9

    def test_with_a_threshold_below_those_of_candidates_there_are_none(self, faint_image):
        self.both()
        other = copy.copy(self.picker())
        other.settings = other.settings.model_copy(update={"threshold": CANDIDATE_SCORE / 2})
        found = pick_with_candidates(other, Micrograph(faint_image, self.pixel_size))
        assert len(found.candidates) == 0
        np.testing.assert_allclose(found.picks.xy, self.pick_from(CANDIDATE_SCORE / 2, faint_image).xy)

    def test_the_same_micrograph_yields_the_same_picks(self, field, picks):
        again = self.pick(field.image.copy())
        np.testing.assert_array_equal(again.xy, picks.xy)
        np.testing.assert_array_equal(again.score, picks.score)

    def test_the_micrograph_is_left_as_it_was(self, field, picks):
        assert len(picks) > 0
        np.testing.assert_array_equal(field.image, self.make_field().image)

    @pytest.mark.parametrize("value", with_slow(0.0, 1e6, slow=[1.0, -1 / 3]))
    @pytest.mark.parametrize("shape", [(200, 240), (201, 77)])
    def test_a_constant_micrograph_is_empty(self, value, shape):
        assert len(self.pick(np.full(shape, value, np.float32))) == 0

    @pytest.mark.parametrize(("gain", "offset"), with_slow((1e-3, 0.0), (250.0, 3e4), slow=[(1.0, -77.0)]))
    def test_grey_values_may_be_scaled_and_shifted(self, field, picks, gain, offset):
        scaled = self.pick((gain * field.image + offset).astype(np.float32))
        assert len(picks) == len(scaled) > 0
        self.assert_same_centres(scaled.xy, picks.xy)

    @pytest.mark.parametrize("axis", with_slow(0, slow=[1]))
    def test_a_flipped_micrograph_yields_flipped_picks(self, field, picks, axis):
        flipped, expected = self.pick(np.flip(field.image, axis)).xy, picks.xy
        column = 1 - axis
        expected[:, column] = field.image.shape[axis] - 1 - expected[:, column]
        self.assert_same_centres(flipped, expected, 0.95)

    def test_a_transposed_micrograph_yields_transposed_picks(self, field, picks):
        self.assert_same_centres(self.pick(field.image.T).xy, picks.xy[:, ::-1], 0.95)

    def test_picks_move_with_the_field(self, field):
        dy, dx = 4 * self.bin_factor, 7 * self.bin_factor
        here = self.pick(field.image[:-dy, :-dx]).xy
        there = self.pick(field.image[dy:, dx:]).xy + np.array([dx, dy])
        margin = 1.5 * self.diameter
        low, high = margin + np.array([dx, dy]), np.array(field.image.shape[::-1]) - margin - (dx, dy)
        here, there = (xy[((xy >= low) & (xy <= high)).all(1)] for xy in (here, there))
        assert len(here) > 20
        self.assert_same_centres(there, here, 0.95)

    def test_a_micrograph_of_noise_is_all_but_empty(self, picks):
        assert len(self.pick(noise_field((480, 540)))) <= 0.1 * len(picks)

    def pick_masked(self, image, mask):
        return self.picker().pick(Micrograph(np.asarray(image), self.pixel_size, mask=mask))

    def test_nothing_is_picked_in_a_mask_and_elsewhere_what_is_without_it_whatever_it_hides(self, field, picks):
        (height, width), mask = field.image.shape, np.zeros(field.image.shape, bool)
        top, left = height // 8 + 1, 4 * width // 7
        mask[top:, left:] = True
        found = self.pick_masked(field.image, mask)
        assert not mask[tuple(np.rint(found.xy[:, ::-1].T).astype(int))].any()
        far = 1.5 * self.diameter
        with_mask, without = (xy[(xy[:, 0] < left - far) | (xy[:, 1] < top - far)] for xy in (found.xy, picks.xy))
        assert len(without) > 15
        self.assert_same_centres(with_mask, without, 0.9)
        hidden = np.where(mask, 3 * noise_field(mask.shape, seed=9) - 5, field.image).astype(np.float32)
        other = self.pick_masked(hidden, mask)
        np.testing.assert_array_equal(other.xy, found.xy)
        np.testing.assert_array_equal(other.score, found.score)

    @pytest.mark.parametrize("is_masked", [False, True])
    def test_a_mask_of_nothing_changes_nothing_and_one_of_all_leaves_nothing(self, field, picks, is_masked):
        found = self.pick_masked(field.image, np.full(field.image.shape, is_masked))
        if is_masked:
            assert len(found) == 0
        else:
            np.testing.assert_array_equal(found.xy, picks.xy)
            np.testing.assert_array_equal(found.score, picks.score)
