"""Picks: the one result of every picker, a table of particle centres with scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

ScoreKind = Literal["uncalibrated", "probability", "foreign"]
"""What a score means: monotone only, the probability of being a particle, or another program's own scale."""


@dataclass(frozen=True, eq=False)
class Picks:
    """Particle centres of one micrograph.

    Coordinates are pixels of the micrograph as stored, `x` along a row and `y` down from the first stored row, the
    centre of the first pixel at (0, 0). The first three columns are float64 of shape (n,); n may be 0.

    Attributes:
        x: column coordinate of each centre, in pixels.
        y: row coordinate of each centre, in pixels.
        score: figure of merit, larger is surer; in [0, 1] unless `score_kind` is "foreign".
        score_kind: what the score means.
        fit: short digest of what the picker had learned; empty where that is not known.
        species: (n,) whole numbers from 1, the largest particles first; None where a picker knows but one species.

    Raises:
        ValueError: if the columns differ in length, hold a value that is not finite, or a score leaves [0, 1].
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    score: NDArray[np.float64]
    score_kind: ScoreKind = "uncalibrated"
    fit: str = ""
    species: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for name in ("x", "y", "score"):
            column = np.array(getattr(self, name), dtype=np.float64).reshape(-1)
            if not np.isfinite(column).all():
                raise ValueError(f"Picks.{name} holds a value that is not finite")
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        if self.species is not None and len(self.species) != len(self.x):
            raise ValueError(f"Picks.species is of {len(self.species)} picks, not {len(self.x)}")
        if not len(self.x) == len(self.y) == len(self.score):
            raise ValueError(f"Picks columns differ in length: {len(self.x)}, {len(self.y)}, {len(self.score)}")
        if self.score_kind != "foreign" and len(self) and not (self.score.min() >= 0 and self.score.max() <= 1):
            raise ValueError(f"Picks.score must lie in [0, 1], found {self.score.min():g} to {self.score.max():g}")

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def empty(cls, score_kind: ScoreKind = "uncalibrated") -> Picks:
        """Picks of a micrograph in which there is nothing: a valid answer."""
        nothing = np.zeros(0)
        return cls(nothing, nothing, nothing, score_kind)

    @classmethod
    def joined(cls, tables: Iterable[Picks]) -> Picks:
        """Return the picks of several tables, one after the other; scores of several kinds become "foreign".

        Where only some tell their species, the others' is 1.
        """
        each = [table for table in tables if len(table)]
        if not each:
            return cls.empty()
        x, y, score = (np.concatenate([getattr(table, name) for table in each]) for name in ("x", "y", "score"))
        kinds = {table.score_kind for table in each}
        species = None
        if any(table.species is not None for table in each):
            species = np.concatenate([table.species_numbers for table in each])
        return cls(x, y, score, kinds.pop() if len(kinds) == 1 else "foreign", species=species)

    @property
    def xy(self) -> NDArray[np.float64]:
        """Centres as an (n, 2) array, x first."""
        return np.stack([self.x, self.y], axis=1)

    def take(self, which: ArrayLike) -> Picks:
        """Return the picks at `which`: an (m,) array of indices or an (n,) boolean mask."""
        which = np.asarray(which)
        species = None if self.species is None else self.species[which]
        return Picks(self.x[which], self.y[which], self.score[which], self.score_kind, self.fit, species)

    @property
    def species_numbers(self) -> NDArray[np.int64]:
        """The species, all 1 where a picker knows but one."""
        return np.ones(len(self), np.int64) if self.species is None else self.species

    def best_first(self) -> Picks:
        """Return the same picks by falling score; equal scores in order of y, then x."""
        return self.take(np.lexsort((self.x, self.y, -self.score)))

    def outside(self, mask: NDArray[np.bool_] | None) -> Picks:
        """Return the picks whose centres are not in a mask of the micrograph, (h, w) booleans."""
        if mask is None:
            return self
        rows, columns = (
            np.rint(v).astype(np.intp).clip(0, n - 1) for v, n in zip((self.y, self.x), mask.shape, strict=True)
        )
        return self.take(~mask[rows, columns])

    def at_least(self, score: float) -> Picks:
        """Return the picks whose score is `score` or more."""
        return self.take(self.score >= score)
