"""Localpicker: the laws of every picker, what it finds out by itself, and what must not disturb it."""

import functools
import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from tests.fields import disc, f1_score, noise_field, off_a_slanting_line, paint, particle_field, ring
from tests.pickers.contract import PickerContract

from cryoglean.evaluate import Protocol, evaluate_picks
from cryoglean.io.coordinates import read_picks
from cryoglean.io.images import read_image
from cryoglean.micrograph import Micrograph
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerModel, LocalpickerSettings, fit_localpicker
from cryoglean.picks import Picks
from examples import with_slow
from perturbations import jittered

DATA = Path(__file__).resolve().parents[3] / "../shared/data"
DIAMETER = 30.0


def fit_and_pick(*images, diameter=DIAMETER, pixel_size=1.0, **settings):
    micrographs = [Micrograph(image, pixel_size, f"m{i}") for i, image in enumerate(images)]
    model = fit_localpicker(micrographs, diameter)
    picker = Localpicker(LocalpickerSettings(diameter_angstrom=diameter, **settings), model)
    return model, [picker.pick(m) for m in micrographs]


@functools.cache
def fitted(profile, diameter=DIAMETER, noise=1.5, seed=0):
    field = particle_field(profile=profile, diameter=diameter, noise=noise, seed=seed)
    model, (picks,) = fit_and_pick(field.image, diameter=diameter)
    return field, model, picks


@functools.cache
def taught():
    """What two micrographs of a middling contrast teach."""
    return fit_localpicker([Micrograph(particle_field(n=60, seed=seed).image, 1.0) for seed in (3, 4)], DIAMETER)


class TestContract(PickerContract):
    @staticmethod
    @functools.cache
    def model(diameter, pixel_size):
        field = particle_field(diameter=diameter, n=60, noise=1.0, seed=3)
        return fit_localpicker([Micrograph(field.image, pixel_size)], diameter * pixel_size)

    def picker(self):
        settings = LocalpickerSettings(diameter_angstrom=self.diameter * self.pixel_size)
        return Localpicker(settings, self.model(self.diameter, self.pixel_size))


@pytest.mark.slow
class TestContractWhenBinned(TestContract):
    """The same with particles so large that the micrograph is binned, by a factor its sides are no multiples of."""

    diameter = 80.0
    noise = 3.0
    faintness = 5.0
    crowded_shape = (1300, 1400)
    bin_factor = 3
    tolerance = 3.5

    @staticmethod
    @functools.cache
    def model(diameter, pixel_size):
        field = particle_field((841, 923), diameter, n=54, noise=3.0, seed=3)
        return fit_localpicker([Micrograph(field.image, pixel_size)], diameter * pixel_size)

    def make_field(self, shape=(841, 923), seed=3):
        return particle_field(shape, self.diameter, disc, n=54, noise=self.noise, seed=seed)


@pytest.mark.numerical
@pytest.mark.parametrize("profile", [disc, ring])
@pytest.mark.parametrize(("diameter", "noise"), with_slow((30.0, 1.5), slow=[(21.5, 1.0)]))
def test_discs_and_rings_are_found_with_its_own_threshold(profile, diameter, noise):
    field, _, picks = fitted(profile, diameter, noise)
    assert f1_score(picks.xy, field.xy, diameter / 5) > 0.95


@pytest.mark.numerical
def test_it_finds_out_whether_the_particle_is_a_disc_or_a_ring():
    _, of_disc, _ = fitted(disc)
    _, of_ring, _ = fitted(ring)
    assert 0.7 <= of_disc.disc_diameters <= 0.9  # the discs are painted 0.8 diameters wide
    assert 0.95 <= of_ring.disc_diameters <= 1.1
    centre, edge = of_ring.profile[0], max(of_ring.profile)
    assert centre < 0.3 * edge  # hollow: the profile is of the inverted image, protein bright


@pytest.mark.parametrize("diameter", with_slow(24.0, 49.0, slow=[75.0]))
def test_centres_are_finer_than_a_pixel(diameter):
    field = particle_field((int(16 * diameter), int(18 * diameter)), diameter, noise=0.3, seed=1)
    _, (picks,) = fit_and_pick(field.image, diameter=diameter)
    apart = np.hypot(*(picks.xy[:, None] - field.xy[None]).transpose(2, 0, 1)).min(1)
    assert len(picks) >= 55
    assert np.median(apart) < 0.35
    offset = picks.xy - field.xy[np.hypot(*(picks.xy[:, None] - field.xy[None]).transpose(2, 0, 1)).argmin(1)]
    np.testing.assert_allclose(np.median(offset, axis=0), 0, atol=0.1)  # nothing is lost of (bin - 1) / 2


