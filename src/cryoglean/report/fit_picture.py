"""What Localpicker found out about a set, and how many picks each micrograph got, as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cryoglean.io.atomic import atomic_path
from cryoglean.pickers.localpicker.picker import SURE_ERRORS_OF_BEST
from cryoglean.pickers.localpicker.profiles import PROFILE_REACH_DIAMETERS, RING_RATIO
from cryoglean.pickers.localpicker.template_search import PROFILE_STEP_DIAMETERS
from cryoglean.report.mixture_axes import CUT, GUIDE, LEGEND_STYLE, NOISE, PARTICLE, draw_mixture
from cryoglean.report.names import shown_name

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from cryoglean.pickers.localpicker.picker import LocalpickerModel

_DPI = 130
_POINTS_UP_TO = 80
_TEXT_STYLE: dict[str, Any] = {"fontsize": 9, "va": "top", "linespacing": 1.6}


def draw_fit(path: str | os.PathLike[str], model: LocalpickerModel) -> None:
    """Draw the template, the heights of its peaks with the cut, and whether particles stand out, as PNG.

    Args:
        path: the picture; written whole or not at all.
        model: what Localpicker found.

    Raises:
        OSError: if the file cannot be written.
    """
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    looks, profile, heights, verdict = figure.subplots(1, 4, width_ratios=(1, 1.5, 1.7, 1.25))
    _draw_looks(looks, model)
    _draw_profile(profile, model)
    draw_mixture(heights, model.mixture, model.cut)
    _draw_verdict(verdict, model)
    _save(figure, path)


def draw_counts(path: str | os.PathLike[str], counts: Mapping[str, int], scores: ArrayLike | None = None) -> None:
    """Draw the number of picks of each micrograph in order, and how the scores are spread, as PNG.

    Args:
        path: the picture; written whole or not at all.
        counts: picks by name of the micrograph, in the order to draw; may be empty.
        scores: (n,) scores of all picks, or None to leave that part out.

    Raises:
        OSError: if the file cannot be written.
    """
    columns = 1 if scores is None else 2
    figure = Figure(figsize=(5.5 + 4 * columns, 4), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, width_ratios=(2.2, 1)[:columns])[0]
    _draw_counts(axes[0], np.array(list(counts.values()), dtype=float), list(counts))
    if scores is not None:
        _draw_scores(axes[1], np.asarray(scores, dtype=float).reshape(-1))
    _save(figure, path)


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def radial_template(model: LocalpickerModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the template as a curve over the radius.

    Args:
        model: what Localpicker found.

    Returns:
        (n,) radii in angstrom, and (n,) values with protein positive and a largest magnitude of 1.
    """
    if model.profile is not None:
        radii, values = np.arange(len(model.profile)) * PROFILE_STEP_DIAMETERS, np.asarray(model.profile)
    else:
        disc = model.disc_diameters / 2
        ring = disc * RING_RATIO
        radii = np.array([0, disc, disc, ring, ring, max(ring, PROFILE_REACH_DIAMETERS)])
        values = np.array([1, 1, *[-1 / (RING_RATIO**2 - 1)] * 2, 0, 0])
    radii_angstrom = np.asarray(radii * model.diameter_angstrom, np.float64)
    return radii_angstrom, np.asarray(values / np.abs(values).max(), np.float64)


