"""Kpicker's weights on disk: the same picks after as before, and refusals that name the reason."""

import pickle

import numpy as np
import pytest
from tests.fields import particle_field
from tests.pickers.kpicker.test_paper import trained as trained_paper
from tests.pickers.kpicker.test_picker import DIAMETER, picker, trained

from cryoglean.errors import SettingsError
from cryoglean.io.digests import file_digest
from cryoglean.micrograph import Micrograph
from cryoglean.nets.weights import write_weights
from cryoglean.pickers.candidates import pick_with_candidates
from cryoglean.pickers.kpicker.files import KIND, VERSION, StoredKpicker, read_kpicker, write_kpicker
from cryoglean.pickers.kpicker.paper import PaperKpickerSettings
from cryoglean.pickers.kpicker.picker import KpickerSettings

SETTINGS = KpickerSettings(diameter_angstrom=DIAMETER * 1.4)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "weights.safetensors"
    write_kpicker(path, trained().model)
    return path


def test_the_picks_are_the_same_after_as_before(weights):
    micrograph = Micrograph(particle_field(seed=3).image, 1.4)
    before, after = picker().pick(micrograph), StoredKpicker(SETTINGS, weights).pick(micrograph)
    np.testing.assert_array_equal(before.xy, after.xy)
    np.testing.assert_array_equal(before.score, after.score)
    assert read_kpicker(weights).facts == trained().model.facts


def test_candidates_are_the_same_after_as_before(weights):
    image = particle_field(seed=3).image
    more = np.random.default_rng(0).normal(0, 2 * image.std(), image.shape)
    micrograph = Micrograph((image + more).astype(np.float32), 1.4)
    before, after = (pick_with_candidates(each, micrograph) for each in (picker(), StoredKpicker(SETTINGS, weights)))
    assert len(before.candidates) > 0
    np.testing.assert_array_equal(before.candidates.xy, after.candidates.xy)
    np.testing.assert_array_equal(before.picks.xy, after.picks.xy)


def test_writing_again_gives_the_same_file(weights, tmp_path):
    write_kpicker(tmp_path / "again", read_kpicker(weights))
    assert file_digest(tmp_path / "again") == file_digest(weights)


def test_it_is_small_to_send_to_another_process(weights):
    sent = pickle.dumps(StoredKpicker(SETTINGS, weights))
    assert len(sent) < 2000
    assert pickle.loads(sent) == StoredKpicker(SETTINGS, weights)


def test_the_published_kind_comes_back_too(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_kpicker(path, trained_paper(1).model)
    assert read_kpicker(path).facts == trained_paper(1).model.facts
    StoredKpicker(PaperKpickerSettings(diameter_angstrom=84.0), path).check()
    with pytest.raises(SettingsError, match="--preset paper"):
        StoredKpicker(SETTINGS, path).check()


def test_weights_for_another_diameter_are_refused(weights):
    StoredKpicker(SETTINGS, weights).check()
    with pytest.raises(SettingsError, match=r"--diameter 60.* 42 A"):
        StoredKpicker(KpickerSettings(diameter_angstrom=60), weights).check()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda facts, tensors: tensors.pop("dense.bias"),
        lambda facts, tensors: tensors.update({"dense.bias": tensors["output.bias"].clone()}),
        lambda facts, tensors: facts.pop("threshold"),
        lambda facts, tensors: facts.update(threshold=2),
        lambda facts, tensors: facts.update(layers={"filters": [1, 2, 3], "dense": 4}),
        lambda facts, tensors: facts.update(layers={"kernels": [70, 1, 1]}),
        lambda facts, tensors: facts.update(surprise=1),
    ],
)
def test_weights_that_do_not_fit_their_facts_are_refused_in_one_line(tmp_path, spoil):
    model = trained().model
    facts, tensors = model.facts.model_dump(mode="json"), dict(model.net.state_dict())
    spoil(facts, tensors)
    path = tmp_path / "spoilt.safetensors"
    write_weights(path, KIND, VERSION, facts, tensors)
    with pytest.raises(SettingsError) as refusal:
        read_kpicker(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_weights_whose_contrast_meant_something_else_are_refused_in_one_line(tmp_path):
    model, path = trained().model, tmp_path / "earlier.safetensors"
    write_weights(path, KIND, 1, model.facts.model_dump(mode="json"), dict(model.net.state_dict()))
    with pytest.raises(SettingsError, match="version 1, not 2"):
        read_kpicker(path)
