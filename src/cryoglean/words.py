"""Words of counts and names, as messages, pictures and reports say them, and tables as text."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that no name or value may hold: they break lines in tables and messages, or control the terminal."""

UNWRITABLE = re.compile(rf"{CONTROL.pattern}|[\ud800-\udfff]")
"""Characters that no file's name may have: those, and bytes that are no text."""

_MAX_LISTED = 5
"""Names that a message lists. Resource: they fit on a line or two."""


def listed(names: Iterable[str]) -> str:
    """Return the first few of some names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - _MAX_LISTED:,} more" if len(every) > _MAX_LISTED else ""
    return ", ".join(every[:_MAX_LISTED]) + more


def written(name: str) -> str:
    """Return a name with the bytes in place of characters that no table can hold."""
    return UNWRITABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), name)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: "no picks", "1 pick", "2,000 picks".

    Args:
        number: how many.
        noun: of one.
        plural: of several; the noun with an s by default.
    """
    return f"{f'{number:,}' if number else 'no'} {noun if number == 1 else plural or f'{noun}s'}"


def shortened(name: str, longest: int = 32) -> str:
    """Cut letters from the middle of a name that has more than `longest`."""
    return name if len(name) <= longest else f"{name[: longest // 3]}…{name[-(longest - longest // 3) :]}"


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV with a header, as every one here is written: lines end with a line feed on every system."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return text.getvalue()
