"""`cryoglean.classify`, as a script or a notebook calls it."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import cryoglean
from cryoglean.ctf.model import Ctf, Microscope
from cryoglean.errors import SettingsError, TableError
from cryoglean.io.mrc_stack import read_stack
from particle_stacks import PIXEL, particles, write_project
from turned_shapes import bar, ring, shape_set

IMAGES, _ = particles(12)
HOW = {"diameter_angstrom": 90, "classes": 2, "iterations": 8, "cpus": 1}


@pytest.fixture(scope="module")
def shapes():
    """Two shapes in noise, and which is which."""
    particles, kind, _, _ = shape_set((ring, bar), 60, 0.5)
    return particles, kind


@pytest.mark.numerical
def test_an_array_is_told_apart(shapes):
    particles, kind = shapes
    told = []
    found = cryoglean.classify(particles.images, pixel_size_angstrom=4.0, progress=told.append, **HOW)
    assert adjusted_rand_score(kind, found.particles.class_index) > 0.9
    assert found.classes.averages.shape == (2, 32, 32)
    assert len(told) == 8
    assert found.notes[0].startswith("no CTF")


def test_a_star_file_is_the_same_as_its_array(tmp_path):
    star = write_project(tmp_path, IMAGES)
    how = {"diameter_angstrom": 80, "classes": 2, "iterations": 4}
    by_file = cryoglean.classify(star, **how)
    by_array = cryoglean.classify(IMAGES, pixel_size_angstrom=PIXEL, **how)
    np.testing.assert_array_equal(by_file.particles.class_index, by_array.particles.class_index)
    np.testing.assert_array_equal(by_file.classes.averages, by_array.classes.averages)
    np.testing.assert_array_equal(cryoglean.classify(str(star), **how).classes.counts, by_file.classes.counts)
    assert len(read_stack(tmp_path / "Extract" / "a.mrcs")) == len(by_file.particles.class_index)


def test_lists_and_other_numbers_are_arrays_and_scale_does_not_matter(shapes):
    images = (100 + 30 * shapes[0].images).astype(np.float64)
    found = cryoglean.classify(list(images), pixel_size_angstrom=4.0, **HOW)
    assert adjusted_rand_score(shapes[1], found.particles.class_index) > 0.9
    assert any("not normalised" in note for note in found.notes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"particles": np.zeros((5, 16, 12)), "pixel_size_angstrom": 4}, r"particles: an array of shape \(5, 16, 12\)"),
        ({"particles": np.zeros((16, 16)), "pixel_size_angstrom": 4}, "particles: an array of shape"),
        ({"particles": np.zeros((5, 4, 4)), "pixel_size_angstrom": 4}, "8 px or more"),
        ({"particles": IMAGES}, "pixel_size_angstrom=None: an array needs"),
        ({"particles": IMAGES, "pixel_size_angstrom": -1}, "pixel_size_angstrom=-1"),
        ({"particles": IMAGES, "pixel_size_angstrom": 4, "ctfs": [Ctf(1e4, 1e4, 0, Microscope())]}, "ctfs: 1 for"),
        (
            {"particles": np.zeros((5, 16, 16)), "pixel_size_angstrom": 4},
            r"5 of 5 cannot be used \(particles\[0\]: all",
        ),
        ({"particles": IMAGES, "pixel_size_angstrom": 4, "iterations": 0}, "iterations=0"),
        ({"particles": IMAGES, "pixel_size_angstrom": 4, "diameter_angstrom": 400}, "400"),
        ({"particles": IMAGES, "pixel_size_angstrom": 4, "device": "abacus"}, "abacus"),
    ],
)
def test_what_is_wrong_is_named_with_its_argument(given, said):
    with pytest.raises(SettingsError, match=said):
        cryoglean.classify(**{"diameter_angstrom": 80} | given)


def test_a_star_file_says_its_pixel_size_itself_and_bad_images_are_not_left_out_silently(tmp_path):
    spoiled = IMAGES.copy()
    spoiled[2] = np.nan
    star = write_project(tmp_path, spoiled)
    with pytest.raises(SettingsError, match=r"pixel_size_angstrom: .* says it for itself"):
        cryoglean.classify(star, diameter_angstrom=80, pixel_size_angstrom=4)
    with pytest.raises(SettingsError, match=r"1 of .* cannot be used .*000003@.*NaN"):
        cryoglean.classify(star, diameter_angstrom=80)
    with pytest.raises((TableError, OSError), match="none"):
        cryoglean.classify(tmp_path / "none.star", diameter_angstrom=80)
