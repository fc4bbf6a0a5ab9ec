"""A micrograph is empty beside the others of its set, or not; picks fall gradually with the evidence."""

import numpy as np
import pytest
from tests.fields import noise_field

from cryoglean.detect.emptiness import emptiness, threshold_for_micrograph
from cryoglean.detect.skewness import Skewness
from cryoglean.micrograph import Micrograph
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings, fit_localpicker
from perturbations import jittered
from shells import ShellField

ERROR = 0.02
DIAMETER = 112.5
FRAME = {"height_px": 1200, "width_px": 1240, "particles": 150, "signal_to_noise": 0.0008}
FRAME |= {"diameter_angstrom": DIAMETER, "pixel_size_angstrom": 1.5}


def seen(deviations):
    return Skewness(deviations * ERROR, ERROR, ERROR)


@pytest.mark.parametrize("usual", [0.05, 0.1, 0.3, 2.0])
def test_the_more_skewed_the_less_empty(usual):
    values = [emptiness(seen(z), usual) for z in np.linspace(-3, 10, 60)]
    assert (np.diff(values) <= 1e-12).all()
    assert all(0 <= value <= 1 for value in values)


@pytest.mark.parametrize("deviations", [-3, 0, 1])
def test_in_a_set_whose_particles_stand_out_noise_is_empty(deviations):
    assert emptiness(seen(deviations), usual=1.0) > 0.9


@pytest.mark.parametrize("deviations", [5, 10, 50])
def test_what_noise_does_not_make_is_not_empty_however_the_others_are(deviations):
    assert emptiness(seen(deviations), usual=1.0) < 0.01
    assert emptiness(seen(deviations), usual=100.0) < 0.01


def test_one_that_is_like_the_others_is_not_empty_even_if_noise_might_have_made_it():
    assert emptiness(seen(2.4), usual=4 * ERROR) < 0.1
    assert emptiness(seen(2.4), usual=1.0) > 0.5


def test_peaks_that_noise_does_not_make_tell_a_full_one():
    values = [emptiness(seen(0.0), 5 * ERROR, above) for above in (0.0, 2.0, 4.0, 8.0)]
    assert values[0] > 0.5
    assert (np.diff(values) <= 0).all()
    assert values[2] < 0.05


def test_heights_like_those_of_the_set_tell_a_full_one_and_others_leave_the_rest_to_decide():
    values = [emptiness(seen(0.0), 5 * ERROR, 0.0, for_particles) for for_particles in (-50.0, -3.0, 0.0, 3.0, 50.0)]
    assert (np.diff(values) <= 0).all()
    assert values[0] == emptiness(seen(0.0), 5 * ERROR)
    assert values[3] < 0.01
    assert emptiness(seen(10.0), 1.0, 0.0, -50.0) < 0.01


def test_in_doubt_a_micrograph_is_full():
    usual = 5 * ERROR
    assert emptiness(seen(2.0), usual) < 0.2
    assert emptiness(seen(0.0), usual) > 0.5


def test_the_threshold_lies_between_that_of_the_set_and_that_of_noise():
    thresholds = [threshold_for_micrograph(2.5, empty, 200) for empty in np.linspace(0, 1, 11)]
    assert thresholds[0] == 2.5
    assert (np.diff(thresholds) > 0).all()
    assert thresholds[-1] > 3.5
    assert threshold_for_micrograph(9.0, 1.0, 200) == 9.0


@pytest.mark.numerical
@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1000])
def test_no_field_of_a_noisy_set_ends_below_half_of_the_others_and_noise_gets_next_to_nothing(seed):
    fields = [ShellField(**FRAME, seed=seed + i).render()[0] for i in range(12)]
    fields = [Micrograph(jittered(each.image), each.pixel_size_angstrom, each.name) for each in fields]
    model = fit_localpicker(fields[:8], DIAMETER)
    assert model.found_particles
    picker = Localpicker(LocalpickerSettings(diameter_angstrom=DIAMETER), model)
    counts = np.array([len(picker.pick(each)) for each in fields])
    assert counts.min() > 0.5 * np.median(counts)
    empty = [len(picker.pick(Micrograph(noise_field(fields[0].shape, i), 1.5))) for i in range(4)]
    assert np.mean(empty) < 0.2 * np.median(counts)
