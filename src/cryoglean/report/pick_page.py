"""Page of a pick folder, with the pictures of the picker's fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from cryoglean.report.html_page import audit_of, html_page
from cryoglean.report.pick_notices import key_numbers, notices
from cryoglean.report.picture_images import images_in
from cryoglean.report.viewer_data import data_uri, jpeg

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryoglean.report.pick_facts import PickFacts, Picture

MAX_PICTURES_BYTES = 3_000_000
"""Of pictures that are embedded as they are; others are embedded smaller. Resource: the page stays below 24 MB."""

_LONGEST_SIDE_PX = 2400
"""Of pictures that are embedded smaller. Resource: as `MAX_PICTURES_BYTES`."""


def pick_page(facts: PickFacts, written: str) -> str:
    """Return the page as HTML.

    Args:
        facts: content of the page.
        written: when, as text.
    """
    audit = audit_of(facts)
    return html_page(
        "pick.html",
        facts,
        audit,
        written,
        notices(facts, audit),
        key_numbers=key_numbers(facts, audit),
        pictures=[
            (picture, image, images_in(picture.data))
            for picture, image in zip(facts.pictures, embedded(facts.pictures), strict=True)
        ],
    )


def embedded(pictures: Iterable[Picture]) -> list[str]:
    """Return pictures as data URIs: byte for byte while there is room, then as small JPEGs.

    A damaged picture for which there is no room is left out: its text is empty.
    """
    shown, room = [], MAX_PICTURES_BYTES
    for picture in pictures:
        if len(picture.data) <= room:
            room -= len(picture.data)
            shown.append(data_uri(picture.data, "png"))
        else:
            shown.append(_smaller(picture.data))
    return shown


def _smaller(data: bytes) -> str:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return ""
    factor = min(1.0, _LONGEST_SIDE_PX / max(image.shape))
    reduced = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return data_uri(jpeg(np.asarray(reduced, np.uint8)), "jpeg")
