"""Training of Kpicker as published: as many random negatives as particles, 30 epochs, the best checkpoint."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial import cKDTree

from cryoglean.errors import SettingsError
from cryoglean.nets.convolutional import standardise_each
from cryoglean.nets.kpicker_net import WINDOW_PX, KpickerLayers, new_net
from cryoglean.nets.losses import Group, cross_entropy
from cryoglean.nets.patches import PatchSource, Places, Rotations
from cryoglean.nets.training import Batch, Check, TrainingSchedule, train
from cryoglean.pickers.kpicker.paper import PaperKpickerFit, PaperKpickerModel, ResizedImage, resized_image
from cryoglean.pickers.kpicker.training import MIN_POSITIVES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cryoglean.micrograph import Micrograph
    from cryoglean.picks import Picks

_TRIES = 20
"""Places that are tried for each empty one. Resource: bounds the time in crowded micrographs."""


class PaperKpickerTraining(BaseModel):
    """Settings of the training of the published Kpicker.

    Attributes:
        preset: which of its ways.
        diameter_angstrom: particle diameter.
        layers: sizes of the network's layers.
        bin_factor: stored pixels per binned pixel.
        box_diameters: side of a window in particle diameters; the release has 260 px for particles of 240.
        epochs: how often each patch is seen.
        batch: patches in a step.
        rate: learning rate at the start, a tenth of it whenever ten epochs brought nothing better.
        validation_share: share of the patches that choose the best checkpoint.
        max_rotation_degrees: largest rotation of a patch, either way.
        seed: of the weights at the start and of all draws.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["paper"] = "paper"
    diameter_angstrom: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    layers: KpickerLayers = KpickerLayers()
    bin_factor: Annotated[int, Field(ge=1)] = 4
    box_diameters: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 260 / 240
    epochs: Annotated[int, Field(ge=1)] = 30
    batch: Annotated[int, Field(ge=1)] = 100
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    max_rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 20.0
    seed: Annotated[int, Field(ge=0)] = 0


class PaperTrained(NamedTuple):
    """The trained model, and the curves."""

    model: PaperKpickerModel
    checks: tuple[Check, ...]


def train_paper_kpicker(
    micrographs: Iterable[Micrograph],
    positives: Sequence[Picks],
    settings: PaperKpickerTraining,
    *,
    threads: int = 1,
    device: torch.device | None = None,
    watch: Callable[[Check], None] | None = None,
) -> PaperTrained:
    """Train a network on picks, as published.

    Args:
        micrographs: the micrographs; each is needed only until the next is taken.
        positives: for each, picks that are particles.
        settings: how.
        threads: how many threads compute; the result does not depend on it.
        device: where to compute; the CPU by default.
        watch: who is told how each epoch went.

    Returns:
        The model and the curves.

    Raises:
        SettingsError: if there are too few picks to learn from.
        ValueError: if there are not as many tables of picks as micrographs.
    """
    box, where = settings.box_diameters * settings.diameter_angstrom, device or torch.device("cpu")
    images, known, names = list[ResizedImage](), list[NDArray[np.float64]](), list[str]()
    for micrograph, picks in zip(micrographs, positives, strict=True):
        image = resized_image(micrograph, settings.bin_factor, box, where)
        images.append(image)
        known.append(image.from_stored(picks.xy))
        names.append(micrograph.name)
    found = sum(len(_boxed(image, xy)) for image, xy in zip(images, known, strict=True))
    if found < MIN_POSITIVES:
        raise SettingsError(f"{found} particles to train from: at least {MIN_POSITIVES} are needed")
    sampler, net = _PaperSampler(images, known, settings), new_net(settings.layers, settings.seed).to(where)
    schedule = TrainingSchedule(
        steps=settings.epochs * sampler.steps_of_an_epoch,
        check_every=sampler.steps_of_an_epoch,
        optimiser="sgd",
        rate=settings.rate,
        rate_decay="plateau",
    )
    checks = train(net, sampler.batch, sampler.validation(), cross_entropy, schedule, threads, watch)
    facts = PaperKpickerFit(
        diameter_angstrom=settings.diameter_angstrom,
        layers=settings.layers,
        bin_factor=settings.bin_factor,
        box_diameters=settings.box_diameters,
        micrographs=tuple(names),
        training=settings.model_dump(mode="json"),
    )
    return PaperTrained(PaperKpickerModel(facts, net), checks)


