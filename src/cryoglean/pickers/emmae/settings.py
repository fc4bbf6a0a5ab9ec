"""Settings of Cryo-EMMAE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cryoglean.pickers.emmae.training import EmmaeTraining, training_values
from cryoglean.pickers.settings import PickerSettings, ShapeSettings
from cryoglean.preprocess.mae_chain import MaePreprocess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class NetworkSettings(PickerSettings):
    """Settings of the network that Cryo-EMMAE looks through, besides those of `PickerSettings`.

    Attributes:
        preprocess: how micrographs are prepared for the network; None is as its preset does, or as a network that is
            given was trained.
        training: how the network is trained if none is given; None trains as its preset does.
    """

    preprocess: Literal["default", "paper", "none"] | None = None
    training: EmmaeTraining | None = None

    @model_validator(mode="after")
    def _chains_agree(self) -> Self:
        if self.training is not None and self.preprocess not in (None, self.training.preprocess.chain):
            raise ValueError(f"preprocess {self.preprocess}: the training has {self.training.preprocess.chain}")
        return self

    @property
    def chain(self) -> str | None:
        """Chain of filters that a network that is given must have been trained with; None takes any."""
        return self.preprocess if self.training is None else self.training.preprocess.chain

    @property
    def network_training(self) -> EmmaeTraining:
        """Settings of the training where no network is given."""
        if self.training is not None:
            return self.training
        chain = {} if self.preprocess is None else {"preprocess": MaePreprocess(chain=self.preprocess)}
        return EmmaeTraining(**training_values("paper" if self.preset == "paper" else "default", chain))

    def recorded(self, given: Mapping[str, Path]) -> dict[str, Any]:
        """Return what decides the picks, as JSON values: of a network that is given its content, recorded besides."""
        said = self.model_dump(mode="json", exclude={"preprocess", "training"})
        if "weights" in given:
            return said
        return said | {"training": self.network_training.model_dump(mode="json")}


class EmmaeSettings(NetworkSettings, ShapeSettings):
    """Settings of Cryo-EMMAE, those of `ShapeSettings` and `NetworkSettings`."""

    method: Literal["emmae"] = "emmae"
    preset: Literal["default"] = "default"


class PaperEmmaeSettings(NetworkSettings):
    """Settings of Cryo-EMMAE as published, besides those of `NetworkSettings`.

    Attributes:
        seed: of the clusters.
    """

    method: Literal["emmae"] = "emmae"
    preset: Literal["paper"] = "paper"
    seed: Annotated[int, Field(ge=0)] = 0
