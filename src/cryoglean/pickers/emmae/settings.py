"""Settings of Cryo-EMMAE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cryoglean.pickers.emmae.training import EmmaeTraining, training_values
from cryoglean.pickers.settings import PickerSettings, ShapeSettings
from cryoglean.preprocess.mae_chain import MaePreprocess
from cryoglean.preprocess.noise_floor import Filtering

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class NetworkSettings(PickerSettings):
    """Settings of the network that Cryo-EMMAE looks through, besides those of `PickerSettings`.

    Attributes:
        preprocess: how micrographs are prepared for the network; `auto` filters as the preset does those that were not
            filtered before. None is `auto` with the default preset, the published chain with `paper`, and in either as
            a network that is given was trained.
        training: how the network is trained if none is given; None trains as its preset does.
    """

    preprocess: Literal["auto", "default", "paper", "none"] | None = None
    training: EmmaeTraining | None = None

    @model_validator(mode="after")
    def _chains_agree(self) -> Self:
        if self.training is not None and self.preprocess not in (None, self.training.preprocess.chain):
            raise ValueError(f"preprocess {self.preprocess}: the training has {self.training.preprocess.chain}")
        return self

    @property
    def chain(self) -> str | None:
        """Chain of filters that a network that is given must have been trained with; None takes any."""
        if self.training is not None:
            return self.training.preprocess.chain
        return None if self.preprocess == "auto" else self.preprocess

    @property
    def chooses_chain(self) -> bool:
        """Whether the micrographs tell which chain of filters they need, where no network is given."""
        if self.training is not None:
            return False
        return self.preprocess == "auto" or (self.preprocess is None and self.preset != "paper")

    def network_training(self, filtering: Filtering = Filtering.unknown) -> EmmaeTraining:
        """Return the settings of the training where no network is given.

        Args:
            filtering: what was done to the micrographs before; it matters where these are to choose the chain.
        """
        if self.training is not None:
            return self.training
        chain = self.chain
        given = {} if chain is None else {"preprocess": MaePreprocess.model_validate({"chain": chain})}
        training = EmmaeTraining(**training_values("paper" if self.preset == "paper" else "default", given))
        return training.for_filtering(filtering) if self.chooses_chain else training

    def recorded(self, given: Mapping[str, Path]) -> dict[str, Any]:
        """Return what decides the picks, as JSON values: of a network that is given its content, recorded besides."""
        said = self.model_dump(mode="json", exclude={"preprocess", "training"})
        if "weights" in given:
            return said
        training = self.network_training().model_dump(mode="json")
        return said | {"training": training | ({"preprocess": "auto"} if self.chooses_chain else {})}


class EmmaeSettings(NetworkSettings, ShapeSettings):
    """Settings of Cryo-EMMAE, besides those of `ShapeSettings` and `NetworkSettings`.

    Attributes:
        threshold: minimum score of a pick; at 0.5 lies the threshold that the program finds by itself.
    """

    method: Literal["emmae"] = "emmae"
    preset: Literal["default"] = "default"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5


class PaperEmmaeSettings(NetworkSettings):
    """Settings of Cryo-EMMAE as published, besides those of `NetworkSettings`.

    Attributes:
        seed: of the clusters.
    """

    method: Literal["emmae"] = "emmae"
    preset: Literal["paper"] = "paper"
    seed: Annotated[int, Field(ge=0)] = 0
