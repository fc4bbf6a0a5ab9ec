"""Preparation of Kpicker: its weights are read by each process that picks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryoglean.pickers.kpicker.files import StoredKpicker, read_kpicker
from cryoglean.pickers.kpicker.paper import PaperKpickerSettings
from cryoglean.pickers.kpicker.picker import KpickerSettings
from cryoglean.pickers.protocol import Implementation, PreparedPicker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryoglean.pickers.protocol import Preparation


def _stored(preparation: Preparation) -> StoredKpicker:
    if isinstance(preparation.settings, PaperKpickerSettings):
        settings: KpickerSettings | PaperKpickerSettings = preparation.settings
    else:
        settings = preparation.settings_of(KpickerSettings)
    return StoredKpicker(settings, preparation.given["weights"], preparation.device)


def _check(preparation: Preparation) -> None:
    _stored(preparation).check()


def _prepare(preparation: Preparation) -> PreparedPicker:
    return PreparedPicker(_stored(preparation))


def _diameter_of_weights(given: Mapping[str, Path]) -> float:
    return read_kpicker(given["weights"]).facts.diameter_angstrom


DEFAULT = Implementation(KpickerSettings, _prepare, _check, known_diameter=_diameter_of_weights)
PAPER = Implementation(PaperKpickerSettings, _prepare, _check, known_diameter=_diameter_of_weights)
