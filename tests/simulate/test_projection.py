"""Projections: what is conserved, what may be exchanged, and what another program makes of the same angles."""

import shutil
import subprocess

import mrcfile
import numpy as np
import pytest

from cryoglean.simulate.orientation import preferred_view, random_view, view_matrix
from cryoglean.simulate.particle import Particle
from cryoglean.simulate.projection import Projector
from cryoglean.simulate.pseudo import test_particle as make_particle
from cryoglean.simulate.scattering import Scatterer

SIGMA = 2.5
SPOTS = np.array([[12, 3, 0], [0, 15, -4], [-5, -8, 14.0]])
WEIGHTS = np.array([1.0, 2.0, 3.0])


def scattering_length(particle):
    """Scattering length of the whole above the ice it displaces, in angstrom: what every projection adds up to."""
    lengths = np.array([s.forward_angstrom for s in particle.scatterers])
    return float(particle.weights @ lengths[particle.kinds])


def spots():
    """Three Gaussian spots: a particle whose projection has a closed form."""
    kinds, round_spot = np.zeros(3, np.intp), Scatterer((1.0,), (8 * np.pi**2 * SIGMA**2,), 1.0)
    return Particle("spots", SPOTS.astype(np.float32), kinds, WEIGHTS.astype(np.float32), (round_spot,))


def closed_form(view, half, pixel_size=1.0, centre=(0.0, 0.0)):
    y, x = (np.mgrid[-half : half + 1, -half : half + 1]) * pixel_size
    image = np.zeros(x.shape)
    for weight, place in zip(WEIGHTS, SPOTS @ view.T, strict=True):
        off_x, off_y = x - place[0] - centre[0] * pixel_size, y - place[1] - centre[1] * pixel_size
        image += weight / (2 * np.pi * SIGMA**2) * np.exp(-(off_x**2 + off_y**2) / 2 / SIGMA**2)
    return image


def middle(image, half):
    centre = len(image) // 2
    return image[centre - half : centre + half + 1, centre - half : centre + half + 1]


ANGLES = [(0, 0, 0), (30, 0, 0), (0, 40, 0), (20, 50, 0), (33, 71, -112)]


@pytest.mark.parametrize("angles", ANGLES)
@pytest.mark.parametrize("pixel_size", [1.0, 1.7])
def test_spots_project_to_their_closed_form(angles, pixel_size):
    view = view_matrix(*angles)
    image = Projector(spots(), pixel_size).project(view, (0.3, -0.4))
    np.testing.assert_allclose(middle(image, 12), closed_form(view, 12, pixel_size, (0.3, -0.4)), atol=2e-3)


@pytest.mark.skipif(shutil.which("relion_project") is None, reason="relion_project is not installed")
@pytest.mark.parametrize("angles", ANGLES)
def test_angles_mean_what_they_mean_to_relion(angles, tmp_path):
    z, y, x = np.mgrid[:64, :64, :64] - 32
    volume = sum(
        w * np.exp(-((x - p[0]) ** 2 + (y - p[1]) ** 2 + (z - p[2]) ** 2) / 2 / SIGMA**2)
        for w, p in zip(WEIGHTS, SPOTS, strict=True)
    )
    with mrcfile.new(tmp_path / "v.mrc", volume.astype(np.float32)) as file:
        file.voxel_size = 1.0
    names = [f"--{name}={angle}" for name, angle in zip(("rot", "tilt", "psi"), angles, strict=True)]
    words = [part for name in names for part in name.split("=")]
    out = tmp_path / "p.mrc"
    command = ["relion_project", "--i", tmp_path / "v.mrc", "--o", out, "--angpix", "1", *words]
    subprocess.run(command, check=True, capture_output=True)
    theirs = mrcfile.read(out).squeeze()[12:53, 12:53]
    ours = middle(Projector(spots(), 1.0).project(view_matrix(*angles)), 20)
    assert np.corrcoef(theirs.ravel(), ours.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("spec", ["test:480kDa:D2", "test:60kDa"])
def test_scattering_is_conserved_whatever_the_view_and_the_pixel(spec):
    particle, rng = make_particle(spec), np.random.default_rng(0)
    for pixel_size in (0.8, 1.5, 3.1):
        projector = Projector(particle, pixel_size)
        for _ in range(3):
            image = projector.project(view_matrix(*random_view(rng)), tuple(rng.uniform(-0.5, 0.5, 2)))
            total = image.sum(dtype=float) * pixel_size**2
            assert total == pytest.approx(scattering_length(particle), rel=1e-4)


@pytest.mark.parametrize(("group", "turn"), [("C4", 90), ("D3", 120), ("D2", 180), ("C7", 360 / 7)])
def test_the_view_along_a_symmetry_axis_does_not_change_when_the_particle_is_turned_about_it(group, turn):
    projector = Projector(make_particle(f"test:200kDa:{group}"), 2.0)
    straight, turned = (projector.project(view_matrix(rot, 0, 0)) for rot in (0, turn))
    assert np.abs(turned - straight).max() < 2e-3 * straight.max()


@pytest.mark.parametrize("angles", ANGLES)
def test_turning_in_the_plane_is_turning_the_projection(angles):
    projector = Projector(make_particle("test:150kDa"), 2.0)
    rot, tilt, psi = angles
    # psi turns the axes: an image turned by it from the y axis to the x axis, as rows run down
    quarter = projector.project(view_matrix(rot, tilt, psi + 90))
    np.testing.assert_allclose(
        np.rot90(projector.project(view_matrix(rot, tilt, psi))), quarter, atol=2e-3 * quarter.max()
    )


def test_a_finer_pixel_gives_the_same_image_more_finely():
    particle, view = make_particle("test:150kDa"), view_matrix(20, 50, 70)
    fine, coarse = Projector(particle, 1.0).project(view), Projector(particle, 3.0).project(view)
    shape = (len(coarse), len(coarse))
    sampled = middle(fine, 3 * (shape[0] // 2))[::3, ::3] if len(fine) >= 3 * shape[0] - 2 else None
    if sampled is None:
        half = (len(fine) // 2) // 3
        sampled, coarse = middle(fine, 3 * half)[::3, ::3], middle(coarse, half)
    assert np.corrcoef(sampled.ravel(), coarse.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("angles", ANGLES)
def test_views_are_rotations(angles):
    view = view_matrix(*angles)
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1)


def test_random_views_look_from_everywhere_alike():
    rng = np.random.default_rng(0)
    directions = np.array([view_matrix(*random_view(rng))[2] for _ in range(4_000)])
    np.testing.assert_allclose(directions.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(directions.T @ directions / len(directions), np.eye(3) / 3, atol=0.03)


def test_preferred_views_stay_about_the_view_that_is_preferred():
    rng = np.random.default_rng(0)
    views = np.array([preferred_view(rng, 10, 60, 5) for _ in range(1_000)])
    np.testing.assert_allclose(views[:, :2].mean(axis=0), [10, 60], atol=1)
    np.testing.assert_allclose(views[:, :2].std(axis=0), 5, atol=0.5)
