"""Localpicker: shape-based picking (McSweeney et al., IUCrJ 7, 719, 2020)."""

from cryoglean.pickers.protocol import (
    PROBABILITY,
    Implementation,
    PickerDescription,
    PickerOption,
    PictureDescription,
)

TEMPLATE_PICTURE = PictureDescription(
    "localpicker.png",
    "Learned template",
    "The template as it would look in a micrograph; its radial profile; filter-response peak heights with the "
    "threshold; whether particles were found.",
)


def _load() -> Implementation:
    from cryoglean.pickers.localpicker.preparation import DEFAULT  # late: loads torch

    return DEFAULT


def _load_paper() -> Implementation:
    from cryoglean.pickers.localpicker.preparation import PAPER  # late: loads torch

    return PAPER


DESCRIPTIONS = (
    PickerDescription(
        method="localpicker",
        preset="default",
        title="Localpicker",
        load=_load,
        options=PROBABILITY,
        results=("localpicker.json", "localpicker.png"),
        fit_files=("localpicker.json",),
        pictures=(TEMPLATE_PICTURE,),
    ),
    PickerDescription(
        method="localpicker",
        preset="paper",
        title="Localpicker",
        load=_load_paper,
        options=(
            PickerOption("threshold", "--threshold", float, "Minimum determinant of the Hessian", decides_fit=False),
            PickerOption("bin_factor", "--bin", int, "Stored pixels per binned pixel; 9 by default"),
        ),
        is_fitted=False,
        threshold_is_score=False,
    ),
)
