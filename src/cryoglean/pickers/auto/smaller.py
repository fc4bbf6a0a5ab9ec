"""A smaller species between the particles that were found: what shows where these are covered.

Beside particles twice as large, small ones count as background. So what was found is covered, and discs of all sizes
are tried on the rest, as for the first species. There the skewness of the response rises with the disc, to the size of
what the particles leave beside them (halos, overlaps, dirt); smaller particles make a maximum of their own before.
They are believed where it is clear, and where averages of both halves of the micrographs find the same ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryoglean.calibration.background import near_places
from cryoglean.calibration.peak_heights import COVERING_PROBABILITY, PARTICLE_RADIUS_DIAMETERS
from cryoglean.detect.peaks import inside, non_maximum_suppression
from cryoglean.detect.responses import FilteredMicrograph
from cryoglean.detect.signal import is_skewed
from cryoglean.limits import min_distance_angstrom
from cryoglean.pickers.auto.fit import fit_averages
from cryoglean.pickers.auto.picker import AutoSettings, FittedAuto, picker_of_one_species
from cryoglean.pickers.localpicker.picker import fit_prepared
from cryoglean.pickers.localpicker.template_search import evaluate_discs
from cryoglean.pickers.protocol import ScoringPicker
from cryoglean.picks import Picks
from cryoglean.preprocess.left_out import clean_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.localpicker.picker import Localpicker
    from cryoglean.pickers.localpicker.template_search import TemplateFit
    from cryoglean.pickers.matcher.picker import Matcher
    from cryoglean.preprocess.working import WorkingImage

_SEARCH_DIAMETERS = 0.5
"""Diameter that a smaller species is searched with, in diameters of the larger one. Derived: discs are 0.4 to 1.25
times as large, so that all that is up to half as large is among them."""

_MAX_DISC = 0.75
"""Largest disc of a smaller species, in that of the larger. Chosen by hand: what is nearly as large is the same
species, a little off its middle."""

_CLEAR_DEPTH = 3.0
"""How far a maximum of the skewness stands out from both sides, in errors of noise. Chosen by hand: 5 to 12 in six
simulated sets of two sizes. It does not part these from all others: a crowded one, and real ones, reach 10 and more,
and there averages that do not find the same, or little that is sure, speak against it."""

_MAX_PIXELS = 12_000_000
"""Working pixels that a smaller species is learned from. Resource: a minute or two; several hundred particles."""


class TwoSizesPicker(ScoringPicker):
    """Pick particles, and a smaller species between them.

    Args:
        settings: of Auto.
        fitted: with a smaller species.
        device: where to compute; the CPU by default.
    """

    def __init__(self, settings: AutoSettings, fitted: FittedAuto, device: torch.device | None = None) -> None:
        if fitted.smaller is None:
            raise ValueError("no smaller species was found")
        self.settings, self._fitted, self._smaller_fitted, self._device = settings, fitted, fitted.smaller, device

    @property
    def _larger(self) -> Localpicker | Matcher:
        return _everywhere(self.settings, self._fitted, self._device)

    @property
    def _smaller(self) -> Localpicker | Matcher:
        settings, smaller = self.settings, self._smaller_fitted
        distance = min_distance_angstrom(settings.min_distance_angstrom, settings.diameter_angstrom)
        changes = {"diameter_angstrom": smaller.diameter_angstrom, "min_distance_angstrom": distance}
        return picker_of_one_species(settings.model_copy(update=changes), smaller, self._device)

    @property
    def threshold(self) -> float:
        """Minimum probability of a pick: halfway between both species' own, as that for both together lies between."""
        return (self._larger.threshold + self._smaller.threshold) / 2

    def pick_down_to(self, micrograph: Micrograph, min_score: float) -> Picks:
        """Find the places of one micrograph that have a score, as `pick` does."""
        settings, finder = self.settings, self._smaller
        everywhere = self._larger.pick_down_to(micrograph, min(min_score, COVERING_PROBABILITY))
        larger = everywhere.take(self._off_edges(everywhere, micrograph)).at_least(min_score)
        places = everywhere.at_least(COVERING_PROBABILITY)
        between = covered(finder.prepared(micrograph), places, settings.diameter_angstrom, micrograph)
        smaller = finder.picks_in(between, min_score)
        if not len(larger) and not len(smaller):
            return larger
        species = np.repeat([1, 2], [len(larger), len(smaller)])
        both = replace(Picks.joined([larger, smaller]), species=species).best_first()
        return both.take(non_maximum_suppression(both.x, both.y, settings.min_distance_px(micrograph)))

    def _off_edges(self, picks: Picks, micrograph: Micrograph) -> NDArray[np.bool_]:
        settings = self.settings
        diameter_px = settings.diameter_angstrom / micrograph.pixel_size_angstrom
        return inside(picks, micrograph.image.shape, settings.edge_distance_diameters * diameter_px)


