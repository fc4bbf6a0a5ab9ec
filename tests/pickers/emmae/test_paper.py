"""Cryo-EMMAE as published: the cluster under the mask, centres of squeezed images, and where there is nothing."""

import functools

import numpy as np
import pytest
import torch
from tests.fields import f1_score, noise_field, particle_field
from tests.small_emmae import (
    DIAMETER,
    DIAMETER_ANGSTROM,
    PIXEL_SIZE,
    fields,
    learned_as_published,
    learned_from_a_mask,
    mask_of_particles,
    micrograph_of,
    paper_picker,
)

from cryoglean.micrograph import Micrograph
from cryoglean.pickers.emmae.paper import PaperEmmaeFit
from examples import with_slow


@functools.cache
def seen(shape=(480, 540), seed=9):
    field = particle_field(shape, noise=1.0, seed=seed)
    return field, paper_picker().pick(micrograph_of(field))


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
@pytest.mark.parametrize(("shape", "seed"), with_slow(((480, 540), 9), slow=[((300, 640), 1), ((640, 300), 2)]))
def test_particles_are_found_however_the_image_is_squeezed(shape, seed):
    field, picks = seen(shape, seed)
    assert f1_score(picks.xy, field.xy, DIAMETER / 5) > 0.9
    off = picks.xy[:, None] - field.xy[None]
    offset = off[np.arange(len(picks)), np.hypot(*off.transpose(2, 0, 1)).argmin(1)]
    assert np.abs(np.median(offset, axis=0)).max() < 0.03 * DIAMETER  # smoothing by even windows moves nothing


@pytest.mark.slow
def test_picks_are_best_first_inside_and_not_closer_than_half_a_diameter():
    field, picks = seen()
    assert ((picks.xy >= 0) & (picks.xy <= np.array(field.image.shape)[::-1] - 1)).all()
    assert (np.diff(picks.score) <= 0).all()
    assert ((picks.score > 0) & (picks.score <= 1)).all()
    apart = np.hypot(*(picks.xy[:, None] - picks.xy[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(picks))
    assert apart.min() >= DIAMETER / 2 - 1e-6


@pytest.mark.slow
def test_a_least_distance_is_kept():
    field, near = seen()
    far = paper_picker(min_distance_angstrom=1.6 * DIAMETER_ANGSTROM).pick(micrograph_of(field))
    apart = np.hypot(*(far.xy[:, None] - far.xy[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(far))
    assert apart.min() >= 1.6 * DIAMETER - 1e-6
    assert {tuple(xy) for xy in far.xy} < {tuple(xy) for xy in near.xy}


@pytest.mark.slow
@pytest.mark.numerical
def test_the_same_micrograph_yields_the_same_picks_whatever_its_contrast():
    field, picks = seen()
    again = paper_picker().pick(Micrograph(field.image.copy(), PIXEL_SIZE))
    np.testing.assert_array_equal(again.xy, picks.xy)
    np.testing.assert_array_equal(again.score, picks.score)
    # by a power of two: other gains and offsets round grey values by a step (tests/preprocess/test_mae_chain.py)
    scaled = paper_picker().pick(Micrograph(256 * field.image, PIXEL_SIZE))
    np.testing.assert_array_equal(scaled.xy, picks.xy)


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_the_particles_cluster_is_the_one_under_the_mask():
    facts = learned_from_a_mask().facts
    assert facts.found_particles
    assert facts.share[facts.particle] == max(facts.share) > 0.5
    assert f"cluster {facts.particle + 1} of 4" in facts.summary()
    assert facts.micrographs == ("m0", "m1", "m2")
    others = learned_as_published(fields(), (None, ~mask_of_particles(fields()[1]), None))
    assert torch.equal(others.centres, learned_from_a_mask().centres)  # masks name clusters and make none
    assert others.facts.particle != facts.particle


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
@pytest.mark.parametrize("mask", [None, np.zeros((480, 540), dtype=bool)])
def test_without_a_mask_no_cluster_is_the_particles_and_nothing_is_picked(mask):
    known = learned_as_published(fields()[:1], (mask,))
    assert known.facts.particle is None
    assert not known.facts.found_particles
    assert "no mask" in known.facts.summary()
    assert len(paper_picker(known).pick(micrograph_of(fields()[0]))) == 0


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.0, 1e6])
def test_a_constant_micrograph_is_empty(value):
    assert len(paper_picker().pick(Micrograph(np.full((200, 240), value, np.float32), PIXEL_SIZE))) == 0


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_noise_has_few_particles():
    _, picks = seen()
    assert len(paper_picker().pick(Micrograph(noise_field(), PIXEL_SIZE))) < 0.5 * len(picks)


@pytest.mark.slow
def test_what_was_learned_survives_json():
    facts = learned_from_a_mask().facts
    assert PaperEmmaeFit.model_validate_json(facts.model_dump_json()) == facts


@pytest.mark.slow
def test_nothing_is_picked_in_a_mask_whatever_it_hides():
    field, whole = seen()
    mask = np.zeros(field.image.shape, bool)
    mask[:, 300:] = True
    hidden = np.where(mask, 5 * noise_field(mask.shape, seed=4), field.image).astype(np.float32)
    found, other = (paper_picker().pick(Micrograph(image, PIXEL_SIZE, mask=mask)) for image in (field.image, hidden))
    assert whole.x.max() > 400
    assert found.x.max() < 299.5
    assert f1_score(found.xy, field.xy[field.xy[:, 0] < 300 - DIAMETER], DIAMETER / 5) > 0.8
    np.testing.assert_array_equal(other.xy, found.xy)
