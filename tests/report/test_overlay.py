"""The picture of a micrograph with its picks: where circles are, what they leave free, what odd micrographs give."""

import cv2
import numpy as np
import pytest

from cryoglean.picks import Picks
from cryoglean.report.footer import HEIGHT_PX, MIN_WIDTH_PX, footer, round_length
from cryoglean.report.overlay import LONGEST_SIDE_PX, draw_overlay
from examples import with_slow


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(100, 10, shape).astype(np.float32)


def drawn(path, image, picks, diameter_px=60.0, **named):
    draw_overlay(path, image, picks, diameter_px, **named)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return cv2.imread(str(path))[:, :, ::-1].astype(int)


def colourfulness(picture):
    return picture.max(axis=2) - picture.min(axis=2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "picture.png"


@pytest.mark.parametrize(("shape", "scale"), [((900, 1100), 1), ((3001, 2450), 1 / 3), ((401, 450), 3)])
def test_a_circle_lies_round_its_pick_and_leaves_the_inside_free(path, shape, scale):
    x, y, radius = 0.6 * shape[1], 0.3 * shape[0], 0.1 * shape[0]
    picture = drawn(path, noise(shape), Picks(x, y, 1.0), 2 * radius)
    rows, columns = np.nonzero(colourfulness(picture[:-HEIGHT_PX]) > 60)
    left = (picture.shape[1] - int(shape[1] * scale)) // 2
    stored_x, stored_y = (columns - left + 0.5) / scale - 0.5, (rows + 0.5) / scale - 0.5
    distance = np.hypot(stored_x - x, stored_y - y)
    assert np.abs(distance - radius).max() < 2.5 * max(1, 1 / scale)
    assert stored_x.mean() == pytest.approx(x, abs=1 / scale)
    assert stored_y.mean() == pytest.approx(y, abs=1 / scale)


def test_no_picks_leave_the_micrograph_without_colour(path):
    picture = drawn(path, noise((800, 1000)), Picks.empty(), caption="empty.mrc", pixel_size_angstrom=1.5)
    assert picture.shape == (800 + HEIGHT_PX, 1000, 3)
    assert colourfulness(picture[:800]).max() == 0


def test_a_stronger_pick_has_a_lighter_circle(path):
    picks = Picks([200, 500, 800], [400, 400, 400], [0.5, 0.75, 1.0])
    picture = drawn(path, noise((800, 1000)), picks)[:800]
    coloured = colourfulness(picture) > 60
    thirds = [picture[:, s][coloured[:, s]].mean() for s in (slice(0, 350), slice(350, 650), slice(650, 1000))]
    assert thirds == sorted(thirds)
    assert thirds[2] > thirds[0] + 30


def test_equal_scores_have_equal_colours_in_different_pictures(tmp_path):
    weak_and_strong = Picks([200, 700], [400, 400], [0.9, 0.6])
    colours = []
    for name, picks in (("a", weak_and_strong), ("b", weak_and_strong.at_least(0.8))):
        (tmp_path / name).mkdir()
        picture = drawn(tmp_path / name / "p.png", noise((800, 1000)), picks)[:800, :450]
        colours.append(picture[colourfulness(picture) > 60].mean(axis=0))
    np.testing.assert_allclose(*colours, atol=1)


def test_foreign_scores_of_any_size_are_drawn(path):
    picks = Picks([200, 700], [400, 400], [-40.0, 1e5], "foreign")
    assert colourfulness(drawn(path, noise((800, 1000)), picks)[:800]).max() > 100


def test_a_stronger_pick_lies_on_top(path):
    both, strong = Picks([400, 400], [400, 400], [1.0, 0.5]), Picks(400, 400, 1.0)
    over = drawn(path, noise((800, 1000)), both)[:800]
    np.testing.assert_allclose(over, drawn(path, noise((800, 1000)), strong)[:800], atol=110)
    ring = colourfulness(over) > 120
    assert (over[ring][:, 0] > over[ring][:, 2] + 100).mean() > 0.8  # yellow, not violet


@pytest.mark.parametrize(
    "shape", with_slow((40, 30), (90, 2000), (1401, 1401), slow=[((2000, 90),), ((1400, 1400),), ((4100, 5900),)])
)
def test_pictures_are_of_a_handy_size_whatever_the_micrograph(path, shape):
    height, width, _ = drawn(path, noise(shape), Picks(5, 5, 0.7), 20).shape
    assert height <= LONGEST_SIDE_PX + HEIGHT_PX
    assert MIN_WIDTH_PX <= width <= LONGEST_SIDE_PX


def test_the_same_picks_give_the_same_bytes_and_the_micrograph_is_left_alone(tmp_path):
    image, picks = noise((700, 800)), Picks([100, 300], [200, 400], [0.5, 0.9])
    before = image.copy()
    for name in "ab":
        draw_overlay(tmp_path / name, image, picks, 50, caption="x.mrc")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    np.testing.assert_array_equal(image, before)


def test_a_particle_is_dark_and_a_few_hot_pixels_do_not_take_the_contrast(path):
    image = noise((800, 1000))
    image[380:420, 480:520] -= 40
    image[::211, ::197] = 1e6
    grey = drawn(path, image, Picks.empty())[:800, :, 0]
    usual = grey[100:300, 100:300]
    assert grey[390:410, 490:510].mean() < usual.mean() - 30
    assert usual.std() > 5


def test_unexposed_borders_are_darkened(path):
    image = noise((900, 1000))
    image[:80] = image[80]
    grey = drawn(path, image, Picks.empty())[:900, :, 0]
    assert grey[:78].mean() < 0.5 * grey[90:].mean()


@pytest.mark.parametrize("value", [0.0, 7.0, -1e10])
def test_a_constant_image_is_drawn(path, value):
    picture = drawn(path, np.full((500, 800), value, np.float32), Picks(300, 300, 0.9))
    assert picture.shape == (500 + HEIGHT_PX, 800, 3)


def test_a_folder_that_cannot_be_written_is_an_os_error_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(OSError, match="file"):
        draw_overlay(tmp_path / "file" / "p.png", noise((100, 100)), Picks.empty(), 20)
    assert (tmp_path / "file").read_text() == "here"


@pytest.mark.parametrize("longest", [0.3, 1, 1.99, 2, 4.9, 5, 99, 100, 4711])
def test_scale_bars_have_round_lengths_of_at_least_two_fifths_of_the_room(longest):
    length = round_length(longest)
    assert 0.4 * longest <= length <= longest * 1.000001
    assert f"{length:e}"[0] in "125"
    assert float(f"{length:.0e}") == pytest.approx(length)


def test_a_long_caption_stays_clear_of_the_scale_bar():
    short, long = (footer(900, caption, "3 picks", angstrom_per_px=2.0) for caption in ("a", "Ångström-" * 60))
    bar_from = 450 + np.nonzero((short[22, 450:] > 200).all(axis=1))[0].min()
    np.testing.assert_array_equal(short[:, bar_from - 5 :], long[:, bar_from - 5 :])


@pytest.mark.parametrize(("shape", "binned"), [((900, 1100), 4), ((3001, 2450), 7), ((401, 450), 1)])
def test_what_is_left_out_is_shaded_and_nothing_else(path, shape, binned):
    left_out = np.zeros([-(-side // binned) for side in shape], np.uint8)
    left_out[: len(left_out) // 2] = 60
    picture = drawn(path, noise(shape), Picks.empty(), left_out=left_out)
    canvas = colourfulness(picture[:-HEIGHT_PX])
    canvas = canvas[:, canvas.max(axis=0) > 0]  # a narrow picture lies in the middle of a wider one
    border = len(canvas) * len(left_out) // 2 * binned / shape[0]
    assert canvas[: int(border) - 5].min() > 10
    assert canvas[int(border) + 5 :].max() == 0
