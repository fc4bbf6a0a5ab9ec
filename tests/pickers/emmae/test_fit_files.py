"""What Cryo-EMMAE learned of a set on disk: the same picks after as before, in any process, and hostile files."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from tests.small_emmae import (
    DIAMETER_ANGSTROM,
    fields,
    learned,
    learned_from_a_mask,
    micrograph_of,
    paper_picker,
    picker,
    trained,
    trained_as_published,
)

from cryoglean.errors import SettingsError
from cryoglean.nets.weights import read_weights, write_weights
from cryoglean.pickers.candidates import pick_with_candidates
from cryoglean.pickers.emmae.fit_files import KIND, VERSION, StoredEmmae, read_fitted_emmae, write_fitted_emmae
from cryoglean.pickers.emmae.network_files import write_emmae
from cryoglean.pickers.emmae.settings import EmmaeSettings, PaperEmmaeSettings
from examples import with_slow

SETTINGS = EmmaeSettings(diameter_angstrom=DIAMETER_ANGSTROM)
PAPER_SETTINGS = PaperEmmaeSettings(diameter_angstrom=DIAMETER_ANGSTROM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("emmae")
    write_emmae(root / "weights", trained())
    write_fitted_emmae(root / "learned", learned())
    return root


def test_what_was_learned_comes_back(folder):
    back = read_fitted_emmae(folder / "learned")
    assert back.facts == learned().facts
    assert torch.equal(back.template, learned().template)
    write_fitted_emmae(folder / "again", back)
    assert (folder / "again").read_bytes() == (folder / "learned").read_bytes()


@pytest.mark.slow
def test_what_was_learned_as_published_comes_back(tmp_path):
    write_emmae(tmp_path / "weights", trained_as_published())
    write_fitted_emmae(tmp_path / "learned", learned_from_a_mask())
    back = read_fitted_emmae(tmp_path / "learned")
    assert back.facts == learned_from_a_mask().facts
    assert torch.equal(back.centres, learned_from_a_mask().centres)
    micrograph = micrograph_of(fields()[1])
    before = paper_picker().pick(micrograph)
    after = StoredEmmae(PAPER_SETTINGS, tmp_path / "weights", tmp_path / "learned").pick(micrograph)
    np.testing.assert_array_equal(before.xy, after.xy)
    np.testing.assert_array_equal(before.score, after.score)


@pytest.mark.slow
def test_it_is_small_to_send_and_picks_the_same_in_another_process(folder):
    stored, micrograph = StoredEmmae(SETTINGS, folder / "weights", folder / "learned"), micrograph_of(fields()[0])
    assert len(pickle.dumps(stored)) < 2000
    before = picker().pick(micrograph)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        there = pool.submit(stored.pick, micrograph).result()
    for after in (stored.pick(micrograph), there):
        np.testing.assert_array_equal(before.xy, after.xy)
        np.testing.assert_array_equal(before.score, after.score)


@pytest.mark.slow
def test_candidates_are_the_same_after_as_before(folder):
    stored, micrograph = StoredEmmae(SETTINGS, folder / "weights", folder / "learned"), micrograph_of(fields()[0])
    before, after = (pick_with_candidates(each, micrograph) for each in (picker(), stored))
    np.testing.assert_array_equal(before.candidates.xy, after.candidates.xy)
    np.testing.assert_array_equal(before.picks.xy, after.picks.xy)


def test_a_set_learned_with_another_preset_is_refused(folder):
    with pytest.raises(SettingsError, match="made with --preset default: pick with the same"):
        StoredEmmae(PAPER_SETTINGS, folder / "weights", folder / "learned").pick(micrograph_of(fields()[0]))


@pytest.mark.parametrize("keep", [0, 7, 100, -5])
def test_a_file_cut_short_is_refused_in_one_line(folder, tmp_path, keep):
    (tmp_path / "cut").write_bytes((folder / "learned").read_bytes()[:keep])
    with pytest.raises(SettingsError, match=r"cut is no whole safetensors file") as refusal:
        read_fitted_emmae(tmp_path / "cut")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "version", "facts", "tensors", "said"),
    [
        ("mae", VERSION, {}, {}, "weights of mae, not of emmae-set"),
        (KIND, VERSION + 1, {}, {}, "version 3, not 2"),
        (KIND, VERSION, {"diameter_angstrom": -1}, {}, "diameter_angstrom"),
        (KIND, VERSION, {"preset": "other"}, {}, "preset"),
        (KIND, VERSION, {"preset": "paper"}, {}, "does not hold what"),
        (KIND, VERSION, {}, {"template": None}, "template"),
        (KIND, VERSION, {}, {"centre": torch.zeros(3)}, "does not fit"),
        (KIND, VERSION, {}, {"usual": torch.zeros(3)}, "does not fit"),
        (KIND, VERSION, {}, {"template": torch.full((4, 32), torch.nan)}, "not finite"),
    ],
)
def test_files_that_cannot_be_meant_are_refused_with_the_reason(folder, tmp_path, kind, version, facts, tensors, said):
    known, had = read_weights(folder / "learned", KIND, VERSION)
    kept = {name: value for name, value in (had | tensors).items() if value is not None}
    write_weights(tmp_path / "odd", kind, version, known | facts, kept)
    with pytest.raises(SettingsError, match=said) as refusal:
        read_fitted_emmae(tmp_path / "odd")
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match="nowhere: no such file"):
        read_fitted_emmae(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("preset", "shape"), with_slow(("default", (4, 5)), ("default", (3, 32)), slow=[("paper", (4, 5))])
)
def test_what_does_not_fit_the_network_is_refused(tmp_path, preset, shape):
    paper = preset == "paper"
    known, mae = (learned_from_a_mask(), trained_as_published()) if paper else (learned(), trained())
    write_emmae(tmp_path / "weights", mae)
    write_fitted_emmae(tmp_path / "learned", known._replace(**{"centres" if paper else "template": torch.zeros(shape)}))
    stored = StoredEmmae(PAPER_SETTINGS if paper else SETTINGS, tmp_path / "weights", tmp_path / "learned")
    with pytest.raises(SettingsError, match="does not fit"):
        stored.pick(micrograph_of(fields()[0]))
