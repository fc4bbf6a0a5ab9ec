"""What Auto learns of a set: class averages of its surest picks, and whether they tell particles better."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from cryoglean.calibration.peak_heights import EDGE_DIAMETERS, PeakHeights, fit_peak_heights
from cryoglean.detect.peaks import distance_to_nearest, inside
from cryoglean.detect.responses import PEAK_DISTANCE_DIAMETERS, standardised_response
from cryoglean.limits import SAME_PLACE_DIAMETERS
from cryoglean.pickers.auto.picker import AutoModel, AutoSettings, FittedAuto, Trial
from cryoglean.pickers.auto.quick_classes import FoundPeaks, quick_averages
from cryoglean.pickers.localpicker.picker import Localpicker, particle_like_peaks
from cryoglean.pickers.matcher.picker import MatchedHeights
from cryoglean.pickers.matcher.template_bank import AveragesResponse
from cryoglean.preprocess.left_out import clean_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import torch

    from cryoglean.calibration.height_model import HeightModel
    from cryoglean.detect.peaks import Peaks
    from cryoglean.detect.responses import FilteredMicrograph, Response
    from cryoglean.micrograph import Micrograph
    from cryoglean.pickers.localpicker.picker import LocalpickerModel, PeakCandidates
    from cryoglean.preprocess.working import WorkingImage

_ROUNDS = 2
"""Most rounds of averages. Resource: bounds the time; most sets gain in the first only, rods in the second, too."""


_SETTLED = 0.95
"""Share of picks in common with those before from which no further round is tried. Resource: it could change but a few;
where averages find something else, as of rods, it is 0.6 to 0.8."""


def fit_auto(
    micrographs: Iterable[Micrograph],
    localpicker: LocalpickerModel,
    threads: int = 1,
    device: torch.device | None = None,
) -> FittedAuto:
    """Find class averages in a few micrographs, and whether they are better than the round template.

    Args:
        micrographs: those that Localpicker has learned from.
        localpicker: what it has learned.
        threads: how many micrographs to work on at a time; the result does not depend on it.
        device: where to compute; the CPU by default.
    """
    if not localpicker.found_particles:
        return FittedAuto(AutoModel(localpicker=localpicker))
    prepared = [clean_image(each, localpicker.diameter_angstrom, device) for each in micrographs]
    return fit_averages(prepared, localpicker, threads, device)


def fit_averages(
    prepared: Sequence[WorkingImage],
    model: LocalpickerModel,
    threads: int = 1,
    device: torch.device | None = None,
) -> FittedAuto:
    """Do the same in micrographs that are prepared already, with particles in them."""
    diameter = model.diameter_angstrom
    fitted = FittedAuto(AutoModel(localpicker=model))
    seen = _candidates(Localpicker(AutoSettings(diameter_angstrom=diameter), model, device), prepared)
    fields = [each.field for each in seen]
    found = _found(fields, [each.peaks for each in seen], model.heights)
    threshold, template_doubt = model.threshold, _doubt(found, model.threshold)
    for _ in range(_ROUNDS):
        trial = _try_averages(fields, found, threshold, template_doubt, diameter, threads)
        if trial is None:
            break
        heights, judged = trial
        fitted = fitted._replace(model=fitted.model.model_copy(update={"trials": (*fitted.model.trials, judged)}))
        averages = quick_averages(found, diameter, threads=threads) if judged.is_better else None
        if averages is None:
            break
        matched = MatchedHeights.of(heights, averages)
        fitted = FittedAuto(fitted.model.model_copy(update={"matched": matched}), averages)
        if judged.with_former > _SETTLED:
            break
        found = _found(fields, heights.peaks, heights.model)
        threshold = heights.threshold
    return fitted


def _candidates(picker: Localpicker, prepared: Sequence[WorkingImage]) -> list[PeakCandidates]:
    """Find the peaks of some micrographs; of each half of a single one, so that there are two."""
    parts = prepared if len(prepared) > 1 else prepared[0].halves()
    return [picker.candidates_in(part, PEAK_DISTANCE_DIAMETERS) for part in parts]


def _found(fields: Sequence[FilteredMicrograph], peaks: Sequence[Peaks], model: HeightModel) -> list[FoundPeaks]:
    pairs = zip(fields, peaks, strict=True)
    return [FoundPeaks(field.working, each, model.posterior(each.height)) for field, each in pairs]


def _try_averages(
    fields: Sequence[FilteredMicrograph],
    found: Sequence[FoundPeaks],
    threshold: float,
    template_doubt: float,
    diameter_angstrom: float,
    threads: int,
) -> tuple[PeakHeights, Trial] | None:
    """Search each half of the micrographs with averages of the other, and then with its own.

    Args:
        fields: the micrographs.
        found: peaks in each, of which the surest are averaged.
        threshold: minimum height of those that are picks.
        template_doubt: share of the picks by the round template that are expected to be none.
        diameter_angstrom: particle diameter.
        threads: how many micrographs to work on at a time.

    Returns:
        Heights by averages of the other half, and the judgement on them; None where one half has too few sure peaks.
    """
    halves = [quick_averages(found[half::2], diameter_angstrom, 0.5, threads) for half in (0, 1)]
    responses = [AveragesResponse(each, diameter_angstrom) for each in halves if each is not None]
    if len(responses) < 2:
        return None
    others, own = ([responses[(i + k) % 2] for i in range(len(fields))] for k in (1, 0))
    heights = fit_peak_heights(fields, others, threads)
    if heights is None:
        return None
    by_own = _above(_peaks(fields, own, heights, threads), heights.threshold)
    unseen, former = _above(heights.peaks, heights.threshold), _above([each.peaks for each in found], threshold)
    new = _found(fields, heights.peaks, heights.model)
    return heights, Trial(
        agreement=_agreement(fields, unseen, by_own),
        with_former=_agreement(fields, unseen, former),
        doubt=_doubt(new, heights.threshold),
        template_doubt=template_doubt,
    )


def _doubt(found: Sequence[FoundPeaks], threshold: float) -> float:
    """Return the share of picks that are expected to be none, 1 without a pick."""
    doubt = np.concatenate([1 - each.probability[each.peaks.height >= threshold] for each in found])
    return float(doubt.mean()) if len(doubt) else 1.0


def _peaks(
    fields: Sequence[FilteredMicrograph], responses: Sequence[Response], heights: PeakHeights, threads: int
) -> list[Peaks]:
    def peaks_by(field: FilteredMicrograph, response: Response) -> Peaks:
        height = standardised_response(field, response)
        return particle_like_peaks(field, height, PEAK_DISTANCE_DIAMETERS, EDGE_DIAMETERS, heights.contrast)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(peaks_by, fields, responses))


def _above(peaks: Sequence[Peaks], threshold: float) -> list[Peaks]:
    return [each.take(each.height >= threshold) for each in peaks]


def _agreement(fields: Sequence[FilteredMicrograph], one: Sequence[Peaks], other: Sequence[Peaks]) -> float:
    """Return the share of the picks of both sets, off the edges, that the other set has, too."""
    picks = same = 0
    for field, here, there in zip(fields, one, other, strict=True):
        diameter_px, shape = field.working.diameter_px, field.working.image.shape
        sets = [each.take(inside(each, shape, EDGE_DIAMETERS * diameter_px)).xy for each in (here, there)]
        for some, rest in (sets, sets[::-1]):
            same += int((distance_to_nearest(some, rest) <= SAME_PLACE_DIAMETERS * diameter_px).sum())
            picks += len(some)
    return same / max(picks, 1)
