"""Content of a pick folder's report besides its picks: the picker, and its fit to the set."""

from __future__ import annotations

from dataclasses import dataclass

from cryoglean.report.page_facts import PageFacts


@dataclass(frozen=True)
class Picture:
    """Picture that the job has drawn.

    Attributes:
        name: of its file.
        title: for the user.
        says: description of what it shows.
        data: the file, PNG.
    """

    name: str
    title: str
    says: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class PickFacts(PageFacts):
    """Content of a pick folder's report.

    Attributes:
        method: the picker, for the user.
        preset: of the picker.
        is_fitted: whether the picker is fitted to the set before it picks.
        fit_digest: short digest of the fit in use; empty where there is none.
        fit_summary: the fit in words; empty where there is none.
        found_particles: whether the fit found a particle signal; None without a fit.
        pictures: of the fit, in order.
    """

    method: str
    preset: str
    is_fitted: bool = False
    fit_digest: str = ""
    fit_summary: str = ""
    found_particles: bool | None = None
    pictures: tuple[Picture, ...] = ()

    @property
    def waiting(self) -> int:
        """Number of micrographs that are neither picked nor rejected."""
        return sum(m.picks is None and m.rejected is None for m in self.micrographs)
