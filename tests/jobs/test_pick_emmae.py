"""A pick job with Cryo-EMMAE: it trains a network of its own, goes on where it was, and refuses what does not fit."""

import json
from pathlib import Path

import cv2
import mrcfile
import numpy as np
import pytest
from tests.fields import f1_score, particle_field
from tests.small_emmae import DIAMETER, PIXEL_SIZE, SMALL, SMALL_PAPER, mask_of_particles

from cryoglean.errors import SettingsError
from cryoglean.io.coordinates import read_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.jobs.fit import run_fit_job
from cryoglean.jobs.given_fit import open_fit
from cryoglean.jobs.pick import PickJob, run_pick_job
from cryoglean.jobs.pick_report import gather
from cryoglean.loop.pick_jobs import copy_fits
from cryoglean.pickers.emmae import filtering
from cryoglean.pickers.emmae import preparation as emmae_stage
from cryoglean.pickers.emmae.fit_files import read_fitted_emmae
from cryoglean.pickers.emmae.network_files import read_emmae
from cryoglean.pickers.emmae.settings import EmmaeSettings, PaperEmmaeSettings
from cryoglean.pickers.emmae.training import EmmaeTraining, training_values
from cryoglean.preprocess.mae_chain import MaePreprocess
from cryoglean.preprocess.noise_floor import Filtering
from cryoglean.report.pick_page import pick_page
from html_page import Page
from listeners import Listener

