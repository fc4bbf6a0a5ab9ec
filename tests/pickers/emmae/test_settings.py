"""Which chain of filters a network is trained with: what was asked for, or what the micrographs need."""

import pytest
from pydantic import ValidationError

from cryoglean.pickers.emmae.settings import EmmaeSettings, PaperEmmaeSettings
from cryoglean.pickers.emmae.training import EmmaeTraining
from cryoglean.preprocess.mae_chain import MaePreprocess
from cryoglean.preprocess.noise_floor import Filtering

KINDS = {"default": EmmaeSettings, "paper": PaperEmmaeSettings}
FILTERED, UNFILTERED, UNKNOWN = Filtering.filtered, Filtering.unfiltered, Filtering.unknown


def settings(preset="default", **values):
    return KINDS[preset](diameter_angstrom=120, **values)


@pytest.mark.parametrize(
    ("preset", "asked", "before", "chain"),
    [
        ("default", None, UNFILTERED, "default"),
        ("default", None, FILTERED, "none"),
        ("default", None, UNKNOWN, "default"),
        ("default", "auto", FILTERED, "none"),
        ("default", "default", FILTERED, "default"),
        ("default", "none", UNFILTERED, "none"),
        ("default", "paper", FILTERED, "paper"),
        ("paper", None, FILTERED, "paper"),
        ("paper", "auto", FILTERED, "none"),
        ("paper", "auto", UNFILTERED, "paper"),
    ],
)
def test_a_chain_that_is_asked_for_is_taken_and_else_the_micrographs_tell(preset, asked, before, chain):
    training = settings(preset, preprocess=asked).network_training(before)
    assert training.preprocess.chain == chain
    assert training.preset == preset


@pytest.mark.parametrize(("preset", "tied"), [("default", True), ("paper", False)])
def test_only_the_default_ties_keys_to_queries_at_the_start(preset, tied):
    assert settings(preset).network_training().keys_as_queries is tied


@pytest.mark.parametrize(("preset", "asked"), [("default", None), ("default", "auto"), ("paper", "auto")])
def test_what_is_recorded_does_not_depend_on_the_micrographs(preset, asked):
    given = settings(preset, preprocess=asked)
    assert given.chooses_chain
    assert given.recorded({})["training"]["preprocess"] == "auto"
    assert given.chain is None, "any network may be given"


def test_a_choice_is_another_setting_than_what_it_may_choose():
    chosen, fixed = (settings(preprocess=asked).recorded({}) for asked in ("auto", "default"))
    assert chosen["training"] != fixed["training"]
    assert settings().recorded({}) == chosen


def test_a_training_that_is_given_has_its_own_chain():
    training = EmmaeTraining(preprocess=MaePreprocess(chain="none"))
    given = settings(training=training)
    assert not given.chooses_chain
    assert given.network_training(UNFILTERED) == training
    with pytest.raises(ValidationError, match="preprocess auto: the training has none"):
        settings(training=training, preprocess="auto")