def _draw_looks(axes: Axes, model: LocalpickerModel) -> None:
    """Paint the template as it would look in a micrograph: protein dark."""
    radii, values = radial_template(model)
    reach = float(radii[-1])
    grid = np.linspace(-reach, reach, 201)
    radius = np.hypot(*np.meshgrid(grid, grid))
    painted = np.where(radius <= reach, np.interp(radius, radii, values, right=0), np.nan)
    axes.imshow(-painted, cmap="gray", vmin=-1, vmax=1, extent=(-reach, reach, -reach, reach))
    angle = np.linspace(0, 2 * np.pi, 200)
    half = model.diameter_angstrom / 2
    axes.plot(half * np.cos(angle), half * np.sin(angle), "--", color=PARTICLE, linewidth=1.2)
    axes.set(title="it looks for", xlabel=f"dashed: {model.diameter_angstrom:g} Å across, as given")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _draw_profile(axes: Axes, model: LocalpickerModel) -> None:
    radii, values = radial_template(model)
    disc = model.disc_diameters * model.diameter_angstrom / 2
    axes.axvspan(0, disc, color=PARTICLE, alpha=0.12, linewidth=0, label=f"best disc, {2 * disc:.0f} Å across")
    axes.axvline(model.diameter_angstrom / 2, color=PARTICLE, linestyle="--", linewidth=1.2, label="radius given")
    what = "disc minus ring" if model.profile is None else "learned profile"
    axes.plot(radii, values, color=CUT, linewidth=1.8, label=what)
    axes.axhline(0, color=GUIDE, linewidth=0.8)
    axes.set(title="radial profile", xlabel="radius (Å)", ylabel="protein (up)", xlim=(0, radii[-1]), ylim=(-1.15, 1.6))
    axes.set(yticks=[-1, 0, 1])
    axes.legend(loc="upper right", **LEGEND_STYLE)


def _draw_verdict(axes: Axes, model: LocalpickerModel) -> None:
    stands_out, bar = model.found_particles, SURE_ERRORS_OF_BEST * model.skewness_error
    colour = PARTICLE if stands_out else NOISE
    axes.errorbar([model.skewness], [0], xerr=[bar], fmt="o", color=colour, capsize=4, linewidth=1.6)
    axes.axvline(0, ymax=0.5, color=GUIDE, linewidth=1)
    ends = min(0.0, model.skewness - bar), max(0.0, model.skewness + bar)
    margin = max(0.15 * (ends[1] - ends[0]), 1e-6)
    axes.set(title="particles stand out" if stands_out else "particles do not stand out", yticks=[], ylim=(-1, 3.2))
    errors = f"{SURE_ERRORS_OF_BEST:g} standard errors of noise"
    axes.set(xlabel=f"skewness of the response\n(bar: {errors})", xlim=(ends[0] - margin, ends[1] + margin))
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.text(0.04, 0.97, _summary(model), transform=axes.transAxes, **_TEXT_STYLE)


def _summary(model: LocalpickerModel) -> str:
    number = len(model.micrographs)
    clear = f"skewness {model.skewness:.3f} ± {model.skewness_error:.3f}: "
    lines = [
        clear + ("clearly above 0" if model.found_particles else "not clearly above 0,"),
        f"expected F1 at the cut {model.expected_f1:.2f}" if model.found_particles else "so nothing is picked",
        f"learned from {number} micrograph{'s' if number != 1 else ''}",
    ]
    return "\n".join(lines)


def _draw_counts(axes: Axes, counts: NDArray[np.float64], names: list[str]) -> None:
    axes.set(title="picks of each micrograph", xlabel="micrograph, in order", ylabel="picks")
    if not len(counts):
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "no micrographs", ha="center", transform=axes.transAxes, color=GUIDE)
        return
    order, median = np.arange(1, len(counts) + 1), float(np.median(counts))
    if len(counts) <= _POINTS_UP_TO:
        axes.bar(order, counts, color=NOISE, width=0.8)
    else:
        axes.plot(order, counts, ".", color=NOISE, markersize=3)
    axes.axhline(median, color=PARTICLE, linestyle="--", linewidth=1.2, label=f"median {median:g}")
    axes.plot([], [], " ", label=f"{counts.sum():.0f} picks in {len(counts)} micrographs")
    least, most = int(np.argmin(counts)), int(np.argmax(counts))
    for what, which in (("fewest", least), ("most", most)):
        axes.plot([], [], " ", label=f"{what} {counts[which]:.0f}: {shown_name(names[which])}")
    axes.set(xlim=(0.3, len(counts) + 0.7), ylim=(0, max(float(counts.max()) * 1.45, 1)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", ncols=2, **LEGEND_STYLE)


def _draw_scores(axes: Axes, scores: NDArray[np.float64]) -> None:
    axes.set(title="scores of all picks", xlabel="score", ylabel="picks")
    if not len(scores):
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "no picks", ha="center", transform=axes.transAxes, color=GUIDE)
        return
    axes.hist(scores, bins=40, color=NOISE)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
