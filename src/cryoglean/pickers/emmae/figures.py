"""Figures of a Cryo-EMMAE fit: latents along their principal axes, clusters in place, and how the network trained."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cryoglean.nets.tokens import patches_of, tiles_of
from cryoglean.pickers.curves import trained_and_held_out
from cryoglean.pickers.emmae.picker import EmmaeFit
from cryoglean.pickers.figures import (
    BACKGROUND,
    GUIDE,
    PARTICLE,
    Bars,
    Circles,
    Figure,
    HorizontalLine,
    Image,
    Line,
    Note,
    Panel,
    Points,
    Remark,
    ScaleBar,
)
from cryoglean.pickers.mixture_panel import PEAK_HEIGHTS, mixture_panel
from cryoglean.words import counted, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryoglean.nets.mae import Mae
    from cryoglean.nets.mae_training import MaeCheck
    from cryoglean.nets.tiles import MaskedTiles
    from cryoglean.pickers.emmae.latent_views import Clouds, LatentView, SetView
    from cryoglean.pickers.emmae.paper import PaperEmmaeFit
    from cryoglean.pickers.figures import Element

    Fit = EmmaeFit | PaperEmmaeFit

CLUSTER_COLOURS = (PARTICLE, "#e6c229", "#1b9e77", "#3d5a99")
"""Of clusters, the particles' first, then those of which less and less lies within particles."""

_FOURTH = "#8e5ea2"  # where none is the particles'
_CIRCLE = "#35e8ff"

_OPACITY = 0.5
"""Of a cluster's colour over the grey image. Chosen by hand: colours can be told apart and particles can be seen."""

_VIEW_DIAMETERS = 14.0
"""Of a micrograph, so much of its middle is shown. Chosen by hand: single particles and some tens of them are seen."""

_PERCENTILES = (0.5, 99.5)
"""Grey values, or points, beyond these are left out of the range. Chosen by hand: outliers take no contrast."""

_PANEL_INCHES = 4.0
"""Side of a panel of clusters. Resource: three fit beside each other on a screen."""

_CONTOURS = (0.5, 0.9)
"""Shares of the points that contours hold. Chosen by hand: the core of each cloud, and nearly all of it."""

_TILES, _TILE_GAP_PX = 8, 1
"""Tiles whose reconstruction is shown, and the space between them in their own pixels. Resource: they fit in a row."""

_HIDDEN_VALUE = np.array((58, 62, 74), np.uint8)
"""Colour of hidden patches. Chosen by hand: dark, and no grey that an image has."""


def latents_figure(view: SetView, facts: Fit) -> Figure:
    """Return latents along two axes, what sets particles apart, and the verdict in words.

    Args:
        view: what is to be seen of the set.
        facts: what was learned of it.
    """
    panels = [_clouds_panel(view.clouds, found=facts.found_particles), _evidence_panel(view, facts)]
    title = _title(facts, "latent space of the masked autoencoder")
    return Figure(title, [*panels, _verdict_panel(view, facts)], columns=3, size_inches=(13, 4.6))


def clusters_figure(view: SetView, facts: Fit) -> Figure:
    """Return micrographs, a row each: as the network sees them, with their clusters, and with their picks.

    Args:
        view: what is to be seen of the set.
        facts: what was learned of it.
    """
    colours = cluster_colours(view)
    panels: list[Panel] = []
    for number, each in enumerate(view.micrographs):
        titles = _column_titles(view, facts) if number == 0 else ("", "", "")
        name = shortened(PurePath(each.name).name, 44)
        panels += [
            _image_panel(each, titles[0], [_image(each, grey_picture(each)), ScaleBar(facts.diameter_angstrom)], name),
            _image_panel(each, titles[1], [_image(each, painted(each, each.label, colours))]),
            _picks_panel(each, titles[2], facts),
        ]
    size = (3 * _PANEL_INCHES + 0.8, len(view.micrographs) * _PANEL_INCHES + 1.4)
    return Figure(_title(facts, "clusters of latents"), panels, 3, size, _legend(view, colours))


