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
) -> Iterator[Read]:
    """Read micrographs spread evenly over a set, after some that come first; unusable ones give way to neighbours.

    They depend on the set alone, not on the order of the files.

    Args:
        files: the set.
        read: how one is read; raises `MicrographError` if it cannot be used: it is named when its turn comes.
        first: files of the set to begin with.
        max_count: how many to read.
        suits: whether one that was read is worth it; the others are taken only where there is none.
    """
    in_order = sorted(files, key=lambda file: file.key)
    stride, found = math.ceil(len(files) / max_count), 0
    spread = (f for start in range(stride) for f in in_order[start::stride] if f not in first)
    passed_over = []
    for file in (*first, *spread):
        try:
            micrograph = read(file)
        except MicrographError:
            continue
        if not suits(micrograph):
            passed_over.append(file)
            continue
        yield micrograph
        found += 1
        if found == max_count:
            return
    if not found:
        yield from map(read, passed_over[:max_count])
