"""The picture of all classes: order, frames, what is said, and odd sets."""

import cv2
import numpy as np
import pytest

from class_averages import DIAMETER, PIXEL, blobs, classes_of, classification_of, half_plane
from cryoglean.classes2d.selection import automatic
from cryoglean.report.footer import HEIGHT_PX, MIN_WIDTH_PX
from cryoglean.report.gallery import draw_gallery
from examples import with_slow


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gallery.png"


def drawn(path, *args, **named):
    draw_gallery(path, *args, **named)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return cv2.imread(str(path))[:, :, ::-1].astype(int)


def frames(picture, colour):
    """Columns and rows of the pixels of one colour, without the footer."""
    rows, columns = np.nonzero((np.abs(picture[:-HEIGHT_PX] - colour) <= 2).all(axis=2))
    return columns, rows


GREEN, RED = (86, 196, 120), (172, 84, 84)


def test_kept_classes_come_first_in_green_and_dropped_ones_after_in_red(path):
    found = classification_of([3 * half_plane(), 3 * blobs(), 3 * half_plane()], [500, 20, 300])
    picture = drawn(path, found.classes, PIXEL, automatic(found, DIAMETER), "classes", diameter_angstrom=DIAMETER)
    green, red = frames(picture, GREEN)[0], frames(picture, RED)[0]
    assert len(green)
    assert green.max() < red.min()
    assert len(red) == pytest.approx(2 * len(green), rel=0.01)


def test_without_a_selection_there_are_no_colours_and_the_largest_class_comes_first(path):
    averages = [np.zeros_like(blobs()), blobs()]
    picture = drawn(path, classes_of(averages, [5, 50]), PIXEL)
    assert not len(frames(picture, GREEN)[0])
    assert not len(frames(picture, RED)[0])
    top = picture[:200]
    middle = top.shape[1] // 2
    assert top[:, :middle].std() > top[:, middle:].std()


@pytest.mark.parametrize("number", with_slow(1, 2, 12, 13, slow=[50, 81, 200]))
def test_any_number_of_classes_fits(path, number):
    found = classification_of([blobs()] * number, [10] * number)
    picture = drawn(path, found.classes, PIXEL, automatic(found, DIAMETER), "t" * 300, diameter_angstrom=DIAMETER)
    assert MIN_WIDTH_PX <= picture.shape[1] <= 1900
    assert picture.shape[0] < 3000


def test_empty_flat_and_broken_classes_are_shown_as_such(path):
    averages = [blobs(), 0 * blobs(), blobs()]
    found = classification_of(averages, [0, 10, 10], [np.inf, np.inf, 16])
    picture = drawn(path, found.classes, PIXEL, automatic(found, DIAMETER))
    assert len(frames(picture, RED)[0])


def test_contrast_is_that_inside_the_circle(path):
    """A bright thing in the corner does not make the particle dark."""
    spoilt = blobs()
    spoilt[:3, :3] = 1000
    pictures = [drawn(path, classes_of([a]), PIXEL, diameter_angstrom=DIAMETER) for a in (blobs(), spoilt)]
    middle = [p[60:150, 310:410] for p in pictures]
    assert np.abs(middle[0] - middle[1]).mean() < 3


def test_the_circle_has_the_particles_diameter(path):
    with_circle = drawn(path, classes_of([blobs()]), PIXEL, diameter_angstrom=DIAMETER)
    without = drawn(path, classes_of([blobs()]), PIXEL)
    columns = np.nonzero(np.abs(with_circle - without)[:200].max(axis=2).max(axis=0) > 20)[0]
    side = 210 - 6
    assert np.ptp(columns) == pytest.approx(DIAMETER / (48 * PIXEL) * side, abs=6)
