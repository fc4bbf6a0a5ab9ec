"""What Auto has learned of a set, on disk: facts and class averages in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from cryoglean.errors import SettingsError
from cryoglean.nets.weights import read_weights, write_weights
from cryoglean.pickers.auto.picker import AutoModel, FittedAuto
from cryoglean.pickers.matcher.class_averages import ClassAverages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KIND, VERSION = "auto-set", 2
_IMAGES, _PIXEL_SIZE = "averages", "pixel_size_angstrom"
_SMALLER = "smaller."
"""Format: what the names of tensors of a smaller species begin with."""


def write_fitted_auto(path: Path, fitted: FittedAuto) -> None:
    """Write what was learned of a set, whole or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    tensors = _tensors(fitted.averages)
    if fitted.smaller is not None:
        tensors |= {_SMALLER + name: each for name, each in _tensors(fitted.smaller.averages).items()}
    write_weights(path, KIND, VERSION, fitted.model.model_dump(mode="json"), tensors)


def _tensors(averages: ClassAverages | None) -> dict[str, torch.Tensor]:
    if averages is None:
        return {}
    return {
        _IMAGES: torch.from_numpy(averages.images),
        _PIXEL_SIZE: torch.tensor([averages.pixel_size_angstrom]),
    }


def read_fitted_auto(path: Path) -> FittedAuto:
    """Read what was learned of a set.

    Raises:
        SettingsError: if the file is missing, damaged, or of another version.
    """
    facts, tensors = read_weights(path, KIND, VERSION)
    try:
        return _fitted(AutoModel.model_validate(facts), tensors)
    except (ValidationError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path} does not hold what Auto learned of a set: {reason[:200]}") from error


def _fitted(model: AutoModel, tensors: Mapping[str, torch.Tensor], prefix: str = "") -> FittedAuto:
    smaller = None if model.smaller is None else _fitted(model.smaller, tensors, prefix + _SMALLER)
    if model.matched is None:
        return FittedAuto(model, smaller=smaller)
    images, pixel_size = tensors[prefix + _IMAGES], float(tensors[prefix + _PIXEL_SIZE])
    if images.ndim != 3 or images.shape[1] != images.shape[2] or len(images) != model.matched.averages:
        raise ValueError(f"{tuple(images.shape)} are not {model.matched.averages} class averages")
    return FittedAuto(model, ClassAverages(images.numpy(), pixel_size), smaller)