@pytest.mark.numerical
@pytest.mark.parametrize("shape", with_slow((128, 128), slow=[((203, 240),), ((301, 320),)]))
@pytest.mark.parametrize("profile", [disc, ring])
def test_a_single_small_micrograph_is_picked(shape, profile):
    field = particle_field(shape, profile=profile, n=40, noise=1.0, seed=5)
    _, (picks,) = fit_and_pick(field.image)
    assert f1_score(picks.xy, field.xy, DIAMETER / 5) > 0.9


@pytest.mark.numerical
@pytest.mark.parametrize(
    "shape", [(128, 128), *(pytest.param(s, marks=pytest.mark.slow) for s in [(300, 320), (480, 540)])]
)
def test_noise_has_no_particles(shape):
    for seed in range(6):
        model, (picks,) = fit_and_pick(noise_field(shape, seed))
        assert len(picks) == 0
        assert not model.found_particles


@pytest.mark.numerical
def test_an_empty_micrograph_of_a_good_set_has_next_to_no_picks():
    field = particle_field(seed=8)
    _, (full, empty) = fit_and_pick(field.image, noise_field(field.image.shape))
    assert f1_score(full.xy, field.xy, 6) > 0.95
    assert len(empty) <= 2


@pytest.mark.parametrize("shape", [(16, 16), (17, 40), (64, 64), (100, 33)])
@pytest.mark.parametrize("diameter", with_slow(5.0, 100.0, slow=[30.0, 1000.0]))
def test_a_particle_larger_than_the_micrograph_is_not_found_in_it(shape, diameter):
    model, (picks,) = fit_and_pick(noise_field(shape), diameter=diameter)
    assert len(picks) == 0
    assert not model.found_particles


def test_a_set_of_constant_micrographs_shows_nothing():
    model, picks = fit_and_pick(*(np.full((200, 240), v, np.float32) for v in (0.0, 1.0, 1e6)))
    assert not model.found_particles
    assert [len(p) for p in picks] == [0, 0, 0]


def test_half_the_pixels_of_twice_the_size_give_the_same_centres():
    field = particle_field((960, 1080), 60.0, noise=2.0, seed=2)
    half = field.image.reshape(480, 2, 540, 2).mean((1, 3))
    model, (fine,) = fit_and_pick(field.image, diameter=60.0)
    settings = LocalpickerSettings(diameter_angstrom=60.0)
    coarse = Localpicker(settings, model).pick(Micrograph(half, 2.0))
    assert f1_score(2 * coarse.xy + 0.5, fine.xy, 1.0) > 0.95
    assert f1_score(fine.xy, field.xy, 12) > 0.95


BORDER = ((40, 25), (60, 0))  # rows before and after, columns before and after


def padded(image, kind):
    if kind == "constant":
        return np.pad(image, BORDER, constant_values=float(image.mean()))
    if kind == "zero":
        return np.pad(image + 50, BORDER)
    return np.pad(image, BORDER, mode="edge")


@pytest.mark.parametrize("kind", with_slow("constant", "edge", slow=["zero"]))
@pytest.mark.parametrize("profile", with_slow(disc, slow=[ring]))
def test_a_dead_border_gets_no_picks_and_moves_no_others(kind, profile):
    field, _, plain = fitted(profile)
    image = padded(field.image, kind)
    _, (picks,) = fit_and_pick(image)
    xy = picks.xy - (60, 40)
    assert ((xy >= 0) & (xy <= np.array(field.image.shape)[::-1] - 1)).all()
    assert f1_score(xy, plain.xy, 0.5) > 0.97


@pytest.mark.parametrize("value", with_slow(1e5, slow=[-1e7, -1e3, 1e3, 1e7]))
def test_defective_pixels_spoil_nothing(value):
    field, _, _ = fitted(disc)
    image = field.image.copy()
    image[250, 251] = image[77, 400] = value
    _, (picks,) = fit_and_pick(image)
    assert f1_score(picks.xy, field.xy, 6) > 0.95


@pytest.mark.numerical
@pytest.mark.parametrize("darkness", with_slow(200, slow=[5, 20]))
def test_gold_beads_spoil_nothing_further_than_a_diameter(darkness):
    field, _, _ = fitted(disc)
    image, beads = field.image.copy(), [(100, 120), (300, 400), (420, 60)]
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    for y, x in beads:
        image[np.hypot(rows - y, columns - x) < 8] -= darkness
    _, (picks,) = fit_and_pick(image)
    far_picks, far_truth = (
        xy[(np.hypot(*(xy[:, None] - np.array(beads)[None, :, ::-1]).transpose(2, 0, 1)) > 1.5 * DIAMETER).all(1)]
        for xy in (picks.xy, field.xy)
    )
    assert f1_score(far_picks, far_truth, 6) > 0.95


