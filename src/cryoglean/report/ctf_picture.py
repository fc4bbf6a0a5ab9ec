"""Picture to check a CTF fit by: data beside model, and both along the rings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from cryoglean.ctf.estimate import MIN_CORRELATION
from cryoglean.ctf.model import ctf_2d
from cryoglean.io.atomic import atomic_path

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from cryoglean.ctf.estimate import RingProfile
    from cryoglean.ctf.fit import CtfFit
    from cryoglean.ctf.spectrum import PowerSpectrum, Rings

_DATA, _MODEL, _AGREEMENT, _GUIDE = "#4c6a92", "#d95f02", "#2e7d32", "#8a8a8a"
_DPI = 110
"""Resource: the picture fits on a screen."""

_SMOOTHING_PX = 1.0
"""Standard deviation of the smoothing of the data. Chosen by hand: rings can be seen in the noise of a spectrum."""

_BEYOND = 1.25
"""End of the picture over the frequency of the fit resolution. Chosen by hand: rings are seen to end."""


def draw_ctf(
    path: str | os.PathLike[str],
    spectrum: PowerSpectrum,
    rings: Rings,
    fit: CtfFit,
    profile: RingProfile,
    *,
    caption: str = "",
) -> None:
    """Draw the rings (left half the data, right half the fit) and their profile with the fit, as PNG.

    Args:
        path: the picture; written whole or not at all.
        spectrum: of the micrograph.
        rings: its rings.
        fit: CTF and its figure of merit.
        profile: data and model along the rings.
        caption: name of the micrograph.

    Raises:
        OSError: if the file cannot be written.
    """
    figure = Figure(figsize=(13, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    shown = min(0.5 / spectrum.pixel_size_angstrom, _BEYOND / min(profile.fit_resolution_angstrom, 10.0))
    _draw_halves(left, spectrum, rings, fit, shown)
    if math.isfinite(profile.fit_resolution_angstrom):
        _draw_circle(left, 1 / profile.fit_resolution_angstrom, f"{profile.fit_resolution_angstrom:.1f} Å")
    _draw_profile(right, profile, shown)
    figure.suptitle(f"{caption}\n{_summary(fit, profile)}".strip(), fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def _summary(fit: CtfFit, profile: RingProfile) -> str:
    ctf = fit.ctf
    return (
        f"defocus {ctf.defocus_u_angstrom:.0f} and {ctf.defocus_v_angstrom:.0f} Å, angle "
        f"{ctf.defocus_angle_degrees:.1f}°, correlation {fit.figure_of_merit:.3f}, "
        f"fit to {profile.fit_resolution_angstrom:.2f} Å ({profile.rings:.1f} rings)"
    )


def _draw_halves(axes: Axes, spectrum: PowerSpectrum, rings: Rings, fit: CtfFit, shown: float) -> None:
    size = spectrum.power.shape[0]
    data = torch.zeros(spectrum.power.numel()).index_copy_(0, rings.place, rings.value).reshape(spectrum.power.shape)
    model = torch.zeros_like(data).flatten()
    squared = ctf_2d(fit.ctf, (size, size), spectrum.pixel_size_angstrom).square().flatten()[rings.place]
    model[rings.place] = rings.without_smooth(squared)
    left, right = _whole(gaussian_filter(data.numpy(), _SMOOTHING_PX)), _whole(model.reshape(data.shape).numpy())
    half = size // 2
    both = np.hstack([_scaled(left)[:, :half], _scaled(right)[:, half:]])
    edge = 0.5 / spectrum.pixel_size_angstrom
    step = 2 * edge / size
    # the first pixel of the shifted spectrum is the Nyquist frequency, and its centre is there
    extent = (-edge - step / 2, edge - step / 2, edge - step / 2, -edge - step / 2)
    axes.imshow(both, cmap="gray", vmin=-2, vmax=2, extent=extent, interpolation="nearest")
    axes.set(xlim=(-shown, shown), ylim=(shown, -shown), xticks=[], yticks=[])
    axes.axvline(0, color=_MODEL, linewidth=0.6)
    for x, text in ((0.02, "data"), (0.86, "fit")):
        axes.text(x, 0.96, text, transform=axes.transAxes, color="white", fontsize=9, backgroundcolor="#000000a0")


def _whole(half_plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the whole spectrum, zero frequency in the middle, of the half of an rfft (Friedel's law)."""
    size = half_plane.shape[0]
    mirrored = np.roll(half_plane[::-1, ::-1], 1, axis=0)[:, : size - half_plane.shape[1]]
    return np.fft.fftshift(np.hstack([half_plane, mirrored]))


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values / max(float(values[values != 0].std()) if (values != 0).any() else 0.0, 1e-12)


def _draw_circle(axes: Axes, radius: float, text: str) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(radius * np.cos(angle), radius * np.sin(angle), color=_MODEL, linewidth=0.8, linestyle="--")
    axes.text(0, radius, text, color=_MODEL, fontsize=8, ha="center", va="top", backgroundcolor="#ffffffb0")


def _draw_profile(axes: Axes, profile: RingProfile, shown: float) -> None:
    near = profile.frequency <= shown
    k = profile.frequency[near]
    axes.plot(k, profile.data[near], color=_DATA, linewidth=1, label="data, averaged along equal phase")
    axes.plot(k, profile.model[near], color=_MODEL, linewidth=1, label="squared CTF")
    axes.set(xlabel="resolution (Å)", ylabel="power over background (smooth part removed)")
    ticks = [r for r in (30, 20, 15, 10, 8, 6, 5, 4, 3.5, 3, 2.5, 2) if 1 / r <= shown]
    axes.set_xticks([1 / r for r in ticks], [f"{r:g}" for r in ticks])
    twin = axes.twinx()
    twin.plot(k, profile.agreement[near], color=_AGREEMENT, linewidth=0.8, label="correlation over two rings")
    twin.axhline(MIN_CORRELATION, color=_GUIDE, linewidth=0.6, linestyle=":")
    twin.set_ylim(-3, 1.05)
    twin.set_yticks([0, MIN_CORRELATION, 1])
    if math.isfinite(profile.fit_resolution_angstrom):
        axes.axvline(1 / profile.fit_resolution_angstrom, color=_MODEL, linewidth=0.8, linestyle="--")
    lines = [*axes.get_lines()[:2], twin.get_lines()[0]]
    axes.legend(lines, [str(line.get_label()) for line in lines], fontsize=8, loc="lower right")
