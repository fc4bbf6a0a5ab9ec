"""Training of Kpicker on picks of the same micrographs: patches, held-out micrographs, calibration and threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from cryoglean.detect.contrast import ParticleContrast
from cryoglean.detect.mixture import best_threshold
from cryoglean.detect.peaks import distance_to_nearest
from cryoglean.errors import SettingsError
from cryoglean.nets.kpicker_net import KpickerLayers, KpickerNet, new_net
from cryoglean.nets.losses import positive_unlabelled_risk
from cryoglean.nets.training import Check, TrainingSchedule, train
from cryoglean.pickers.kpicker.calibration import Calibration, calibrate
from cryoglean.pickers.kpicker.image import PARTICLE_PX, NetImage, net_image, scan_image
from cryoglean.pickers.kpicker.picker import KpickerFit, KpickerModel, candidates
from cryoglean.pickers.kpicker.sampling import BatchComposition, Examples, Sampler
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from cryoglean.micrograph import Micrograph

MIN_POSITIVES = 20
"""With fewer particles there is nothing to learn. Chosen by hand; the paper asks for 100, and 50 do on simulated sets
(`benchmarks/training_size.py`)."""

_STRIDE_PX = 4
"""Distance of the places that are judged for the calibration. Derived: the default of picking."""

_AVERAGING = 0.97
"""How much of the weights' running mean is kept in each step. Chosen by hand: a mean over some thirty of 150 to 500
steps."""

_CHECKS = 12
"""Looks at the held-out examples in a training. Resource: each takes as long as some steps."""

_PATIENCE = 4
"""Looks without a gain after which training stops. Chosen by hand: a third of the training."""

_MIN_GAIN = 1e-3
"""Fall of the held-out loss that counts as a gain. Chosen by hand: a small part of the 0.7 of guessing."""

_HELD_OUT = BatchComposition(positives=256, unlabelled=256, off_centre=128, known_negatives=128)
_LABEL_REACH_DIAMETERS = 0.25
"""A peak this near to a pick is labelled. Derived: half the distance that two picks keep."""


class KpickerTraining(BaseModel):
    """Settings of the training of Kpicker.

    Attributes:
        preset: which of its ways.
        diameter_angstrom: particle diameter.
        layers: sizes of the network's layers.
        certain_share: share of the picks, the best by score, to learn from; the others count neither as particles nor
            as background.
        missed_share: share of the particles that the picks are thought to miss.
        held_out_share: share of the micrographs that decide when to stop, and the threshold.
        particle_epochs: how often each particle is seen, as long as that makes neither too few steps nor too many.
        min_steps: minimum number of steps, of 32 particles and 64 other patches each.
        max_steps: maximum.
        rate: learning rate at the start, falling to 0 along half a cosine.
        seed: of the weights at the start and of all draws.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["default"] = "default"
    diameter_angstrom: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    layers: KpickerLayers = KpickerLayers()
    certain_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    missed_share: Annotated[float, Field(ge=0, le=0.9)] = 0.2
    held_out_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    particle_epochs: Annotated[int, Field(ge=1)] = 15
    min_steps: Annotated[int, Field(ge=1)] = 150
    max_steps: Annotated[int, Field(ge=1)] = 500
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    seed: Annotated[int, Field(ge=0)] = 0


class Trained(NamedTuple):
    """The trained model, and the curves."""

    model: KpickerModel
    checks: tuple[Check, ...]


class _Learned(NamedTuple):
    """A micrograph ready for training."""

    name: str
    image: NetImage
    examples: Examples


def train_kpicker(
    micrographs: Iterable[Micrograph],
    positives: Sequence[Picks],
    negatives: Sequence[Picks] | None,
    settings: KpickerTraining,
    *,
    threads: int = 1,
    device: torch.device | None = None,
    watch: Callable[[Check], None] | None = None,
) -> Trained:
    """Train a network on picks.

    Args:
        micrographs: the micrographs; each is needed only until the next is taken.
        positives: for each, picks that are particles, most of them; may be empty for some.
        negatives: for each, places where there is no particle (dropped classes, junk); None where none are known.
        settings: how.
        threads: how many threads compute; the result does not depend on it.
        device: where to compute; the CPU by default.
        watch: who is told how it goes.

    Returns:
        The model and the curves.

    Raises:
        SettingsError: if there are too few picks to learn from.
        ValueError: if there are not as many tables of picks as micrographs.
    """
    least = _min_score(positives, settings.certain_share)
    against = negatives or [Picks.empty()] * len(positives)
    learned = [
        _learn(micrograph, picks, others, least, settings.diameter_angstrom, device)
        for micrograph, picks, others in zip(micrographs, positives, against, strict=True)
    ]
    seen, held_out = _split(learned, settings.held_out_share)
    found = sum(len(each.examples.positives) for each in seen)
    if found < MIN_POSITIVES:
        raise SettingsError(f"{found} particles to train from: at least {MIN_POSITIVES} are needed")
    net = new_net(settings.layers, settings.seed).to(learned[0].image.image.device)
    checks = _train_on(net, seen, held_out, settings, threads, watch)
    contrast = _contrast(learned)
    calibration, threshold = _calibrated(net, held_out or seen, contrast)
    facts = KpickerFit(
        diameter_angstrom=settings.diameter_angstrom,
        layers=settings.layers,
        calibration=calibration,
        threshold=threshold,
        contrast=contrast,
        micrographs=tuple(each.name for each in seen),
        held_out=tuple(each.name for each in held_out),
        training=settings.model_dump(mode="json"),
    )
    return Trained(KpickerModel(facts, net), checks)


