"""Auto: the laws of every picker, and that class averages are taken where they find more, and nowhere else."""

import functools
from itertools import count

import numpy as np
import pytest
from tests.fields import disc, f1_score, noise_field, particle_field
from tests.perturbations import jittered
from tests.pickers.contract import PickerContract
from tests.pickers.matcher.test_picker import average_of

from cryoglean.errors import SettingsError
from cryoglean.micrograph import Micrograph
from cryoglean.nets.weights import write_weights
from cryoglean.pickers.auto.figures import fit_figure
from cryoglean.pickers.auto.files import KIND, VERSION, read_fitted_auto, write_fitted_auto
from cryoglean.pickers.auto.fit import fit_auto
from cryoglean.pickers.auto.picker import AutoModel, AutoSettings, FittedAuto, Trial, picker_of_one_species
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker
from cryoglean.pickers.matcher.class_averages import ClassAverages
from cryoglean.pickers.matcher.picker import fit_matcher

DIAMETER = 28.0


def fitted(micrographs, diameter=DIAMETER):
    return fit_auto(micrographs, fit_localpicker(micrographs, diameter))


def picks_of(learned, micrograph, diameter=DIAMETER):
    return picker_of_one_species(AutoSettings(diameter_angstrom=diameter), learned).pick(micrograph)


def by_template(learned, micrograph, diameter=DIAMETER):
    return Localpicker(LocalpickerSettings(diameter_angstrom=diameter), learned.model.localpicker).pick(micrograph)


def bars(seed, shape=(300, 330), n=32, noise=2.1):
    """Bars at any angle, three times as long as wide, well apart."""
    field = particle_field(shape, DIAMETER, lambda r, _: 0 * r, n, noise, seed, distance=1.25)
    rows, columns = np.indices(shape)
    image = field.image.astype(float)
    for (x, y), angle in zip(field.xy, np.random.default_rng(seed).uniform(0, np.pi, len(field.xy)), strict=True):
        along = np.cos(angle) * (columns - x) + np.sin(angle) * (rows - y)
        across = -np.sin(angle) * (columns - x) + np.cos(angle) * (rows - y)
        image -= (abs(along) < 0.48 * DIAMETER) & (abs(across) < 0.16 * DIAMETER)
    return Micrograph(jittered(image.astype(np.float32)), 1.0, f"m{seed}"), field.xy


@functools.cache
def learned_bars():
    micrographs, truths = zip(*(bars(seed) for seed in range(3)), strict=True)
    return micrographs, truths, fitted(micrographs)


@functools.cache
def learned_of_few():
    return fitted([Micrograph(particle_field((300, 340), DIAMETER, n=12, noise=1.0).image, 1.0)])


@pytest.mark.slow
class TestContract(PickerContract):
    """With class averages, for which the template has no need: Matcher picks, whose own contract is no slow test."""

    tolerance = 1.0

    @staticmethod
    @functools.cache
    def learned(diameter, pixel_size):
        field = particle_field(diameter=diameter, n=60, noise=1.0, seed=3)
        diameter_angstrom = diameter * pixel_size
        micrograph = Micrograph(field.image, pixel_size)
        template = fit_localpicker([micrograph], diameter_angstrom)
        averages = ClassAverages(average_of(disc, diameter, 2 * int(diameter))[None], pixel_size)
        matched = fit_matcher([micrograph], template, averages).matched
        return FittedAuto(AutoModel(localpicker=template, matched=matched), averages)

    def picker(self):
        learned = self.learned(self.diameter, self.pixel_size)
        settings = AutoSettings(diameter_angstrom=self.diameter * self.pixel_size)
        return picker_of_one_species(settings, learned)


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_averages_of_long_particles_take_the_place_of_a_round_template_and_find_more():
    micrographs, truths, learned = learned_bars()
    assert learned.model.matched.averages == len(learned.averages.images) > 1
    assert learned.model.trials[0].is_better
    found = np.mean(
        [
            [f1_score(pick(learned, m).xy, truth, DIAMETER / 4) for m, truth in zip(micrographs, truths, strict=True)]
            for pick in (picks_of, by_template)
        ],
        axis=1,
    )
    assert found[0] > found[1] + 0.05


@pytest.mark.slow
def test_a_micrograph_that_was_not_learned_from_is_picked_as_well():
    _, _, learned = learned_bars()
    micrograph, truth = bars(11)
    other = f1_score(by_template(learned, micrograph).xy, truth, DIAMETER / 4)
    assert f1_score(picks_of(learned, micrograph).xy, truth, DIAMETER / 4) > other + 0.05


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_noise_among_full_micrographs_yields_next_to_nothing():
    micrographs, _, learned = learned_bars()
    usual = np.median([len(picks_of(learned, micrograph)) for micrograph in micrographs])
    noise = [len(picks_of(learned, Micrograph(noise_field((300, 330), seed), 1.0))) for seed in range(12)]
    assert np.mean(noise) < 0.15 * usual


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_round_particles_are_left_to_the_round_template():
    micrographs = [Micrograph(particle_field((400, 440), n=40, seed=seed, noise=1.0).image, 1.0) for seed in range(2)]
    learned = fitted(micrographs, 30.0)
    assert learned.averages is learned.model.matched is None
    assert learned.model.judgement.endswith("the template stays")
    one, other = picks_of(learned, micrographs[0], 30.0), by_template(learned, micrographs[0], 30.0)
    np.testing.assert_array_equal(one.xy, other.xy)
    np.testing.assert_array_equal(one.score, other.score)


