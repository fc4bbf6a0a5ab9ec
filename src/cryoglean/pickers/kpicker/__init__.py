"""Kpicker: a small network trained on selected classes (McSweeney et al., IUCrJ 7, 719, 2020)."""

from cryoglean.pickers.protocol import GivenFile, Implementation, PickerDescription, PickerOption

_GIVEN = (GivenFile("weights", "--model", "the weights.safetensors that cryoglean train makes", is_needed=True),)
_OPTIONS = (PickerOption("threshold", "--threshold", float, "Minimum probability", decides_fit=False),)


def _load() -> Implementation:
    from cryoglean.pickers.kpicker.preparation import DEFAULT  # late: loads torch

    return DEFAULT


def _load_paper() -> Implementation:
    from cryoglean.pickers.kpicker.preparation import PAPER  # late: loads torch

    return PAPER


DESCRIPTIONS = (
    PickerDescription("kpicker", "default", "Kpicker", _load, _GIVEN, _OPTIONS, is_fitted=False),
    PickerDescription("kpicker", "paper", "Kpicker", _load_paper, _GIVEN, _OPTIONS, is_fitted=False),
)
