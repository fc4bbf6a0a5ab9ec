"""Preparation of Localpicker: learned from some micrographs of the set, or read from the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cryoglean.io.atomic import write_atomic_text
from cryoglean.io.models import read_model
from cryoglean.pickers.localpicker.figures import fit_figure
from cryoglean.pickers.localpicker.paper import PaperLocalpicker, PaperLocalpickerSettings
from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerModel, LocalpickerSettings, fit_localpicker
from cryoglean.pickers.protocol import FIT_MICROGRAPHS, Implementation, PreparedPicker
from cryoglean.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.pickers.protocol import Preparation

_FIT, _PICTURE = "localpicker.json", "localpicker.png"


def read_localpicker_fit(folder: Path) -> LocalpickerModel | None:
    """Return what Localpicker has learned in a folder, or None.

    Raises:
        SettingsError: if the file is there and cannot be understood.
    """
    return read_model(folder / _FIT, LocalpickerModel)


def localpicker_fit(preparation: Preparation) -> LocalpickerModel:
    """Return what Localpicker learns of the set, or has learned in the folder before.

    Raises:
        SettingsError: if what is there cannot be understood.
        OSError: if results cannot be written.
    """
    model = read_localpicker_fit(preparation.folder)
    if model is not None:
        return model
    seen = counted(min(len(preparation.files), FIT_MICROGRAPHS), "micrograph")
    preparation.info(f"learning the particle's shape from {seen}")
    diameter, device = preparation.settings.diameter_angstrom, torch.device(preparation.device)
    model = fit_localpicker(preparation.sample(()), diameter, threads=preparation.cpus, device=device)
    preparation.draw(preparation.folder / _PICTURE, fit_figure(model))  # first: the model marks completion
    write_atomic_text(preparation.folder / _FIT, model.model_dump_json(indent=2) + "\n")
    return model


def _prepare(preparation: Preparation) -> PreparedPicker:
    settings, model = preparation.settings_of(LocalpickerSettings), localpicker_fit(preparation)
    return PreparedPicker(Localpicker(settings, model, torch.device(preparation.device)), model)


def _prepare_paper(preparation: Preparation) -> PreparedPicker:
    return PreparedPicker(PaperLocalpicker(preparation.settings_of(PaperLocalpickerSettings)))


DEFAULT = Implementation(LocalpickerSettings, _prepare, read_fit=read_localpicker_fit)
PAPER = Implementation(PaperLocalpickerSettings, _prepare_paper)
