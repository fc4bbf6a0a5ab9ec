"""What Cryo-EMMAE found out about a set: its latents along their principal axes, and clusters of patches in place."""

from __future__ import annotations

import textwrap
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.ndimage import gaussian_filter

from cryoglean.io.atomic import atomic_path
from cryoglean.pickers.emmae.picker import EmmaeSetFacts
from cryoglean.report.footer import round_length
from cryoglean.report.mixture_axes import CUT, GUIDE, LEGEND_STYLE, NOISE, PARTICLE, draw_mixture
from cryoglean.report.names import shown_name

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

    from cryoglean.pickers.emmae.latent_views import Clouds, LatentLook, SetLook
    from cryoglean.pickers.emmae.paper import PaperEmmaeFacts

    Facts = EmmaeSetFacts | PaperEmmaeFacts

CLUSTER_COLOURS = (PARTICLE, "#e6c229", "#1b9e77", "#3d5a99")
"""Of clusters, the particles' first, then those of which less and less lies within particles."""

_FOURTH = "#8e5ea2"  # where none is the particles'
_OPACITY = 0.5
_NOTHING = "nothing like particles stands out: no picks"
_DPI = 130
_VIEW_DIAMETERS = 14.0
_PERCENTILES = (0.5, 99.5)
_PANEL_INCHES = 4.0
_CIRCLE, _NOTE = "#35e8ff", "#666666"
_TEXT_WIDTH, _NOTE_WIDTH = 36, 46
_BINS, _SMOOTH_BINS = 90, 3.0
_LEVELS = (0.5, 0.9)  # shares of the points that contours hold
_BAR_SHARE = 0.3


def draw_latents(path: str | os.PathLike[str], look: SetLook, facts: Facts) -> None:
    """Draw latents along two axes, what tells particles, and the verdict in words, as PNG.

    Args:
        path: the picture; written whole or not at all.
        look: what is to be seen of the set.
        facts: what was learned of it.

    Raises:
        OSError: if the file cannot be written.
    """
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    clouds, tells, verdict = figure.subplots(1, 3, width_ratios=(1.5, 1.5, 1.1))
    _draw_clouds(clouds, look.clouds, found=facts.found_particles)
    if not isinstance(facts, EmmaeSetFacts):
        _draw_shares(tells, look)
    elif facts.mixture is not None:
        draw_mixture(tells, facts.mixture, facts.cut, look.heights)
    else:
        _say_nothing(tells, "heights of the response's peaks", "too few places to make a template of")
    _draw_verdict(verdict, look, facts)
    figure.suptitle(_title(facts, "latent space of the masked autoencoder"))
    _save(figure, path)


def draw_clusters(path: str | os.PathLike[str], look: SetLook, facts: Facts) -> None:
    """Draw micrographs as PNG, a row each: as the network sees them, with their clusters, and with their picks.

    Args:
        path: the picture; written whole or not at all.
        look: what is to be seen of the set.
        facts: what was learned of it.

    Raises:
        OSError: if the file cannot be written.
    """
    rows = len(look.micrographs)
    figure = Figure(figsize=(3 * _PANEL_INCHES + 0.8, rows * _PANEL_INCHES + 1.4), layout="constrained")
    axes = figure.subplots(rows, 3, squeeze=False)
    colours = cluster_colours(look)
    for each, (plain, clusters, picks) in zip(look.micrographs, axes, strict=True):
        _draw_image(plain, each, grey_picture(each))
        plain.set_ylabel(shown_name(PurePath(each.name).name, 44), fontsize=8)
        _draw_scale_bar(plain, facts.diameter_angstrom)
        _draw_image(clusters, each, painted(each, each.label, colours))
        _draw_picks(picks, each, facts)
    for axis, title in zip(axes[0], _column_titles(look, facts), strict=True):
        axis.set_title(title, fontsize=10)
    figure.legend(handles=_legend(look, colours), loc="outside lower center", ncols=len(colours), **LEGEND_STYLE)
    figure.suptitle(_title(facts, "clusters of latents"))
    _save(figure, path)


def cluster_colours(look: SetLook) -> NDArray[np.uint8]:
    """Return (k, 3) RGB colours of the clusters; none has the particles' where no particle is known.

    Args:
        look: what is to be seen of the set.
    """
    clusters = 1 + max(int(each.label.max()) for each in look.micrographs)
    if look.particle is None:
        order, palette = np.arange(clusters), (*CLUSTER_COLOURS[1:], _FOURTH)
    else:
        rest = sorted(set(range(len(look.share))) - {look.particle}, key=lambda k: -look.share[k])
        order, palette = np.array([look.particle, *rest]), CLUSTER_COLOURS
    colours = np.zeros((len(order), 3), np.uint8)
    colours[order] = np.concatenate([_rgb(palette[rank]) for rank in range(len(order))])
    return colours


