"""Settings of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, model_validator

from cryoglean.classes2d.engine import Engine
from cryoglean.classes2d.selection import Rule
from cryoglean.classes2d.settings import KEEP_SHARE
from cryoglean.errors import SettingsError
from cryoglean.evaluate.orientation import OrientationChoice
from cryoglean.jobs.provenance import describe_provenance
from cryoglean.loop.acceptance import AcceptanceRule
from cryoglean.micrograph import Contrast
from cryoglean.pickers.registry import default_method, describe

CONVERGED_SHARE = 0.7
"""Share of a round's picks in kept classes above which the rounds end. Published: McSweeney et al., IUCrJ 7, 719, 2020,
section 2.5."""

MAX_ROUNDS = 3
"""Rounds of training, at most. Published: as `CONVERGED_SHARE`."""

MAX_PARTICLES = 4_000
"""Particles of a round that are classified, at most: 20 classes of 200. Resource: which classes there are is clear by
then, a network has no use for more in 500 steps of 32, and a round stays a matter of minutes."""

PURIFICATION_PASSES, PAPER_PASSES = 3, 20
"""Passes of purification at most, and those of the paper preset. Resource: each pass is a whole classification, and
the first drop most; the paper sets no limit, and after 20 passes that keep nine tenths each an eighth is left."""

MIN_SAMPLE = 4
"""Particles of a sample, at least. Derived: two classes of two."""


def _enough_or_all(particles: int) -> int:
    """Refuse a sample that is too small for classes.

    Raises:
        ValueError: if it is.
    """
    if 0 < particles < MIN_SAMPLE:
        raise ValueError(f"must be {MIN_SAMPLE} or more, or 0 for all")
    return particles


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(gt=0, lt=1)]


class LoopSettings(BaseModel):
    """All settings that decide the result of a run.

    Attributes:
        diameter_angstrom: particle diameter.
        pixel_size_angstrom: of all micrographs; None takes it from the STAR file or the image's header.
        contrast: of protein in the micrographs; None tells it from them.
        candidates: the picker of the candidates, one that needs no file, unless a fit holds it; None is that of
            `candidate_picker`.
        fit: short digest of the fit by which they are picked; None learns from the micrographs.
        preset: default, or as published in 2020: its pickers, and classes by %/Res.
        min_distance_angstrom: minimum distance between picks; None learns it from the best candidates.
        rounds: rounds of training at most; 0 ends after the classes of the candidates.
        rule: by which classes are kept; None is that of the preset.
        threshold: of the rule, if not its own.
        keep_share: the first classes are purified until more than this share is kept.
        passes: of purification at most; None is that of the preset.
        converged_share: done when more than this share of a round's picks is in kept classes.
        subset: micrographs that the rounds work on.
        low_defocus: these are of low defocus alone, as in section 4.2 of the paper.
        max_particles: of a round that are classified; 0 classifies all.
        engine: of the 2D classes.
        start_from: coordinates to start from, instead of candidates.
        orientation: of these, if this program has not written them.
        review: stop after each classification, for the selection to be edited; it decides nothing, and may be asked for
            at any call.
        seed: of the random generators.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    diameter_angstrom: _Positive
    pixel_size_angstrom: _Positive | None = None
    contrast: Contrast | None = None
    candidates: str | None = None
    fit: str | None = None
    preset: Literal["default", "paper"] = "default"
    min_distance_angstrom: _Positive | None = None
    rounds: Annotated[int, Field(ge=0, le=20)] = MAX_ROUNDS
    rule: Rule | None = None
    threshold: _Positive | None = None
    keep_share: _Share = KEEP_SHARE
    passes: Annotated[int, Field(ge=1)] | None = None
    converged_share: _Share = CONVERGED_SHARE
    subset: Annotated[int, Field(ge=1)] = 30
    low_defocus: bool = False
    max_particles: Annotated[
        int,
        Field(ge=0, validation_alias=AliasChoices("max_particles", "most_particles")),  # as in runs of before
        AfterValidator(_enough_or_all),
    ] = MAX_PARTICLES
    engine: Engine = Engine.native
    start_from: Path | None = None
    orientation: OrientationChoice = OrientationChoice.auto
    review: Annotated[bool, Field(exclude=True)] = False
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _candidates_can_be_picked(self) -> Self:
        if self.fit is not None:  # it brings picker and files
            if self.start_from is not None:
                raise SettingsError(f"--start-from {self.start_from}: has no effect with --fit: leave one of them out")
            return self
        try:
            describe(self.candidate_picker, self.preset).check_given({})
        except SettingsError as error:
            raise SettingsError(f"--candidates {self.candidate_picker}, preset {self.preset}: {error}") from error
        return self

    @property
    def candidate_picker(self) -> str:
        """The picker of the candidates: if none is named, the first one that has the preset."""
        return self.candidates or default_method(self.preset)

    @property
    def matches_candidates(self) -> bool:
        """Whether the kept classes of the candidates pick again: not where their picker has tried class averages."""
        is_published_or_given = self.is_paper or self.start_from is not None
        return not is_published_or_given and not describe(self.candidate_picker, self.preset).tries_averages

    @property
    def class_rule(self) -> Rule:
        """The rule by which classes are kept."""
        if self.rule is not None:
            return self.rule
        return Rule.literal if self.is_paper else Rule.automatic

    @property
    def is_paper(self) -> bool:
        """Whether the loop is as published."""
        return self.preset == "paper"

    @property
    def max_passes(self) -> int:
        """Passes of purification at most."""
        return self.passes or (PAPER_PASSES if self.is_paper else PURIFICATION_PASSES)

    def purifies(self, number: int) -> bool:
        """Tell whether the classes of a round are purified: those of the candidates, and as published of all rounds."""
        return number == 0 or (self.is_paper and number > 0)

    @property
    def acceptance_rule(self) -> AcceptanceRule:
        """The rule by which a new round takes the place of the accepted one."""
        return AcceptanceRule.last_round if self.is_paper else AcceptanceRule.earlier_in_doubt

    def recorded(self) -> dict[str, Any]:
        """Return all that decides the result, as JSON values."""
        start_from = None if self.start_from is None else str(self.start_from.resolve())
        named = {"candidates": self.candidate_picker, "start_from": start_from}
        return self.model_dump(mode="json") | named


class LoopJob(BaseModel):
    """A run: its settings, and all that does not decide the result.

    Attributes:
        settings: all that decide the result.
        fit: folder of the fit by which the candidates are picked, if one is given.
        cpus: processors to use.
        device: where to compute, as torch names it.
        verbose: show a line per micrograph and step.
        command: the command line, if it is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: LoopSettings
    fit: Path | None = None
    cpus: int = Field(default=1, ge=1)
    device: str = "cpu"
    verbose: bool = False
    command: str | None = None

    def with_contrast(self, contrast: Contrast) -> LoopJob:
        """Return it with the contrast that was told."""
        return self.model_copy(update={"settings": self.settings.model_copy(update={"contrast": contrast})})

    def provenance(self) -> dict[str, Any]:
        """Return what the run is made with besides its settings, as JSON values."""
        said = describe_provenance(self.command, self.device, self.cpus)
        return said if self.fit is None else said | {"fit": str(self.fit.resolve())}
