"""Content of a page about picks, whatever made them: plain data, gathered from a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cryoglean.expected import Expected, expected_of
from cryoglean.findings import expected_if_sound
from cryoglean.picks import Picks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryoglean.findings import Finding

THRESHOLD_MARK = "@THRESHOLD@"
"""Format: what stands for the threshold in a command of a page; shells leave it as it is."""


@dataclass(frozen=True, eq=False)
class MicrographFacts:
    """Micrograph with its picks.

    Attributes:
        key: its unique name in the folder.
        path: its file.
        picks: None where it was not picked.
        rejected: why it was rejected; None if it was not.
        defocus_angstrom: mean defocus; None where it is not known.
        is_of_subset: whether the rounds of a run work on it.
        candidates: places below the threshold; None where none were kept.
        name: in tables of RELION; "" where it is the path.
        height_px: number of rows as stored, where its tables count from the last one.
        left_out: share of it that is left out; None where that is not known.
        grade: good, doubtful or bad; "" where it was not graded.
        doubt: why it is not good.
    """

    key: str
    path: str
    picks: Picks | None = None
    rejected: str | None = None
    defocus_angstrom: float | None = None
    is_of_subset: bool = False
    candidates: Picks | None = None
    name: str = ""
    height_px: int | None = None
    left_out: float | None = None
    grade: str = ""
    doubt: str = ""

    @property
    def table_name(self) -> str:
        """Its name in tables of RELION."""
        return self.name or self.path

    def picks_best_first(self) -> Picks:
        """Return its picks, best first; none where it was not picked."""
        return Picks.empty() if self.picks is None else self.picks.best_first()

    def candidates_best_first(self) -> Picks:
        """Return its candidates that are not better than a pick, best first; none where none were kept."""
        if self.candidates is None or self.picks is None:
            return Picks.empty()
        least = self.picks.score.min() if len(self.picks) else np.inf
        return self.candidates.take(self.candidates.score < least).best_first()


@dataclass(frozen=True, eq=False)
class View:
    """Micrograph for the viewer.

    Attributes:
        key: its unique name in the folder.
        height_px: rows as stored.
        width_px: columns as stored.
        grey: (h, w) uint8, binned or magnified; None where the image cannot be read.
        scale: pixels of `grey` per stored pixel.
        diameter_px: particle diameter in stored pixels.
        problem: why there is no image.
        left_out: (h, w) uint8, not 0 where the micrograph is left out, binned from its first pixel on; None where that
            is not known.
    """

    key: str
    height_px: int
    width_px: int
    grey: NDArray[np.uint8] | None
    scale: float
    diameter_px: float
    problem: str = ""
    left_out: NDArray[np.uint8] | None = None


@dataclass(frozen=True, kw_only=True)
class PageFacts:
    """Content of every page.

    Attributes:
        name: of the folder.
        status: of the job: done or running; of a run also stopped or review.
        diameter_angstrom: particle diameter.
        pixel_size_angstrom: of the micrographs; None where it is not known, or not the same for all.
        min_distance_angstrom: minimum distance between picks.
        micrographs: all, in the order given.
        outliers: keys of those with far more picks than most.
        findings: on the micrographs themselves.
        views: some of them, for the viewer.
        settings: of the job.
        provenance: the call and the versions, as text.
        pick_command: the command that picks with another threshold, `THRESHOLD_MARK`; None if there is none.
        threshold: minimum score of the picks; None where it is not known, or is no score.
        tells_precision: whether the mean score of its picks tells how many are particles.
        hidden_share: share of all particles that dirt or others hide.
    """

    name: str
    status: str
    diameter_angstrom: float
    pixel_size_angstrom: float | None
    min_distance_angstrom: float
    micrographs: tuple[MicrographFacts, ...]
    outliers: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    views: tuple[View, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    pick_command: str | None = None
    threshold: float | None = None
    tells_precision: bool = False
    hidden_share: float = 0.0

    @property
    def expected(self) -> Expected | None:
        """What is expected of all picks; None where nothing estimates it, or alarms doubt it."""
        if not self.tells_precision:
            return None
        each = (expected_of(p, self.candidates[key]) for key, p in self.picks.items())
        return expected_if_sound(Expected.total(each, self.hidden_share), self.findings)

    @property
    def picks(self) -> dict[str, Picks]:
        """Picks of each micrograph that was picked, in the order given."""
        return {m.key: m.picks for m in self.micrographs if m.picks is not None}

    @cached_property
    def candidates(self) -> dict[str, Picks]:
        """Candidates of each of these below its picks; empty where none were kept."""
        return {m.key: m.candidates_best_first() for m in self.micrographs if m.picks is not None}

    @cached_property
    def places(self) -> dict[str, Picks]:
        """Picks and candidates of each of these."""
        below = self.candidates
        return {key: Picks.joined([picks, below[key]]) for key, picks in self.picks.items()}

    @property
    def counts(self) -> dict[str, int]:
        """Number of picks of each of these."""
        return {key: len(picks) for key, picks in self.picks.items()}

    @property
    def rejected(self) -> tuple[MicrographFacts, ...]:
        """Rejected micrographs."""
        return tuple(m for m in self.micrographs if m.rejected is not None)

    @property
    def defocus(self) -> dict[str, float]:
        """Mean defocus in angstrom of the picked micrographs for which it is known."""
        known = {m.key: m.defocus_angstrom for m in self.micrographs if m.picks is not None}
        return {key: value for key, value in known.items() if value is not None}
