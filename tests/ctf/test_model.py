"""The CTF itself: against the formula written out, against the library's own image, and its conventions."""

import math

import numpy as np
import pytest
import torch
import torch_ctf
from hypothesis import given
from hypothesis import strategies as st

from cryoglean.ctf.model import Ctf, Microscope, ctf_2d, ctf_of
from cryoglean.errors import MicrographError
from cryoglean.micrograph import MicrographFile
from synthetic_ctf import ctf

ROW = {"rlnDefocusU": "15000", "rlnDefocusV": "14000", "rlnDefocusAngle": "30"}
OPTICS = {"rlnVoltage": "200", "rlnSphericalAberration": "1.4", "rlnAmplitudeContrast": "0.07"}


@given(
    st.floats(3000, 40000),
    st.floats(-2000, 2000),
    st.floats(-180, 180),
    st.sampled_from([120.0, 200.0, 300.0]),
    st.floats(0, 2.7),
)
def test_it_is_the_formula_written_out(mean, astigmatism, angle, voltage, cs):
    u, v = mean + astigmatism / 2, mean - astigmatism / 2
    ours = ctf_2d(Ctf(u, v, angle, Microscope(voltage, cs, 0.08)), (48, 54), 2.0)
    np.testing.assert_allclose(ours.numpy(), ctf((48, 54), 2.0, u, v, angle, voltage, cs, 0.08), atol=1e-2)


@pytest.mark.parametrize("angle", [0.0, 30.0, 115.0])
def test_it_is_the_image_that_the_library_makes(angle):
    theirs = torch_ctf.calculate_ctf_2d(
        1.5, 0.05, angle, 300.0, 2.7, 0.1, 0.0, 2.0, (64, 70), rfft=True, fftshift=False
    )
    ours = ctf_2d(Ctf(15500, 14500, angle), (64, 70), 2.0)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=2e-3)


def test_it_begins_with_the_amplitude_contrast_and_is_positive_there():
    values = ctf_2d(Ctf(15000, 15000, 0, Microscope(amplitude_contrast=0.12)), (256, 256), 1.5)
    assert float(values[0, 0]) == pytest.approx(0.12, abs=1e-5)
    assert float(values[0, 1]) > 0.12


@given(st.floats(-90, 90))
def test_u_and_v_change_places_with_a_quarter_turn(angle):
    one, other = ctf_2d(Ctf(15000, 14000, angle), (32, 32), 3), ctf_2d(Ctf(14000, 15000, angle + 90), (32, 32), 3)
    assert torch.allclose(one, other, atol=1e-3)


def file(row, optics=OPTICS):
    return MicrographFile("a.mrc", "a.mrc", "a", 1.5, row, optics)


def test_what_a_star_file_says_is_taken():
    found = ctf_of(file({**ROW, "rlnPhaseShift": "90"}))
    assert (found.defocus_angstrom, found.astigmatism_angstrom) == (14500, 1000)
    assert found.microscope == Microscope(200, 1.4, 0.07, 90)


def test_a_row_overrides_its_optics():
    assert ctf_of(file({**ROW, "rlnVoltage": "300"})).microscope.voltage_kv == 300


@pytest.mark.parametrize(
    "row", [{}, {"rlnDefocusU": "1"}, {**ROW, "rlnDefocusV": "nan"}, {**ROW, "rlnDefocusU": "inf"}]
)
def test_where_there_is_no_ctf_there_is_none(row):
    assert ctf_of(file(row)) is None


@pytest.mark.parametrize(
    ("row", "optics"),
    [
        (ROW, {}),
        ({**ROW, "rlnDefocusAngle": "up"}, OPTICS),
        (ROW, {**OPTICS, "rlnVoltage": "0"}),
        (ROW, {**OPTICS, "rlnAmplitudeContrast": "2"}),
    ],
)
def test_half_a_ctf_is_refused(row, optics):
    with pytest.raises(MicrographError):
        ctf_of(file(row, optics))


def test_no_value_leaves_the_range_of_a_sine():
    values = ctf_2d(Ctf(50000, 40000, 10), (101, 77), 0.5)
    assert bool(torch.isfinite(values).all())
    assert math.isclose(float(values.abs().max()), 1, abs_tol=1e-3)
