"""Data of a page's viewer: small grey pictures, and picks as whole numbers."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from cryoglean.picks import Picks
from cryoglean.report.overlay import highest_shown_score, lowest_shown_score, score_palette
from cryoglean.report.score_steps import all_scores, score_meaning, steps_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from cryoglean.report.page_facts import PageFacts, View
    from cryoglean.report.score_steps import ScoreSteps

MAX_VIEWS, LONGEST_SIDE_PX, MAX_IMAGE_BYTES = 24, 1000, 320_000
"""Number, longer side and size of the pictures of micrographs. Resource: the page stays below 20 MB."""

PLACES = 100
"""Coordinates are whole hundredths of a pixel. Resource: short numbers, finer than what can be seen."""

_QUALITIES = (88, 80, 70, 60, 50, 40, 30, 20)
"""Of JPEG, tried from the first on. Resource: the best that `MAX_IMAGE_BYTES` allows."""


def viewer_data(facts: PageFacts) -> dict[str, Any]:
    """Return what the viewer needs, as JSON values.

    Coordinates are in hundredths of a stored pixel, the centre of the first pixel at 0; scores are steps, and
    `remaining` counts the picks of all micrographs that reach each step.
    """
    picks = facts.picks
    steps, scores = steps_for(picks), all_scores(picks)
    whole = _joined(picks.values())
    weakest, strongest = lowest_shown_score(whole), highest_shown_score(whole)
    return {
        "views": [_view(view, picks[view.key], steps) for view in facts.views],
        "places": PLACES,
        "thresholds": steps.thresholds.tolist(),
        "remaining": steps.remaining(scores).tolist(),
        "first": int(steps.of(scores).min()) if len(scores) else 0,
        "slider": steps.of(np.array([weakest, strongest])).tolist(),
        "weakest": weakest,
        "strongest": strongest,
        "palette": ["#" + bytes(colour).hex() for colour in score_palette()],
        "meaning": score_meaning(picks),
        "pixel_size": facts.pixel_size_angstrom,
        "pick_command": facts.pick_command,
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


def _view(view: View, picks: Picks, steps: ScoreSteps) -> dict[str, Any]:
    ordered = picks.best_first()
    covered = (view.width_px, view.height_px)
    if view.grey is not None:
        covered = tuple(round(side / view.scale) for side in view.grey.shape[::-1])  # binning leaves out a rest
    return {
        "name": view.key,
        "size": [view.width_px, view.height_px],
        "covered": list(covered),
        "image": None if view.grey is None else data_uri(jpeg(view.grey), "jpeg"),
        "problem": view.problem,
        "diameter": view.diameter_px,
        "x": np.rint(ordered.x * PLACES).astype(int).tolist(),
        "y": np.rint(ordered.y * PLACES).astype(int).tolist(),
        "step": steps.of(ordered.score).tolist(),
    }


def _joined(picks: Iterable[Picks]) -> Picks:
    each = [p for p in picks if len(p)]
    if not each:
        return Picks.empty()
    xy, score = np.concatenate([p.xy for p in each]), np.concatenate([p.score for p in each])
    kinds = {p.score_kind for p in each}
    return Picks(xy[:, 0], xy[:, 1], score, kinds.pop() if len(kinds) == 1 else "foreign")
