"""End of a run, as a value: how it ended, and the message for the user that is made from it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from cryoglean.jobs.result import ExitStatus


class Outcome(StrEnum):
    """Way in which a run ended."""

    converged = "converged"
    rounds_exhausted = "rounds_exhausted"
    no_rounds = "no_rounds"
    review = "review"
    astray = "astray"
    no_class_kept = "no_class_kept"
    too_few_particles = "too_few_particles"
    too_few_to_train = "too_few_to_train"
    training_failed = "training_failed"
    no_usable_micrograph = "no_usable_micrograph"
    no_candidates = "no_candidates"
    no_coordinates = "no_coordinates"

    @property
    def exit_status(self) -> ExitStatus:
        """Exit status of the command, before all micrographs are picked."""
        if self.is_complete:
            return ExitStatus.done
        if self is Outcome.no_candidates:
            return ExitStatus.nothing_found
        nothing = (Outcome.no_usable_micrograph, Outcome.no_coordinates)
        return ExitStatus.nothing_usable if self in nothing else ExitStatus.stopped

    @property
    def is_complete(self) -> bool:
        """Whether the rounds went to their end."""
        return self in (Outcome.converged, Outcome.rounds_exhausted, Outcome.no_rounds)

    @property
    def leaves_picks(self) -> bool:
        """Whether all micrographs are to be picked as the accepted round does."""
        return self not in (Outcome.review, Outcome.no_usable_micrograph)


class LoopEnd(NamedTuple):
    """The end of a run.

    Attributes:
        outcome: how it ended.
        message: for the user: why, and what to try.
    """

    outcome: Outcome
    message: str


def loop_end(outcome: Outcome, **values: object) -> LoopEnd:
    """Return an end with its message.

    Args:
        outcome: how the run ended.
        values: what its message tells.
    """
    return LoopEnd(outcome, _MESSAGES[outcome].format(**values))


_MESSAGES = {
    Outcome.converged: "converged in round {number}: {kept} of {classified} classified picks are in kept classes, more "
    "than {share:.0%}; the picks of round {accepted} are accepted: {rule}",
    Outcome.rounds_exhausted: "not converged after {rounds} rounds; the picks of round {accepted} are accepted: {rule}",
    Outcome.no_rounds: "no rounds of training were asked for: the picks of the candidates are accepted",
    Outcome.review: "edit the column keep of {table} (pictures: gallery.png beside it), then give the same command "
    "again",
    Outcome.astray: "stopped in round {number}: {alarm}; the picks of round {accepted} are accepted; {advice}",
    Outcome.no_class_kept: "no class is kept ({reason}): the picks of the candidates are accepted without evaluation; "
    "{advice}",
    Outcome.too_few_particles: "round {number}: {picks} picks are too few for two classes, which need {needed} with "
    "their boxes inside the micrograph: the picks are accepted without evaluation; give more micrographs, or "
    "--start-from coordinates",
    Outcome.too_few_to_train: "{kept} particles are kept, too few to train a network ({needed} are needed): {advice}",
    Outcome.training_failed: "no network can be trained in round {number} ({error}); the picks of round {accepted} are "
    "accepted; {advice}",
    Outcome.no_usable_micrograph: "no micrograph of the subset can be used: run.json tells the reasons",
    Outcome.no_candidates: "no candidates: no particle signal of this diameter found in these micrographs: is "
    "--diameter right, and the pixel size? --start-from begins with coordinates of your own",
    Outcome.no_coordinates: "{source} holds no coordinates for these micrographs",
}