@pytest.mark.numerical
@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "line"),
    with_slow((-10, 0), (5, 2), slow=[(-10, 2), (-5, 0), (-5, 2), (5, 0), (10, 0), (10, 2)]),
)
def test_the_edge_of_carbon_does_not_fill_with_picks(step, line):
    field, *others = (particle_field((720, 800), n=130, seed=seed) for seed in range(3))  # one pick must not decide
    off_edge, distance = off_a_slanting_line(field.image.shape)
    image = field.image + step * ((off_edge > 0) + line * np.exp(-((off_edge / 4) ** 2)))
    micrographs = [Micrograph(each, 1.0) for each in (image.astype(np.float32), *(other.image for other in others))]
    picker = Localpicker(LocalpickerSettings(diameter_angstrom=DIAMETER), fit_localpicker(micrographs, DIAMETER))
    picks = picker.pick(micrographs[0])
    assert (distance(picks.xy) < DIAMETER / 2).sum() <= (distance(field.xy) < DIAMETER / 2).sum()
    far_picks, far_truth = (xy[distance(xy) > 2 * DIAMETER] for xy in (picks.xy, field.xy))
    assert f1_score(far_picks, far_truth, 6) > 0.9


@pytest.mark.numerical
@pytest.mark.parametrize("noise", with_slow(2.0, slow=[0.3, 0.5]))
@pytest.mark.parametrize("n", with_slow(20, slow=[60]))
def test_micrographs_of_other_contrast_than_those_that_taught_it_are_picked_as_well(noise, n):
    field = particle_field((960, 1080), n=n, noise=noise, seed=7)
    picks = Localpicker(LocalpickerSettings(diameter_angstrom=DIAMETER), taught()).pick(Micrograph(field.image, 1.0))
    assert f1_score(picks.xy, field.xy, 6) > 0.95


def test_a_model_survives_json():
    field, model, picks = fitted(ring)
    again = LocalpickerModel.model_validate_json(model.model_dump_json())
    assert again == model
    picker = Localpicker(LocalpickerSettings(diameter_angstrom=DIAMETER), again)
    repeated = picker.pick(Micrograph(field.image, 1.0))
    np.testing.assert_array_equal(repeated.xy, picks.xy)
    np.testing.assert_array_equal(repeated.score, picks.score)


def test_a_model_of_nothing_survives_json():
    model, _ = fit_and_pick(np.zeros((40, 40), np.float32))
    assert LocalpickerModel.model_validate_json(model.model_dump_json()) == model


@pytest.mark.slow
@pytest.mark.numerical
def test_the_number_of_threads_changes_nothing():
    micrographs = [Micrograph(particle_field((300, 320), n=30, seed=s).image, 1.0, str(s)) for s in range(3)]
    assert fit_localpicker(micrographs, DIAMETER, threads=1) == fit_localpicker(micrographs, DIAMETER, threads=2)


def test_the_model_names_what_it_was_learned_from():
    _, model, _ = fitted(disc)
    assert model.micrographs == ("m0",)
    assert model.diameter_angstrom == DIAMETER


def test_a_higher_threshold_keeps_the_best_of_the_same_picks():
    field, model, picks = fitted(disc)
    high = np.median(picks.score)
    settings = LocalpickerSettings(diameter_angstrom=DIAMETER, threshold=high)
    fewer = Localpicker(settings, model).pick(Micrograph(field.image, 1.0))
    np.testing.assert_array_equal(fewer.xy, picks.at_least(high).xy)
    assert 0 < len(fewer) < len(picks)
    assert picks.score.min() >= 0.5


@pytest.mark.parametrize("distance", with_slow(0.0, 33.0, slow=[12.0, 80.0]))
def test_the_least_distance_is_the_users(distance):
    field, model, _ = fitted(disc)
    settings = LocalpickerSettings(diameter_angstrom=DIAMETER, min_distance_angstrom=distance, threshold=0)
    xy = Localpicker(settings, model).pick(Micrograph(field.image, 1.0)).xy
    apart = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))[~np.eye(len(xy), dtype=bool)]
    assert distance <= apart.min() < distance + 15