def grey_picture(look: LatentLook) -> NDArray[np.uint8]:
    """Turn a micrograph as the network sees it into (h, w, 3) RGB greys."""
    dark, bright = np.percentile(look.image, _PERCENTILES)
    grey = np.clip((look.image - dark) / (bright - dark if bright > dark else 1.0), 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def painted(look: LatentLook, number: NDArray[Any], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint patches over the greys of a micrograph.

    Args:
        look: the micrograph.
        number: (rows, columns) number of each patch's colour; below 0, it stays grey.
        colours: (k, 3) RGB.

    Returns:
        (h, w, 3) RGB.
    """
    grey = grey_picture(look)
    row, column = (
        np.clip(np.floor((np.arange(n) - look.shift_px) / look.patch_px), 0, patches - 1).astype(int)
        for n, patches in zip(look.image.shape, number.shape, strict=True)
    )
    here = number[row[:, None], column[None, :]]
    mixed = np.rint((1 - _OPACITY) * grey + _OPACITY * colours[here.clip(0)]).astype(np.uint8)
    return np.where((here >= 0)[..., None], mixed, grey)


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def _title(facts: Facts, what: str) -> str:
    number = len(facts.micrographs)
    learned = f"learned from {number} micrograph{'s' if number != 1 else ''}"
    return f"Cryo-EMMAE, {what}\n{learned if facts.found_particles else _NOTHING}"


def _draw_clouds(axes: Axes, clouds: Clouds, *, found: bool) -> None:
    """Draw points with lines round the densest half and nine tenths of each cloud."""
    both = np.concatenate([clouds.particle, clouds.background])
    low, high = np.percentile(both, _PERCENTILES, axis=0)
    margin = np.maximum(0.12 * (high - low), 1e-6)
    window = np.stack([low - margin, high + margin], axis=1)
    named = (
        ("background, " if found else "", NOISE, clouds.background),
        ("within particles, ", PARTICLE, clouds.particle),
    )
    for name, colour, points in named:
        if len(points):
            axes.plot(*points.T, ".", color=colour, markersize=3.5, alpha=0.3, markeredgewidth=0)
            _draw_contours(axes, points, window, colour)
            axes.plot([], [], "o", color=colour, markersize=5, label=f"{name}{len(points)} patches")
    axes.set(xlim=window[0], ylim=window[1], xticks=[], yticks=[], title="latents of patches, principal axes")
    axes.set(xlabel=f"first axis, {clouds.share[0]:.0%} of the variance")
    axes.set(ylabel=f"second axis, {clouds.share[1]:.0%}")
    axes.legend(loc="upper right", **LEGEND_STYLE)


def _draw_contours(axes: Axes, points: NDArray[np.float64], window: NDArray[np.float64], colour: str) -> None:
    count, *edges = np.histogram2d(points[:, 0], points[:, 1], bins=_BINS, range=window.tolist())
    density = gaussian_filter(count, _SMOOTH_BINS)
    falling = np.sort(density.ravel())[::-1]
    held = falling.cumsum() / max(falling.sum(), 1e-9)
    levels = sorted({float(falling[np.searchsorted(held, share)]) for share in _LEVELS})
    if levels[0] <= 0:
        return
    middle = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
    axes.contour(*middle, density.T, levels=levels, colors=colour, linewidths=[1.2, 1.8][-len(levels) :])


def _draw_shares(axes: Axes, look: SetLook) -> None:
    title = "share of each cluster within the mask"
    if look.particle is None:
        _say_nothing(axes, title, "no mask held anything")
        return
    number = np.arange(len(look.share))
    colours = [PARTICLE if k == look.particle else NOISE for k in number]
    bars = axes.bar(number, look.share, color=colours, width=0.7)
    axes.bar_label(bars, [f"{share:.0%}" for share in look.share], fontsize=9)
    axes.axhline(look.covered, color=CUT, linestyle="--", linewidth=1.2, label=f"all patches, {look.covered:.0%}")
    axes.plot([], [], "s", color=PARTICLE, label="the particles' cluster")
    names = [f"cluster {k + 1}" for k in number]
    axes.set(title=title, xticks=number, xticklabels=names, yticks=[], ylim=(0, 1.35 * max(look.share)))
    axes.legend(loc="upper right", **LEGEND_STYLE)


def _say_nothing(axes: Axes, title: str, why: str) -> None:
    axes.set(title=title, xticks=[], yticks=[])
    axes.text(0.5, 0.5, why, ha="center", transform=axes.transAxes, color=GUIDE)


def _draw_verdict(axes: Axes, look: SetLook, facts: Facts) -> None:
    found = facts.found_particles
    axes.set_title("particles stand out" if found else "particles do not stand out", color=PARTICLE if found else NOISE)
    axes.set_axis_off()
    words = textwrap.fill(facts.in_words().replace(" +- ", "\u00a0±\u00a0"), _TEXT_WIDTH)
    axes.text(0.04, 0.95, words, transform=axes.transAxes, fontsize=10, va="top", linespacing=1.6)
    notes = textwrap.fill(_how_to_read(look), _NOTE_WIDTH)
    axes.text(0.04, 0.02, notes, transform=axes.transAxes, fontsize=8, va="bottom", linespacing=1.5, color=_NOTE)


def _how_to_read(look: SetLook) -> str:
    number = len(look.micrographs)
    whose = f"the first {number} micrographs" if number > 1 else "one micrograph"
    clouds = f"Left: a point is a patch, of {whose}; lines hold half and nine tenths of each cloud."
    return clouds + (
        " Grey: peaks of the same micrographs; lines: of all that was learned from." * bool(len(look.heights))
    )


def _draw_image(axes: Axes, look: LatentLook, picture: NDArray[Any], most: float = 1) -> AxesImage:
    """Show the middle of what spans a micrograph: RGB, or heights from 0 to the most; axes are in diameters."""
    height, width = (n / d for n, d in zip(look.image.shape, look.diameter_px, strict=True))
    shown = axes.imshow(picture, extent=(0, width, height, 0), interpolation="nearest", cmap="magma", vmin=0, vmax=most)
    axes.set(xlim=_middle(width), ylim=_middle(height)[::-1], xticks=[], yticks=[])
    return shown


def _middle(size: float) -> tuple[float, float]:
    half = min(size, _VIEW_DIAMETERS) / 2
    return size / 2 - half, size / 2 + half


def _draw_scale_bar(axes: Axes, diameter_angstrom: float) -> None:
    left, right = axes.get_xlim()
    length = round_length(_BAR_SHARE * (right - left) * diameter_angstrom)
    style: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": "white"}
    start = left + 0.04 * (right - left)
    end = start + length / diameter_angstrom
    box = {"facecolor": "black", "alpha": 0.55, "linewidth": 0, "pad": 3}
    axes.text((start + end) / 2, 0.065, f"{length:g} Å", ha="center", fontsize=8, bbox=box, **style)
    axes.plot([start, end], [0.04, 0.04], linewidth=4, solid_capstyle="butt", **style)


def _draw_picks(axes: Axes, look: LatentLook, facts: Facts) -> None:
    """Show what decides about picks, and those: the response, or the patches that are particle in the end."""
    if look.chosen is not None:
        _draw_image(axes, look, painted(look, np.where(look.chosen, 0, -1), _rgb(PARTICLE)))
    elif look.response is not None and isinstance(facts, EmmaeSetFacts):
        seen = _draw_image(axes, look, look.response, max(2 * facts.cut, 1.0))
        bar = axes.figure.colorbar(seen, ax=axes, shrink=0.75, pad=0.02, aspect=30)
        bar.ax.tick_params(labelsize=7)
        bar.ax.axhline(facts.cut, color=_CIRCLE, linewidth=1.5)
    else:
        _draw_image(axes, look, grey_picture(look))
    xy = (look.xy + 0.5) / look.diameter_px[::-1]
    size = np.ones(len(xy))
    circles = EllipseCollection(size, size, 0 * size, units="xy", offsets=xy, offset_transform=axes.transData)
    circles.set(facecolor="none", edgecolor=_CIRCLE, linewidth=1.1)
    axes.add_collection(circles)
    count = {0: "no picks", 1: "1 pick"}.get(len(xy), f"{len(xy)} picks")
    axes.set_xlabel(f"{count} in the whole micrograph", fontsize=8)


def _column_titles(look: SetLook, facts: Facts) -> tuple[str, str, str]:
    if not facts.found_particles:
        third = "response: no picks" if look.micrographs[0].response is not None else "no picks"
    elif look.micrographs[0].chosen is not None:
        third = "particle after 3, 4 and 5 clusters; circles: picks"
    else:
        third = "response to the learned template; circles: picks"
    return "the middle, as the network sees it", "k-means clusters of its patches", third


def _legend(look: SetLook, colours: NDArray[np.uint8]) -> list[Patch]:
    """Name the clusters, those first of which most lies within particles."""
    order: Sequence[int] = range(len(colours))
    if look.particle is not None:
        order = sorted(order, key=lambda k: (k != look.particle, -look.share[k]))
    return [Patch(color=colours[k] / 255, label=_cluster_name(look, k)) for k in order]


def _cluster_name(look: SetLook, number: int) -> str:
    if look.particle is None:
        return f"cluster {number + 1}"
    mark = ", most particle" if number == look.particle else ""
    return f"cluster {number + 1}{mark}: {look.share[number]:.0%} within particles"


def _rgb(colour: str) -> NDArray[np.uint8]:
    """Return a colour as (1, 3)."""
    return np.asarray(np.rint(255 * np.array([to_rgb(colour)])), np.uint8)
