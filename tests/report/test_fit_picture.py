"""Pictures of what was learned and of how many picks there are: drawn for every kind of answer."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from tests.learned_facts import PROFILE, localpicker_model

from cryoglean.detect.mixture import HeightMixture
from cryoglean.report.fit_picture import draw_counts, draw_fit, radial_template


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "picture.png"


def is_picture(path):
    picture = cv2.imread(str(path))
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return picture is not None and picture.std() > 5


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"profile": None},
        {"skewness": 0.001},
        {"skewness": -0.2, "skewness_error": 0.0},
        {"skewness": 0.0, "skewness_error": 0.0},
        {"mixture": HeightMixture(1e-9, 1.0, 1e-3, 40.0, 1e-3), "cut": 100.0},
        {"micrographs": ("$a_{b.mrc",) * 8},
    ],
)
def test_every_model_gives_a_picture(path, changes):
    draw_fit(path, localpicker_model(**changes))
    assert is_picture(path)


def test_the_curve_of_a_disc_has_no_net_weight_and_drops_at_its_radius():
    radius, value = radial_template(localpicker_model(profile=None))
    fine = np.linspace(0, radius[-1], 200_001)
    weight = np.interp(fine, radius, value) * fine
    assert abs(weight.sum()) < 1e-3 * np.abs(weight).sum()
    assert np.interp([47.9, 48.1], radius, value) == pytest.approx([1, -0.8])


def test_the_curve_of_a_learned_profile_is_in_angstrom_and_of_unit_height():
    radius, value = radial_template(localpicker_model(profile=tuple(3 * v for v in PROFILE)))
    assert radius[[0, 1, -1]] == pytest.approx([0, 120 / 32, 90])
    assert np.abs(value).max() == pytest.approx(1)
    assert np.corrcoef(value, PROFILE)[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("number", [0, 1, 12, 500])
@pytest.mark.parametrize("scores", [None, [], [0.5, 0.7, 0.7]])
def test_counts_of_any_number_of_micrographs_are_drawn(path, number, scores):
    draw_counts(path, {f"movie$_{i}" * 9: 17 * i % 300 for i in range(number)}, scores)
    assert is_picture(path)


def test_names_are_no_mathematics(path):
    draw_counts(path, {r"a$\frac{$b": 3})
    assert is_picture(path)


def test_drawing_keeps_clear_of_global_state(tmp_path):
    program = (
        "import sys; from cryoglean.report.fit_picture import draw_counts; "
        f"draw_counts({str(tmp_path / 'p.png')!r}, {{'a': 1}}); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
