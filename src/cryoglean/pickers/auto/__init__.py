"""Auto: shape-based picking, by class averages of its own picks where these tell particles better."""

from cryoglean.pickers.localpicker import TEMPLATE_PICTURE
from cryoglean.pickers.protocol import PROBABILITY, Implementation, PickerDescription, PictureDescription


def _load() -> Implementation:
    from cryoglean.pickers.auto.preparation import DEFAULT  # late: loads torch

    return DEFAULT


DESCRIPTIONS = (
    PickerDescription(
        method="auto",
        preset="default",
        title="Auto",
        load=_load,
        options=PROBABILITY,
        results=("localpicker.json", "localpicker.png", "auto.safetensors", "auto.png"),
        fit_files=("localpicker.json", "auto.safetensors"),
        tries_averages=True,
        tells_precision=True,
        pictures=(
            PictureDescription(
                "auto.png",
                "Class averages and their judgement",
                "Averages of the surest picks; peak heights of the response to them, with the threshold; whether they "
                "take the round template's place.",
            ),
            TEMPLATE_PICTURE,
        ),
    ),
)
