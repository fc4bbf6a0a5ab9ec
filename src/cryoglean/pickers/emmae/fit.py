"""Learning how latents tell particles, from a few micrographs of a set and no label."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cryoglean.detect.contrast import ParticleContrast
from cryoglean.detect.mixture import MIN_HEIGHTS, best_threshold, fit_height_mixture
from cryoglean.detect.responses import PEAK_DISTANCE_DIAMETERS
from cryoglean.detect.skewness import Skewness
from cryoglean.latents.discriminant import discriminant
from cryoglean.latents.likeness import Likeness
from cryoglean.latents.rings import RADII, ring_means
from cryoglean.pickers.emmae.picker import EmmaeFit, FittedEmmae, LatentMap, embedded, find_candidates, in_patches
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerSettings
from cryoglean.preprocess.noise_floor import SetFiltering, noise_floor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.emmae.picker import LatentCandidates
    from cryoglean.pickers.emmae.training import EmmaeModel
    from cryoglean.pickers.localpicker.picker import LocalpickerModel, PeakCandidates

_MIN_BLOBS = 20
"""Fewer blobs, or fewer places of background, teach nothing. Chosen by hand, as Localpicker's fewest for a profile."""

_MAX_REFINEMENTS = 3
"""Most templates that are tried after the first. Resource: bounds the time."""

_CLEARLY_BELOW = 0.3
"""Places are background if they are this far below the threshold, in robust standard deviations of the response.
Chosen by hand, while F1 on the labelled sets of `benchmarks/README.md` was watched."""


def fit_emmae(
    micrographs: Iterable[Micrograph],
    localpicker: LocalpickerModel,
    mae: EmmaeModel,
    device: torch.device | None = None,
) -> FittedEmmae:
    """Learn how latents tell particles, from a few micrographs.

    The first template comes from Localpicker's blobs; those of its own picks follow for as long as the response gets
    more skewed, as Localpicker chooses its templates.

    Args:
        micrographs: the micrographs to learn from; each is needed only until the next is taken.
        localpicker: what Localpicker has learned of the set: its picks are the blobs that stand in for a mask.
        mae: the network, which is put on the device.
        device: where to compute; the CPU by default.
    """
    device, diameter = device or torch.device("cpu"), localpicker.diameter_angstrom
    mae.net.to(device)
    finder = Localpicker(LocalpickerSettings(diameter_angstrom=diameter), localpicker, device)
    images, places, names, floors = list[LatentMap](), list[_Places](), list[str](), list[float | None]()
    for micrograph in micrographs:
        floors.append(noise_floor(micrograph.image, diameter / micrograph.pixel_size_angstrom, micrograph.mask))
        images.append(embedded(micrograph, diameter, mae, device))
        places.append(_blobs(finder.candidates_in(images[-1].working), images[-1], localpicker))
        names.append(micrograph.name)
    blobs = sum(int((each.height >= 0).sum()) for each in places)
    facts = EmmaeFit(
        diameter_angstrom=diameter,
        localpicker=localpicker,
        blobs=blobs,
        micrographs=tuple(names),
        before=SetFiltering.of(floors),
        chain=mae.facts.preprocess.chain,
    )
    best = _judged(facts, images, places)
    if best is None:
        return _nothing_found(facts, mae.facts.layers.encoder.width)
    for _ in range(_MAX_REFINEMENTS):
        refined = _judged(facts, images, best.places)
        if refined is None or refined.skewness.at_least <= best.skewness.at_least:
            break
        best = refined
    return best.learned


class _Places(NamedTuple):
    """Places in a micrograph, in patches, and how far each is above the threshold, in robust standard deviations."""

    x: Tensor
    y: Tensor
    height: NDArray[np.float64]


class _Judged(NamedTuple):
    """The fit that places gave, how surely it skews the response, and the places that it finds in turn."""

    learned: FittedEmmae
    skewness: Skewness
    places: list[_Places]


def _nothing_found(facts: EmmaeFit, width: int) -> FittedEmmae:
    numbers = len(RADII) * width
    unknown = Likeness(torch.zeros(numbers), torch.eye(numbers), torch.tensor([0.0, 1.0]))
    return FittedEmmae(facts, torch.zeros(len(RADII), width), unknown)


def _blobs(seen: PeakCandidates, image: LatentMap, localpicker: LocalpickerModel) -> _Places:
    """Return Localpicker's peaks; none is above the threshold where it found nothing like particles."""
    everything = np.ones(len(seen.peaks.x), dtype=bool)
    x, y = image.patches_at(np.stack(seen.stored(everything), axis=1))
    return _Places(x, y, seen.peaks.height - (seen.threshold if localpicker.found_particles else np.inf))


def _judged(facts: EmmaeFit, images: list[LatentMap], places: list[_Places]) -> _Judged | None:
    """Make the template that tells places above the threshold from those clearly below; None where they are too few."""
    rings = [ring_means(i.latents, p.x, p.y, i.diameter).flatten(1) for i, p in zip(images, places, strict=True)]
    height = np.concatenate([p.height for p in places])
    above, below = (torch.from_numpy(which) for which in (height >= 0, height < -_CLEARLY_BELOW))
    if min(int(above.sum()), int(below.sum())) < _MIN_BLOBS:
        return None
    means = torch.cat(rings).cpu()
    template = discriminant(means[above], means[below]).float().view(len(RADII), -1)
    learned = FittedEmmae(facts, template, Likeness.of(means[above]))
    looks = [find_candidates(image, learned, PEAK_DISTANCE_DIAMETERS * image.diameter) for image in images]
    heights = np.concatenate([found.peaks.height for found in looks])
    if len(heights) < MIN_HEIGHTS:
        return None
    room = sum(image.capacity for image in images)
    threshold = best_threshold(heights, fit_height_mixture(heights, room).posterior(heights))
    contrast = _contrast(looks, threshold)
    clean = [
        found.clean(threshold, contrast) for found in looks
    ]  # gold and ice would pass for the particles of the mixture
    heights = np.concatenate([peaks.height for peaks in clean])
    if len(heights) < MIN_HEIGHTS:
        return None
    mixture = fit_height_mixture(heights, room)
    threshold = best_threshold(heights, mixture.posterior(heights))
    skewness = Skewness.of([found.skewness for found in looks])
    known = {"contrast": contrast, "mixture": mixture, "threshold": threshold}
    known |= {"skewness": skewness.typical, "skewness_error": skewness.noise_error}
    theirs = [
        _Places(*in_patches(peaks, image), peaks.height - threshold) for image, peaks in zip(images, clean, strict=True)
    ]
    return _Judged(learned._replace(facts=facts.model_copy(update=known)), skewness, theirs)


def _contrast(looks: Sequence[LatentCandidates], threshold: float) -> ParticleContrast:
    """Learn the contrast of what is above a threshold."""
    above = [found.peaks.height >= threshold for found in looks]
    contrast = np.concatenate([found.contrast[which] for found, which in zip(looks, above, strict=True)])
    height = np.concatenate([found.peaks.height[which] for found, which in zip(looks, above, strict=True)])
    return ParticleContrast.of(contrast, height)
