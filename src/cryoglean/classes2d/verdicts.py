"""Verdict on a 2D class: whether it is kept, and why."""

from __future__ import annotations

from enum import StrEnum


class ClassVerdict(StrEnum):
    """Verdict on a class, a value for programs; its message is for people."""

    kept = "kept"
    kept_by_hand = "kept_by_hand"
    dropped_by_hand = "dropped_by_hand"
    empty = "empty"
    unresolved = "unresolved"
    aligned_noise = "aligned_noise"
    off_centre = "off_centre"
    one_sided_edge = "one_sided_edge"
    featureless_blob = "featureless_blob"
    spans_box = "spans_box"
    too_few_particles = "too_few_particles"
    low_resolution = "low_resolution"
    below_threshold = "below_threshold"

    @property
    def message(self) -> str:
        """Why the class is kept or dropped, without numbers."""
        return _MESSAGES[self]

    @property
    def is_kept(self) -> bool:
        """Whether particles of the class are kept."""
        return self in {ClassVerdict.kept, ClassVerdict.kept_by_hand}

    @property
    def is_by_hand(self) -> bool:
        """Whether a user has overruled the rule."""
        return self in {ClassVerdict.kept_by_hand, ClassVerdict.dropped_by_hand}

    @property
    def is_junk(self) -> bool:
        """Whether the class shows something else than particles; dropped for want of evidence, it may hold some."""
        return self in {ClassVerdict.one_sided_edge, ClassVerdict.featureless_blob, ClassVerdict.dropped_by_hand}

    def explained(self, detail: str = "") -> str:
        """Return the message with its numbers, as "off centre, 0.23 diameters"; of a kept class only the numbers."""
        parts = ("" if self is ClassVerdict.kept else self.message, detail)
        return ", ".join(part for part in parts if part)


_MESSAGES = {
    ClassVerdict.kept: "kept",
    ClassVerdict.kept_by_hand: "by hand",
    ClassVerdict.dropped_by_hand: "by hand",
    ClassVerdict.empty: "no particles",
    ClassVerdict.unresolved: "no detail beyond aligned noise",
    ClassVerdict.aligned_noise: "no more signal than aligned noise",
    ClassVerdict.off_centre: "off centre",
    ClassVerdict.one_sided_edge: "one-sided edge signal (neighbour or carbon edge)",
    ClassVerdict.featureless_blob: "featureless blob (ice, carbon)",
    ClassVerdict.spans_box: "line or edge across the whole box",
    ClassVerdict.too_few_particles: "too few particles to judge",
    ClassVerdict.low_resolution: "resolution too low",
    ClassVerdict.below_threshold: "not above the threshold",
}
