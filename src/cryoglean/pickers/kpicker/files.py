"""Kpicker's weights on disk, and a picker that takes them from there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from cryoglean.errors import SettingsError
from cryoglean.limits import is_same_size
from cryoglean.nets.kpicker_net import KpickerNet
from cryoglean.nets.weights import read_weights, with_weights, write_weights
from cryoglean.pickers.kpicker.paper import (
    PaperKpicker,
    PaperKpickerFit,
    PaperKpickerModel,
    PaperKpickerSettings,
)
from cryoglean.pickers.kpicker.picker import Kpicker, KpickerFit, KpickerModel, KpickerSettings

if TYPE_CHECKING:
    from cryoglean.micrograph import Micrograph
    from cryoglean.picks import Picks

KIND, VERSION = "kpicker", 2


def write_kpicker(path: Path, model: KpickerModel | PaperKpickerModel) -> None:
    """Write a model, whole or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    write_weights(path, KIND, VERSION, model.facts.model_dump(mode="json"), model.net.state_dict())


def read_kpicker(path: Path) -> KpickerModel | PaperKpickerModel:
    """Read a model.

    Raises:
        SettingsError: if the file is missing, damaged, or not of a Kpicker of this version.
    """
    facts, tensors = read_weights(path, KIND, VERSION)
    is_paper = facts.get("preset") == "paper"
    try:
        known = (PaperKpickerFit if is_paper else KpickerFit).model_validate(facts)
        net = with_weights(lambda: KpickerNet(known.layers), tensors)
    except (ValidationError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path} does not hold what a Kpicker needs: {reason[:200]}") from error
    if isinstance(known, PaperKpickerFit):
        return PaperKpickerModel(known, net)
    return KpickerModel(known, net)


@dataclass(frozen=True)
class StoredKpicker:
    """A Kpicker that is small to send to other processes: each reads the weights once.

    Attributes:
        settings: of either preset.
        weights: the weights' file.
        device: where to compute, as torch names it.
    """

    settings: KpickerSettings | PaperKpickerSettings
    weights: Path
    device: str = "cpu"

    def pick(self, micrograph: Micrograph) -> Picks:
        """Find the particles of one micrograph, as `Kpicker` and `PaperKpicker` do."""
        return self.opened().pick(micrograph)

    def opened(self) -> Kpicker | PaperKpicker:
        """Return the picker that the weights hold.

        Raises:
            SettingsError: if they are for the other preset.
        """
        return _loaded(self.settings, self.weights, self.device)

    def check(self) -> None:
        """See that the weights can be used with the settings.

        Raises:
            SettingsError: if they cannot.
        """
        facts = read_kpicker(self.weights).facts
        if facts.preset != self.settings.preset:
            raise SettingsError(f"{self.weights} was trained with --preset {facts.preset}: pick with the same")
        wanted = self.settings.diameter_angstrom
        if not is_same_size(wanted, facts.diameter_angstrom):
            raise SettingsError(
                f"--diameter {wanted:g}: {self.weights} was trained for particles of {facts.diameter_angstrom:g} A"
            )


@lru_cache(maxsize=1)
def _loaded(settings: KpickerSettings | PaperKpickerSettings, weights: Path, device: str) -> Kpicker | PaperKpicker:
    model = read_kpicker(weights)
    if isinstance(model, PaperKpickerModel) and isinstance(settings, PaperKpickerSettings):
        return PaperKpicker(settings, model, torch.device(device))
    if isinstance(model, KpickerModel) and isinstance(settings, KpickerSettings):
        return Kpicker(settings, model, torch.device(device))
    raise SettingsError(f"{weights} was trained with --preset {model.facts.preset}: pick with the same")
