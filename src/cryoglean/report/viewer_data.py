"""Data of a page's viewer: small grey pictures, picks and candidates."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from cryoglean.picks import Picks
from cryoglean.report.overlay import (
    LEFT_OUT_OPACITY,
    LEFT_OUT_RGB,
    highest_shown_score,
    lowest_shown_score,
    score_palette,
)
from cryoglean.report.packed_places import MAX_PLACES, PLACES, places_of
from cryoglean.report.page_facts import THRESHOLD_MARK
from cryoglean.report.score_steps import PARTS, all_scores, own_threshold, steps_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryoglean.report.page_facts import PageFacts, View

MAX_VIEWS, LONGEST_SIDE_PX, MAX_IMAGE_BYTES = 24, 1000, 320_000
"""Number, longer side and size of the pictures of micrographs. Resource: the page stays below 24 MB."""

MAX_SHADE_PX = 512
"""Longer side of the shade over what is left out. Resource: a few kilobytes for each micrograph."""

_QUALITIES = (88, 80, 70, 60, 50, 40, 30, 20)
"""Of JPEG, tried from the first on. Resource: the best that `MAX_IMAGE_BYTES` allows."""


def viewer_data(facts: PageFacts) -> dict[str, Any]:
    """Return what the viewer needs, as JSON values.

    Places are packed as in `packed_places`, those of the micrographs shown first; `remaining` counts those of all
    micrographs that reach each step. At the step `first` just the picks are shown, whose threshold is `own`.
    """
    steps, scores = steps_for(facts.places), all_scores(facts.places)
    whole = Picks.joined(facts.places.values())
    weakest, strongest = lowest_shown_score(whole), highest_shown_score(whole)
    own = own_threshold(facts)
    first = int(steps.of(np.array([own]))[0])
    remaining = steps.remaining(scores)
    remaining[first] = sum(facts.counts.values())
    holds_all = len(scores) <= MAX_PLACES or len(facts.views) == len(facts.picks)
    shown = {view.key: number for number, view in enumerate(facts.views)}
    held = [m for m in facts.micrographs if m.picks is not None and (holds_all or m.key in shown)]
    held.sort(key=lambda m: shown.get(m.key, len(shown)))
    return {
        "name": facts.name,
        "views": [_view(view) for view in facts.views],
        "micrographs": [places_of(each, steps) for each in held],
        "holds_all": holds_all,
        "has_candidates": any(map(len, facts.candidates.values())),
        "looked_below": any(each.candidates is not None for each in facts.micrographs),
        "places": PLACES,
        "parts": PARTS,
        "low": steps.low,
        "high": steps.high,
        "thresholds": steps.thresholds.tolist(),
        "remaining": remaining.tolist(),
        "picked": sum(facts.counts.values()),
        "own": own,
        "first": first,
        "slider": steps.of(np.array([min(weakest, own), strongest])).tolist(),
        "weakest": weakest,
        "strongest": strongest,
        "palette": ["#" + bytes(colour).hex() for colour in score_palette()],
        "score_kind": whole.score_kind,
        "pixel_size": facts.pixel_size_angstrom,
        "pick_command": facts.pick_command,
        "threshold_mark": THRESHOLD_MARK,
    }


def jpeg(grey: NDArray[np.uint8], max_bytes: int = MAX_IMAGE_BYTES) -> bytes:
    """Encode (h, w) as JPEG of the best quality that the limit allows; the lowest may exceed it."""
    encoded = b""
    for quality in _QUALITIES:
        encoded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(encoded) <= max_bytes:
            break
    return encoded


def data_uri(data: bytes, kind: str) -> str:
    """Return an image as a data URI, which a page holds itself."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _shade(view: View) -> dict[str, Any] | None:
    """Return the shade over what is left out, and which stored pixels it covers; None where nothing is, or is known."""
    if view.left_out is None or not view.left_out.any():
        return None
    factor = max(1, math.ceil(max(view.left_out.shape) / MAX_SHADE_PX))
    binned = math.ceil(view.height_px / view.left_out.shape[0]) * factor
    part = (view.left_out > 0)[factor // 2 :: factor, factor // 2 :: factor]
    shade = np.zeros((*part.shape, 4), np.uint8)
    shade[part] = (*LEFT_OUT_RGB[::-1], round(255 * LEFT_OUT_OPACITY))  # OpenCV's order
    encoded = cv2.imencode(".png", shade)[1].tobytes()
    return {"image": data_uri(encoded, "png"), "covered": [binned * side for side in part.shape[::-1]]}


def _view(view: View) -> dict[str, Any]:
    covered = (view.width_px, view.height_px)
    if view.grey is not None:
        covered = tuple(round(side / view.scale) for side in view.grey.shape[::-1])  # binning leaves out a rest
    return {
        "name": view.key,
        "size": [view.width_px, view.height_px],
        "covered": list(covered),
        "image": None if view.grey is None else data_uri(jpeg(view.grey), "jpeg"),
        "left_out": _shade(view),
        "problem": view.problem,
        "diameter": view.diameter_px,
    }
