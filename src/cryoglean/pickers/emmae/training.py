"""Training of Cryo-EMMAE's masked autoencoder: micrographs in, a model out; held-out micrographs judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cryoglean.nets.mae import Mae, new_mae
from cryoglean.nets.mae_layers import PAPER_LAYERS, MaeLayers
from cryoglean.nets.mae_training import MaeCheck, MaeCourse, MaeProgress, train_mae
from cryoglean.nets.tiles import MaskedTiles, Sampling, TileSampler
from cryoglean.preprocess.mae_chain import CHAIN_VERSION, MaePreprocess
from cryoglean.preprocess.noise_floor import Filtering
from cryoglean.scale.process_group import SINGLE_PROCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from cryoglean.scale.process_group import ProcessGroup

_CHECKS = 40
"""Looks at the held-out tiles in a training. Resource: points enough for a curve."""

_MAX_STEPS_BETWEEN = 50
"""Most steps between looks. Resource: so much work at most is lost when a training is stopped."""

_HELD_OUT_TILES = 64
"""Held-out tiles of a look. Resource: as much work as two steps."""

_TRAINED_ON, _HELD_OUT = 1, 2
"""Streams of draws. Format: part of the seeds, never changed."""


class EmmaeTraining(BaseModel):
    """Settings of the training of the network.

    Attributes:
        preset: which of its ways; the defaults of the fields are those of `default`, `training_values` has the others.
        preprocess: how micrographs are prepared.
        layers: sizes of the network.
        keys_as_queries: a new network's keys start as its queries are, which shortens the training; as published they
            do not.
        mask_ratio: share of a tile's patches to hide.
        sampling: where tiles come from.
        crop_area: for crops, smallest and largest area over that of the prepared image.
        batch: tiles in a step.
        base_rate: learning rate for a batch of 256.
        weight_decay: of AdamW.
        warm_up: share of the training in which the rate rises.
        steps: how long to train, where neither epochs nor minutes say it.
        epochs: how often as many tiles are seen as cover all micrographs once.
        minutes: how long to train.
        held_out_share: share of the micrographs that only judge.
        seed: of the weights at the start and of all draws.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["default", "paper"] = "default"
    preprocess: MaePreprocess = MaePreprocess()
    layers: MaeLayers = MaeLayers()
    keys_as_queries: bool = True
    mask_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5
    sampling: Sampling = "anywhere"
    crop_area: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]] = (0.04, 0.25)
    batch: Annotated[int, Field(ge=1, le=65_536)] = 32
    base_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 8e-3
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-5
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.05
    steps: Annotated[int, Field(ge=1)] = 1000
    epochs: Annotated[int, Field(ge=1)] | None = None
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    held_out_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.epochs is not None and self.minutes is not None:
            raise ValueError("either epochs or minutes say how long to train, not both")
        if self.crop_area[0] > self.crop_area[1]:
            raise ValueError(f"crop_area {self.crop_area}: the smallest area comes first")
        return self

    def for_filtering(self, filtering: Filtering) -> EmmaeTraining:
        """Return it with the filters that micrographs need: none of its own for those that were filtered before."""
        if filtering is not Filtering.filtered:
            return self
        return self.model_copy(update={"preprocess": self.preprocess.model_copy(update={"chain": "none"})})

    def course(self, tiles_of_an_epoch: int) -> MaeCourse:
        """Return the course for a training set."""
        steps = self.steps if self.epochs is None else max(1, self.epochs * tiles_of_an_epoch // self.batch)
        return MaeCourse(
            steps=None if self.minutes is not None else steps,
            seconds=None if self.minutes is None else 60 * self.minutes,
            batch=self.batch,
            base_rate=self.base_rate,
            weight_decay=self.weight_decay,
            warm_up=self.warm_up,
            check_every=min(max(1, steps // _CHECKS), _MAX_STEPS_BETWEEN),
        )


_PAPER_EPOCHS, _PAPER_CROPS_EPOCHS, _PAPER_WARM_UP_EPOCHS = 400, 500, 5
"""Epochs on a grid of tiles and on random crops, and those in which the rate rises. Published (Zamanos et al. 2025,
learning settings)."""


def training_values(preset: Literal["default", "paper"], given: dict[str, Any]) -> dict[str, Any]:
    """Complete what is given to the settings of a preset, as values of `EmmaeTraining` by field.

    Those of `paper` are the published ones: 400 epochs over a grid of tiles, 500 with random crops.
    """
    if preset == "default":
        return given
    epochs = _PAPER_CROPS_EPOCHS if given.get("sampling") == "crops" else _PAPER_EPOCHS
    how_long = given.get("epochs") or epochs
    published = {
        "preset": "paper",
        "preprocess": MaePreprocess(chain="paper"),
        "layers": PAPER_LAYERS,
        "keys_as_queries": False,
        "sampling": "grid",
        "batch": 128,
        "base_rate": 1e-3,
        "warm_up": min(_PAPER_WARM_UP_EPOCHS / how_long, 0.5),
        "epochs": None if given.get("minutes") else epochs,
    }
    return published | given


class Prepared(NamedTuple):
    """A micrograph as the network sees it, but for its grey values' mean and deviation.

    Attributes:
        name: the micrograph's.
        image: `(h, w)` float32.
    """

    name: str
    image: Tensor


class EmmaeNetworkFit(BaseModel):
    """Facts of a trained network.

    Attributes:
        layers: sizes of the network.
        preprocess: how micrographs must be prepared for it.
        preprocess_version: of the chain of filters.
        mean: grey value that counts as 0.
        deviation: how far from it counts as 1.
        micrographs: the micrographs it was trained on.
        held_out: those that only judged it.
        steps: batches it was trained for.
        precision: of the matrix products.
        training: the settings of the training, as JSON values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: MaeLayers
    preprocess: MaePreprocess
    preprocess_version: int
    mean: Annotated[float, Field(allow_inf_nan=False)]
    deviation: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    micrographs: tuple[str, ...]
    held_out: tuple[str, ...]
    steps: int
    precision: str
    training: dict[str, object]

    def standardised(self, image: Tensor) -> Tensor:
        """Scale a prepared image's grey values as the network knows them."""
        return (image - self.mean) / self.deviation


@dataclass(frozen=True, eq=False)
class EmmaeModel:
    """A trained network, and what is known of it."""

    facts: EmmaeNetworkFit
    net: Mae


class EmmaeTrained(NamedTuple):
    """The trained model, the curves, and some tiles to look at, held out where any are."""

    model: EmmaeModel
    checks: tuple[MaeCheck, ...]
    examples: MaskedTiles


def train_emmae(
    prepared: Sequence[Prepared],
    settings: EmmaeTraining,
    *,
    first: Mae | None = None,
    begin: MaeProgress | None = None,
    threads: int = 1,
    precision: torch.dtype = torch.float32,
    watch: Callable[[MaeProgress], None] | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
) -> EmmaeTrained:
    """Train a network on micrographs.

    Args:
        prepared: the micrographs, on the device that computes.
        settings: how; `settings.preprocess` is what was done to them.
        first: a network to start from, which is changed; None starts from random weights.
        begin: where an earlier run of the same training stood.
        threads: how many threads compute; the result does not depend on it.
        precision: of the matrix products; bfloat16 where hardware multiplies it.
        watch: who is told how it goes, with all that is needed to go on from there.
        group: processes that call this with all else equal.

    Returns:
        The model, the curves and some tiles.
    """
    seen, aside = _split(prepared, settings.held_out_share)
    mean, deviation = _grey_values([each.image for each in seen])

    def sampler_of(some: Sequence[Prepared], stream: int) -> TileSampler:
        images = [(each.image - mean) / deviation for each in some]
        return _sampler(images, settings, stream)

    sampler = sampler_of(seen, _TRAINED_ON)
    held_out = sampler_of(aside, _HELD_OUT).batch(0, _HELD_OUT_TILES) if aside else None
    begun = first or new_mae(settings.layers, settings.seed, keys_as_queries=settings.keys_as_queries)
    net = begun.to(seen[0].image.device)
    how: dict[str, Any] = {"begin": begin, "threads": threads, "precision": precision, "watch": watch, "group": group}
    course = settings.course(sampler.tiles_of_an_epoch)
    checks = train_mae(net, lambda step: sampler.batch(step, settings.batch), held_out, course, **how)
    facts = EmmaeNetworkFit(
        layers=settings.layers,
        preprocess=settings.preprocess,
        preprocess_version=CHAIN_VERSION,
        mean=mean,
        deviation=deviation,
        micrographs=tuple(each.name for each in seen),
        held_out=tuple(each.name for each in aside),
        steps=checks[-1].step,
        precision=str(precision).removeprefix("torch."),
        training=settings.model_dump(mode="json"),
    )
    return EmmaeTrained(EmmaeModel(facts, net), checks, held_out or sampler.batch(0, settings.batch))


def _split(prepared: Sequence[Prepared], share: float) -> tuple[list[Prepared], list[Prepared]]:
    """Set micrographs aside, evenly spread over all; none where there is only one.

    Returns:
        Those to train on, and those held out.
    """
    count = min(max(1, round(share * len(prepared))), len(prepared) // 2)
    aside = {int((k + 0.5) * len(prepared) / count) for k in range(count)}
    seen = [each for i, each in enumerate(prepared) if i not in aside]
    return seen, [prepared[i] for i in sorted(aside)]


def _grey_values(images: Sequence[Tensor]) -> tuple[float, float]:
    """Return mean and standard deviation over all pixels; a deviation of 1 where images are flat."""
    pixels = sum(image.numel() for image in images)
    mean = sum(float(image.double().sum()) for image in images) / pixels
    variance = sum(float((image.double() - mean).square().sum()) for image in images) / pixels
    return mean, variance**0.5 or 1.0


def _sampler(images: Sequence[Tensor], settings: EmmaeTraining, stream: int) -> TileSampler:
    layers = settings.layers
    return TileSampler(
        images,
        layers.tile_px,
        layers.tokens,
        settings.mask_ratio,
        settings.sampling,
        settings.crop_area,
        settings.seed,
        stream,
    )