def test_the_distance_from_the_edge_is_the_users():
    field, model, _ = fitted(disc)
    settings = LocalpickerSettings(diameter_angstrom=DIAMETER, edge_distance_diameters=2)
    xy = Localpicker(settings, model).pick(Micrograph(field.image, 1.0)).xy
    assert (xy >= 2 * DIAMETER).all()
    assert (xy <= np.array(field.image.shape)[::-1] - 1 - 2 * DIAMETER).all()
    assert len(xy) > 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"diameter_angstrom": 0},
        {"diameter_angstrom": math.inf},
        {"threshold": 1.1},
        {"min_distance_angstrom": -1},
        {"edge_distance_diameters": 3},
        {"colour": "red"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        LocalpickerSettings(**({"diameter_angstrom": 30} | wrong))


@pytest.mark.slow
@pytest.mark.numerical
@pytest.mark.skipif(not DATA.is_dir(), reason="the folder ../shared/data is not here")
def test_apoferritin_is_found_with_its_own_threshold():
    paths = sorted((DATA / "empiar-10146/micrographs").glob("*.png"))[:2]
    micrographs = [Micrograph(read_image(path)[0], 1.5, path.stem) for path in paths]
    model = fit_localpicker(micrographs, 112.5)
    picker = Localpicker(LocalpickerSettings(diameter_angstrom=112.5), model)
    picks = {m.name: picker.pick(m) for m in micrographs}
    truth: dict[str, Picks] = {p.stem: read_picks(DATA / f"empiar-10146/particles/{p.stem}.csv") for p in paths}
    protocol = Protocol(diameter_px=75, margin_px=37.5, size_px=(1200, 1240))
    assert evaluate_picks(truth, picks, protocol).overall.f1 >= 0.95


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_a_drop_of_ice_in_every_micrograph_is_not_what_the_particle_is_taken_for():
    rows, columns = np.indices((480, 540))
    images, truth = [], []
    for seed in range(4):
        field = particle_field(noise=3.0, seed=seed, n=40)
        drop = np.hypot(rows - 90 - 80 * seed, columns - 430 + 90 * seed) < 0.6 * DIAMETER
        images.append(np.where(drop, field.image - 8, field.image).astype(np.float32))
        truth.append(field.xy)
    model, found = fit_and_pick(*images)
    assert model.disc_diameters < 1
    assert np.mean([f1_score(p.xy, xy, DIAMETER / 4) for p, xy in zip(found, truth, strict=True)]) > 0.7


@pytest.mark.slow
@pytest.mark.numerical
def test_glaring_dirt_does_not_shape_the_template():
    """In one tile in four: more than the share of the most skewed that is left out."""
    field = particle_field((960, 960), n=120, noise=1.5, seed=2)
    drops = [(120.0 + 240 * column, 130.0 + 230 * row) for column in range(4) for row in range(4)]
    dirty = field.image - 60 * paint(field.image.shape, drops, disc, 1.4 * DIAMETER)
    _, (picks,) = fit_and_pick(dirty.astype(np.float32))
    near = np.hypot(*(field.xy[:, None] - np.array(drops)[None]).transpose(2, 0, 1)).min(1) < 1.7 * DIAMETER
    wanted = field.xy[~near]
    far = np.hypot(*(picks.xy[:, None] - np.array(drops)[None]).transpose(2, 0, 1)).min(1) >= 1.7 * DIAMETER
    assert f1_score(picks.xy[far], wanted, DIAMETER / 5) > 0.9
    assert (~far).sum() <= 3


@pytest.mark.numerical
def test_a_background_without_peaks_leaves_the_particles():
    """Particles on next to nothing: noise has no peaks to be decoys."""
    field = particle_field(n=60, noise=1e-3, seed=4)
    _, (picks,) = fit_and_pick(field.image)
    assert f1_score(picks.xy, field.xy, DIAMETER / 5) > 0.9


@pytest.mark.numerical
@pytest.mark.parametrize("pixel_size", [1.0, 4.0])
def test_a_pattern_of_pixels_shows_no_particles(pixel_size):
    rows, columns = np.indices((300, 360))
    pattern = Micrograph((100 + 10 * (-1.0) ** (rows + columns)).astype(np.float32), pixel_size)
    assert not fit_localpicker([pattern], 120.0).found_particles


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
@pytest.mark.parametrize("seed", with_slow(0, slow=[1, 2]))
def test_two_particles_a_micrograph_are_found_and_no_noise_beside_them(seed):
    fields = [particle_field((700, 760), n=2, noise=1.5, seed=100 * seed + i) for i in range(3)]
    model, found = fit_and_pick(*(jittered(field.image) for field in fields))
    assert model.stand_out
    found_f1 = [f1_score(picks.xy, field.xy, DIAMETER / 5) for picks, field in zip(found, fields, strict=True)]
    assert np.mean(found_f1) > 0.8


def test_peaks_that_stand_out_are_told_where_the_response_is_not_skewed():
    _, model, _ = fitted(disc)
    few = model.model_copy(update={"skewness": 0.0})
    assert (few.found_particles, "higher than noise is" in few.summary()) == (True, True)
    assert not few.model_copy(update={"stand_out": False}).found_particles
