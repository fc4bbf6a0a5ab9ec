"""Preparation of Auto: learned from some micrographs of the set, or read from the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cryoglean.pickers.auto.figures import fit_figure
from cryoglean.pickers.auto.files import read_fitted_auto, write_fitted_auto
from cryoglean.pickers.auto.fit import fit_auto
from cryoglean.pickers.auto.picker import AutoSettings
from cryoglean.pickers.auto.smaller import auto_picker, find_smaller
from cryoglean.pickers.localpicker.preparation import localpicker_fit, read_localpicker_fit
from cryoglean.pickers.protocol import Implementation, PreparedPicker

if TYPE_CHECKING:
    from pathlib import Path

    from cryoglean.pickers.auto.picker import AutoModel, FittedAuto
    from cryoglean.pickers.protocol import Preparation

_FIT, _PICTURE = "auto.safetensors", "auto.png"


def read_auto_fit(folder: Path) -> AutoModel | None:
    """Return what Auto has learned in a folder, or None.

    Raises:
        SettingsError: if the file is there and cannot be understood.
    """
    return read_fitted_auto(folder / _FIT).model if (folder / _FIT).exists() else None


def _fitted(preparation: Preparation) -> FittedAuto:
    """Return what Auto learns of the set, or has learned in the folder before."""
    path, device = preparation.folder / _FIT, torch.device(preparation.device)
    if path.exists():
        read_localpicker_fit(preparation.folder)  # told if it is broken, as the fit is known by it, too
        return read_fitted_auto(path)
    template = localpicker_fit(preparation)
    if template.found_particles:
        preparation.info("averaging its surest picks, to see whether class averages find particles better")
    fitted = fit_auto(preparation.sample(()), template, preparation.cpus, device)
    if fitted.model.found_particles:
        preparation.info("looking for a smaller species between them")
    fitted = find_smaller(lambda: preparation.sample(()), fitted, preparation.cpus, device)
    if fitted.smaller is not None:
        preparation.info(f"found one, some {fitted.smaller.diameter_angstrom:.2g} A across: species 2 of the picks")
    preparation.draw(preparation.folder / _PICTURE, fit_figure(fitted))  # first: the file marks completion
    write_fitted_auto(path, fitted)
    return fitted


def _prepare(preparation: Preparation) -> PreparedPicker:
    settings, fitted = preparation.settings_of(AutoSettings), _fitted(preparation)
    return PreparedPicker(auto_picker(settings, fitted, torch.device(preparation.device)), fitted.model)


DEFAULT = Implementation(AutoSettings, _prepare, read_fit=read_auto_fit)
