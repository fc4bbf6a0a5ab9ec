"""Cryo-EMMAE: the laws of every picker, shapes that its latents must keep whole, and what must not disturb it."""

import math

import numpy as np
import pytest
import torch
from tests.fields import f1_score, noise_field, off_a_slanting_line, particle_field, ring, scattered, soft
from tests.pickers.contract import PickerContract
from tests.small_emmae import (
    DIAMETER,
    DIAMETER_ANGSTROM,
    PIXEL_SIZE,
    fields,
    learned,
    learned_from,
    micrograph_of,
    trained,
    trained_as_published,
)
from tests.small_emmae import picker as small_picker

from cryoglean.micrograph import Micrograph
from cryoglean.pickers.emmae.picker import Emmae, EmmaeFit, embedded, find_candidates
from cryoglean.pickers.emmae.settings import EmmaeSettings
from cryoglean.pickers.localpicker.picker import fit_localpicker
from examples import with_slow


class TestContract(PickerContract):
    score_kind = "uncalibrated"
    tolerance = DIAMETER / 10  # a patch is a sixth of a particle
    crowded_shape = (640, 720)

    def picker(self):
        return small_picker()

    def test_no_two_picks_are_closer_than_half_a_diameter(self):
        image = self.crowded_field().image
        micrographs = [Micrograph(part, PIXEL_SIZE, f"m{i}") for i, part in enumerate(np.split(image, 2))]
        xy = pick(image, learned_from(micrographs)).xy
        apart = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
        assert len(xy) > 20
        assert apart[~np.eye(len(xy), dtype=bool)].min() >= DIAMETER / 2 - 1e-9


def pick(image, known=None, pixel_size=PIXEL_SIZE, **settings):
    return small_picker(known, **settings).pick(Micrograph(np.asarray(image, np.float32), pixel_size))


def fit_and_pick(field, diameter=DIAMETER, **settings):
    known = learned_from([Micrograph(field.image, 1.0, "m")], diameter)
    return known, pick(field.image, known, 1.0, diameter_angstrom=diameter, **settings)


def two_lobed(off, shape=(480, 540), n=60, noise=0.7, seed=0):
    """Particles of two discs, each so many diameters off the centre, at any angle."""
    rng = np.random.default_rng(seed)
    xy = scattered(rng, shape, 1.15 * DIAMETER, n, 0.6 * DIAMETER)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = noise * rng.standard_normal(shape)
    for (x, y), angle in zip(xy, rng.uniform(0, np.pi, len(xy)), strict=True):
        for side in (-1, 1):
            dx, dy = off * side * DIAMETER * np.array([math.cos(angle), math.sin(angle)])
            image -= soft(np.hypot(rows - y - dy, columns - x - dx), 0.22 * DIAMETER)
    return image.astype(np.float32), xy


@pytest.mark.numerical
def test_it_finds_particles_of_micrographs_that_taught_it_nothing():
    for seed in (20, 21):
        field = particle_field(noise=1.0, seed=seed)
        picks = pick(field.image)
        assert f1_score(picks.xy, field.xy, DIAMETER / 10) > 0.95


def test_centres_are_not_shifted():
    field = particle_field((640, 720), n=90, noise=0.5, seed=7)
    xy = pick(field.image).xy
    off = xy[:, None] - field.xy[None]
    nearest = np.hypot(*off.transpose(2, 0, 1)).argmin(1)
    offset = off[np.arange(len(xy)), nearest]
    np.testing.assert_allclose(np.median(offset, axis=0), 0, atol=0.02 * DIAMETER)
    assert np.median(np.hypot(*offset.T)) < 0.04 * DIAMETER


