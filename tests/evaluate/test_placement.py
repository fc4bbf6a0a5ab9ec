"""The check of coordinates finds the turn and the scale that were made, or says that it cannot; it is never wrong."""

import functools
from fractions import Fraction

import numpy as np
import pytest

from cryoglean.evaluate import Orientation, Sample, Verdict, check_placement
from cryoglean.evaluate.orientation import AS_IS, SCALES, Hypothesis
from cryoglean.evaluate.placement_words import placement_lines, placement_values
from examples import with_slow

DIAMETER = 30.0


@functools.cache
def field(seed=0, n=80, shape=(500, 730), kind="disc", noise=1.0, sign=-1):
    """Particles at random places on noise with a gradient, and their centres as (n, 2), x first."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(25, np.array(shape[::-1]) - 25, (n, 2))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = rng.normal(0, noise, shape) + 3 * rows / shape[0] - 2 * columns / shape[1]
    for x, y in xy:
        near = np.s_[max(int(y) - 20, 0) : int(y) + 20, max(int(x) - 20, 0) : int(x) + 20]
        r = np.hypot(columns[near] - x, rows[near] - y) / DIAMETER
        image[near] += sign * ((r < 0.45) if kind == "disc" else (r > 0.3) & (r < 0.5))
    image = image.astype(np.float32)
    for array in (image, xy):
        array.flags.writeable = False
    return image, xy


def check(*pairs):
    return check_placement(Sample(image, xy, DIAMETER, f"m{n}") for n, (image, xy) in enumerate(pairs))


def foreign(found, xy, shape):
    """Return coordinates as a program gives them that need this change."""
    swapped = shape[::-1] if found.orientation.swaps else shape
    return found.orientation.inverse.apply(xy, swapped) / float(found.scale)


@pytest.mark.parametrize(("kind", "sign"), with_slow(("disc", -1), ("ring", 1), slow=[("disc", 1), ("ring", -1)]))
@pytest.mark.parametrize("orientation", Orientation)
def test_the_turn_that_was_made_is_found(kind, sign, orientation):
    image, xy = field(kind=kind, sign=sign)
    result = check((image, foreign(Hypothesis(orientation), xy, image.shape)))
    assert result.best == Hypothesis(orientation)
    assert result.verdict is (Verdict.fits if orientation is Orientation.IDENTITY else Verdict.turned)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("orientation", [Orientation.IDENTITY, Orientation.SWAP_FLIP_X])
def test_the_scale_that_was_made_is_found(scale, orientation):
    image, xy = field()
    found = Hypothesis(orientation, scale)
    result = check((image, foreign(found, xy, image.shape)))
    assert (result.verdict, result.best) == (Verdict.rescaled, found)
    assert "another pixel size" in placement_lines(result, "30 px")[0]
    assert placement_values(result)["scale"] == pytest.approx(float(scale), abs=1e-6)


@pytest.mark.parametrize("seed", with_slow(0, slow=[1, 2, 3]))
@pytest.mark.parametrize("noise", [2.0, 6.0])
@pytest.mark.parametrize("n", [9, 30])
def test_few_or_faint_particles_are_found_or_undecided_but_never_wrong(seed, noise, n):
    image, xy = field(seed, noise=noise)
    for found in (AS_IS, Hypothesis(Orientation.FLIP_Y), Hypothesis(Orientation.SWAP, Fraction(2))):
        result = check((image, foreign(found, xy[:n], image.shape)))
        assert result.best in (AS_IS, found)
        assert result.verdict is not Verdict.absent


@pytest.mark.parametrize("seed", range(3))
def test_noise_says_nothing(seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(500, 730)).astype(np.float32)
    result = check((image, rng.uniform(0, 500, (200, 2))))
    assert (result.verdict, result.best) == (Verdict.unknown, AS_IS)
    assert "could not be checked" in placement_lines(result, "30 px")[0]


def test_coordinates_of_another_micrograph_sit_on_nothing():
    fields = [field(seed, n=120) for seed in range(3)]
    images, places = zip(*fields, strict=True)
    result = check(*zip(images, (*places[1:], places[0]), strict=True))
    assert (result.verdict, result.best) == (Verdict.absent, AS_IS)
    assert "do not sit on particles of 30 px" in placement_lines(result, "30 px")[0]


def test_a_symmetric_field_leaves_coordinates_as_they_are():
    image, xy = field(n=40)
    symmetric = (image + image[::-1]) / 2
    for orientation in (Orientation.IDENTITY, Orientation.FLIP_Y):
        both = np.concatenate([xy, Orientation.FLIP_Y.apply(xy, image.shape)])
        turned = foreign(Hypothesis(orientation), both, image.shape)
        assert check((symmetric, turned)).best == AS_IS
    beside = foreign(Hypothesis(Orientation.FLIP_X), both, image.shape)
    assert check((symmetric, beside)).verdict in (Verdict.unknown, Verdict.absent)  # two turns fit equally well


def test_a_third_of_right_coordinates_is_enough():
    pairs = []
    for seed in range(2):
        image, xy = field(seed)
        wrong = np.random.default_rng(seed).uniform(25, 475, (160, 2))
        pairs.append((image, np.concatenate([xy, wrong])))
    assert check(*pairs).verdict is Verdict.fits
    upside_down = [(image, Orientation.FLIP_Y.apply(xy, image.shape)) for image, xy in pairs]
    assert check(*upside_down).best == Hypothesis(Orientation.FLIP_Y)


def test_micrographs_speak_together():
    some = [(image, xy[:20]) for image, xy in (field(seed) for seed in range(4))]
    assert check(*some).evidence[AS_IS].signal > 1.5 * np.median([check(s).evidence[AS_IS].signal for s in some])


def test_single_micrographs_that_are_not_as_the_others_are_named():
    right = [field(seed, n=120) for seed in range(4)]
    assert check(*right).strays == ()
    flipped = Orientation.FLIP_Y.apply(right[1][1], right[1][0].shape)
    other = np.random.default_rng(9).uniform(25, 475, (120, 2))
    result = check(right[0], (right[1][0], flipped), (right[2][0], other), right[3])
    assert result.verdict is Verdict.fits
    assert [(s.name, s.best) for s in result.strays] == [("m1", Hypothesis(Orientation.FLIP_Y)), ("m2", None)]
    assert min(s.expected for s in result.strays) > 7
    lines = placement_lines(result, "30 px")
    assert [line.split()[2] for line in lines[1:]] == ["m1", "m2"]
    assert "turned (flip-y)" in lines[1]


@pytest.mark.parametrize("n", [0, 3])
def test_too_few_coordinates_say_nothing(n):
    image, xy = field()
    result = check((image, xy[:n]))
    assert (result.verdict, result.best) == (Verdict.unknown, AS_IS)
    assert placement_lines(result, "30 px") == []
    assert check().verdict is Verdict.unknown


@pytest.mark.parametrize("image", [np.zeros((300, 400)), np.full((300, 400), np.nan), np.ones((5, 5)), np.ones((1, 1))])
def test_an_image_without_content_says_nothing(image):
    _, xy = field()
    assert check((image.astype(np.float32), xy)).verdict is Verdict.unknown


def test_scale_offset_and_burnt_pixels_do_not_matter():
    image, xy = field(noise=0.7)
    burnt = image * 1000 + 1e6
    burnt[::50, ::50] = 1e9
    plain, result = check((image, xy)), check((burnt.astype(np.float32), xy))
    assert plain.verdict is result.verdict is Verdict.fits
    assert result.evidence[AS_IS].signal > plain.evidence[AS_IS].signal / 2


def test_repeated_coordinates_count_once():
    image, xy = field()
    once, thrice = check((image, xy[:40])), check((image, np.repeat(xy[:40], 3, axis=0)))
    assert thrice.evidence[AS_IS].signal == pytest.approx(once.evidence[AS_IS].signal, rel=0.01)


@pytest.mark.parametrize(
    "found",
    with_slow(Hypothesis(Orientation.SWAP_FLIP_X), slow=[(AS_IS,), (Hypothesis(Orientation.FLIP_Y, Fraction(2)),)]),
)
def test_of_a_large_image_the_middle_is_enough(found):
    rng = np.random.default_rng(0)
    shape, xy = (2500, 3000), rng.uniform(25, 2475, (400, 2))
    image = rng.normal(size=shape).astype(np.float32)
    for x, y in xy.round().astype(int):
        image[y - 4 : y + 5, x - 4 : x + 5] -= 1
    samples = [Sample(image, foreign(found, xy, shape), 12.0)]
    assert check_placement(samples).best == found


def test_coordinates_outside_are_told():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(500, 730)).astype(np.float32)
    (line,) = placement_lines(check((image, rng.uniform(0, 2000, (200, 2)))), "30 px")
    assert "lie outside" in line


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="image"):
        check((np.zeros((3, 4, 5), np.float32), np.zeros((0, 2))))
    with pytest.raises(ValueError, match="diameter"):
        check_placement([Sample(np.zeros((4, 5), np.float32), np.zeros((0, 2)), 0)])