def auto_picker(settings: AutoSettings, fitted: FittedAuto, device: torch.device | None = None) -> ScoringPicker:
    """Return the picker of what was learned."""
    if fitted.smaller is None:
        return picker_of_one_species(settings, fitted, device)
    return TwoSizesPicker(settings, fitted, device)


def find_smaller(
    sample: Callable[[], Iterable[Micrograph]],
    fitted: FittedAuto,
    threads: int = 1,
    device: torch.device | None = None,
) -> FittedAuto:
    """Look for a smaller species between the particles that were found.

    Args:
        sample: reads the micrographs that were learned from, anew each time.
        fitted: what was learned of them.
        threads: how many micrographs to work on at a time; the result does not depend on it.
        device: where to compute; the CPU by default.

    Returns:
        What was learned, with the smaller species if there is one.
    """
    if not fitted.model.found_particles:
        return fitted
    diameter, disc = fitted.diameter_angstrom, fitted.model.localpicker.disc_diameters
    larger = _everywhere(AutoSettings(diameter_angstrom=diameter), fitted, device)
    names, places = zip(
        *((each.name, larger.pick_down_to(each, COVERING_PROBABILITY)) for each in sample()), strict=True
    )

    def between(searched: float) -> Iterator[WorkingImage]:
        for each, where in zip(sample(), places, strict=True):
            yield covered(clean_image(each, searched, device), where, diameter, each)

    found = clear_maximum(evaluate_discs(between(_SEARCH_DIAMETERS * diameter), threads), disc)
    if found is None:
        return fitted
    smaller_diameter = diameter * _SEARCH_DIAMETERS * found / disc
    smaller = _fit(_enough(between(smaller_diameter)), names, smaller_diameter, disc, threads, device)
    if smaller is None:
        return fitted
    return fitted._replace(model=fitted.model.model_copy(update={"smaller": smaller.model}), smaller=smaller)


def _enough(prepared: Iterable[WorkingImage]) -> list[WorkingImage]:
    """Return the first ones, two or more if there are, of `_MAX_PIXELS` at most."""
    taken: list[WorkingImage] = []
    for each in prepared:
        if len(taken) >= 2 and (len(taken) + 1) * taken[0].image.numel() > _MAX_PIXELS:
            break
        taken.append(each)
    return taken


def _fit(
    prepared: Sequence[WorkingImage],
    names: Sequence[str],
    diameter_angstrom: float,
    disc: float,
    threads: int,
    device: torch.device | None,
) -> FittedAuto | None:
    """Learn a smaller species; None where it is not clear, or not found alike by averages of both halves."""
    fields = [FilteredMicrograph.of(each) for each in prepared]
    model = fit_prepared(fields, names[: len(fields)], diameter_angstrom, threads, (disc,))
    if not is_skewed(model.skewness, model.skewness_error):
        return None
    fitted = fit_averages(prepared, model, threads, device)
    return fitted if any(each.is_reproduced and each.is_clearer for each in fitted.model.trials) else None


def clear_maximum(discs: Sequence[TemplateFit], larger_disc: float) -> float | None:
    """Return the disc with the most skewed response that has less skewed ones on both sides; None without a clear one.

    Args:
        discs: fits of discs, by size, in units of `_SEARCH_DIAMETERS` of the larger species' diameter.
        larger_disc: the best disc of the larger species, in its diameter.
    """
    skewness = np.array([each.skewness.typical for each in discs])
    best = None
    for at in range(1, len(discs) - 1):
        disc, error = discs[at].template.disc_diameters, discs[at].skewness.noise_error
        depth = skewness[at] - max(skewness[:at].min(), skewness[at:].min())
        is_highest = skewness[at] >= max(skewness[at - 1], skewness[at + 1])
        is_clear = is_skewed(skewness[at], error) and depth > _CLEAR_DEPTH * error
        is_smaller = _SEARCH_DIAMETERS * disc <= _MAX_DISC * larger_disc
        if is_highest and is_clear and is_smaller and (best is None or skewness[at] > skewness[best]):
            best = at
    return None if best is None else discs[best].template.disc_diameters


def covered(working: WorkingImage, places: Picks, diameter_angstrom: float, micrograph: Micrograph) -> WorkingImage:
    """Leave out what particles cover in a micrograph.

    Args:
        working: the micrograph, prepared for any diameter.
        places: the particles.
        diameter_angstrom: their diameter.
        micrograph: the micrograph as stored.
    """
    height, width = working.image.shape
    radius_px = PARTICLE_RADIUS_DIAMETERS * diameter_angstrom / micrograph.pixel_size_angstrom / working.bin_factor
    at = working.from_stored(places.xy).clip(0, [width - 1, height - 1])
    return working.without(torch.from_numpy(near_places((height, width), at, radius_px)).to(working.image.device))


def _everywhere(settings: AutoSettings, fitted: FittedAuto, device: torch.device | None) -> Localpicker | Matcher:
    """Return the picker of the larger species that also finds what is cut off by the edge."""
    return picker_of_one_species(settings.model_copy(update={"edge_distance_diameters": 0.0}), fitted, device)