@pytest.mark.slow
@pytest.mark.numerical
def test_rings_are_kept_whole():
    field = particle_field(profile=ring, noise=1.0, seed=2)
    _, picks = fit_and_pick(field)
    assert f1_score(picks.xy, field.xy, DIAMETER / 5) > 0.95


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
@pytest.mark.parametrize(("off", "tolerance"), with_slow((0.25, 1 / 2), slow=[(0.2, 1 / 5)]))
def test_a_particle_of_two_lobes_gets_one_pick_and_where_they_are_apart_it_may_be_off_centre(off, tolerance):
    image, xy = two_lobed(off)
    known = learned_from([Micrograph(image, 1.0, "m")], DIAMETER)
    picks = pick(image, known, 1.0, diameter_angstrom=DIAMETER)
    assert f1_score(picks.xy, xy, tolerance * DIAMETER) > 0.95


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_touching_particles_are_parted():
    field = particle_field(noise=1.0, seed=6, n=90, distance=0.82)
    apart = np.hypot(*(field.xy[:, None] - field.xy[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(field.xy))
    assert (apart.min(1) < 0.95 * DIAMETER).sum() > 20
    assert f1_score(fit_and_pick(field)[1].xy, field.xy, DIAMETER / 5) > 0.95


@pytest.mark.numerical
@pytest.mark.parametrize("seed", with_slow(0, slow=[1]))
def test_noise_teaches_nothing_and_has_no_particles(seed):
    image = noise_field(seed=seed)
    known = learned_from([Micrograph(image, PIXEL_SIZE, "m")])
    assert not known.facts.found_particles
    assert "no particle signal found" in known.facts.summary()
    assert len(pick(image, known)) == 0


@pytest.mark.numerical
@pytest.mark.parametrize("seed", with_slow(0, slow=[1]))
def test_an_empty_micrograph_of_a_good_set_has_next_to_no_picks(seed):
    assert len(pick(noise_field(seed=seed))) <= 2


@pytest.mark.numerical
@pytest.mark.slow
def test_noise_stays_empty_whatever_latents_make_of_it():
    facts, likeness = learned().facts, learned().likeness
    lax = learned()._replace(
        facts=facts.model_copy(update={"threshold": 1.0}), likeness=likeness._replace(usual=torch.tensor([0.0, 1e6]))
    )
    noise = Micrograph(noise_field((960, 1080), seed=1), PIXEL_SIZE, "noise")
    seen = embedded(noise, DIAMETER_ANGSTROM, trained(), torch.device("cpu"))
    assert (find_candidates(seen, lax, seen.diameter / 2).clean(1.0, facts.contrast).height >= 1.0).sum() > 100
    assert len(pick(noise.image, lax)) <= 3
    assert f1_score(pick(fields()[0].image, lax).xy, fields()[0].xy, DIAMETER / 5) > 0.7


@pytest.mark.numerical
@pytest.mark.slow
def test_images_of_the_published_chain_serve_as_well():
    field = particle_field(profile=ring, noise=0.5, seed=2)
    micrographs, mae = [Micrograph(field.image, 1.0, "m")], trained_as_published()
    known = learned_from(micrographs, DIAMETER, mae)
    found = Emmae(EmmaeSettings(diameter_angstrom=DIAMETER), known, mae).pick(micrographs[0])
    assert f1_score(found.xy, field.xy, DIAMETER / 4) > 0.8


def test_a_set_of_constant_micrographs_shows_nothing():
    known = learned_from([Micrograph(np.full((200, 240), v, np.float32), PIXEL_SIZE, f"m{v}") for v in (0.0, 1e6)])
    assert not known.facts.found_particles
    assert known.facts.micrographs == ("m0.0", "m1000000.0")
    assert not known.template.any()


@pytest.mark.numerical
@pytest.mark.slow
@pytest.mark.parametrize("step", with_slow(4, slow=[-4]))
def test_a_half_plane_of_carbon_spoils_little_away_from_its_edge(step):
    def with_carbon(image):
        rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
        return image + step * (columns + 0.4 * rows > 370)

    images = [with_carbon(field.image) for field in fields()]
    known = learned_from([Micrograph(image.astype(np.float32), PIXEL_SIZE, f"m{i}") for i, image in enumerate(images)])
    picks, truth = pick(images[1], known).xy, fields()[1].xy
    off = [np.abs(xy @ (1, 0.4) - 370) / math.hypot(1, 0.4) for xy in (picks, truth)]
    assert f1_score(picks[off[0] > 1.5 * DIAMETER], truth[off[1] > 1.5 * DIAMETER], DIAMETER / 5) > 0.85


@pytest.mark.slow
@pytest.mark.numerical
@pytest.mark.parametrize("step", with_slow(-10, slow=[10]))
@pytest.mark.parametrize("line", with_slow(2, slow=[0]))
def test_the_edge_of_carbon_does_not_fill_with_picks(step, line):
    off_edge, distance = off_a_slanting_line(fields()[1].image.shape)
    image = fields()[1].image + step * ((off_edge > 0) + line * np.exp(-((off_edge / 4) ** 2)))
    known = learned_from([micrograph_of(fields()[0]), Micrograph(image.astype(np.float32), PIXEL_SIZE, "carbon")])
    picks, truth = pick(image, known).xy, fields()[1].xy
    assert (distance(picks) < DIAMETER / 2).sum() <= (distance(truth) < DIAMETER / 2).sum()
    assert f1_score(picks[distance(picks) > 2 * DIAMETER], truth[distance(truth) > 2 * DIAMETER], 6) > 0.85


@pytest.mark.slow
def test_half_the_pixels_of_twice_the_size_give_the_same_places():
    field = particle_field((960, 1080), 60.0, noise=2.0, seed=2)
    half = field.image.reshape(480, 2, 540, 2).mean((1, 3))
    fine, coarse = pick(field.image, pixel_size=0.7), pick(half, pixel_size=1.4)
    assert f1_score(2 * coarse.xy + 0.5, fine.xy, 3.0) > 0.95
    assert f1_score(fine.xy, field.xy, 12) > 0.95


@pytest.mark.numerical
def test_particles_score_above_all_else():
    field = particle_field(noise=1.5, seed=11)
    picks = pick(field.image, threshold=0)
    assert len(picks) > 2 * len(field.xy)
    assert f1_score(picks.xy[: len(field.xy)], field.xy, DIAMETER / 5) > 0.95


@pytest.mark.slow
def test_a_threshold_keeps_the_picks_that_reach_it():
    image = fields()[0].image
    everything = pick(image, threshold=0)
    for threshold in (0.5, 0.999):
        kept = pick(image, threshold=threshold)
        np.testing.assert_array_equal(kept.xy, everything.xy[everything.score >= threshold])
        assert 0 < len(kept) < len(everything)


def test_least_distances_to_each_other_and_to_the_edge_are_kept():
    image = particle_field(noise=1.0, distance=0.8, n=100).image
    near = pick(image)
    far = pick(image, min_distance_angstrom=1.4 * DIAMETER_ANGSTROM)
    apart = np.hypot(*(far.xy[:, None] - far.xy[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(far))
    assert apart.min() >= 1.4 * DIAMETER - 1e-6
    assert 10 < len(far) < len(near)
    inner = pick(image, edge_distance_diameters=2.0).xy
    margin = 2 * DIAMETER - 3
    assert ((inner >= margin) & (inner <= np.array(image.shape)[::-1] - 1 - margin)).all()
    assert 10 < len(inner) < len(near)


def test_a_dead_border_gets_no_picks_and_moves_no_others():
    field = fields()[2]
    image = np.pad(field.image, ((40, 25), (60, 0)), constant_values=float(field.image.mean()))
    xy = pick(image).xy - (60, 40)
    assert ((xy >= 0) & (xy <= np.array(field.image.shape)[::-1] - 1)).all()
    assert f1_score(xy, field.xy, DIAMETER / 5) > 0.95


def test_what_was_learned_names_the_micrographs_and_the_blobs_and_survives_json():
    known = learned()
    assert known.facts.found_particles
    assert known.facts.micrographs == ("m0", "m1", "m2")
    assert abs(known.facts.blobs - sum(len(field.xy) for field in fields())) <= 9
    assert known.facts.summary().startswith("particle signal found")
    assert EmmaeFit.model_validate_json(known.facts.model_dump_json()) == known.facts


@pytest.mark.slow
def test_learning_is_the_same_each_time_and_whatever_contrast_micrographs_have():
    image = fields()[0].image
    one, again, scaled = (
        learned_from([Micrograph(each, PIXEL_SIZE, "m")]) for each in (image, image.copy(), 50 * image + 900)
    )
    assert torch.equal(one.template, again.template)
    assert one.facts == again.facts
    assert scaled.facts.threshold == pytest.approx(one.facts.threshold, rel=0.05)


@pytest.mark.numerical
def test_too_few_blobs_teach_nothing():
    field = particle_field((220, 230), n=8, noise=0.5)
    micrographs = [Micrograph(field.image, PIXEL_SIZE, "m")]
    assert fit_localpicker(micrographs, DIAMETER_ANGSTROM).found_particles
    facts = learned_from(micrographs).facts
    assert facts.mixture is None
    assert 0 < facts.blobs < 20
    assert "too few" in facts.summary()
