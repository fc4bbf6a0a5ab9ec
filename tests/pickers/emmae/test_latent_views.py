"""What is to be seen of a set in latent space: in the right places, of no more micrographs than are shown."""

import functools

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from tests.fields import particle_field
from tests.small_emmae import untrained

from cryoglean.latents.hierarchy import SET_CLUSTERS
from cryoglean.micrograph import Micrograph
from cryoglean.pickers.emmae.fit import fit_emmae
from cryoglean.pickers.emmae.latent_views import SHOWN, view_paper_set, view_set
from cryoglean.pickers.emmae.paper import PaperEmmae, fit_paper_emmae
from cryoglean.pickers.emmae.picker import Emmae
from cryoglean.pickers.emmae.settings import EmmaeSettings, PaperEmmaeSettings
from cryoglean.pickers.localpicker.picker import fit_localpicker

DIAMETER, PIXEL_SIZE = 30.0, 1.4
DIAMETER_ANGSTROM = DIAMETER * PIXEL_SIZE


@functools.cache
def fields(n=50):
    return tuple(particle_field((300, 360), n=n, noise=0.6, seed=seed) for seed in range(SHOWN + 1))


def micrographs(n=50):
    return [Micrograph(field.image, PIXEL_SIZE, f"m{i}") for i, field in enumerate(fields(n))]


def mask_of(micrograph):
    field = fields()[int(micrograph.name[1:])]
    pixels = np.mgrid[: micrograph.shape[0], : micrograph.shape[1]][::-1].reshape(2, -1).T
    off, _ = cKDTree(field.xy).query(pixels)
    return (off <= DIAMETER / 2).reshape(micrograph.shape)


@functools.cache
def seen():
    learned = fit_emmae(micrographs(), fit_localpicker(micrographs(), DIAMETER_ANGSTROM), untrained())
    picker = Emmae(EmmaeSettings(diameter_angstrom=DIAMETER_ANGSTROM), learned, untrained())
    return view_set(micrographs(), picker), picker


@functools.cache
def seen_as_published(known=mask_of):
    settings = PaperEmmaeSettings(diameter_angstrom=DIAMETER_ANGSTROM)
    learned = fit_paper_emmae(micrographs(), settings, untrained(), known)
    picker = PaperEmmae(settings, learned, untrained())
    return view_paper_set(micrographs(), picker, known), picker


@pytest.mark.slow
@pytest.mark.parametrize("looked", [seen, seen_as_published])
def test_the_first_micrographs_are_shown_and_no_more(looked):
    view, _ = looked()
    assert [each.name for each in view.micrographs] == ["m0", "m1", "m2"]
    for each in view.micrographs:
        rows, columns = each.label.shape
        assert (rows, columns) == tuple(-(-n // each.patch_px) for n in each.image.shape)
        assert 0 <= each.label.min() <= each.label.max() < SET_CLUSTERS


@pytest.mark.slow
@pytest.mark.parametrize("looked", [seen, seen_as_published])
def test_the_picks_shown_are_those_that_are_picked(looked):
    view, picker = looked()
    for each, micrograph in zip(view.micrographs, micrographs(), strict=False):
        scale = each.diameter_px[0] / DIAMETER
        expected = (picker.pick(micrograph).xy + 0.5) * scale - 0.5
        assert each.xy == pytest.approx(expected)


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_patches_of_particles_lie_where_those_were_painted():
    view, _ = seen()
    for each, field in zip(view.micrographs, fields(), strict=False):
        row, column = np.nonzero(each.particle)
        pixels = (np.stack([column, row], axis=1) + 0.5) * each.patch_px * DIAMETER / each.diameter_px[0] - 0.5
        off, _ = cKDTree(field.xy).query(pixels)
        assert len(off) > 0
        assert (off < 0.65 * DIAMETER).all()


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_the_response_at_particles_is_above_that_elsewhere():
    view, _ = seen()
    for each in view.micrographs:
        finer = len(each.response) // len(each.label)
        at = np.kron(each.particle, np.ones((finer, finer), bool))
        assert each.response[at].mean() > each.response[~at].mean() + 1
    assert len(view.heights) > sum(len(each.xy) for each in view.micrographs)


@pytest.mark.slow
def test_shares_are_those_of_counting():
    view, _ = seen()
    label = np.concatenate([each.label.ravel() for each in view.micrographs])
    inside = np.concatenate([each.particle.ravel() for each in view.micrographs])
    assert view.share == pytest.approx([inside[label == k].mean() for k in range(SET_CLUSTERS)])
    assert view.covered == pytest.approx(inside.mean())
    assert view.particle == np.argmax(view.share)


@pytest.mark.slow
@pytest.mark.parametrize("looked", [seen, seen_as_published])
def test_clouds_hold_as_many_points_of_particles_as_of_background(looked):
    clouds = looked()[0].clouds
    assert len(clouds.particle) == len(clouds.background) > 100
    assert 0 < clouds.share[1] <= clouds.share[0] < 1
    assert np.concatenate([clouds.particle, clouds.background]).mean(axis=0) == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_as_published_the_clusters_are_those_that_were_learned():
    view, picker = seen_as_published()
    assert view.particle == picker.learned.facts.particle
    assert view.share == picker.learned.facts.share
    assert all(each.chosen.any() and each.response is None for each in view.micrographs)


@pytest.mark.slow
def test_where_no_mask_is_known_all_is_background():
    view, _ = seen_as_published(lambda _: None)
    assert view.particle is None
    assert view.share == ()
    assert not any(each.chosen.any() or len(each.xy) for each in view.micrographs)
    assert len(view.clouds.particle) == 0 < len(view.clouds.background)


@pytest.mark.numerical
@pytest.mark.parametrize("shape", [(40, 36), pytest.param((300, 360), marks=pytest.mark.slow)])
def test_noise_is_looked_at_without_finding_anything(shape):
    noise = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    micrograph = Micrograph(noise, PIXEL_SIZE, "noise")
    learned = fit_emmae([micrograph], fit_localpicker([micrograph], DIAMETER_ANGSTROM), untrained())
    view = view_set([micrograph], Emmae(EmmaeSettings(diameter_angstrom=DIAMETER_ANGSTROM), learned, untrained()))
    assert view.particle is None
    assert len(view.micrographs[0].xy) == 0
    assert not view.micrographs[0].particle.any()
    assert torch.tensor(view.clouds.background).isfinite().all()