def training_figure(checks: Sequence[MaeCheck]) -> Figure:
    """Return loss and learning rate over the steps, of one point or more."""
    step = [c.step for c in checks]
    losses = [
        *trained_and_held_out(step, [c.loss for c in checks], [c.held_out_loss for c in checks]),
        HorizontalLine(1, "variance of the pixels", GUIDE),
    ]
    panels = [
        Panel("Squared error of hidden patches", "step", "", losses, is_log=True, legend="best", width=2),
        Panel("Learning rate", "step", elements=[Line(step, [c.rate for c in checks], GUIDE)]),
    ]
    return Figure("", panels, columns=2, size_inches=(10, 4))


def reconstructions_figure(net: Mae, examples: MaskedTiles) -> Figure:
    """Return tiles, one a column: as they are, as shown to the network, and as it predicts them.

    Args:
        net: the network, on the tiles' device.
        examples: tiles, of which the first eight are shown.
    """
    tiles, masks = examples.split(_TILES)[0]
    side, grid = net.layers.patch_px, net.layers.grid
    patches, hidden = patches_of(tiles, side), masks.hidden[:, :, None].expand(-1, -1, side**2)
    with torch.no_grad():
        rebuilt = tiles_of(patches.scatter(1, hidden, net(tiles, masks)), side, grid)
    is_hidden = tiles_of(torch.zeros_like(patches).scatter(1, hidden, 1.0), side, grid) > 0
    original, predicted = tiles.cpu().numpy(), rebuilt.cpu().numpy()
    dark, bright = np.percentile(original, _PERCENTILES)
    shown = _rgb_greys(original, dark, bright)
    shown[is_hidden.cpu().numpy()] = _HIDDEN_VALUE
    rows = {"as it is": _rgb_greys(original, dark, bright), "as shown": shown}
    rows |= {"as predicted": _rgb_greys(predicted, dark, bright)}
    panels = [_tiles_panel(row, label) for label, row in rows.items()]
    title = f"Masked autoencoder: {counted(len(tiles), 'tile')} of {net.layers.tile_px} px, one a column"
    return Figure(title, panels, columns=1, size_inches=(max(0.6 + 1.5 * len(tiles), 7), 5.1))


def cluster_colours(view: SetView) -> NDArray[np.uint8]:
    """Return (k, 3) RGB colours of the clusters; none has the particles' where no particle is known.

    Args:
        view: what is to be seen of the set.
    """
    clusters = 1 + max(int(each.label.max()) for each in view.micrographs)
    if view.particle is None:
        order, palette = np.arange(clusters), (*CLUSTER_COLOURS[1:], _FOURTH)
    else:
        rest = sorted(set(range(len(view.share))) - {view.particle}, key=lambda k: -view.share[k])
        order, palette = np.array([view.particle, *rest]), CLUSTER_COLOURS
    colours = np.zeros((len(order), 3), np.uint8)
    colours[order] = np.concatenate([_rgb(palette[rank]) for rank in range(len(order))])
    return colours


def grey_picture(view: LatentView) -> NDArray[np.uint8]:
    """Turn a micrograph as the network sees it into (h, w, 3) RGB greys."""
    dark, bright = np.percentile(view.image, _PERCENTILES)
    return _rgb_greys(view.image, dark, bright)