class _PaperSampler:
    """Patches of particles and of as many empty places, a share of them set aside."""

    def __init__(
        self, images: Sequence[ResizedImage], known: Sequence[NDArray[np.float64]], settings: PaperKpickerTraining
    ) -> None:
        diameter_px = WINDOW_PX / settings.box_diameters
        both = list(zip(images, known, strict=True))
        particles = [_boxed(image, xy) for image, xy in both]
        empty = [_empty_places(image, xy, diameter_px, settings.seed, i) for i, (image, xy) in enumerate(both)]
        self._places, groups = _shuffled(particles, empty, settings.seed)
        self._groups = torch.from_numpy(groups).to(images[0].image.device)
        self._source, self._settings = PatchSource([image.image for image in images]), settings
        self._aside = max(1, round(settings.validation_share * len(groups)))
        self.steps_of_an_epoch = math.ceil((len(groups) - self._aside) / settings.batch)

    def validation(self) -> Batch:
        """Return the patches set aside, as they are."""
        return self._cut(np.arange(self._aside), Rotations.none(self._aside))

    def batch(self, step: int) -> Batch:
        """Return the batch of a step; an epoch sees every patch once."""
        settings = self._settings
        epoch, number = divmod(step, self.steps_of_an_epoch)
        random = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(3, epoch)))
        order = self._aside + random.permutation(len(self._groups) - self._aside)
        which = order[number * settings.batch : (number + 1) * settings.batch]
        return self._cut(which, _rotations(settings, step, len(which)))

    def _cut(self, which: NDArray[np.int64], rotations: Rotations) -> Batch:
        patches = self._source.cut(self._places.take(which), rotations)
        return Batch(standardise_each(patches), self._groups[torch.from_numpy(which)])


def _boxed(image: ResizedImage, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the places whose window lies inside the image."""
    half, (height, width) = WINDOW_PX / 2, image.image.shape
    inside = (xy >= half - 0.5) & (xy <= np.array([width, height]) - half - 0.5)
    return xy[inside.all(axis=1)]


def _empty_places(
    image: ResizedImage, known: NDArray[np.float64], diameter_px: float, seed: int, number: int
) -> NDArray[np.float64]:
    """Draw as many random places as there are particles with a whole window; fewer where it is crowded.

    Each is a diameter from all known particles, those at the border among them.
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(4, number)))
    count, (height, width) = len(_boxed(image, known)), image.image.shape
    if not count:
        return np.zeros((0, 2))
    xy = random.random((_TRIES * count, 2)) * (np.array([width, height]) - WINDOW_PX) + (WINDOW_PX - 1) / 2
    distance, _ = cKDTree(known).query(xy)
    return np.asarray(xy[distance >= diameter_px][:count])


def _shuffled(
    particles: Sequence[NDArray[np.float64]], others: Sequence[NDArray[np.float64]], seed: int
) -> tuple[Places, NDArray[np.int64]]:
    both = [*particles, *others]
    image = np.repeat(np.tile(np.arange(len(particles)), 2), [len(v) for v in both])
    found = sum(map(len, particles))
    groups = np.where(np.arange(len(image)) < found, Group.POSITIVE, Group.NEGATIVE).astype(np.int64)
    order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(5,))).permutation(len(image))
    return Places(image, np.concatenate(both)).take(order), groups[order]


def _rotations(settings: PaperKpickerTraining, step: int, n: int) -> Rotations:
    """Draw small rotations, and flips along either axis: both at once is half a turn."""
    random = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(6, step)))
    most = math.radians(settings.max_rotation_degrees)
    columns, rows = random.random((2, n)) < 0.5
    return Rotations(random.uniform(-most, most, n) + math.pi * rows, columns ^ rows)
