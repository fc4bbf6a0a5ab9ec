"""Survey of a set of micrographs with discs of all sizes: the contrast and the size of what is in them.

The response to a disc minus its surrounding ring is skewed towards particles, most for a disc as large as they are
(`template_search`), and away from them where their contrast is the other one. Heights are clipped, so that the few and
very high ones of ice and dirt do not outweigh the many of particles.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from cryoglean.detect.emptiness import SURE_ERRORS_OF_BEST
from cryoglean.detect.mixture import fit_height_mixture
from cryoglean.detect.responses import FilteredMicrograph, field_peaks, standardised_response
from cryoglean.detect.skewness import FieldSkewness, Skewness, field_skewness
from cryoglean.micrograph import Contrast
from cryoglean.pickers.localpicker.elongation import is_elongated
from cryoglean.pickers.localpicker.template_search import (
    PROFILE_STEP_DIAMETERS,
    Template,
    evaluate_template,
    refine_template,
)
from cryoglean.preprocess.left_out import quietest_contrast
from cryoglean.preprocess.working import ExposedImage, exposed_image, standardised_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import torch
    from numpy.typing import NDArray

    from cryoglean.detect.peaks import Peaks
    from cryoglean.micrograph import Micrograph
    from cryoglean.preprocess.working import WorkingImage

_DISCS_ANGSTROM = (40.0, 1500.0)
"""Discs that are tried. Chosen by hand: from small proteins to viruses."""

_STEPS_PER_OCTAVE = 5
"""Discs that are tried while their size doubles. Chosen by hand: 15 % apart, less than the width of the maximum."""

_DISC_DIAMETERS = 0.8
"""Diameter of a disc, in diameters of the particle that it would be for. Chosen by hand: in the middle of what is found
to fit, 0.55 to 1.1."""

_MIN_DISC_PX = 4
"""Fewest pixels across a disc. Resource: with 6, the best discs are the same on simulated sets, at twice the time."""

_WIDEST_SHARE = 1 / 6
"""Largest disc as a share of the micrograph's shorter side. Chosen by hand: a larger one sees no background."""

_CLIPPED_HEIGHT = 5.0
"""Height at which responses are clipped, in robust standard deviations. Chosen on simulated sets: with 4 to 6 the best
disc of clean and of dirty ones is within a step or two of the same; without, dirt three times as large as the particles
wins in dirty ones."""

_DECIDED_RATIO = 1.3
"""Ratio of the two contrasts' skewness from which the contrast is told. Chosen on simulated sets: dark protein reaches
2 (hollow shells) or more."""

_MIN_QUIETEST = -1.0
"""Contrast of the quietest places, for all but the largest discs, below which a micrograph is left out where most are
not so. Chosen by hand: shades and steps that outweigh noise reach -1 to -3.5, real micrographs and simulated ones, with
much carbon in them, -0.75 at most."""

_EXTENT_OVER_EDGE = (0.85, 1.7)
"""Longest extent of a particle over the diameter of the edge. Chosen on simulated sets: 1.1 to 1.25 for round particles
(apoferritin, GroEL, ribosome), 1.3 to 1.65 for longer ones (beta-galactosidase, RNA polymerase, 83 and 161 kDa)."""

_ROUND_OVER_EDGE = 1.08
"""The same for a sphere. Chosen on simulated sets: 1.07 to 1.10 for apoferritin, near and far from focus."""

_LENGTH_OVER_EDGE = 4.5
"""Longest extent of elongated particles over the diameter of the edge, which is that of their width, at most. Chosen on
simulated sets: 2.9 and 4.2 for rods of 2.2 and 3.3 times their width."""

_MAX_PIXELS = 2**20
"""Pixels of a micrograph that is surveyed, at most. Resource: half a second each; only discs too small to matter there
are left out."""

_EDGE_OVER_DISC = (1 / 1.5, 1.25)
"""An edge's diameter over that of the best disc, if it is the same thing's. Chosen on simulated sets: 0.7 for hollow
shells, whose best disc reaches beyond them, to 1.1; dirt among particles has given 1.32."""

_DISCS = tuple(
    _DISCS_ANGSTROM[0] * 2 ** (i / _STEPS_PER_OCTAVE)
    for i in range(1 + int(_STEPS_PER_OCTAVE * math.log2(_DISCS_ANGSTROM[1] / _DISCS_ANGSTROM[0])))
)
"""Diameters of all discs. Derived: from the two above; the same for every set: the answer depends on it alone."""


class SizeEstimate(NamedTuple):
    """Size of the particles of a set, as the micrographs show it.

    Attributes:
        diameter_angstrom: of a round particle whose mean profile turns from its contrast to that of the halo where it
            does here; or of the best disc, where there is no such edge.
        min_angstrom: of their longest extent.
        max_angstrom: of the same.
        has_edge: whether the mean profile has such an edge; ice and dirt of all sizes have none.
    """

    diameter_angstrom: float
    min_angstrom: float
    max_angstrom: float
    has_edge: bool