def painted(view: LatentView, number: NDArray[Any], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint patches over the greys of a micrograph.

    Args:
        view: the micrograph.
        number: (rows, columns) number of each patch's colour; below 0, it stays grey.
        colours: (k, 3) RGB.

    Returns:
        (h, w, 3) RGB.
    """
    grey = grey_picture(view)
    row, column = (
        np.clip(np.floor((np.arange(n) - view.shift_px) / view.patch_px), 0, patches - 1).astype(int)
        for n, patches in zip(view.image.shape, number.shape, strict=True)
    )
    here = number[row[:, None], column[None, :]]
    mixed = np.rint((1 - _OPACITY) * grey + _OPACITY * colours[here.clip(0)]).astype(np.uint8)
    return np.where((here >= 0)[..., None], mixed, grey)


def _title(facts: Fit, subject: str) -> str:
    learned = f"learned from {counted(len(facts.micrographs), 'micrograph')}"
    return f"Cryo-EMMAE, {subject}\n{learned if facts.found_particles else 'no particle signal found: no picks'}"


def _clouds_panel(clouds: Clouds, *, found: bool) -> Panel:
    """Return points with lines round the densest half and nine tenths of each cloud."""
    both = np.concatenate([clouds.particle, clouds.background])
    low, high = np.percentile(both, _PERCENTILES, axis=0)
    margin = np.maximum(0.12 * (high - low), 1e-6)
    named = (
        ("background, " if found else "", BACKGROUND, clouds.background),
        ("within particles, ", PARTICLE, clouds.particle),
    )
    return Panel(
        "Latents of patches, principal axes",
        f"first axis, {clouds.share[0]:.0%} of the variance",
        f"second axis, {clouds.share[1]:.0%}",
        [
            Points(points[:, 0], points[:, 1], colour, f"{name}{counted(len(points), 'patch', 'patches')}", _CONTOURS)
            for name, colour, points in named
        ],
        x_range=(low[0] - margin[0], high[0] + margin[0]),
        y_range=(low[1] - margin[1], high[1] + margin[1]),
        x_ticks={},
        y_ticks={},
        width=1.5,
    )


def _evidence_panel(view: SetView, facts: Fit) -> Panel:
    """Return what sets particles apart: heights of the response's peaks or, as published, the clusters' shares."""
    if not isinstance(facts, EmmaeFit):
        return _shares_panel(view)
    if facts.mixture is None:
        return _empty_panel(PEAK_HEIGHTS, "too few places to make a template of")
    return mixture_panel(facts.mixture, facts.threshold, view.heights, width=1.5)


def _shares_panel(view: SetView) -> Panel:
    title = "Share of each cluster within the mask"
    if view.particle is None:
        return _empty_panel(title, "the mask holds no particle")
    number = np.arange(len(view.share) + 1) - 0.5
    texts = [f"{share:.0%}" for share in view.share]
    return Panel(
        title,
        elements=[
            Bars(number, view.share, BACKGROUND, gap=0.3, texts=texts, accent=view.particle),
            HorizontalLine(view.covered, f"all patches, {view.covered:.0%}"),
            Remark("the particles' cluster", PARTICLE),
        ],
        x_ticks={k: f"cluster {k + 1}" for k in range(len(view.share))},
        y_ticks={},
        y_range=(0, 1.35 * max(view.share)),
        width=1.5,
    )


def _empty_panel(title: str, reason: str) -> Panel:
    return Panel(title, elements=[Note(reason, "middle")], x_ticks={}, y_ticks={}, width=1.5)


def _verdict_panel(view: SetView, facts: Fit) -> Panel:
    found = facts.found_particles
    summary = facts.summary().replace(" ± ", "\u00a0±\u00a0")
    return Panel(
        "Fit: particles found" if found else "Fit: no particle signal found",
        elements=[Note(summary, "top", wrap=40), Note(_how_to_read(view), "bottom", wrap=48)],
        x_ticks={},
        y_ticks={},
        frame="none",
        width=1.1,
        title_colour=PARTICLE if found else BACKGROUND,
    )


def _how_to_read(view: SetView) -> str:
    number = len(view.micrographs)
    whose = f"the first {number} micrographs" if number > 1 else "one micrograph"
    clouds = (
        "Latents are the network's description of a patch. Left: a point is a patch, "
        f"of {whose}; lines hold half and nine tenths of each cloud."
    )
    heights = " Grey: peaks of the same micrographs; lines: the mixture fitted to all micrographs."
    return clouds + heights * bool(len(view.heights))


def _size_diameters(view: LatentView) -> tuple[float, float]:
    """Return height and width of a micrograph in particle diameters."""
    height, width = (n / d for n, d in zip(view.image.shape, view.diameter_px, strict=True))
    return height, width


def _image(view: LatentView, pixels: NDArray[Any], limit: float = 1.0, mark: float | None = None) -> Image:
    """Return what spans a micrograph, RGB or heights from 0 to the limit, on axes in particle diameters."""
    height, width = _size_diameters(view)
    return Image(pixels, (0, width, height, 0), "magma", (0, limit), mark)


def _image_panel(
    view: LatentView, title: str, elements: Sequence[Element], y_label: str = "", below: str = ""
) -> Panel:
    """Return a panel of the middle of a micrograph."""
    height, width = _size_diameters(view)
    top, bottom = _middle(height)
    return Panel(title, below, y_label, elements, _middle(width), (bottom, top), {}, {}, text_scale=0.82)


def _middle(size: float) -> tuple[float, float]:
    half = min(size, _VIEW_DIAMETERS) / 2
    return size / 2 - half, size / 2 + half


def _picks_panel(view: LatentView, title: str, facts: Fit) -> Panel:
    """Return what decides about picks, and those: the response, or the patches that are particle in the end."""
    if view.chosen is not None:
        image = _image(view, painted(view, np.where(view.chosen, 0, -1), _rgb(PARTICLE)))
    elif view.response is not None and isinstance(facts, EmmaeFit):
        image = _image(view, view.response, max(2 * facts.threshold, 1.0), facts.threshold)
    else:
        image = _image(view, grey_picture(view))
    x, y = ((view.xy + 0.5) / view.diameter_px[::-1]).T
    below = f"{counted(len(x), 'pick')} in the whole micrograph"
    return _image_panel(view, title, [image, Circles(x, y, 1.0, _CIRCLE)], below=below)


def _column_titles(view: SetView, facts: Fit) -> tuple[str, str, str]:
    if not facts.found_particles:
        third = "Response: no picks" if view.micrographs[0].response is not None else "No picks"
    elif view.micrographs[0].chosen is not None:
        third = "Particle after 3, 4 and 5 clusters; circles: picks"
    else:
        third = "Response to the learned template; circles: picks"
    return "The middle, as the network sees it", "K-means clusters of its patches", third


def _legend(view: SetView, colours: NDArray[np.uint8]) -> list[Remark]:
    """Name the clusters, those first of which most lies within particles."""
    order: Sequence[int] = range(len(colours))
    if view.particle is not None:
        order = sorted(order, key=lambda k: (k != view.particle, -view.share[k]))
    return [Remark(_cluster_name(view, k), "#{:02x}{:02x}{:02x}".format(*colours[k].tolist())) for k in order]


def _cluster_name(view: SetView, number: int) -> str:
    if view.particle is None:
        return f"cluster {number + 1}"
    mark = ", most particle" if number == view.particle else ""
    return f"cluster {number + 1}{mark}: {view.share[number]:.0%} within particles"


def _tiles_panel(tiles: NDArray[np.uint8], label: str) -> Panel:
    """Return a row of `(n, h, w, 3)` tiles."""
    framed = np.pad(tiles, ((0, 0), (0, 0), (0, _TILE_GAP_PX), (0, 0)), constant_values=255)
    row = np.concatenate(framed, axis=1)[:, :-_TILE_GAP_PX]
    image = Image(row, (0, row.shape[1], row.shape[0], 0))
    return Panel("", "", label, [image], x_ticks={}, y_ticks={}, frame="none")


def _rgb_greys(image: NDArray[np.float32], dark: float, bright: float) -> NDArray[np.uint8]:
    """Turn (..., h, w) values into (..., h, w, 3) RGB greys between two values."""
    grey = np.clip((image - dark) / (bright - dark if bright > dark else 1.0), 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def _rgb(colour: str) -> NDArray[np.uint8]:
    """Return a hexadecimal colour as (1, 3)."""
    return np.array([list(bytes.fromhex(colour[1:]))], np.uint8)
