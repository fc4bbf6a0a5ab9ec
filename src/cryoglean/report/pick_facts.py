"""What the report of a pick folder tells besides its picks: the picker, and what it learned of the set."""

from __future__ import annotations

from dataclasses import dataclass

from cryoglean.report.page_facts import PageFacts


@dataclass(frozen=True)
class Picture:
    """A picture that the job has drawn.

    Attributes:
        name: of its file.
        title: for the user.
        says: what is to be seen.
        data: the file, PNG.
    """

    name: str
    title: str
    says: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class PickFacts(PageFacts):
    """All that the report of a pick folder tells.

    Attributes:
        method: the picker, for the user.
        preset: which of its ways.
        learns: whether it learns of the set before it picks.
        learned: what it has learned, in words; empty where it has learned nothing.
        found_particles: whether anything like particles was found; None where nothing was learned.
        pictures: of what was learned, in order.
    """

    method: str
    preset: str
    learns: bool = False
    learned: str = ""
    found_particles: bool | None = None
    pictures: tuple[Picture, ...] = ()

    @property
    def waiting(self) -> int:
        """How many micrographs are neither picked nor set aside."""
        return sum(m.picks is None and m.rejected is None for m in self.micrographs)
