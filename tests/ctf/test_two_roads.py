"""The CTF of the estimator (by torch-ctf) and that of the simulator (written out) are one function."""

import numpy as np
import pytest

from cryoglean.ctf.model import Ctf, Microscope, ctf_2d
from cryoglean.simulate.ctf import ContrastTransfer


@pytest.mark.parametrize("shape", [(64, 64), (63, 80)])
@pytest.mark.parametrize(("u", "v", "angle"), [(15_000, 15_000, 0), (18_000, 16_500, 30), (9_000, 12_000, -70)])
@pytest.mark.parametrize("microscope", [Microscope(), Microscope(200, 1.4, 0.07)])
def test_they_agree_but_for_the_sign_of_contrast(shape, u, v, angle, microscope):
    ours = ctf_2d(Ctf(u, v, angle, microscope), shape, 1.5).numpy()
    kv, cs, amplitude = microscope.voltage_kv, microscope.spherical_aberration_mm, microscope.amplitude_contrast
    simulated = ContrastTransfer(u, v, angle, kv, cs, amplitude).on_grid(shape, 1.5)
    np.testing.assert_allclose(ours, -simulated, atol=2e-3)