QUICK = EmmaeTraining(layers=SMALL, steps=20, batch=16)
QUICK_PAPER = EmmaeTraining(
    **training_values("paper", {"layers": SMALL_PAPER, "epochs": 1, "batch": 32, "keys_as_queries": True})
)
FIELDS = [particle_field((260 + 10 * seed, 300), n=24, noise=0.7, seed=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def micrographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("micrographs")
    for i, field in enumerate(FIELDS):
        mrcfile.write(folder / f"m{i}.mrc", field.image)
    return folder


def run(micrographs, out, *, paper=False, **changes):
    kind = PaperEmmaeSettings if paper else EmmaeSettings
    training = changes.pop("training", QUICK_PAPER if paper else QUICK)
    picker = kind(diameter_angstrom=DIAMETER * PIXEL_SIZE, training=training)
    job = PickJob(**({"picker": picker, "pixel_size_angstrom": PIXEL_SIZE} | changes))
    listener = Listener()
    return run_pick_job(find_micrographs([Path(micrographs)]), job, out, listener), listener.lines


@pytest.fixture(scope="module")
def whole(micrographs, tmp_path_factory):
    """The folder of a job that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    summary, said = run(micrographs, out)
    assert summary.exit_status == 0
    assert any("training on 3 micrographs" in line for line in said)
    assert summary.fit.found_particles
    return out


def assert_same_picks(out, other):
    for i in range(len(FIELDS)):
        name = f"picks/m{i}_autopick.star"
        one, two = (read_picks(folder / name) for folder in (out, other))
        assert (one.xy.tolist(), one.score.tolist()) == (two.xy.tolist(), two.score.tolist())


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_without_a_network_it_trains_one_and_finds_the_particles(whole):
    for name in ("weights.safetensors", "curves.csv", "curves.png", "reconstructions.png"):
        assert (whole / "mae" / name).exists()
    for i, field in enumerate(FIELDS):
        assert f1_score(read_picks(whole / f"picks/m{i}_autopick.star").xy, field.xy, DIAMETER / 5) > 0.9


@pytest.mark.slow
def test_candidates_are_kept_beside_the_picks(whole):
    picks, candidates = (sorted(p.name for p in whole.rglob(f"{n}/*")) for n in ("picks", "candidates"))
    assert [name.removesuffix("_autopick.star") for name in picks] == [name.removesuffix(".npz") for name in candidates]


@pytest.mark.slow
def test_the_report_shows_what_was_learned_and_how_the_network_was_trained(whole):
    facts = gather(whole)
    names = ["emmae.png", "emmae_clusters.png", "mae/curves.png", "mae/reconstructions.png"]
    assert [(p.name, p.data) for p in facts.pictures] == [(name, (whole / name).read_bytes()) for name in names]
    assert facts.fit_summary == read_fitted_emmae(whole / "emmae.safetensors").facts.summary()
    assert f"--model {whole / 'mae/weights.safetensors'}" in facts.pick_command
    page = Page(pick_page(facts, "now"))
    assert "training: layers: tile px 16" in page.words
    assert page.wrong == page.open == page.asked_of_network() == []


@pytest.mark.slow
def test_done_is_done_and_what_is_missing_is_made_again(micrographs, whole, tmp_path):
    out = tmp_path / "out"
    run(micrographs, out, given={"weights": whole / "mae/weights.safetensors"}, cpus=2)
    assert not (out / "mae").exists()
    assert_same_picks(out, whole)
    (out / "picks/m1_autopick.star").unlink()
    before = (out / "emmae.safetensors").stat().st_mtime_ns
    _, said = run(micrographs, out, given={"weights": whole / "mae/weights.safetensors"})
    assert (out / "emmae.safetensors").stat().st_mtime_ns == before
    assert not any("learning" in line for line in said)
    assert_same_picks(out, whole)


@pytest.mark.slow
def test_killed_after_training_it_trains_no_more_and_picks_the_same(micrographs, whole, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(emmae_stage, "write_fitted_emmae", killed)
        with pytest.raises(KeyboardInterrupt):
            run(micrographs, tmp_path)
    before = (tmp_path / "mae/weights.safetensors").read_bytes()
    assert before == (whole / "mae/weights.safetensors").read_bytes()
    _, said = run(micrographs, tmp_path)
    assert not any("training" in line for line in said)
    assert_same_picks(tmp_path, whole)


@pytest.mark.slow
def test_force_forgets_the_network_and_what_was_learned(micrographs, tmp_path, monkeypatch):
    out = tmp_path / "out"
    quick = QUICK.model_copy(update={"steps": 2})
    run(micrographs, out, training=quick)
    with pytest.raises(SettingsError, match=r"training\.steps 2, now 3"):
        run(micrographs, out, training=quick.model_copy(update={"steps": 3}))

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(emmae_stage, "train_network", killed)
    with pytest.raises(KeyboardInterrupt):
        run(micrographs, out, training=quick, force=True)
    assert not [path for pattern in ("mae/*", "emmae.*", "picks/m*") for path in out.glob(pattern)]


@pytest.mark.slow
def test_a_mask_tells_the_particles_of_the_published_way(micrographs, tmp_path):
    mask = tmp_path / "m1.png"
    cv2.imwrite(str(mask), 255 * mask_of_particles(FIELDS[1]).astype(np.uint8))
    out = tmp_path / "out"
    summary, _ = run(micrographs, out, paper=True, given={"reference_mask": mask})
    facts = summary.fit
    assert Path(facts.micrographs[0]).name == "m1.mrc"
    assert facts.share[facts.particle] == max(facts.share)
    for i, field in enumerate(FIELDS):
        assert f1_score(read_picks(out / f"picks/m{i}_autopick.star").xy, field.xy, DIAMETER / 4) > 0.8
    weights = out / "mae/weights.safetensors"
    summary, _ = run(
        micrographs, tmp_path / "blobs", paper=True, given={"weights": weights}
    )  # blobs stand in for the mask
    assert summary.fit.particle == facts.particle
    with pytest.raises(SettingsError, match="trained with --preset paper: pick with the same"):
        run(micrographs, tmp_path / "other", given={"weights": weights})


@pytest.mark.slow
def test_a_network_of_another_preset_or_other_images_is_refused_before_any_work(micrographs, whole, tmp_path):
    weights, out = whole / "mae/weights.safetensors", tmp_path / "out"
    with pytest.raises(SettingsError, match="trained with --preset default: pick with the same"):
        run(micrographs, out, paper=True, given={"weights": weights})
    other = QUICK.model_copy(update={"preprocess": MaePreprocess(chain="none")})
    with pytest.raises(SettingsError, match="images of --preprocess default, not none"):
        run(micrographs, out, training=other, given={"weights": weights})
    assert not out.exists()
    (tmp_path / "cut").write_bytes(weights.read_bytes()[:500])
    with pytest.raises(SettingsError, match="no whole safetensors"):
        run(micrographs, out, given={"weights": tmp_path / "cut"})
    assert not out.exists()


@pytest.mark.slow
def test_a_network_that_is_given_need_not_be_told_what_images_it_is_for(micrographs, tmp_path):
    none = QUICK.model_copy(update={"preprocess": MaePreprocess(chain="none")})
    trained, _ = run(micrographs, tmp_path / "trained", training=none)
    given, said = run(
        micrographs, tmp_path / "given", training=None, given={"weights": tmp_path / "trained/mae/weights.safetensors"}
    )
    assert not any("training" in line for line in said)
    assert given.fit == trained.fit
    assert_same_picks(tmp_path / "given", tmp_path / "trained")


@pytest.mark.slow
def test_a_network_that_was_trained_on_few_micrographs_is_trained_anew_as_more_arrive(micrographs, tmp_path):
    quick = QUICK.model_copy(update={"steps": 2})
    run(micrographs / "m0.mrc", tmp_path, training=quick)
    _, said = run(micrographs, tmp_path, training=quick)
    assert any("training on 3 micrographs" in line for line in said)
    assert len(read_emmae(tmp_path / "mae/weights.safetensors").facts.micrographs) == 2  # and one is held out
    assert len(read_fitted_emmae(tmp_path / "emmae.safetensors").facts.micrographs) == 3
    _, said = run(micrographs, tmp_path, training=quick)
    assert not any("training" in line for line in said)


@pytest.mark.slow
def test_a_training_that_was_killed_begins_anew_as_more_arrive(micrographs, tmp_path, monkeypatch):
    quick = QUICK.model_copy(update={"steps": 2})

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(emmae_stage, "write_fitted_emmae", killed)
        with pytest.raises(KeyboardInterrupt):
            run(micrographs / "m0.mrc", tmp_path, training=quick)
    assert len(read_emmae(tmp_path / "mae/weights.safetensors").facts.micrographs) == 1
    run(micrographs, tmp_path, training=quick)
    assert len(read_emmae(tmp_path / "mae/weights.safetensors").facts.micrographs) == 2  # and one is held out


@pytest.mark.slow
def test_all_that_was_learned_is_copied_from_folder_to_folder(micrographs, whole, tmp_path):
    copy_fits(whole, tmp_path)
    _, said = run(micrographs, tmp_path, is_stage=True)
    assert not any("training" in line or "learning" in line for line in said)
    assert (tmp_path / "mae/weights.safetensors").read_bytes() == (whole / "mae/weights.safetensors").read_bytes()
    assert_same_picks(tmp_path, whole)


@pytest.fixture
def _quick_network(monkeypatch):
    """A small network with a short training is what pick trains by itself."""
    fields = EmmaeTraining.model_fields
    for name in ("layers", "steps", "batch"):
        monkeypatch.setattr(fields[name], "default", getattr(QUICK, name))
    EmmaeTraining.model_rebuild(force=True)
    yield
    monkeypatch.undo()
    EmmaeTraining.model_rebuild(force=True)


@pytest.fixture(scope="module")
def low_passed(tmp_path_factory):
    """The same micrographs, filtered before."""
    folder = tmp_path_factory.mktemp("low_passed")
    for i, field in enumerate(FIELDS):
        mrcfile.write(folder / f"m{i}.mrc", cv2.GaussianBlur(field.image, (0, 0), 2.5))
    return folder


@pytest.mark.slow
@pytest.mark.numerical
@pytest.mark.usefixtures("_quick_network")
@pytest.mark.parametrize(("filtered", "chain"), [(False, "default"), (True, "none")])
def test_micrographs_tell_whether_they_are_filtered_for_the_network(micrographs, low_passed, tmp_path, filtered, chain):
    summary, said = run(low_passed if filtered else micrographs, tmp_path, training=None)
    assert summary.fit.before.filtering is (Filtering.filtered if filtered else Filtering.unfiltered)
    assert summary.fit.chain == chain
    assert read_emmae(tmp_path / "mae/weights.safetensors").facts.preprocess.chain == chain
    assert any(line.endswith(f"prepared with --preprocess {chain}") for line in said)
    assert f"picked with --preprocess {chain}" in summary.fit.summary()
    assert json.loads((tmp_path / "settings.json").read_text())["settings"]["training"]["preprocess"] == "auto"
    _, again = run(low_passed if filtered else micrographs, tmp_path, training=None)
    assert not any("prepared with" in line for line in again)
    with pytest.raises(SettingsError, match=r"training\.preprocess"):
        run(micrographs, tmp_path, training=QUICK)


@pytest.mark.slow
@pytest.mark.usefixtures("_quick_network")
def test_a_training_that_was_stopped_goes_on_with_the_images_that_were_chosen(
    micrographs, low_passed, tmp_path, monkeypatch
):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(emmae_stage, "train_network", killed)
        with pytest.raises(KeyboardInterrupt):
            run(low_passed, tmp_path, training=None)
    monkeypatch.setattr(filtering, "noise_floor", lambda *_: pytest.fail("it was told before"))
    run(low_passed, tmp_path, training=None)
    assert read_emmae(tmp_path / "mae/weights.safetensors").facts.preprocess.chain == "none"
    (tmp_path / "mae/weights.safetensors").unlink()
    (tmp_path / "mae" / filtering.FILTERING).write_text("{")
    with pytest.raises(SettingsError, match=r"filtering\.json is damaged"):
        run(low_passed, tmp_path, training=None)


@pytest.mark.slow
def test_a_network_that_filters_filtered_micrographs_again_is_told(low_passed, whole, tmp_path):
    given = {"weights": whole / "mae/weights.safetensors"}
    _, said = run(low_passed, tmp_path, training=None, given=given)
    assert any("the network filters them again (--preprocess default)" in line for line in said)


@pytest.mark.slow
def test_a_fit_is_shipped_with_its_network_and_learns_nothing_anew(micrographs, whole, tmp_path):
    picker = EmmaeSettings(diameter_angstrom=DIAMETER * PIXEL_SIZE, training=QUICK)
    job, files = PickJob(picker=picker, pixel_size_angstrom=PIXEL_SIZE), find_micrographs([micrographs])
    record = run_fit_job(files, job, tmp_path / "made", Listener()).record
    assert {"mae/weights.safetensors", "emmae.safetensors"} <= record.files.keys()
    shipped = (tmp_path / "made").rename(tmp_path / "shipped")
    for i, file in enumerate(files):
        listener, known = Listener(), open_fit(shipped)
        summary = run_pick_job([file], PickJob(picker=known.picker, fit=shipped), tmp_path / f"job{i}", listener)
        assert not any("training" in line or "learning" in line for line in listener.lines)
        assert summary.fits == {file.key: record.digest}
        name = f"picks/m{i}_autopick.star"
        one, two = (read_picks(folder / name) for folder in (tmp_path / f"job{i}", whole))
        np.testing.assert_allclose(one.xy, two.xy, atol=1e-2)
    network = shipped / "mae/weights.safetensors"
    open_fit(shipped).refuse_other_files({"weights": network})
    network.write_bytes(network.read_bytes()[:-1])
    with pytest.raises(SettingsError, match=r"weights.safetensors has .* bytes, not "):
        open_fit(shipped)


@pytest.mark.slow
@pytest.mark.parametrize("is_given", [True, False])
def test_a_fit_needs_no_mask_to_pick_and_ships_a_network_that_was_given(micrographs, tmp_path, is_given):
    mask = tmp_path / "m1.png"
    cv2.imwrite(str(mask), 255 * mask_of_particles(FIELDS[1]).astype(np.uint8))
    given, training = {"reference_mask": mask}, QUICK_PAPER
    files = find_micrographs([micrographs])
    if is_given:
        run(micrographs, tmp_path / "first", paper=True, given=given)
        given, training = given | {"weights": tmp_path / "first/mae/weights.safetensors"}, None
    picker = PaperEmmaeSettings(diameter_angstrom=DIAMETER * PIXEL_SIZE, training=training)
    job = PickJob(picker=picker, pixel_size_angstrom=PIXEL_SIZE, given=given)
    record = run_fit_job(files, job, tmp_path / "FIT", Listener()).record
    assert record.given == ({"weights": "given/weights/weights.safetensors"} if is_given else {})
    mask.unlink()
    known = open_fit(tmp_path / "FIT")
    job = PickJob(picker=known.picker, given=known.given, fit=known.root)
    summary = run_pick_job(files[:1], job, tmp_path / "out", Listener())
    assert summary.fits == {"m0": record.digest}
    assert summary.total > 5


def mask_like(shape, value=0):
    mask = np.full(shape, value, np.uint8)
    mask[50:90, 60:100] = 255
    return mask


@pytest.mark.parametrize(
    ("name", "mask", "said"),
    [
        ("other.png", mask_like((260, 300)), "none of the micrographs is called other"),
        ("m0.png", mask_like((260, 300), 7), "nowhere is it 0"),
        ("m0.png", np.zeros((260, 300), np.uint8), "--reference-mask .*m0.png"),
        ("m0.png", mask_like((300, 260)), "260 x 300 px, its micrograph 300 x 260 px"),
        ("m0.png", None, "--reference-mask .*m0.png"),
    ],
)
def test_masks_that_cannot_be_used_are_refused_before_any_work(micrographs, tmp_path, name, mask, said):
    if mask is None:
        (tmp_path / name).write_bytes(b"no image")
    else:
        cv2.imwrite(str(tmp_path / name), mask)
    with pytest.raises(SettingsError, match=said):
        run(micrographs, tmp_path / "out", paper=True, given={"reference_mask": tmp_path / name})
    assert not (tmp_path / "out").exists()


def test_a_mask_of_a_micrograph_that_cannot_be_read_is_refused(micrographs, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/m0.mrc").write_bytes(b"no image")
    (tmp_path / "images/m1.mrc").write_bytes((micrographs / "m1.mrc").read_bytes())
    cv2.imwrite(str(tmp_path / "m0.png"), mask_like((260, 300)))
    with pytest.raises(SettingsError, match="its micrograph cannot be used"):
        run(tmp_path / "images", tmp_path / "out", paper=True, given={"reference_mask": tmp_path / "m0.png"})