@pytest.mark.parametrize(
    ("agreement", "with_former", "is_better"),
    [
        (0.9, 0.8, True),
        (0.9, 0.91, True),
        (0.9, 0.93, False),
        (1.0, 1.0, False),
        (0.6, 0.3, False),
        (0.45, 0.56, False),
    ],
)
def test_averages_are_believed_where_halves_agree_and_err_less_than_what_was_before(agreement, with_former, is_better):
    trial = Trial(agreement=agreement, with_former=with_former, doubt=0.0, template_doubt=0.0)
    assert trial.is_better is is_better


@pytest.mark.parametrize(
    ("doubt", "template_doubt", "is_better"), [(0.2, 0.3, True), (0.29, 0.3, False), (0.06, 0.05, True)]
)
def test_averages_are_believed_where_fewer_of_their_picks_are_in_doubt_or_hardly_any(doubt, template_doubt, is_better):
    trial = Trial(agreement=0.9, with_former=0.6, doubt=doubt, template_doubt=template_doubt)
    assert trial.is_better is is_better


@pytest.mark.slow
def test_where_particles_are_too_faint_to_be_found_no_averages_are_made():
    fields = [particle_field((500, 560), 30.0, n=60, noise=9.0, seed=seed) for seed in range(4)]
    learned = fitted([Micrograph(field.image, 1.0) for field in fields], 30.0)
    assert learned.model.matched is None


@pytest.mark.slow
@pytest.mark.numerical
def test_one_micrograph_has_two_halves():
    micrograph, truth = bars(0, (600, 330), 64)
    learned = fitted([micrograph])
    assert learned.model.trials[0].is_better
    other = f1_score(by_template(learned, micrograph).xy, truth, DIAMETER / 4)
    assert f1_score(picks_of(learned, micrograph).xy, truth, DIAMETER / 4) > other + 0.05


def test_of_too_few_sure_picks_the_template_stays_since_nothing_tells_how_good_averages_are():
    learned = learned_of_few()
    assert learned.averages is learned.model.matched is None
    assert not learned.model.trials


def test_where_nothing_stands_out_nothing_is_learned_or_picked():
    for image in (noise_field((200, 240)), np.ones((200, 220), np.float32)):
        learned = fitted([Micrograph(image, 1.0)] * 2)
        assert not learned.model.found_particles
        assert len(picks_of(learned, Micrograph(image, 1.0))) == 0


@pytest.mark.slow
def test_the_number_of_threads_changes_nothing():
    micrographs, _, learned = learned_bars()
    again = fit_auto(micrographs, learned.model.localpicker, threads=2)
    assert again.model == learned.model
    np.testing.assert_array_equal(again.averages.images, learned.averages.images)


@pytest.mark.slow
def test_what_was_learned_is_written_and_read(tmp_path):
    for number, wanted in zip(count(), (learned_bars()[2], learned_of_few()), strict=False):
        write_fitted_auto(tmp_path / f"{number}.safetensors", wanted)
        found = read_fitted_auto(tmp_path / f"{number}.safetensors")
        assert found.model == wanted.model
        if wanted.averages is not None:
            np.testing.assert_array_equal(found.averages.images, wanted.averages.images)
            assert found.averages.pixel_size_angstrom == pytest.approx(wanted.averages.pixel_size_angstrom)


@pytest.mark.slow
def test_a_file_without_its_averages_is_refused_with_the_reason(tmp_path):
    write_weights(tmp_path / "auto.safetensors", KIND, VERSION, learned_bars()[2].model.model_dump(mode="json"), {})
    with pytest.raises(SettingsError, match=r"auto.safetensors does not hold what Auto learned"):
        read_fitted_auto(tmp_path / "auto.safetensors")


@pytest.mark.slow
def test_the_figure_shows_the_averages_only_where_they_are_searched_for():
    learned = learned_bars()[2]
    titles = [panel.title for panel in fit_figure(learned).panels]
    assert titles[:-2] == [f"Class average {k + 1}" for k in range(len(learned.averages.images))]
    assert [panel.title for panel in fit_figure(learned_of_few()).panels] == ["The round template searches"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("doubt", "reason"),
    [(0.1, "class averages in all turns take its place"), (0.4, "as many in doubt, so the template stays")],
)
def test_where_averages_fail_by_doubt_alone_it_is_said(doubt, reason):
    trial = Trial(agreement=0.9, with_former=0.7, doubt=doubt, template_doubt=0.4)
    _, _, learned = learned_bars()
    matched = learned.model.matched if trial.is_better else None
    model = learned.model.model_copy(update={"trials": (trial,), "matched": matched})
    assert model.judgement.endswith(reason)
