"""Turns of coordinates: each has one that undoes it, all differ, and coordinates that fit stay the very same."""

import numpy as np
import pytest

from cryoglean.evaluate import Hypothesis, Orientation, OrientationChoice
from cryoglean.evaluate.orientation import RESCALINGS, SCALES, TURNS, turned
from cryoglean.picks import Picks

SHAPE = (500, 730)


def xy():
    return np.random.default_rng(0).uniform(0, 499, (20, 2))


def frame_of(orientation):
    """Return the shape of the image in the frame of the foreign program."""
    return SHAPE[::-1] if orientation.swaps else SHAPE


@pytest.mark.parametrize("orientation", Orientation)
def test_the_inverse_undoes_a_turn(orientation):
    foreign = orientation.inverse.apply(xy(), frame_of(orientation))
    np.testing.assert_allclose(orientation.apply(foreign, SHAPE), xy())


@pytest.mark.parametrize("orientation", Orientation)
def test_a_turn_is_that_of_the_image_and_keeps_corners(orientation):
    image = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    foreign = image.T if orientation.swaps else image
    if orientation.flips_y:
        foreign = foreign[:, ::-1] if orientation.swaps else foreign[::-1]
    if orientation.flips_x:
        foreign = foreign[::-1] if orientation.swaps else foreign[:, ::-1]
    rows, columns = np.array([0, 3, 17]), np.array([5, 0, 100])
    x, y = orientation.apply(np.stack([columns, rows], axis=1).astype(float), SHAPE).T.astype(int)
    np.testing.assert_array_equal(image[y, x], foreign[rows, columns])


def test_all_turns_and_scales_differ():
    places = {h.apply(xy(), SHAPE).tobytes() for h in (*TURNS, *RESCALINGS)}
    assert len(places) == 8 * (1 + len(SCALES))


def test_every_choice_but_auto_is_a_turn():
    assert OrientationChoice.auto.orientation is None
    assert {c.orientation for c in OrientationChoice} == {None, *Orientation}
    assert OrientationChoice.as_is.orientation is Orientation.IDENTITY


def test_picks_that_fit_are_the_very_same():
    picks = Picks(*xy().T, np.linspace(0, 1, 20), "probability")
    assert turned(picks, Orientation.IDENTITY, SHAPE) is picks
    flipped = turned(picks, Orientation.FLIP_Y, SHAPE)
    np.testing.assert_array_equal(flipped.y, 499 - picks.y)
    np.testing.assert_array_equal(flipped.score, picks.score)
    assert flipped.score_kind == "probability"


def test_words_say_what_is_to_be_done():
    assert Hypothesis().words() == "as they are"
    both = Hypothesis(Orientation.FLIP_Y, RESCALINGS[0].scale).words()
    assert both == "divided by 2 and turned (flip-y)"
