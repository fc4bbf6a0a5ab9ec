"""Optics groups of several tables as those of one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cryoglean.errors import TableError
from cryoglean.io.missing_cells import table_of
from cryoglean.io.relion_columns import (
    GROUP,
    GROUP_NAME,
    MICROSCOPE,
    ORIGINAL_PIXEL_SIZE,
    PIXEL_SIZE,
    VOLTAGE,
)
from cryoglean.io.unknown_microscope import CTF_OF_ONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd

_Values = frozenset[tuple[str, str | float]]


class OpticsGroups:
    """Optics groups of a table that is being put together from others.

    A group keeps its number and its name unless another has them; groups that came from different tables and are equal
    in number or name, and in all values, become one.
    """

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, str]] = {}
        self._equal: dict[_Values, list[str]] = {}

    def number_of(self, optics: Mapping[str, str]) -> str:
        """Return the number that a group has here; a new one is taken in."""
        values = frozenset((c, _compared(v)) for c, v in optics.items() if c not in (GROUP, GROUP_NAME))
        wanted, name = optics.get(GROUP, ""), optics.get(GROUP_NAME)
        same = self._equal.setdefault(values, [])
        if wanted in same:
            return wanted
        namesakes = [n for n in same if self._groups[n].get(GROUP_NAME) == name]
        is_free = wanted != "" and wanted not in self._groups
        if namesakes or (same and not is_free):
            return (namesakes or same)[0]
        number = wanted if is_free else self._next_number()
        self._groups[number] = {**optics, GROUP: number}
        same.append(number)
        return number

    def table(self) -> pd.DataFrame:
        """Return all groups in order of their numbers, as RELION wants them, each with a name of its own.

        RELION takes two of one name for one group.
        """
        rows = sorted(self._named(), key=lambda row: (len(row[GROUP]), row[GROUP]))
        return table_of(_with_microscopes(rows), first=(GROUP_NAME, GROUP))

    def _next_number(self) -> str:
        return str(1 + max((int(number) for number in self._groups if number.isdigit()), default=0))

    def _named(self) -> list[dict[str, str]]:
        named: dict[str, dict[str, str]] = {}
        for number, group in self._groups.items():
            wanted = name = group.get(GROUP_NAME) or f"opticsGroup{number}"
            count = 0
            while name in named:
                name = f"{wanted}_{number}" if not count else f"{wanted}_{number}_{count}"
                count += 1
            named[name] = {**group, GROUP_NAME: name}
        return list(named.values())


def _compared(value: str) -> str | float:
    """Return a value as it is compared: programs write one number in several ways, and what is none equals itself."""
    try:
        number = float(value)
    except ValueError:
        return value
    return value if math.isnan(number) else number


def _all_compared(group: Mapping[str, str]) -> dict[str, str | float]:
    return {column: _compared(value) for column, value in group.items()}


def _with_microscopes(groups: list[dict[str, str]]) -> list[dict[str, str]]:
    """Give groups without a microscope, where others have one, that of a CTF of 1; it plays no part which voltage.

    A group that has one of the two pixel sizes only gets it as the other: what is not binned has the same.
    """
    voltage = next((group[VOLTAGE] for group in groups if VOLTAGE in group), None)
    sizes = (PIXEL_SIZE, ORIGINAL_PIXEL_SIZE)
    wanted = [column for column in sizes if any(column in group for group in groups)]
    completed = []
    for group in groups:
        size = next((group[column] for column in sizes if column in group), None)
        more = {} if size is None else {column: size for column in wanted if column not in group}
        if voltage is not None and not all(column in group for column in MICROSCOPE):
            more |= {VOLTAGE: group.get(VOLTAGE, voltage), **CTF_OF_ONE}
        completed.append({**group, **more})
    return completed


def optics_by_number(path: Path, optics: pd.DataFrame | None) -> dict[str, dict[str, str]]:
    """Return optics groups by their number; none where there is no table of them.

    Args:
        path: of the table, for messages.
        optics: as `read_star` returns it.

    Raises:
        TableError: if they have no numbers, or two of one number differ.
    """
    if optics is None or optics.empty:
        return {}
    if GROUP not in optics.columns:
        raise TableError(path, f"the optics table has no column {GROUP}")
    groups = numbered(optics)
    for row in _records(optics):
        if _all_compared(groups[row[GROUP]]) != _all_compared(row):
            raise TableError(path, f"optics group {row[GROUP]} twice, with different values: leave one of the two")
    return groups


def numbered(optics: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return optics groups by their number; of two with one number the last."""
    return {row[GROUP]: row for row in _records(optics)}


def _records(optics: pd.DataFrame) -> Iterator[dict[str, str]]:
    columns = [str(column) for column in optics.columns]
    for values in optics.itertuples(index=False, name=None):
        yield dict(zip(columns, map(str, values), strict=True))
