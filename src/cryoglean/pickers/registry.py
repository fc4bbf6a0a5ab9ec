"""Registry of the pickers."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from cryoglean.errors import SettingsError

if TYPE_CHECKING:
    from cryoglean.pickers.protocol import PickerDescription

PACKAGES = [
    "cryoglean.pickers.auto",
    "cryoglean.pickers.localpicker",
    "cryoglean.pickers.kpicker",
    "cryoglean.pickers.matcher",
    "cryoglean.pickers.emmae",
]
"""Packages with `DESCRIPTIONS`, one a line; the first one that has a preset is its default."""

DEFAULT_PRESET = "default"


@cache
def descriptions() -> tuple[PickerDescription, ...]:
    """Return all pickers, each with each of its presets."""
    return tuple(each for package in PACKAGES for each in import_module(package).DESCRIPTIONS)


def methods() -> tuple[str, ...]:
    """Return the names of all pickers, the default one first."""
    return tuple(dict.fromkeys(each.method for each in descriptions()))


def presets() -> tuple[str, ...]:
    """Return the names of all presets, the default one first."""
    return tuple(dict.fromkeys(each.preset for each in descriptions()))


def default_method(preset: str) -> str:
    """Return the picker that is taken where none is named: the first one that has the preset.

    Raises:
        SettingsError: if none has it.
    """
    for each in descriptions():
        if each.preset == preset:
            return each.method
    raise SettingsError(f"unknown preset {preset!r}; choose from {', '.join(presets())}")


def describe(method: str, preset: str = DEFAULT_PRESET) -> PickerDescription:
    """Return the description of a picker.

    Raises:
        SettingsError: if there is none of that name, or it has no such preset.
    """
    if method not in methods():
        raise SettingsError(f"unknown method {method!r}; choose from {', '.join(methods())}")
    found = {each.preset: each for each in descriptions() if each.method == method}
    if preset not in found:
        raise SettingsError(f"--preset {preset}: --method {method} has only {', '.join(found)}")
    return found[preset]
