"""Training of a masked autoencoder as a job: what it leaves, that a killed one goes on, and what is refused."""

import csv
import json
import shutil

import mrcfile
import pytest
import torch
from scipy.ndimage import gaussian_filter
from tests.fields import particle_field

from cryoglean.errors import SettingsError
from cryoglean.jobs.train_mae import MaeJob, MicrographSet, run_mae_job
from cryoglean.nets.mae_layers import MaeLayers
from cryoglean.nets.transformer import Blocks
from cryoglean.nets.weights import read_weights, write_weights
from cryoglean.pickers.emmae import filtering
from cryoglean.pickers.emmae import network_training as network
from cryoglean.pickers.emmae.network_files import KIND, VERSION, read_emmae
from cryoglean.pickers.emmae.training import EmmaeTraining
from cryoglean.preprocess.mae_chain import MaePreprocess
from examples import with_slow
from listeners import Listener

TINY = MaeLayers(tile_px=16, patch_px=4, encoder=Blocks(width=16, depth=1, heads=2), decoder=Blocks(width=8, depth=1))
QUICK = {"layers": TINY, "batch": 8, "steps": 6, "preprocess": MaePreprocess(diameter_px=8)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two sets of micrographs, of other diameters."""
    root = tmp_path_factory.mktemp("mae")
    for name, diameter, count in (("one", 30.0, 3), ("two", 50.0, 2)):
        (root / name).mkdir()
        for seed in range(count):
            field = particle_field((150 + seed, 190), diameter, n=8, noise=1.0, seed=seed)
            mrcfile.write(root / f"{name}/{name}{seed}.mrc", field.image)
    return root


def set_of(folders, name="one", diameter=30.0, **changes):
    values = {"inputs": (folders / name,), "diameter_angstrom": diameter, "pixel_size_angstrom": 1.0}
    return MicrographSet(**(values | changes))


def job(folders, sets=None, first=None, cpus=1, force=False, **changes):
    return MaeJob(
        sets=sets or (set_of(folders),),
        training=EmmaeTraining(**(QUICK | changes)),
        first=first,
        cpus=cpus,
        force=force,
    )


def run(job, out):
    notes = Listener()
    return run_mae_job(job, out, notes), notes.lines


@pytest.fixture(scope="module")
def trained(folders, tmp_path_factory):
    """A training that is done, only to be looked at: its folder and what it told."""
    out = tmp_path_factory.mktemp("trained")
    return out, run(job(folders), out)[0]


@pytest.fixture
def done(trained, tmp_path):
    """The folder of a training that is done."""
    shutil.copytree(trained[0], tmp_path / "done")
    return tmp_path / "done"


def test_it_leaves_weights_curves_and_pictures(trained):
    out, summary = trained
    assert summary.exit_status == 0
    model = read_emmae(out / "weights.safetensors")
    assert model.facts == summary.fit
    assert len(model.facts.micrographs) == 2
    assert len(model.facts.held_out) == 1
    for picture in ("curves.png", "reconstructions.png"):
        assert (out / picture).read_bytes()[:4] == b"\x89PNG"
    with (out / "curves.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert all(float(row["held_out_loss"]) > 0 for row in rows)
    assert json.loads((out / "settings.json").read_text())["job"] == "mae train"
    assert not (out / "progress.safetensors").exists()


def test_done_is_done(folders, trained, done):
    before = (done / "weights.safetensors").stat().st_mtime_ns
    again, said = run(job(folders), done)
    assert (done / "weights.safetensors").stat().st_mtime_ns == before
    assert again.fit == trained[1].fit
    assert any("done already" in line for line in said)


@pytest.mark.parametrize("sampling", with_slow("anywhere", slow=["grid", "crops"]))
def test_a_killed_training_goes_on_and_ends_as_one_that_was_not(folders, tmp_path, monkeypatch, sampling):
    how = job(folders, epochs=2, sampling=sampling)
    run(how, tmp_path / "whole")
    written = network.write_progress

    def killed(path, progress):
        written(path, progress)
        if progress.checks[-1].step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(network, "write_progress", killed)
    with pytest.raises(KeyboardInterrupt):
        run(how, tmp_path / "stopped")
    assert not (tmp_path / "stopped/weights.safetensors").exists()
    monkeypatch.setattr(network, "write_progress", written)
    _, said = run(how.model_copy(update={"cpus": 2}), tmp_path / "stopped")
    assert "going on from step 3" in said
    whole, stopped = (tmp_path / name / "weights.safetensors" for name in ("whole", "stopped"))
    assert whole.read_bytes() == stopped.read_bytes()


def test_damaged_progress_is_named_and_force_begins_anew(folders, done):
    (done / "weights.safetensors").unlink()
    (done / "progress.safetensors").write_bytes(b"nothing")
    with pytest.raises(SettingsError, match=r"progress\.safetensors"):
        run(job(folders), done)
    summary, _ = run(job(folders, force=True), done)
    assert summary.exit_status == 0


def test_several_sets_each_have_their_own_diameter(folders, tmp_path):
    sets = (set_of(folders), set_of(folders, "two", 50.0, pixel_size_angstrom=2.0))
    summary, _ = run(job(folders, sets), tmp_path)
    assert len(summary.fit.micrographs) + len(summary.fit.held_out) == 5
    said = json.loads((tmp_path / "settings.json").read_text())["settings"]["micrographs"]
    assert said["one0"] == [30.0, 1.0]
    assert said["two1"] == [50.0, 2.0]


def test_sets_whose_star_files_name_their_micrographs_alike_are_told_apart(tmp_path):
    sets = []
    for seed, diameter in enumerate((30.0, 24.0)):
        folder = tmp_path / f"set{seed}"
        folder.mkdir()
        mrcfile.write(folder / "m.mrc", particle_field((150, 190), diameter, n=8, noise=1.0, seed=seed).image)
        (folder / "micrographs.star").write_text("data_micrographs\n\nloop_\n_rlnMicrographName\nm.mrc\n")
        sets.append(set_of(tmp_path, f"set{seed}/micrographs.star", diameter))
    summary, _ = run(job(None, tuple(sets)), tmp_path / "out")
    assert len(summary.fit.micrographs) + len(summary.fit.held_out) == 2
    said = json.loads((tmp_path / "out/settings.json").read_text())["settings"]["micrographs"]
    assert said == {"1/m": [30.0, 1.0], "2/m": [24.0, 1.0]}
    assert {*summary.fit.micrographs, *summary.fit.held_out} == {"1/m", "2/m"}


def test_a_micrograph_in_two_sets_is_refused(folders, tmp_path):
    with pytest.raises(SettingsError, match="two sets"):
        run(job(folders, (set_of(folders), set_of(folders, diameter=40.0))), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("changes", [{"seed": 1}, {"epochs": 3}, {"sets": 40.0}])
def test_other_settings_need_another_folder(folders, done, changes):
    if "sets" in changes:
        changes = {"sets": (set_of(folders, diameter=changes["sets"]),)}
    with pytest.raises(SettingsError, match="other settings"):
        run(job(folders, **changes), done)


@pytest.mark.slow
def test_fine_tuning_starts_from_the_weights_that_are_named(folders, tmp_path):
    run(job(folders, steps=40, base_rate=0.03), tmp_path / "first")
    weights = tmp_path / "first/weights.safetensors"
    slow = {"steps": 1, "base_rate": 1e-9}
    run(job(folders, (set_of(folders, "two", 50.0),), first=weights, **slow), tmp_path / "tuned")
    before, after = (read_emmae(tmp_path / name / "weights.safetensors").net for name in ("first", "tuned"))
    for one, other in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preprocess": MaePreprocess(diameter_px=8, chain="none")}, "other images: chain default, not none"),
        ({"preprocess": MaePreprocess(diameter_px=16)}, "diameter_px 8.0, not 16.0"),
        ({"layers": MaeLayers()}, "other sizes: tile_px 16, not 32"),
    ],
)
def test_weights_for_other_images_or_sizes_are_refused_with_the_reason(folders, trained, tmp_path, changes, said):
    with pytest.raises(SettingsError, match=said):
        run(job(folders, first=trained[0] / "weights.safetensors", **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "version", "facts", "said"),
    [
        ("kpicker", VERSION, {}, "weights of kpicker, not of mae"),
        (KIND, VERSION + 1, {}, "version 2, not 1"),
        (KIND, VERSION, {"preprocess_version": 99}, "images of version 99"),
        (KIND, VERSION, {"deviation": 0.0}, "does not hold what"),
        (KIND, VERSION, {"layers": MaeLayers().model_dump()}, "does not hold what"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused_with_the_reason(done, kind, version, facts, said):
    path = done / "weights.safetensors"
    known, tensors = read_weights(path, KIND, VERSION)
    write_weights(path, kind, version, known | facts, tensors)
    with pytest.raises(SettingsError, match=said):
        read_emmae(path)


def test_a_micrograph_that_cannot_be_read_is_set_aside(folders, tmp_path):
    (tmp_path / "images").mkdir()
    for seed in range(3):
        content = (folders / f"one/one{seed}.mrc").read_bytes() if seed else b"no image"
        (tmp_path / f"images/m{seed}.mrc").write_bytes(content)
    summary, _ = run(job(folders, (set_of(tmp_path, "images"),)), tmp_path / "out")
    assert summary.exit_status == 3
    assert "m0" in (tmp_path / "out/rejected.csv").read_text()


def test_a_diameter_that_fits_no_micrograph_is_refused_before_any_work(folders, tmp_path):
    with pytest.raises(SettingsError, match="larger than the micrograph"):
        run(job(folders, (set_of(folders, diameter=900.0),)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_micrograph_is_enough_but_nothing_is_held_out(folders, tmp_path):
    alone = set_of(folders, inputs=(folders / "one/one0.mrc",))
    summary, _ = run(job(folders, (alone,)), tmp_path)
    assert summary.fit.held_out == ()
    with (tmp_path / "curves.csv").open() as lines:
        assert next(csv.DictReader(lines))["held_out_loss"] == ""


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """Micrographs as recorded, and the same after a low-pass."""
    root = tmp_path_factory.mktemp("noisy")
    for seed in range(2):
        image = particle_field((150, 190), 30.0, n=8, noise=1.0, seed=seed).image
        for name, each in (("recorded", image), ("filtered", gaussian_filter(image, 4.0))):
            (root / name).mkdir(exist_ok=True)
            mrcfile.write(root / name / f"{name}{seed}.mrc", each.astype("float32"))
    return root


def chosen(sets, out, **changes):
    """Train with filters that the micrographs choose; return the chain in the weights, and what was said."""
    _, said = run(job(None, sets, **changes).model_copy(update={"chooses_chain": True}), out)
    return read_emmae(out / "weights.safetensors").facts.preprocess.chain, said


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
@pytest.mark.parametrize(("name", "chain"), [("recorded", "default"), ("filtered", "none")])
def test_micrographs_choose_the_filters_which_are_told_and_kept_in_the_weights(noisy, tmp_path, name, chain):
    found, said = chosen((set_of(noisy, name),), tmp_path / "out")
    assert found == chain
    assert [line for line in said if line.endswith(f": prepared with --preprocess {chain}")]
    assert json.loads((tmp_path / "out/settings.json").read_text())["settings"]["preprocess"] == "auto"


@pytest.mark.slow
@pytest.mark.numerical
@pytest.mark.parametrize(("name", "chain"), [("recorded", "default"), ("filtered", "none")])
def test_filters_that_were_chosen_train_the_network_as_the_same_that_are_given(noisy, tmp_path, name, chain):
    chosen((set_of(noisy, name),), tmp_path / "out")
    given = job(None, (set_of(noisy, name),), preprocess=MaePreprocess(diameter_px=8, chain=chain))
    run(given, tmp_path / "given")
    weights = [read_weights(tmp_path / each / "weights.safetensors", KIND, VERSION) for each in ("out", "given")]
    for own, asked in zip(*(each[1].values() for each in weights), strict=True):
        torch.testing.assert_close(own, asked, atol=1e-3, rtol=1e-2)


@pytest.mark.slow
def test_a_stopped_training_goes_on_with_the_filters_it_began_with(noisy, tmp_path, monkeypatch):
    sets = (set_of(noisy, "filtered"),)
    chosen(sets, tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    monkeypatch.setattr(filtering, "noise_floor", None)
    assert chosen(sets, tmp_path)[0] == "none"


@pytest.mark.slow
def test_sets_of_which_only_some_were_filtered_before_are_told(noisy, tmp_path):
    both = (set_of(noisy, "recorded"), set_of(noisy, "filtered"))
    _, said = chosen(both, tmp_path / "both")
    assert any("some of the sets were filtered before and others not" in line for line in said)
    _, said = chosen(both[:1], tmp_path / "one")
    assert not any("some of the sets" in line for line in said)