def _train_on(
    net: KpickerNet,
    seen: Sequence[_Learned],
    held_out: Sequence[_Learned],
    settings: KpickerTraining,
    threads: int,
    watch: Callable[[Check], None] | None,
) -> tuple[Check, ...]:
    sampler = Sampler([each.examples for each in seen], settings.seed, stream=1)
    others = [each.examples for each in held_out]
    judge = Sampler(others, settings.seed, stream=2).batch(0, _HELD_OUT) if others else None
    prior = sampler.unlabelled_prior(settings.missed_share)
    schedule = _schedule(settings, len(sampler.positives.image))

    def loss(odds: Tensor, groups: Tensor) -> Tensor:
        return positive_unlabelled_risk(odds, groups, prior)

    return train(net, sampler.batch, judge, loss, schedule, threads, watch)


def _min_score(positives: Sequence[Picks], share: float) -> float:
    scores = np.concatenate([np.zeros(0), *(p.score for p in positives)])
    return float(np.quantile(scores, 1 - share)) if len(scores) and share < 1 else -np.inf


def _learn(
    micrograph: Micrograph,
    positives: Picks,
    negatives: Picks,
    least: float,
    diameter_angstrom: float,
    device: torch.device | None,
) -> _Learned:
    image = net_image(micrograph, diameter_angstrom, device)
    picks, certain, not_ours = (image.from_stored(p.xy) for p in (positives, positives.at_least(least), negatives))
    picks, certain, not_ours = (xy[image.contains(xy)] for xy in (picks, certain, not_ours))
    return _Learned(micrograph.name, image, Examples(image.image, certain, picks, not_ours))


def _split(learned: Sequence[_Learned], share: float) -> tuple[list[_Learned], list[_Learned]]:
    """Set micrographs aside, evenly spread over those that hold particles; none where there is only one such.

    Returns:
        Those to train on, and those held out.
    """
    filled = [i for i, each in enumerate(learned) if len(each.examples.positives)]
    count = min(max(1, round(share * len(filled))), len(filled) // 2)
    aside = {filled[int((k + 0.5) * len(filled) / count)] for k in range(count)}
    seen = [each for i, each in enumerate(learned) if i not in aside]
    return seen, [learned[i] for i in sorted(aside)]


def _schedule(settings: KpickerTraining, particles: int) -> TrainingSchedule:
    steps = settings.particle_epochs * particles // BatchComposition().positives
    steps = min(max(steps, settings.min_steps), max(settings.max_steps, settings.min_steps))
    return TrainingSchedule(
        steps=steps,
        check_every=max(1, steps // _CHECKS),
        rate=settings.rate,
        averaging=_AVERAGING,
        patience=_PATIENCE,
        min_gain=_MIN_GAIN,
    )


def _contrast(learned: Sequence[_Learned]) -> ParticleContrast:
    return ParticleContrast.of(np.concatenate([each.image.contrast_at(each.examples.positives) for each in learned]))


def _calibrated(net: KpickerNet, judges: Sequence[_Learned], contrast: ParticleContrast) -> tuple[Calibration, float]:
    """Return calibration and threshold, learned on micrographs that are not trained on."""
    odds, labelled = (np.concatenate(v) for v in zip(*(_peaks(net, each, contrast) for each in judges), strict=True))
    if not len(odds):
        return Calibration(1.0, 0.0, 1.0), 0.5
    calibration = calibrate(odds, labelled)
    threshold = best_threshold(odds, calibration.probability(odds))
    return calibration, float(calibration.probability(np.array([threshold]))[0])


def _peaks(
    net: KpickerNet, each: _Learned, contrast: ParticleContrast
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the log-odds of a micrograph's peaks, and whether there is a pick at each."""
    found = candidates(each.image, scan_image(net, each.image.image, _STRIDE_PX), _STRIDE_PX)
    matches = contrast.matches_particle_contrast(each.image.contrast_at(found.xy))
    picks = each.examples.picks
    labelled = distance_to_nearest(found.xy, picks) <= _LABEL_REACH_DIAMETERS * PARTICLE_PX
    return found.odds[matches], labelled[matches]
