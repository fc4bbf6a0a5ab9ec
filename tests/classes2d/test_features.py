"""What features see in painted averages: places, sides, detail; and what does not change them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from class_averages import BOX, DIAMETER, DIAMETER_PX, PIXEL, blobs, classes_of, disc, half_plane, neighbours
from cryoglean.classes2d.features import (
    coarseness,
    density_centres,
    edge_energy,
    features_of,
    image_snr,
    particle_masks,
    resolved_elements,
)


def off_centre(average):
    return np.hypot(*density_centres(np.float32([average]), DIAMETER_PX)[0]) / DIAMETER_PX


def edge(average):
    averages = np.float32([average])
    return edge_energy(averages, DIAMETER_PX, density_centres(averages, DIAMETER_PX))[0]


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 360))
def test_the_centre_follows_the_particle(x, y, psi):
    found = density_centres(np.float32([blobs(x=x, y=y, psi=psi)]), DIAMETER_PX)[0]
    # The heavier blob pulls a little in its own direction.
    assert found == pytest.approx([x, y], abs=0.05 * DIAMETER_PX)


def test_a_hollow_particle_is_centred_on_its_hollow():
    shell = disc(12, x=2) - disc(8, x=2)
    assert density_centres(np.float32([shell]), DIAMETER_PX)[0] == pytest.approx([2, 0], abs=0.2)


def test_two_halves_at_the_sides_are_not_one_particle_in_the_middle():
    assert off_centre(neighbours()) > 0.2


def test_one_side_counts_at_the_edge_and_all_round_does_not():
    good = (blobs(), blobs(x=2), disc(15) - disc(11), disc(20))
    bad = (half_plane(), half_plane(offset_px=3))
    assert max(edge(average) for average in good) < 0.05 < 2 * 0.05 < min(edge(average) for average in bad)


def test_a_long_particle_may_reach_the_rim_at_both_ends():
    x, y = np.meshgrid(np.arange(BOX) - BOX // 2, np.arange(BOX) - BOX // 2)
    assert edge((abs(x) < 15) & (abs(y) < 5)) < 0.05


def test_a_line_through_the_box_is_known_and_a_particle_with_neighbours_is_none():
    dx, dy = (np.broadcast_to(part, (BOX, BOX)) for part in np.meshgrid(np.arange(BOX) - 24, np.arange(BOX) - 24))
    lines = (abs(dx) < 4, abs(dx + dy) < 5)
    others = (
        blobs(),
        disc(15),
        blobs() + blobs(x=0.9 * DIAMETER_PX),
        disc(15) - disc(11),
        (abs(dx) < 15) & (abs(dy) < 5),
    )
    seen = features_of(classes_of([*lines, *others]), PIXEL, DIAMETER).spans_box
    assert seen.tolist() == [True] * 2 + [False] * 5


def test_ice_and_carbon_are_coarse_and_a_particle_is_not():
    averages = np.float32([disc(15), half_plane(), blobs()])
    classes = replace(classes_of(averages), averages=2 * averages)
    ice, carbon, particle = coarseness(classes, DIAMETER_PX)
    assert min(ice, carbon) > 0.85 > particle


def test_without_plain_means_the_rings_must_be_coarse_as_well():
    """Correction for the CTF makes any average coarse."""
    waves = np.arange(BOX // 2 + 1) * DIAMETER_PX / BOX
    for ratio, expected in ((waves <= 2, (0.85, 1)), (waves > 2, (0, 0)), (0 * waves, (0, 0))):
        classes = replace(classes_of([disc(15)]), signal_to_noise=np.float64([ratio]))
        assert expected[0] <= coarseness(classes, DIAMETER_PX)[0] <= expected[1]


def test_the_mask_is_as_large_as_what_is_seen_and_no_larger_than_the_circle():
    small, large, beyond = particle_masks(np.float32([disc(6), disc(12), disc(22)]), DIAMETER_PX).sum(axis=(1, 2))
    assert small == pytest.approx(np.pi * 6**2, rel=0.25)
    assert large == pytest.approx(np.pi * 12**2, rel=0.15)
    assert beyond <= np.pi * (DIAMETER_PX / 2 + 0.5) ** 2


def test_resolved_elements_are_steps_across_the_particle():
    resolution = np.array([16.0, 128.0, np.inf, np.nan, 0.0])
    assert resolved_elements(resolution, 128.0).tolist() == [8, 1, 0, 0, 0]


def test_snr_is_of_one_image_and_nothing_without_images():
    average = 3 * blobs()
    few, many, none = image_snr(classes_of([average] * 3, [50, 500, 0], ratio=[50, 500, 50]), DIAMETER_PX)
    assert few == pytest.approx(many, rel=0.01)
    assert few > 0
    assert none == 0


def test_snr_needs_signal_in_the_picture_and_in_the_rings():
    strong, no_picture, no_rings = image_snr(
        classes_of([3 * blobs(), 0 * blobs(), 3 * blobs()], ratio=[50, 50, 0]), DIAMETER_PX
    )
    assert strong > 20
    assert no_picture == no_rings == 0


@pytest.mark.parametrize("factor", [2, 3])
def test_features_do_not_depend_on_the_pixel_size(factor):
    """The same class with pixels a whole number of times smaller has the same features."""
    coarse = classes_of([blobs(x=2), half_plane(), disc(12)])
    fine = classes_of(
        [
            blobs(BOX * factor, DIAMETER_PX * factor, x=2 * factor),
            half_plane(BOX * factor),
            disc(12 * factor, BOX * factor),
        ]
    )
    here, there = features_of(coarse, PIXEL, DIAMETER), features_of(fine, PIXEL / factor, DIAMETER)
    for name in ("resolved_elements", "off_centre", "edge_energy", "area_fraction"):
        assert getattr(here, name) == pytest.approx(getattr(there, name), abs=0.05), name


@given(st.floats(0.01, 100))
def test_features_of_shape_do_not_depend_on_the_scale_of_grey(scale):
    one, other = (features_of(classes_of([g * blobs(x=1), g * half_plane()]), PIXEL, DIAMETER) for g in (1, scale))
    for name in ("off_centre", "edge_energy", "area_fraction"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-3, abs=1e-6)


def test_flat_averages_and_none_at_all_are_no_trouble():
    flat = features_of(classes_of(np.zeros((2, BOX, BOX))), PIXEL, DIAMETER)
    assert flat.off_centre.tolist() == flat.edge_energy.tolist() == flat.area_fraction.tolist() == [0, 0]
    assert features_of(classes_of(np.zeros((0, BOX, BOX))), PIXEL, DIAMETER).snr.shape == (0,)


def test_a_circle_larger_than_the_box_is_no_trouble():
    assert np.isfinite(features_of(classes_of([blobs()]), PIXEL, 1.5 * BOX * PIXEL).snr).all()
