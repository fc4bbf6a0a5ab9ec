"""Sample of a set of micrographs, to learn from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from cryoglean.errors import MicrographError
from cryoglean.pickers.protocol import FIT_MICROGRAPHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryoglean.micrograph import MicrographFile

Read = TypeVar("Read")


def spread_sample(
    files: Sequence[MicrographFile],
    read: Callable[[MicrographFile], Read],
    first: Sequence[MicrographFile] = (),
    max_count: int = FIT_MICROGRAPHS,
    suits: Callable[[Read], bool] = lambda _: True,
    is_usual: Callable[[Read], bool] = lambda _: True,
) -> Iterator[Read]:
    """Read micrographs spread evenly over a set, after some that come first; unusable ones give way to neighbours.

    They depend on the set alone, not on the order of the files.

    Args:
        files: the set.
        read: how one is read; raises `MicrographError` if it cannot be used: it is named when its turn comes.
        first: files of the set to begin with.
        max_count: how many to read.
        suits: whether one that was read is worth it; the others are taken only where there is none.
        is_usual: whether one that suits is like most of any set; the others are taken only where most are like them.
    """
    found = 0
    passed_over: list[MicrographFile] = []
    unusual: list[MicrographFile] = []
    for file in _spread(files, first, max_count):
        try:
            micrograph = read(file)
        except MicrographError:
            continue
        if not suits(micrograph):
            passed_over.append(file)
        elif not is_usual(micrograph):
            unusual.append(file)
        else:
            yield micrograph
            found += 1
        if found == max_count or len(unusual) == found + max_count:
            break
    if len(unusual) > found:
        yield from map(read, unusual[: max_count - found])
    elif not found:
        yield from map(read, passed_over[:max_count])


def _spread(
    files: Sequence[MicrographFile], first: Sequence[MicrographFile], max_count: int
) -> Iterator[MicrographFile]:
    """Yield files after the first ones, those that are spread evenly over the set before their neighbours."""
    in_order = sorted(files, key=lambda file: file.key)
    stride = math.ceil(len(files) / max_count)
    yield from first
    yield from (f for start in range(stride) for f in in_order[start::stride] if f not in first)
