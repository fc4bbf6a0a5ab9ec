"""Names of micrographs in figures: short, and of letters that the figures' font has."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font

_UNKNOWN = "\ufffd"


def shown_name(name: str, most: int = 32) -> str:
    """Cut letters from the middle of a name; dollars are no mathematics, letters that the font lacks are marked.

    Args:
        name: any.
        most: letters to leave.
    """
    short = name if len(name) <= most else f"{name[: most // 3]}…{name[-(most - most // 3) :]}"
    known = "".join(letter if ord(letter) in _letters() else _UNKNOWN for letter in short)
    return known.replace("$", r"\$")


@lru_cache
def _letters() -> frozenset[int]:
    """Return the code points that matplotlib's own font has."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return frozenset(FT2Font(str(path)).get_charmap())