class MicrographSurvey(BaseModel):
    """Skewness of the responses to discs, for protein of either contrast.

    Attributes:
        discs_angstrom: diameters of the discs, ascending.
        dark: skewness if protein is dark, one a disc.
        bright: the same if it is bright.
        contrast: of the particles; None where it cannot be told.
        size: of the particles; None where it cannot be told.
        micrographs: names of those that were looked at.
        is_elongated: whether most particles go on beyond the diameter of `size` in one direction: then that is their
            width, and how long they are is not decided.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    discs_angstrom: tuple[float, ...]
    dark: tuple[Skewness, ...]
    bright: tuple[Skewness, ...]
    contrast: Contrast | None
    size: SizeEstimate | None
    micrographs: tuple[str, ...]
    is_elongated: bool = False

    @property
    def size_in_words(self) -> str:
        """The size and its range, as a part of a sentence."""
        if self.size is None:
            return "cannot be told"
        diameter, least, most, has_edge = self.size
        if self.is_elongated:
            length = f"{least:.0f} to {most:.0f} long"
            return f"undecided, as particles are elongated: about {diameter:.0f} angstrom wide, {length}"
        doubt = "" if has_edge else "; a guess, as what stands out is of more than one size"
        return f"{diameter:.0f} angstrom, longest extent {least:.0f} to {most:.0f}{doubt}"

    @property
    def taken_contrast(self) -> Contrast:
        """The contrast to pick with: that of protein in ice where it cannot be told."""
        return self.contrast or Contrast.dark

    def of(self, contrast: Contrast) -> tuple[Skewness, ...]:
        """Return the skewness for one contrast."""
        return self.bright if contrast is Contrast.bright else self.dark


class _Surveyed(NamedTuple):
    """A micrograph binned for the smallest disc, its skewness by disc, and the contrast of its quietest places."""

    name: str
    exposed: ExposedImage
    pixel_size_angstrom: float
    by_disc: Mapping[float, FieldSkewness]
    quietest: float

    def contrast(self) -> Contrast | None:
        """Return the contrast that it shows by itself; None where it shows none."""
        return _contrast(*_by_sign([self], sorted(self.by_disc)))


def survey_micrographs(
    micrographs: Iterable[Micrograph], threads: int = 1, device: torch.device | None = None
) -> MicrographSurvey:
    """Find out the contrast and the size of what is in a few micrographs.

    Args:
        micrographs: some of a set, as recorded; each is needed only until the next is taken.
        threads: how many micrographs to work on at a time; the result does not depend on it.
        device: where to compute; the CPU by default.
    """
    left = iter(micrographs)
    with ThreadPoolExecutor(threads) as pool:
        some = iter(lambda: list(islice(left, threads)), [])
        seen = [each for few in some for each in pool.map(lambda micrograph: _surveyed(micrograph, device), few)]
        alike = _alike(seen)
        discs = tuple(d for d in _DISCS if seen and all(d in each.by_disc for each in seen))
        dark, bright = _by_sign(alike, discs)
        contrast, size, goes_on = _contrast(dark, bright), None, False
        taken = bright if contrast is Contrast.bright else dark
        best = _most_skewed(taken)
        if best is not None:
            size, goes_on = _size(alike, discs[best], contrast or Contrast.dark, pool)
    names = tuple(each.name for each in seen)
    return MicrographSurvey(
        discs_angstrom=discs,
        dark=dark,
        bright=bright,
        contrast=contrast,
        size=size,
        micrographs=names,
        is_elongated=goes_on,
    )


def _by_sign(seen: Sequence[_Surveyed], discs: Sequence[float]) -> tuple[tuple[Skewness, ...], tuple[Skewness, ...]]:
    """Return the skewness by disc if protein is dark, and if it is bright."""
    dark = tuple(Skewness.of([each.by_disc[d] for each in seen]) for d in discs)
    return dark, tuple(Skewness.of([each.by_disc[d].mirrored() for each in seen]) for d in discs)


def _alike(seen: Sequence[_Surveyed]) -> Sequence[_Surveyed]:
    """Return the micrographs but for a few that are of another kind: such as show the contrary, or shades and steps."""
    shown = [each.contrast() for each in seen]
    dark, bright = shown.count(Contrast.dark), shown.count(Contrast.bright)
    contrary = None if dark == bright else Contrast.bright if dark > bright else Contrast.dark
    alike = [
        each
        for each, contrast in zip(seen, shown, strict=True)
        if each.quietest > _MIN_QUIETEST and (contrast is None or contrast is not contrary)
    ]
    return alike if len(alike) > len(seen) / 2 else seen


def _surveyed(micrograph: Micrograph, device: torch.device | None) -> _Surveyed:
    pixel = micrograph.pixel_size_angstrom
    height, width = micrograph.shape
    min_px = _MIN_DISC_PX * max(1, math.ceil(math.sqrt(height * width / _MAX_PIXELS)))
    discs = [d for d in _DISCS if min_px * pixel <= d <= _WIDEST_SHARE * min(height, width) * pixel]
    first_px = discs[0] / pixel if discs else min_px
    exposed = finest = exposed_image(micrograph.image, first_px, device, _MIN_DISC_PX, micrograph.mask)
    by_disc, quietest = dict[float, FieldSkewness](), list[float]()
    while discs:
        octave = [d for d in discs if d < 2 * _MIN_DISC_PX * exposed.bin_factor * pixel]
        if octave:
            working = standardised_image(exposed, octave[0] / _DISC_DIAMETERS / pixel)
            by_disc |= _octave(working, octave, pixel * exposed.bin_factor)
            quietest.append(quietest_contrast(working))
        discs, exposed = discs[len(octave) :], exposed.halved()
    least = min(quietest[:-1], default=0.0)  # the largest discs have room for a few, which carbon alone may fill
    return _Surveyed(micrograph.name, finest, pixel, by_disc, least)


def _octave(working: WorkingImage, discs: Sequence[float], pixel_size_angstrom: float) -> dict[float, FieldSkewness]:
    """Measure the skewness for discs whose sizes differ by two at most, in one working image of a pixel size."""
    field, found = FilteredMicrograph.of(working), dict[float, FieldSkewness]()
    for disc in discs:
        diameter_px = disc / _DISC_DIAMETERS / pixel_size_angstrom
        response = standardised_response(field, Template(_DISC_DIAMETERS * diameter_px / working.diameter_px))
        clipped = response.clamp(-_CLIPPED_HEIGHT, _CLIPPED_HEIGHT)
        found[disc] = field_skewness(clipped, diameter_px, working.exposed)
    return found


def _most_skewed(skewness: Sequence[Skewness]) -> int | None:
    """Return the place of the best disc; None where none stands out at two standard errors."""
    best = max(range(len(skewness)), key=lambda i: skewness[i].at_least, default=None)
    return None if best is None or skewness[best].at_least <= 0 else best


def _contrast(dark: Sequence[Skewness], bright: Sequence[Skewness]) -> Contrast | None:
    """Tell the contrast by the best disc of each; None where noise may have made it, or neither is clearly better."""
    sure = {Contrast.dark: _surely(dark), Contrast.bright: _surely(bright)}
    less, more = sorted(sure, key=lambda contrast: sure[contrast])
    return more if sure[more] > max(_DECIDED_RATIO * sure[less], 0) else None


def _surely(skewness: Sequence[Skewness]) -> float:
    """Return the skewness of the best disc at two standard errors; 0 where the best of all may be noise."""
    best = _most_skewed(skewness)
    if best is None or skewness[best].typical < SURE_ERRORS_OF_BEST * skewness[best].noise_error:
        return 0.0
    return skewness[best].at_least


def _size(
    seen: Sequence[_Surveyed], disc: float, contrast: Contrast, pool: ThreadPoolExecutor
) -> tuple[SizeEstimate, bool]:
    """Find the edge of the mean profile of what the best disc finds, and whether most of it goes on beyond."""
    sign, diameter = -1 if contrast is Contrast.bright else 1, disc / _DISC_DIAMETERS
    fields = []
    for each in seen:
        exposed = replace(each.exposed, image=sign * each.exposed.image)
        fields.append(FilteredMicrograph.of(standardised_image(exposed, diameter / each.pixel_size_angstrom)))
    template = refine_template(fields, evaluate_template(fields, Template(_DISC_DIAMETERS), pool), pool).template
    edges = [] if template.profile is None else _edges(template.profile, diameter)
    found = min(edges, key=lambda edge: abs(math.log(edge / disc)), default=math.inf)
    has_edge = _EDGE_OVER_DISC[0] < found / disc < _EDGE_OVER_DISC[1]
    size = found if has_edge else disc
    least, most = (share * size for share in _EXTENT_OVER_EDGE)
    of_all = [field.working.diameter_px * size / diameter for field in fields]
    if is_elongated(fields, _likely_finds(fields, template, pool), of_all):
        return SizeEstimate(_ROUND_OVER_EDGE * size, least, _LENGTH_OVER_EDGE * size, has_edge), True
    return SizeEstimate(_ROUND_OVER_EDGE * size, least, most, has_edge), False


def _likely_finds(fields: Sequence[FilteredMicrograph], template: Template, pool: ThreadPoolExecutor) -> list[Peaks]:
    """Return the peaks of each micrograph that more probably stand out of the background than not."""
    peaks = list(pool.map(lambda field: field_peaks(field, template), fields))
    mixture = fit_height_mixture(np.concatenate([each.height for each in peaks]), sum(f.capacity for f in fields))
    return [each.take(mixture.posterior(each.height) > 0.5) for each in peaks]


def _edges(profile: NDArray[np.float64], diameter_angstrom: float) -> list[float]:
    """Return the diameters at which a radial profile falls through zero, by linear interpolation."""
    before, after = profile[:-1], profile[1:]
    falls = np.flatnonzero((before > 0) & (after <= 0))
    radii = (falls + before[falls] / (before[falls] - after[falls])) * PROFILE_STEP_DIAMETERS
    return [float(2 * r * diameter_angstrom) for r in radii]
