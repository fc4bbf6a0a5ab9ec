"""Auto: Localpicker's search with class averages of its own picks, where these tell particles better.

A round template knows neither views nor shapes. Averages of the surest picks do; so they are searched for at every
place and in all turns (references as in Roseman, Ultramicroscopy 94, 225, 2003), with a threshold found beside decoys.
Each half of the micrographs is searched with the averages of the other: averages of noise fit the noise that they are
made of, and would seem better than they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from cryoglean.pickers.localpicker.picker import Localpicker, LocalpickerModel
from cryoglean.pickers.matcher.picker import MatchedHeights, Matcher
from cryoglean.pickers.settings import ProbabilitySettings
from cryoglean.words import counted

if TYPE_CHECKING:
    import torch

    from cryoglean.pickers.matcher.class_averages import ClassAverages

_MIN_AGREEMENT = 0.7
"""Share of picks in common below which class averages are not believed. Chosen on simulated sets, seeds 1 to 3 of the
hard suite among them: 0.3 to 0.68 where averages are of noise, which they find anywhere, and sometimes alike; 0.74 and
more elsewhere."""

_ERROR_OF_ALL = 2**-0.5
"""Error of the averages of all micrographs over that of those of half of them. Derived: they are means of twice as many
particles. With 1 in its place F1 is the same, on the mean of 22 simulated sets; on a real one labels were seen."""


_LESS_DOUBT = 0.8
"""Share of the template's doubt that may be left. Chosen on simulated sets: 0.3 to 0.65 of it where averages find rods
and faint particles better, 0.97 where they are of noise. Labels of a noisy real set were watched meanwhile."""

_LITTLE_DOUBT = 0.1
"""Share of doubtful picks that needs to become no less. Chosen by hand: where nearly all picks are sure, what is better
is where they are."""


class AutoSettings(ProbabilitySettings):
    """Settings of Auto, those of `ProbabilitySettings`."""

    method: Literal["auto"] = "auto"


class Trial(BaseModel):
    """One round of class averages, judged by which picks have more in common.

    Averages of two halves of the micrographs err mostly independently of each other, and of what was searched with
    before. So their picks have more in common with each other than with the former ones where they are better: of three
    who err independently, each one's error follows from how pairs differ (the three-cornered hat of clocks; Gray and
    Allan, Proc. 28th Freq. Control Symp., 243, 1974): half of what two equally good ones differ by is that of either.
    What all take alike, as dirt, it does not see. And where particles are hardly seen, averages may be alike for being
    of the same noise: so fewer picks must be in doubt by their heights, too.

    Attributes:
        agreement: share of the picks that averages of both halves have in common.
        with_former: share that those of one half have in common with the former picks.
        doubt: share of the picks that are expected to be none.
        template_doubt: the same of the picks by the round template.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    agreement: float
    with_former: float
    doubt: float
    template_doubt: float

    @property
    def is_better(self) -> bool:
        """Whether averages find particles better than what was before."""
        return self.agrees and self.is_clearer

    @property
    def agrees(self) -> bool:
        """Whether picks have so much in common that averages err less than what was before."""
        differ, differ_from_former = 1 - self.agreement, 1 - self.with_former
        of_all = _ERROR_OF_ALL * differ / 2
        of_former = differ_from_former - differ / 2
        return self.is_reproduced and of_all < of_former

    @property
    def is_reproduced(self) -> bool:
        """Whether averages of both halves find the same."""
        return self.agreement > _MIN_AGREEMENT

    @property
    def is_clearer(self) -> bool:
        """Whether fewer picks are in doubt than by the template, or next to none."""
        return self.doubt <= max(_LESS_DOUBT * self.template_doubt, _LITTLE_DOUBT)


class AutoModel(BaseModel):
    """Facts of a fit to a set, besides the averages.

    Attributes:
        localpicker: what Localpicker has learned of the set.
        trials: rounds of class averages; empty of one micrograph, or where there were too few sure picks.
        matched: heights of the response to class averages; None where the round template stands.
        smaller: facts of a smaller species between these particles; None where none was found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    localpicker: LocalpickerModel
    trials: tuple[Trial, ...] = ()
    matched: MatchedHeights | None = None
    smaller: AutoModel | None = None

    @property
    def found_particles(self) -> bool:
        """Whether anything like particles was found."""
        return self.localpicker.found_particles

    @property
    def micrographs(self) -> tuple[str, ...]:
        """Names of the micrographs that it was learned from."""
        return self.localpicker.micrographs

    @property
    def hidden_share(self) -> float:
        """Share of all particles that dirt or others hide."""
        return (self.matched or self.localpicker).hidden_share

    def summary(self) -> str:
        """Return in one line what was found."""
        if not self.found_particles:
            return self.localpicker.summary()
        return f"{self.localpicker.summary()}; {self.judgement}{self._and_smaller}"

    @property
    def _and_smaller(self) -> str:
        if self.smaller is None:
            return ""
        diameter = self.smaller.localpicker.diameter_angstrom
        return f"; between them a smaller species, some {diameter:.2g} A across"

    @property
    def judgement(self) -> str:
        """What is matched with, and why."""
        if not self.trials:
            return "too few sure picks for class averages of two halves, so the template stays"
        trial = self.trials[0]
        shares = f"{trial.agreement:.0%} of their picks in common, {trial.with_former:.0%} with those of the template"
        end = "so the template stays"
        if trial.agrees and not trial.is_clearer:
            end = f"but as many in doubt, {end}"
        if self.matched is not None:
            end = f"so {counted(self.matched.averages, 'class average')} in all turns take its place"
        return f"class averages of two halves of the micrographs have {shares}, {end}"


class FittedAuto(NamedTuple):
    """What was learned of a set.

    Attributes:
        model: facts.
        averages: class averages; None where the round template stands.
        smaller: the same of a smaller species between these particles; None where none was found.
    """

    model: AutoModel
    averages: ClassAverages | None = None
    smaller: FittedAuto | None = None

    @property
    def diameter_angstrom(self) -> float:
        """Diameter that was searched for."""
        return self.model.localpicker.diameter_angstrom


def picker_of_one_species(
    settings: AutoSettings, fitted: FittedAuto, device: torch.device | None = None
) -> Localpicker | Matcher:
    """Return the picker that tells particles better: by class averages, or by the round template."""
    if fitted.averages is None:
        return Localpicker(settings, fitted.model.localpicker, device)
    return Matcher(settings, fitted.model.localpicker, fitted.model.matched, fitted.averages, device)
