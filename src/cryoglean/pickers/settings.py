"""Settings that pickers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cryoglean.errors import SettingsError
from cryoglean.limits import min_distance_angstrom

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryoglean.micrograph import Micrograph


class PickerSettings(BaseModel):
    """Settings of a picker; each class of them has a method and a preset of its own.

    Attributes:
        method: name of the picker.
        preset: one of its ways to pick.
        diameter_angstrom: particle diameter.
        min_distance_angstrom: minimum distance between two picks; half a diameter where it is None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    preset: str
    diameter_angstrom: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    min_distance_angstrom: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @property
    def min_distance_diameters(self) -> float:
        """Minimum distance between two picks, in particle diameters."""
        return min_distance_angstrom(self.min_distance_angstrom, self.diameter_angstrom) / self.diameter_angstrom

    def min_distance_px(self, micrograph: Micrograph) -> float:
        """Return the minimum distance between two picks of a micrograph, in pixels as stored."""
        distance_angstrom = min_distance_angstrom(self.min_distance_angstrom, self.diameter_angstrom)
        return distance_angstrom / micrograph.pixel_size_angstrom

    def recorded(self, given: Mapping[str, Path]) -> dict[str, Any]:  # noqa: ARG002 (other pickers need it)
        """Return what decides the picks, as JSON values.

        Args:
            given: the files that the picker is given, by name; their content is recorded besides.
        """
        return self.model_dump(mode="json")


class ShapeSettings(PickerSettings):
    """Settings of pickers that look for a shape, besides those of `PickerSettings`.

    Attributes:
        edge_distance_diameters: minimum distance of a pick from the edge of the exposed area; at a third, no more than
            a tenth of the particle's disc is cut off.
    """

    preset: str = "default"
    edge_distance_diameters: Annotated[float, Field(ge=0, le=2)] = 1 / 3


class ProbabilitySettings(ShapeSettings):
    """Settings of pickers whose scores are probabilities, besides those of `ShapeSettings`.

    Attributes:
        threshold: minimum probability of a pick; None is the one at which the largest F1 is expected.
        fdr: share of false picks that is expected, at most: another way to choose the threshold.
        recall_first: a third way: where the largest F2 is expected, for which a missed particle weighs more.
    """

    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    fdr: Annotated[float, Field(gt=0, lt=1)] | None = None
    recall_first: bool = False

    @model_validator(mode="after")
    def _threshold_is_chosen_once(self) -> Self:
        ways = {"--threshold": self.threshold, "--fdr": self.fdr, "--recall-first": self.recall_first or None}
        chosen = [option for option, value in ways.items() if value is not None]
        if len(chosen) > 1:
            raise SettingsError(f"{' and '.join(chosen)} choose the threshold in different ways: leave one of them out")
        return self
