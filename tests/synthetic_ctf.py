"""Micrographs with a known CTF: structure as noise, times the CTF, times an envelope, and shot noise over it.

The CTF is written out here by itself, in numpy, so that no module under test vouches for itself.
"""

import numpy as np

from perturbations import jittered


def wavelength_angstrom(voltage_kv):
    """De Broglie, relativistic."""
    volts = voltage_kv * 1e3
    return 12.2643 / np.sqrt(volts + 0.97845e-6 * volts**2)


def ctf(shape, pixel, u, v, angle, voltage=300.0, cs=2.7, amplitude=0.1):
    """Positive at low resolution; DefocusU along the angle, in degrees from x towards y, down the rows."""
    fy, fx = np.fft.fftfreq(shape[0], pixel)[:, None], np.fft.rfftfreq(shape[1], pixel)[None, :]
    k2, wave = fx**2 + fy**2, wavelength_angstrom(voltage)
    defocus = (u + v) / 2 + (u - v) / 2 * np.cos(2 * (np.arctan2(fy, fx) - np.radians(angle)))
    return np.sin(np.pi * wave * k2 * defocus - np.pi / 2 * cs * 1e7 * wave**3 * k2**2 + np.arcsin(amplitude))


def micrograph(u, v, angle, pixel=1.5, shape=(1100, 1250), snr=0.2, b_factor=60.0, seed=0, **microscope):
    """A micrograph, float32."""
    random = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(shape[0], pixel)[:, None], np.fft.rfftfreq(shape[1], pixel)[None, :]
    k2 = fx**2 + fy**2
    shape_of_particles = 1 + 4 * np.exp(-k2 * 400)
    spectrum = np.fft.rfft2(random.standard_normal(shape)) * ctf(shape, pixel, u, v, angle, **microscope)
    signal = np.fft.irfft2(spectrum * np.exp(-b_factor / 4 * k2) * shape_of_particles, s=shape)
    return jittered((signal * np.sqrt(snr) / signal.std() + random.standard_normal(shape)).astype(np.float32))
