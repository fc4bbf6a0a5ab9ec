"""Matcher: picking by class averages."""

from cryoglean.pickers.localpicker import TEMPLATE_PICTURE
from cryoglean.pickers.protocol import PROBABILITY, GivenFile, Implementation, PickerDescription


def _load() -> Implementation:
    from cryoglean.pickers.matcher.preparation import DEFAULT  # late: loads torch

    return DEFAULT


DESCRIPTIONS = (
    PickerDescription(
        method="matcher",
        preset="default",
        title="Matcher",
        load=_load,
        given=(
            GivenFile(
                "templates", "--templates", "a stack of class averages, as cryoglean select makes it", is_needed=True
            ),
        ),
        options=PROBABILITY,
        results=("localpicker.json", "localpicker.png", "matcher.json"),
        fit_files=("localpicker.json", "matcher.json"),
        pictures=(TEMPLATE_PICTURE,),
    ),
)
