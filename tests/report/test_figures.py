"""Pictures of what was learned and of how many picks there are: drawn for every kind of answer."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from tests.learned_facts import localpicker_model

from cryoglean.calibration.height_model import HeightModel
from cryoglean.detect.mixture import HeightMixture
from cryoglean.pickers.figures import Figure, Image, Line, Panel
from cryoglean.pickers.localpicker.figures import fit_figure
from cryoglean.report.counts_picture import draw_counts
from cryoglean.report.figures import draw_figure
from cryoglean.report.picture_images import images_in
from examples import with_slow
from report_facts import png


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "picture.png"


def is_picture(path):
    picture = cv2.imread(str(path))
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return picture is not None and picture.std() > 5


@pytest.mark.parametrize(
    "changes",
    with_slow(
        {"profile": None},
        {"heights": HeightModel.of_normals(HeightMixture(1e-9, 1.0, 1e-3, 40.0, 1e-3)), "threshold": 100.0},
        {"micrographs": ("$a_{b.mrc",) * 8},
        slow=[
            {},
            {"skewness": 0.001},
            {"skewness": -0.2, "skewness_error": 0.0},
            {"skewness": 0.0, "skewness_error": 0.0},
        ],
    ),
)
def test_every_model_gives_a_picture(path, changes):
    draw_figure(path, fit_figure(localpicker_model(**changes)))
    assert is_picture(path)


def test_what_is_no_element_is_named(path):
    with pytest.raises(TypeError, match="'a word' cannot be drawn"):
        draw_figure(path, Figure("", [Panel(elements=["a word"])], 1, (3, 3)))
    assert not path.exists()


def test_panels_fill_rows_and_what_is_left_of_the_last_row_is_free(path):
    panel = Panel(elements=[Line([0, 1], [0, 1])])
    draw_figure(path, Figure("", [panel] * 3, 2, (4, 3), dots_per_inch=100))
    picture = cv2.imread(str(path))
    assert picture.shape == (300, 400, 3)
    assert picture[160:, 210:].min() == 255 > picture[160:, :190].min()


@pytest.mark.parametrize("number", [0, 1, 12, 500])
def test_counts_of_any_number_of_micrographs_are_drawn(path, number):
    draw_counts(path, {f"movie$_{i}" * 9: 17 * i % 300 for i in range(number)})
    assert is_picture(path)


def test_names_are_no_mathematics(path):
    draw_counts(path, {r"a$\frac{$b": 3})
    assert is_picture(path)


@pytest.mark.slow
def test_drawing_keeps_clear_of_global_state(tmp_path):
    program = (
        "import sys; from cryoglean.report.counts_picture import draw_counts; "
        f"draw_counts({str(tmp_path / 'p.png')!r}, {{'a': 1}}); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_picture_tells_where_its_images_lie(path):
    red = np.tile([1.0, 0.0, 0.0], (20, 30, 1))
    panels = [Panel(elements=[Line([0, 1], [0, 1])]), Panel(elements=[Image(red, (0, 30, 0, 20), limits=(0, 1))])]
    draw_figure(path, Figure("", panels, 2, (6, 3), dots_per_inch=100))
    picture = cv2.imread(str(path))
    rows, columns = np.nonzero((picture == [0, 0, 255]).all(axis=2))
    (box,) = images_in(path.read_bytes())
    height, width = picture.shape[:2]
    assert [box.left * width, box.top * height] == pytest.approx([columns.min(), rows.min()], abs=2)
    assert [box.width * width, box.height * height] == pytest.approx([np.ptp(columns), np.ptp(rows)], abs=5)


def test_pictures_without_images_tell_so_and_others_tell_nothing(path):
    draw_figure(path, Figure("", [Panel(elements=[Line([0, 1], [0, 1])])], 1, (3, 3)))
    assert images_in(path.read_bytes()) == ()
    assert images_in(png()) is images_in(b"") is images_in(b"no picture at all") is None
    assert images_in(path.read_bytes().replace(b"Cryoglean images\0[]", b"Cryoglean images\0[[")) is None
