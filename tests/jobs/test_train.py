"""Training as a job: what it leaves, what it refuses, and that done is done."""

import csv
import json
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from tests.fields import disc, particle_field

from cryoglean.errors import SettingsError
from cryoglean.io.coordinates import write_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.jobs.pick import PickJob, run_pick_job
from cryoglean.jobs.train import TrainJob, run_train_job
from cryoglean.pickers.kpicker.files import read_kpicker
from cryoglean.pickers.kpicker.paper_training import PaperKpickerTraining
from cryoglean.pickers.kpicker.training import KpickerTraining
from cryoglean.picks import Picks
from examples import with_slow
from listeners import Listener

TINY = {"layers": {"filters": (2, 3, 4), "dense": 5}, "min_steps": 2, "max_steps": 2}
DIAMETER = 30.0


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Micrographs, their picks, and places of no particles."""
    root = tmp_path_factory.mktemp("training")
    for name in ("images", "picks", "junk"):
        (root / name).mkdir()
    for seed in range(3):
        field = particle_field((240, 270), DIAMETER, disc, n=20, noise=1.0, seed=seed)
        with mrcfile.new(root / f"images/m{seed}.mrc", field.image) as file:
            file.voxel_size = 1.0
        write_picks(root / f"picks/m{seed}.csv", picks_at(field.xy))
        write_picks(root / f"junk/m{seed}.csv", picks_at(np.array([[40.0, 40.0], [200.0, 100.0]])))
    return root


def picks_at(xy):
    return Picks(xy[:, 0], xy[:, 1], np.ones(len(xy)))


def job(training=None, **changes):
    training = training or KpickerTraining(diameter_angstrom=DIAMETER, **TINY)
    return TrainJob(**({"training": training, "pixel_size_angstrom": 1.0} | changes))


def run(folders, out, job, negatives=None, images=None):
    notes = Listener()
    files = find_micrographs(images or [folders / "images"])
    return run_train_job(files, folders / "picks", negatives, job, out, notes), notes.lines


@pytest.fixture(scope="module")
def trained(folders, tmp_path_factory):
    """A training that is done, only to be looked at: its folder and what it told."""
    out = tmp_path_factory.mktemp("trained")
    return out, run(folders, out, job())[0]


@pytest.fixture
def done(trained, tmp_path):
    """The folder of a training that is done."""
    shutil.copytree(trained[0], tmp_path / "done")
    return tmp_path / "done"


def test_it_leaves_weights_and_curves(trained):
    out, summary = trained
    assert summary.exit_status == 0
    assert read_kpicker(out / "weights.safetensors").facts == summary.fit
    assert (out / "curves.png").read_bytes()[:4] == b"\x89PNG"
    with (out / "curves.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert all(float(row["held_out_loss"]) > 0 for row in rows)
    assert json.loads((out / "settings.json").read_text())["job"] == "train"
    assert [(o.file.key, o.count) for o in summary.results] == [("m0", 20), ("m1", 20), ("m2", 20)]


def test_done_is_done(folders, trained, done):
    before = (done / "weights.safetensors").stat().st_mtime_ns
    again, said = run(folders, done, job())
    assert (done / "weights.safetensors").stat().st_mtime_ns == before
    assert again.fit == trained[1].fit
    assert any("done already" in line for line in said)


def test_the_order_of_files_changes_nothing_not_even_what_is_done_already(folders, done):
    before, names = (done / "weights.safetensors").read_bytes(), ("m2", "m0", "m1")
    turned = [folders / f"images/{name}.mrc" for name in names]
    _, said = run(folders, done, job(), images=turned)
    assert any("done already" in line for line in said)
    (done / "weights.safetensors").unlink()
    run(folders, done, job(), images=turned)
    assert (done / "weights.safetensors").read_bytes() == before


def test_without_its_weights_it_is_done_again_to_the_same(folders, done):
    weights = done / "weights.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    run(folders, done, job(cpus=2))
    assert weights.read_bytes() == before


@pytest.mark.parametrize(
    "other",
    with_slow(
        {"job": job(KpickerTraining(diameter_angstrom=DIAMETER, seed=1, **TINY))},
        slow=[{"job": job(), "negatives": "junk"}],
    ),
)
def test_other_settings_or_examples_need_another_folder(folders, done, other):
    negatives = folders / other["negatives"] if "negatives" in other else None
    with pytest.raises(SettingsError, match="other settings"):
        run(folders, done, other["job"], negatives)
    forced = other["job"].model_copy(update={"force": True})
    before = (done / "weights.safetensors").read_bytes()
    run(folders, done, forced, negatives)
    assert (done / "weights.safetensors").read_bytes() != before


def test_a_micrograph_that_cannot_be_read_is_set_aside(folders, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for seed in range(3):
        (images / f"m{seed}.mrc").write_bytes((folders / f"images/m{seed}.mrc").read_bytes() if seed else b"no image")
    summary, _ = run(folders, tmp_path / "out", job(), images=[images])
    assert summary.exit_status == 3
    assert "m0" in (tmp_path / "out/rejected.csv").read_text()
    assert {Path(m).stem for m in summary.fit.micrographs + summary.fit.held_out} == {"m1", "m2"}


def test_a_diameter_that_fits_no_micrograph_is_refused_before_any_work(folders, tmp_path):
    with pytest.raises(SettingsError, match="larger than the micrograph"):
        run(folders, tmp_path / "out", job(KpickerTraining(diameter_angstrom=900, **TINY)))
    assert not (tmp_path / "out").exists()


def test_the_published_training_is_a_job_too(folders, tmp_path):
    training = PaperKpickerTraining(diameter_angstrom=DIAMETER, layers=TINY["layers"], epochs=1, bin_factor=1)
    summary, _ = run(folders, tmp_path, job(training))
    assert summary.fit.preset == "paper"
    assert read_kpicker(tmp_path / "weights.safetensors").facts == summary.fit


@pytest.mark.slow
def test_picking_with_the_weights_is_bound_to_them(folders, done, tmp_path):
    from cryoglean.pickers.kpicker.picker import KpickerSettings

    other = job(KpickerTraining(diameter_angstrom=DIAMETER, seed=1, **TINY))
    run(folders, tmp_path / "other", other)
    files = find_micrographs([folders / "images"])
    picker = KpickerSettings(diameter_angstrom=DIAMETER)

    def pick(model):
        pick_job = PickJob(
            picker=picker, pixel_size_angstrom=1.0, given={"weights": tmp_path / model / "weights.safetensors"}
        )
        return run_pick_job(files, pick_job, tmp_path / "picked", Listener())

    assert len(pick("done").done) == 3
    assert len(list((tmp_path / "picked/picks").glob("*.star"))) == 3
    pick("done")
    with pytest.raises(SettingsError, match="weights_sha256"):
        pick("other")


def test_kpicker_without_weights_is_refused(folders, tmp_path):
    from cryoglean.pickers.kpicker.picker import KpickerSettings

    files = find_micrographs([folders / "images"])
    with pytest.raises(SettingsError, match="--model"):
        run_pick_job(
            files,
            PickJob(picker=KpickerSettings(diameter_angstrom=30), pixel_size_angstrom=1.0),
            tmp_path / "out",
            Listener(),
        )
