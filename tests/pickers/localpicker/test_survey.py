"""Contrast and size of particles, as discs of all sizes show them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cryoglean.findings import Level
from cryoglean.jobs.verdict import findings_on_micrographs
from cryoglean.micrograph import Contrast, Micrograph
from cryoglean.pickers.localpicker.survey import MicrographSurvey, survey_micrographs
from examples import with_slow
from perturbations import jittered
from shells import ShellField

DIAMETER = 120.0


def fields(n=2, **changes):
    values = {"height_px": 512, "width_px": 576, "particles": 25, "signal_to_noise": 0.1, "diameter_angstrom": DIAMETER}
    return [ShellField(**(values | changes), seed=seed).render()[0] for seed in range(n)]


def negated(micrographs):
    return [replace(each, image=-each.image) for each in micrographs]


@pytest.mark.numerical
def test_contrast_is_told_and_turns_with_the_images():
    micrographs = [replace(each, image=jittered(each.image)) for each in fields()]
    dark, bright = survey_micrographs(micrographs), survey_micrographs(negated(micrographs))
    assert (dark.contrast, bright.contrast) == (Contrast.dark, Contrast.bright)
    assert dark.size is not None
    assert bright.size is not None
    assert bright.size.diameter_angstrom == pytest.approx(dark.size.diameter_angstrom, rel=1e-3)


@pytest.mark.numerical
@pytest.mark.parametrize("diameter", with_slow(100.0, 160.0, slow=[120.0]))
def test_the_size_of_round_particles_is_found(diameter):
    survey = survey_micrographs(
        [
            replace(each, image=jittered(each.image))
            for each in fields(diameter_angstrom=diameter, particles=72, height_px=1024, width_px=1024)
        ]
    )
    found = survey.size
    assert found is not None
    assert found.has_edge
    assert not survey.is_elongated
    assert found.diameter_angstrom == pytest.approx(diameter, rel=0.15)
    assert found.min_angstrom <= diameter <= found.max_angstrom


def of_another_kind(kind, noise, shape=(512, 576)):
    rows, columns = np.indices(shape)
    shade = {
        "bowl": ((rows - 100) ** 2 + (columns - 200) ** 2) / 200,
        "dome": 5000 - ((rows - 250) ** 2 + (columns - 230) ** 2) / 60,
        "ramp": 0.37 * rows + 1.1 * columns,
        "amplifier": 60.0 * (columns > 288),
    }[kind]
    image = shade + noise * np.random.default_rng(1).standard_normal(shape)
    return Micrograph(jittered(image.astype(np.float32)), 2.0, kind)


@pytest.mark.numerical
@pytest.mark.parametrize("noise", [0.05, 0.5])
@pytest.mark.parametrize("kind", with_slow("bowl", slow=["dome", "ramp", "amplifier"]))
@pytest.mark.parametrize("turned", [lambda given: given, negated], ids=["dark", "bright"])
def test_one_of_another_kind_turns_neither_contrast_nor_size(turned, kind, noise):
    some = [replace(each, image=jittered(each.image)) for each in turned(fields(3, particles=40))]
    alone, beside = survey_micrographs(some), survey_micrographs([of_another_kind(kind, noise), *some])
    assert beside.contrast is alone.contrast is not None
    assert beside.size.diameter_angstrom == pytest.approx(alone.size.diameter_angstrom, rel=0.1)


def rods(length_px, halo, width_px=24, count=36, seed=0):
    """A micrograph of dark rods in white noise, in all directions, some touch; with a halo, as defocus makes one."""
    random = np.random.default_rng(seed)
    noise, image = random.standard_normal((900, 960)), np.zeros((900, 960))
    everywhere, reach = np.mgrid[:900, :960], int(length_px + width_px)
    for centre, angle in zip(random.uniform(90, 810, (count, 2)), random.uniform(0, np.pi, count), strict=True):
        around = tuple(slice(max(0, int(c) - reach), int(c) + reach) for c in centre[::-1])
        y, x = everywhere[:, *around]
        along = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
        across = (x - centre[0]) * np.sin(angle) - (y - centre[1]) * np.cos(angle)
        beyond = np.maximum(np.abs(along) - (length_px - width_px) / 2, 0)
        image[around] -= np.clip(width_px / 2 - np.hypot(beyond, across) + 0.5, 0, 1)
    image -= halo * gaussian_filter(image, width_px / 2)
    return Micrograph((image + noise).astype(np.float32), 3.0)


@pytest.mark.numerical
@pytest.mark.parametrize(("aspect", "halo"), with_slow((2.2, 0), (3.3, 1), slow=[(2.2, 1), (3.3, 0)]))
def test_the_length_of_rods_is_within_the_range_and_no_verdict_calls_it_wrong(aspect, halo):
    length = 72 * aspect
    survey = survey_micrographs([rods(24 * aspect, halo, seed=seed) for seed in range(2)])
    assert survey.size is not None
    assert survey.is_elongated or not halo
    assert survey.size.min_angstrom <= length <= survey.size.max_angstrom
    (said,) = [each for each in findings_on_micrographs(survey, length, None, "cryoglean pick") if each.topic == "size"]
    assert (said.level, said.command) == (Level.note if survey.is_elongated else Level.fact, None)
    assert ("undecided" in said.text) == survey.is_elongated


def partly_dark(micrograph):
    """Without exposure right of a slanting line, far below the grey values of the rest."""
    rows, columns = np.indices(micrograph.shape)
    dark = columns > 0.55 * micrograph.shape[1] + 0.2 * rows - 100
    return replace(micrograph, image=np.where(dark, -1e5, jittered(micrograph.image)).astype(np.float32))


@pytest.mark.slow
@pytest.mark.numerical
def test_what_was_not_exposed_makes_no_particle_long_and_no_rod_round():
    round_ones = fields(n=2, particles=72, height_px=900, width_px=960)
    survey = survey_micrographs([partly_dark(each) for each in round_ones])
    assert survey.size is not None
    assert survey.size.diameter_angstrom == pytest.approx(DIAMETER, rel=0.15)
    assert not survey.is_elongated
    assert survey_micrographs([partly_dark(rods(24 * 3.3, halo=1, seed=seed)) for seed in range(3)]).is_elongated


def test_size_follows_the_pixel_size():
    finer = [replace(each, pixel_size_angstrom=2 * each.pixel_size_angstrom) for each in fields()]
    once, twice = survey_micrographs(fields()).size, survey_micrographs(finer).size
    assert once is not None
    assert twice is not None
    assert twice.diameter_angstrom == pytest.approx(2 * once.diameter_angstrom, rel=0.1)


@pytest.mark.numerical
@pytest.mark.parametrize("seed", range(4))
def test_noise_has_no_contrast(seed):
    random = np.random.default_rng(seed)
    noise = [Micrograph(random.standard_normal((400, 400)).astype(np.float32), 2.0) for _ in range(2)]
    survey = survey_micrographs(noise)
    assert survey.contrast is None
    assert survey.taken_contrast is Contrast.dark


def test_nothing_is_told_of_no_micrograph_and_of_a_tiny_one():
    tiny = Micrograph(np.random.default_rng(0).standard_normal((20, 20)).astype(np.float32), 2.0)
    for survey in (survey_micrographs([]), survey_micrographs([tiny])):
        assert survey.contrast is None
        assert survey.size is None


def test_a_survey_is_kept_as_json():
    survey = survey_micrographs(fields(1))
    assert MicrographSurvey.model_validate_json(survey.model_dump_json()) == survey


@pytest.mark.numerical
def test_micrographs_at_a_time_do_not_matter():
    one, two = (survey_micrographs(fields(3), threads) for threads in (1, 2))
    assert one == two
