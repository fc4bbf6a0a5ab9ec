"""Curves of a training: as a table, and as figures that can be drawn."""

import math

import numpy as np
import pytest

from cryoglean.errors import TableError
from cryoglean.nets.mae_training import MaeCheck
from cryoglean.nets.training import Check
from cryoglean.pickers.curves import curves_csv, read_curves
from cryoglean.pickers.emmae.figures import training_figure as mae_training_figure
from cryoglean.pickers.kpicker.figures import training_figure
from cryoglean.report.figures import draw_figure
from examples import with_slow

CHECKS = [Check(10 * i, 0.1 / i, 1 / i, 0.5 + i / 20, 1.5 / i, 0.6) for i in range(1, 6)]
ALONE = [c._replace(held_out_loss=math.nan, held_out_accuracy=math.nan) for c in CHECKS]


def test_the_table_has_a_line_for_each_look():
    lines = curves_csv(CHECKS).splitlines()
    assert lines[0] == "step,rate,loss,accuracy,held_out_loss,held_out_accuracy"
    assert lines[1] == "10,0.1,1,0.55,1.5,0.6"
    assert len(lines) == 6
    assert curves_csv(ALONE).splitlines()[1] == "10,0.1,1,0.55,,"


@pytest.mark.parametrize("checks", with_slow(ALONE, [CHECKS[0]._replace(loss=0.0)], slow=[CHECKS, CHECKS[:1]]))
def test_it_is_drawn_whatever_was_held_out(tmp_path, checks):
    draw_figure(tmp_path / "curves.png", training_figure(checks))
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


@pytest.mark.parametrize("checks", [CHECKS, ALONE])
def test_what_is_written_is_read_back(tmp_path, checks):
    (tmp_path / "curves.csv").write_text(curves_csv(checks))
    read = read_curves(tmp_path / "curves.csv")
    assert np.allclose(np.array(read), np.array(checks), rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize("text", ["step,loss\n1,2\n", curves_csv(CHECKS).replace("0.55", "much")])
def test_something_else_is_named(tmp_path, text):
    (tmp_path / "curves.csv").write_text(text)
    with pytest.raises(TableError, match="not the curves of a training"):
        read_curves(tmp_path / "curves.csv")


@pytest.mark.parametrize("held_out", [1.5, math.nan])
def test_those_of_a_masked_autoencoder_have_their_own_table_and_figure(tmp_path, held_out):
    checks = [MaeCheck(10 * i, 1.0, 0.1, 1 / i, held_out) for i in range(1, 4)]
    assert curves_csv(checks).splitlines()[0] == "step,seconds,rate,loss,held_out_loss"
    draw_figure(tmp_path / "curves.png", mae_training_figure(checks))
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
