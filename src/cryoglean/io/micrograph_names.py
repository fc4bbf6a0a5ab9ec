"""Names of micrographs as programs write them, and how those of two tables are matched: one rule for all."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OF_PICKS = re.compile(
    r"(_(autopick|manualpick|automatch|extract|picks|particles|kpicker|localpicker|local|log|mae|emmae|auto|cryoglean))+$"
)
_OF_CRYOSPARC = re.compile(r"(_(patch_aligned|rigid_aligned|doseweighted|denoised))+$")
_UID = re.compile(r"^\d{21}_(?=.)")
_IMAGE = re.compile(r"\.(mrcs?|tiff?|png|jpe?g)(\.(gz|bz2|xz))?$", re.IGNORECASE)

Found = TypeVar("Found")


def stem_of(name: str) -> str:
    """Return the name of a micrograph without all that programs add to it.

    Dropped are its folder, an image's suffix, a picker's `_autopick` and the like, and cryoSPARC's leading UID (21
    digits) and `_patch_aligned_doseweighted`.
    """
    own = _own_name(name)
    return _OF_CRYOSPARC.sub("", _UID.sub("", own)) or own


def distinct_names(names: Sequence[tuple[str, str | None]]) -> list[str] | None:
    """Return for each micrograph the shortest name that tells it from the others of the same stem.

    Args:
        names: of each micrograph that of its file, and, where it is known, the one in tables, with its folders.

    Returns:
        The stem where one micrograph has it; else the name with cryoSPARC's UID; else that with its folders. None if
        two cannot be told from each other.
    """
    forms = [(stem_of(file), _own_name(file), _with_folders(table or file)) for file, table in names]
    counts = [Counter(form[level] for form in forms) for level in range(3)]
    found = [next((n for n, count in zip(form, counts, strict=True) if count[n] == 1), None) for form in forms]
    known = [name for name in found if name is not None]
    return known if len(set(known)) == len(forms) else None


def find_by_name(entries: Mapping[str, Found], name: str) -> Found | None:
    """Return the entry of a micrograph, its name in `entries` being any that `distinct_names` returns.

    Args:
        entries: by name.
        name: of the micrograph.
    """
    forms = (name, _with_folders(name), _own_name(name), stem_of(name))
    return next((entries[form] for form in forms if form in entries), None)


def _with_folders(name: str) -> str:
    return _OF_PICKS.sub("", _IMAGE.sub("", _slashes(name)))


def _own_name(name: str) -> str:
    return _with_folders(name).rpartition("/")[2]


def _slashes(name: str) -> str:
    return name.replace("\\", "/").rstrip("/")
