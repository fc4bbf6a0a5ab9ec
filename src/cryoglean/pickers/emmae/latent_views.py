"""Views of a set in latent space, as arrays: for the figures of a Cryo-EMMAE fit.

The clouds of particles' and background's latents are those of Zamanos et al. (Cell Rep. Methods 2025), Figure 3, which
draws as many points of the one as of the other.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree
from torch import Tensor

from cryoglean.detect.responses import PEAK_DISTANCE_DIAMETERS
from cryoglean.latents.hierarchy import SET_CLUSTERS
from cryoglean.latents.kmeans import kmeans, nearest
from cryoglean.latents.principal import principal_axes
from cryoglean.pickers.emmae.paper import at_patches, paper_embedded, subsample_latents
from cryoglean.pickers.emmae.picker import LatentMap, embedded, find_candidates, response_to
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.emmae.paper import PaperEmmae
    from cryoglean.pickers.emmae.picker import Emmae

SHOWN = 3
"""Micrographs that are shown, the first of those of the fit. Resource: a figure of three rows fits on a screen."""

_NEITHER_DIAMETERS = 0.1
"""Patches this near to a particle, in particle diameters, are of neither cloud. Chosen by hand: patches at the edge see
both particle and background."""

_MAX_POINTS = 3000
"""Latents of each cloud. Resource: more points hide each other."""

_SEED = 0
"""Of the clusters shown. Chosen by hand: any will do."""


class LatentView(NamedTuple):
    """Micrograph as the network sees it, with what is known of each patch.

    Attributes:
        name: of the micrograph.
        image: (h, w) float32, prepared.
        patch_px: side of a patch in pixels of the image.
        shift_px: offset down and right from a patch to the pixels that its label is about.
        diameter_px: of a particle in pixels of the image, down and along a row.
        label: (rows, columns) cluster of each patch.
        particle: (rows, columns) booleans, patches within a particle; None where that is not known.
        chosen: (rows, columns) booleans, patches that are picked as published; None for the default preset.
        response: (n rows, n columns) in robust standard deviations, n places along a patch; None for the published way,
            and where there is no template.
        xy: (n, 2) picks in pixels of the image, x first.
    """

    name: str
    image: NDArray[np.float32]
    patch_px: int
    shift_px: float
    diameter_px: tuple[float, float]
    label: NDArray[np.int64]
    particle: NDArray[np.bool_] | None
    chosen: NDArray[np.bool_] | None
    response: NDArray[np.float32] | None
    xy: NDArray[np.float64]


class Clouds(NamedTuple):
    """Latents along their two principal axes.

    Attributes:
        particle: (n, 2) patches within particles.
        background: (m, 2) patches clear of them; n and m are the same where there are enough of both.
        share: of the variance along each axis.
    """

    particle: NDArray[np.float64]
    background: NDArray[np.float64]
    share: tuple[float, float]


class SetView(NamedTuple):
    """Views of a set.

    Attributes:
        micrographs: some of those of the fit.
        clouds: of their latents.
        share: of each cluster, share of its patches within particles; empty where no particle is known.
        particle: cluster of the particles; None where no particle is known.
        covered: share of all patches within particles.
        heights: (n,) of the peaks of the response in these micrographs; empty for the published way.
    """

    micrographs: tuple[LatentView, ...]
    clouds: Clouds
    share: tuple[float, ...]
    particle: int | None
    covered: float
    heights: NDArray[np.float64]


def view_set(micrographs: Iterable[Micrograph], picker: Emmae) -> SetView:
    """View a set by the default preset; the clusters are those of the micrographs that are shown.

    Args:
        micrographs: one or more of the fit; no more than `SHOWN` are taken.
        picker: with its fit.
    """
    latents, views, heights = list[Tensor](), list[LatentView](), [np.zeros(0)]
    facts, template = picker.learned.facts, picker.learned.template
    has_template = facts.mixture is not None
    for micrograph in islice(micrographs, SHOWN):
        latent_map = embedded(micrograph, picker.settings.diameter_angstrom, picker.mae, picker.device)
        picks = picker.pick_embedded(micrograph, latent_map, picker.threshold)
        if has_template:
            found = find_candidates(latent_map, picker.learned, PEAK_DISTANCE_DIAMETERS * latent_map.diameter)
            heights.append(found.clean(facts.threshold, facts.contrast).height)
        response = response_to(latent_map, template).cpu().numpy() if has_template else None
        latents.append(latent_map.latents)
        views.append(_default_view(micrograph.name, latent_map, picks, response))
    points = subsample_latents(latents)
    centres = kmeans(points, min(SET_CLUSTERS, len(points)), _SEED).centres
    views = _labelled(views, latents, centres)
    share, covered = _shares(views, len(centres))
    particle = int(np.argmax(share)) if share else None
    return SetView(tuple(views), _clouds(views, latents), share, particle, covered, np.concatenate(heights))


def view_paper_set(
    micrographs: Iterable[Micrograph],
    picker: PaperEmmae,
    mask_of: Callable[[Micrograph], NDArray[np.bool_] | None],
) -> SetView:
    """View a set as published; the clusters are those of the fit.

    Args:
        micrographs: one or more of the fit; no more than `SHOWN` are taken.
        picker: with its fit.
        mask_of: tells which pixels of a micrograph are particle; None where that is not known.
    """
    latents, views = list[Tensor](), list[LatentView]()
    for micrograph in islice(micrographs, SHOWN):
        latent_map = paper_embedded(micrograph, picker.settings.diameter_angstrom, picker.mae, picker.device)
        patch_px, mask = latent_map.patch_px, mask_of(micrograph)
        chosen = picker.particle_patches(latent_map)
        picks = picker.pick_patches(micrograph, latent_map, chosen)
        latents.append(latent_map.latents)
        views.append(
            LatentView(
                name=micrograph.name,
                image=latent_map.prepared.image.cpu().numpy(),
                patch_px=patch_px,
                shift_px=latent_map.shift * patch_px,
                diameter_px=(patch_px * latent_map.diameter[0], patch_px * latent_map.diameter[1]),
                label=np.zeros(latent_map.latents.shape[:2], np.int64),
                particle=None if mask is None else at_patches(mask, latent_map).cpu().numpy(),
                chosen=chosen.cpu().numpy(),
                response=None,
                xy=latent_map.prepared.from_stored(picks.xy),
            )
        )
    views = _labelled(views, latents, picker.learned.centres)
    facts = picker.learned.facts
    _, covered = _shares(views, len(picker.learned.centres))
    return SetView(tuple(views), _clouds(views, latents), facts.share, facts.particle, covered, np.zeros(0))


def _default_view(name: str, latent_map: LatentMap, picks: Picks, response: NDArray[np.float32] | None) -> LatentView:
    xy = latent_map.prepared.from_stored(picks.xy)
    return LatentView(
        name=name,
        image=latent_map.prepared.image.cpu().numpy(),
        patch_px=latent_map.patch_px,
        shift_px=0.0,
        diameter_px=(latent_map.diameter * latent_map.patch_px,) * 2,
        label=np.zeros(latent_map.latents.shape[:2], np.int64),
        particle=_within((xy + 0.5) / latent_map.patch_px - 0.5, latent_map.latents.shape[:2], latent_map.diameter / 2),
        chosen=None,
        response=response,
        xy=xy,
    )


def _within(xy: NDArray[np.float64], shape: Sequence[int], radius: float) -> NDArray[np.bool_]:
    """Mask of the patches whose middle lies no farther than a radius from a place; all in patches."""
    rows, columns = shape
    if not len(xy):
        return np.zeros((rows, columns), bool)
    patches = np.mgrid[:rows, :columns].reshape(2, -1).T
    off, _ = cKDTree(xy[:, ::-1]).query(patches)
    return np.asarray(off <= radius).reshape(rows, columns)


def _labelled(views: list[LatentView], latents: list[Tensor], centres: Tensor) -> list[LatentView]:
    return [
        each._replace(label=nearest(points, centres.to(points)).cpu().numpy())
        for each, points in zip(views, latents, strict=True)
    ]


def _shares(views: list[LatentView], clusters: int) -> tuple[tuple[float, ...], float]:
    """Return the share of each cluster, and that of all patches, which lies within particles."""
    known = [(each.label, each.particle) for each in views if each.particle is not None]
    inside = np.sum([np.bincount(label[mask], minlength=clusters) for label, mask in known], axis=0)
    size = np.sum([np.bincount(label.ravel(), minlength=clusters) for label, _ in known], axis=0)
    if not np.any(inside):
        return (), 0.0
    return tuple((inside / np.maximum(size, 1)).tolist()), float(inside.sum() / size.sum())


def _clouds(views: list[LatentView], latents: list[Tensor]) -> Clouds:
    """Take as many latents of particles as of background; where no particle is known, all is background."""
    inside, outside = list[Tensor](), list[Tensor]()
    for each, points in zip(views, latents, strict=True):
        particle = np.zeros(each.label.shape, bool) if each.particle is None else each.particle
        per_diameter = [each.patch_px / d for d in each.diameter_px]
        clear = np.ones_like(particle)
        if particle.any():
            clear = distance_transform_edt(~particle, sampling=per_diameter) > _NEITHER_DIAMETERS
        inside.append(points[torch.from_numpy(particle)])
        outside.append(points[torch.from_numpy(clear)])
    of_each = [len(torch.cat(parts)) for parts in (inside, outside)]
    number = min(_MAX_POINTS, *(n for n in of_each if n))
    particles, background = (_some(torch.cat(parts), number) for parts in (inside, outside))
    principal = principal_axes(torch.cat([particles, background]))
    places = [principal.along(points).numpy() for points in (particles, background)]
    return Clouds(places[0], places[1], (float(principal.share[0]), float(principal.share[1])))


def _some(points: Tensor, number: int) -> Tensor:
    """Take a number of points, evenly spread, or all if there are fewer."""
    return points[torch.linspace(0, max(len(points) - 1, 0), min(number, len(points))).round().long()].cpu()
