"""The loop as published: what its preset changes of the settings, and of the rounds."""

import pytest
from pydantic import ValidationError

from cryoglean.classes2d.selection import Rule
from cryoglean.classes2d.settings import ClassifySettings
from cryoglean.loop.settings import PAPER_PASSES, PURIFICATION_PASSES, LoopSettings
from cryoglean.loop.stage_results import FINAL


def settings(preset="paper", **values):
    return LoopSettings(diameter_angstrom=100, preset=preset, **values)


@pytest.mark.parametrize(
    ("preset", "purified"), [("default", [True, False, False, False]), ("paper", [True, True, True, False])]
)
def test_as_published_the_classes_of_every_round_are_purified(preset, purified):
    assert [settings(preset).purifies(number) for number in (0, 1, 2, FINAL)] == purified


def test_passes_of_purification_are_those_of_the_preset_unless_given():
    assert settings("default").max_passes == PURIFICATION_PASSES
    assert settings().max_passes == PAPER_PASSES
    assert settings(passes=2).max_passes == 2
    assert 0.9**PAPER_PASSES < 0.125, "so many passes that keep nine tenths at most leave an eighth"


def test_as_published_classes_are_literal_and_the_cap_may_be_lifted():
    assert settings().class_rule is Rule.literal
    assert settings(max_particles=0).max_particles == 0
    assert settings(max_particles=4).max_particles == settings(most_particles=4).max_particles == 4
    with pytest.raises(ValidationError, match="must be 4 or more, or 0 for all"):
        settings(max_particles=3)


@pytest.mark.parametrize(("particles", "limited", "published"), [(100, 2, 2), (13_000, 65, 65), (100_000, 100, 500)])
def test_without_a_limit_there_are_as_many_classes_as_published(particles, limited, published):
    assert ClassifySettings(diameter_angstrom=100).classes_for(particles) == limited
    assert ClassifySettings(diameter_angstrom=100, max_classes=None).classes_for(particles) == published
    assert ClassifySettings.published_classes(particles) == published
