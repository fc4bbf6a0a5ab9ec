"""Places of a micrograph as one short text, which the page's `places.js` unpacks: picks first, then candidates."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from cryoglean.io.coordinates.y_convention import YConvention, relion_y_convention
from cryoglean.io.star import star_cell

if TYPE_CHECKING:
    from cryoglean.picks import Picks
    from cryoglean.report.page_facts import MicrographFacts
    from cryoglean.report.score_steps import ScoreSteps

PLACES = 1000
"""Coordinates are whole thousandths of a pixel. Resource: whole numbers, finer than any centre is known."""

MAX_PLACES = 250_000
"""Places of micrographs that are not shown, at most, for a page to hold them all. Resource: four million letters."""


def packed(picks: Picks, candidates: Picks, steps: ScoreSteps) -> str:
    """Return places as base64 of little-endian numbers: n of x, then of y (int32), then of parts of score (uint16).

    Args:
        picks: best first.
        candidates: best first, none better than a pick.
        steps: of the slider.
    """
    both = (picks, candidates)
    x, y = (np.concatenate([getattr(p, axis) for p in both]) for axis in ("x", "y"))
    score = np.concatenate([p.score for p in both])
    columns = [np.rint(v * PLACES).astype("<i4") for v in (x, y)]
    return base64.b64encode(b"".join(c.tobytes() for c in (*columns, steps.parts_of(score).astype("<u2")))).decode()


def places_of(micrograph: MicrographFacts, steps: ScoreSteps) -> dict[str, Any]:
    """Return the places of a micrograph with what its rows in a STAR file need, as JSON values.

    `cell` is its name in STAR, None where STAR cannot hold it; `last_row` is the row from which y counts there, None
    where that is the first.
    """
    picks, candidates = micrograph.picks_best_first(), micrograph.candidates_best_first()
    is_upside_down = relion_y_convention(micrograph.table_name) is YConvention.LAST_ROW
    return {
        "cell": _cell(micrograph.table_name),
        "last_row": micrograph.height_px - 1 if is_upside_down and micrograph.height_px is not None else None,
        "picks": len(picks),
        "count": len(picks) + len(candidates),
        "packed": packed(picks, candidates, steps),
    }


def _cell(name: str) -> str | None:
    try:
        return star_cell(name)
    except ValueError:
        return None
