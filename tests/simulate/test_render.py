"""Micrographs: centres where the truth says, noise as counting makes it, nothing that wraps round."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker
from cryoglean.simulate.plan import Kind, Nuisance, PlacedParticle
from cryoglean.simulate.pseudo import test_particle
from cryoglean.simulate.render import Renderer
from cryoglean.simulate.settings import Ice, Microscope, Nuisances, Simulation, Specimen

BALL = "test:480kDa:O"
NOISELESS = Ice(noise=0, solute_phase_rad=0, gradient=0)
make_particle = functools.cache(test_particle)


def renderer(
    models=(BALL,), shape=(300, 333), particles=0, seed=0, ice=None, nuisances=None, specimen=None, **microscope
):
    settings = {"pixel_size_angstrom": 3.0, "b_factor_square_angstrom": 300.0} | microscope
    simulation = Simulation(
        specimen=Specimen(models=models, particles=particles, **(specimen or {})),
        microscope=Microscope(**settings),
        ice=ice or Ice(),
        nuisances=nuisances or Nuisances(),
        height_px=shape[0],
        width_px=shape[1],
        seed=seed,
    )
    return Renderer(simulation, [make_particle(model) for model in models])


def with_particles(r, *xy):
    return replace(r.plan(0), particles=tuple(PlacedParticle(x, y, 20.0, 50.0, 70.0, 0) for x, y in xy), outside=())


@pytest.mark.parametrize("shape", [(256, 256), (257, 300), (301, 203), (64, 500)])
def test_any_size_is_rendered_to_the_pixel(shape):
    r = renderer(shape=shape, particles=5)
    image = r.render(r.plan(0)).image
    assert image.shape == shape
    assert image.dtype == np.float32
    assert np.isfinite(image).all()


def test_shot_noise_has_the_variance_of_its_mean():
    r = renderer(ice=NOISELESS, shape=(700, 701), dose_electrons_per_square_angstrom=2.0)
    counts = r.render(r.plan(0)).image
    assert counts.var() == pytest.approx(counts.mean(), rel=0.01)
    assert (counts == np.rint(counts)).all()


@pytest.mark.parametrize("dose", [1.0, 20.0, 100.0])
def test_ice_lets_its_share_of_the_dose_through(dose):
    ice = Ice(thickness_angstrom=500, mean_free_path_angstrom=4000, noise=0, solute_phase_rad=0, gradient=0)
    r = renderer(ice=ice, dose_electrons_per_square_angstrom=dose)
    through = r.expected_electrons(r.plan(0)).mean()
    assert through == pytest.approx(dose * 9 * np.exp(-500 / 4000), rel=1e-3)


def test_thin_ice_is_brighter_than_thick_ice():
    r = renderer(ice=Ice(gradient=1.0, noise=0, solute_phase_rad=0))
    image = r.expected_electrons(replace(r.plan(0), slope_deg=0.0))
    assert image[:, 0].mean() > image[:, -1].mean() * 1.05


def test_particles_are_dark_under_focus():
    r = renderer(ice=NOISELESS, particles=8)
    plan = r.plan(0)
    image = r.expected_electrons(plan)
    at = [image[round(p.y), round(p.x)] for p in plan.particles if not p.at_edge]
    assert np.mean(at) < np.median(image)


@pytest.mark.parametrize("place", [(0.0, 0.0), (332.0, 299.0), (0.0, 150.0), (166.0, 299.0)])
def test_nothing_wraps_round(place):
    r = renderer(ice=NOISELESS)
    image = r.expected_electrons(with_particles(r, place)) - r.expected_electrons(with_particles(r))
    y, x = np.mgrid[:300, :333]
    far = np.hypot(x - place[0], y - place[1]) > 120
    assert np.abs(image[far]).max() < 0.02 * np.abs(image).max()


def test_two_particles_add_up():
    r = renderer(ice=NOISELESS)
    nothing = r.expected_electrons(with_particles(r))
    one, other, both = (
        r.expected_electrons(with_particles(r, *xy)) - nothing
        for xy in ([(100.3, 90.1)], [(180.9, 150.6)], [(100.3, 90.1), (180.9, 150.6)])
    )
    np.testing.assert_allclose(one + other, both, atol=1e-2 * np.abs(both).max())


def test_moving_a_particle_by_whole_pixels_moves_its_image():
    r = renderer(ice=NOISELESS)
    here, there = (r.expected_electrons(with_particles(r, xy)) for xy in ((120.25, 130.3), (141.25, 125.3)))
    np.testing.assert_allclose(here[60:200, 50:190], there[55:195, 71:211], rtol=1e-4)


def mean_window(r, plans, half):
    """Average the micrographs around their true centres, each window moved to the centre by whole pixels."""
    windows, rest = [], []
    for plan in plans:
        image = r.render(plan).image
        for p in plan.particles:
            x, y = round(p.x), round(p.y)
            if half <= x < image.shape[1] - half and half <= y < image.shape[0] - half:
                windows.append(image[y - half : y + half + 1, x - half : x + half + 1])
                rest.append((p.x - x, p.y - y))
    return np.mean(windows, axis=0), np.mean(rest, axis=0)


def test_the_mean_window_at_the_truth_is_centred():
    r = renderer(shape=(700, 800), particles=120, defocus_min_angstrom=15_000, defocus_max_angstrom=15_000)
    window, rest = mean_window(r, [r.plan(n) for n in range(2)], 30)
    y, x = np.mgrid[-30:31, -30:31]
    near = np.hypot(x, y) < 24
    dark = np.where(near, np.maximum(np.median(window[~near]) - window, 0), 0)
    centre = np.array([(dark * x).sum(), (dark * y).sum()]) / dark.sum()
    np.testing.assert_allclose(centre, rest, atol=0.3)


def test_the_same_plan_gives_the_same_image_and_another_seed_another():
    one, same, other = (r.render(r.plan(0)).image for r in (renderer(seed=s, particles=4) for s in (1, 1, 2)))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_lower_dose_is_noisier_for_its_mean():
    ratios = []
    for dose in (80.0, 12.0):
        r = renderer(particles=4, dose_electrons_per_square_angstrom=dose)
        image = r.render(r.plan(0)).image
        ratios.append(image.std() / image.mean())
    assert ratios[1] > 2 * ratios[0]


def contrast(kind, radius_px, reach, shape=(400, 420)):
    """Mean of the image within some radii of a nuisance, over that without it."""
    r = renderer(shape=shape, ice=NOISELESS)
    empty = with_particles(r)
    with_it = replace(empty, nuisances=(Nuisance(kind, 210.0, 200.0, radius_px, 0),))
    ratio = r.expected_electrons(with_it) / r.expected_electrons(empty)
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = np.hypot(x - 210, y - 200)
    return ratio[distance < reach * radius_px].mean(), np.abs(ratio[distance > 2.5 * radius_px + 60] - 1).max(initial=0)


@pytest.mark.parametrize(
    ("kind", "radius_px", "darkest", "lightest"),
    [
        (Kind.ice_blob, 40, 0.5, 0.97),
        (Kind.ice_crystal, 60, 0.3, 0.97),
        (Kind.ethane, 80, 0.6, 0.99),
        (Kind.gold_bead, 20, 0.0, 0.3),
        (Kind.aggregate, 60, 0.6, 0.995),
        (Kind.fragment, 25, 0.7, 0.999),
    ],
)
def test_each_nuisance_is_dark_where_it_is_and_nowhere_else(kind, radius_px, darkest, lightest):
    inside, outside = contrast(kind, radius_px, 0.6)
    assert darkest < inside < lightest
    assert outside < 0.03


def test_carbon_is_dark_outside_its_hole_and_has_noise_of_its_own():
    r = renderer(shape=(400, 420), ice=NOISELESS)
    plan = replace(with_particles(r), nuisances=(Nuisance(Kind.carbon_edge, -1000.0, 200.0, 1210.0, 0),))
    image = r.expected_electrons(plan)
    hole, film = image[:, :150], image[:, 280:]
    assert film.mean() < 0.95 * hole.mean()
    assert film.std() > 5 * hole[:, :100].std()


def test_dead_stripes_count_nothing():
    r = renderer(particles=4)
    dead = (Nuisance(Kind.dead_rows, 166.0, 100.5, 2.0, 0), Nuisance(Kind.dead_columns, 50.0, 149.5, 1.5, 1))
    image = r.render(replace(r.plan(0), nuisances=dead)).image
    empty_rows, empty_columns = (np.flatnonzero((image == 0).all(axis=axis)) for axis in (1, 0))
    np.testing.assert_array_equal(empty_rows, [99, 100, 101, 102])
    np.testing.assert_array_equal(empty_columns, [49, 50, 51])


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_an_easy_field_is_picked():
    r = renderer(shape=(560, 620), particles=50, dose_electrons_per_square_angstrom=60)
    plans = [r.plan(n) for n in range(2)]
    micrographs = [r.render(plan) for plan in plans]
    diameter = 2 * r.species[0].radius_angstrom
    settings = LocalpickerSettings(diameter_angstrom=diameter)
    picker = Localpicker(settings, fit_localpicker(micrographs, diameter))
    hits = wanted = found = 0
    for plan, micrograph in zip(plans, micrographs, strict=True):
        picks = picker.pick(micrograph)
        truth = np.array([[p.x, p.y] for p in plan.particles if not p.at_edge])
        inside = (picks.xy >= diameter / 6).all(axis=1) & (picks.xy <= [619 - diameter / 6, 559 - diameter / 6]).all(
            axis=1
        )
        near = np.hypot(*(picks.xy[inside][:, None] - truth[None]).transpose(2, 0, 1)) < diameter / 3 / 4
        hits, wanted, found = hits + near.any(axis=0).sum(), wanted + len(truth), found + int(inside.sum())
    assert 2 * hits / (wanted + found) > 0.9
