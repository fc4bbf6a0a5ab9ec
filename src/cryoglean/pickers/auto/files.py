"""What Auto has learned of a set, on disk: facts and class averages in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from cryoglean.errors import SettingsError
from cryoglean.nets.weights import read_weights, write_weights
from cryoglean.pickers.auto.fit import FittedAuto
from cryoglean.pickers.auto.picker import AutoModel
from cryoglean.pickers.matcher.class_averages import ClassAverages

if TYPE_CHECKING:
    from pathlib import Path

KIND, VERSION = "auto-set", 1
_IMAGES, _PIXEL_SIZE = "averages", "pixel_size_angstrom"


def write_fitted_auto(path: Path, fitted: FittedAuto) -> None:
    """Write what was learned of a set, whole or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    averages, tensors = fitted.averages, dict[str, torch.Tensor]()
    if averages is not None:
        tensors = {
            _IMAGES: torch.from_numpy(averages.images),
            _PIXEL_SIZE: torch.tensor([averages.pixel_size_angstrom]),
        }
    write_weights(path, KIND, VERSION, fitted.model.model_dump(mode="json"), tensors)


def read_fitted_auto(path: Path) -> FittedAuto:
    """Read what was learned of a set.

    Raises:
        SettingsError: if the file is missing, damaged, or of another version.
    """
    facts, tensors = read_weights(path, KIND, VERSION)
    try:
        model = AutoModel.model_validate(facts)
        if model.matched is None:
            return FittedAuto(model)
        images, pixel_size = tensors[_IMAGES], float(tensors[_PIXEL_SIZE])
        if images.ndim != 3 or images.shape[1] != images.shape[2] or len(images) != model.matched.averages:
            raise ValueError(f"{tuple(images.shape)} are not {model.matched.averages} class averages")
        return FittedAuto(model, ClassAverages(images.numpy(), pixel_size))
    except (ValidationError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path} does not hold what Auto learned of a set: {reason[:200]}") from error
