"""The facts of a pick folder's report are those of the folder, whatever state it is in."""

import csv
import json
import shlex
import shutil

import numpy as np
import pytest
import torch

from cryoglean.errors import SettingsError, TableError
from cryoglean.io.coordinates import read_picks
from cryoglean.io.digests import file_digest
from cryoglean.io.inputs import find_micrographs
from cryoglean.jobs.known_inputs import KnownInput
from cryoglean.jobs.pick import PickJob, run_pick_job
from cryoglean.jobs.pick_report import gather
from cryoglean.jobs.report_micrographs import rejected_reasons
from cryoglean.loop.folder_report import REPORT, report_or_reason, write_report
from cryoglean.pickers.emmae import PRETRAINED
from cryoglean.pickers.emmae.fit_files import write_fitted_emmae
from cryoglean.pickers.emmae.paper import FittedPaperEmmae, PaperEmmaeFit
from cryoglean.pickers.emmae.preparation import CLUSTERS
from cryoglean.pickers.localpicker.picker import LocalpickerSettings
from cryoglean.picks import Picks
from cryoglean.report.page_facts import THRESHOLD_MARK
from cryoglean.report.pick_page import pick_page
from cryoglean.report.viewer_data import MAX_VIEWS
from fake_pick import FakePick
from fake_run import DIAMETER, GIVEN, PIXEL, assert_as_given, noise, random_picks, with_discs, write_image
from html_page import Page
from listeners import Listener
from report_facts import png
from shells import ShellField


@pytest.fixture
def fake(tmp_path):
    return FakePick(tmp_path / "out", dict(GIVEN))


def picked(folder, images, out, **changes):
    """Pick images of particles 30 px across."""
    for name, image in images.items():
        write_image(folder / name, image.astype(np.float32))
    settings = LocalpickerSettings(diameter_angstrom=30 * PIXEL)
    job = PickJob(**{"picker": settings, "pixel_size_angstrom": PIXEL, "plots": True} | changes)
    return run_pick_job(find_micrographs([folder]), job, out, Listener())


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A folder in which Localpicker has found particles, and what the job told."""
    root = tmp_path_factory.mktemp("real")
    fields = (ShellField(height_px=300, width_px=360, particles=16, pixel_size_angstrom=4, seed=i) for i in range(2))
    images = {f"{i} <b>&'µ.mrc": field.render()[0].image for i, field in enumerate(fields)}
    return root / "out", picked(root / "images", images, root / "out", command="cryoglean pick <x>")


def test_counts_are_those_of_the_picks_on_disk(real):
    out, summary = real
    facts = gather(out)
    on_disk = {
        p.name.removesuffix("_autopick.star"): len(read_picks(p)) for p in (out / "picks").glob("*_autopick.star")
    }
    assert facts.counts == on_disk == {o.file.key: o.count for o in summary.done}
    assert sum(facts.counts.values()) > 20
    page = Page(pick_page(facts, "now"))
    views = page.data["viewer-data"]["views"]
    held = page.data["viewer-data"]["micrographs"]
    assert {view["name"]: each["picks"] for view, each in zip(views, held, strict=True)} == on_disk
    assert page.wrong == page.open == page.asked_of_network() == []


def test_what_was_learned_is_told_in_the_words_of_the_program_with_its_picture(real):
    out, summary = real
    facts = gather(out)
    assert (facts.fit_summary, facts.found_particles) == (summary.fit.summary(), True)
    assert [(p.name, p.data) for p in facts.pictures] == [("localpicker.png", (out / "localpicker.png").read_bytes())]
    assert (facts.method, facts.preset, facts.status) == ("Localpicker", "default", "done")
    assert facts.provenance["command"] == "cryoglean pick <x>"
    assert {"python", "torch", "numpy", "device", "cryoglean"} <= set(facts.provenance)


@pytest.mark.slow
def test_where_nothing_stands_out_the_page_says_so(tmp_path):
    images = {f"{i}.mrc": noise(i, (300, 300)) for i in range(2)}
    summary = picked(tmp_path / "images", images, tmp_path / "out")
    facts = gather(tmp_path / "out")
    assert not summary.fit.found_particles
    assert facts.found_particles is False
    assert facts.counts == {"0": 0, "1": 0}
    assert facts.pick_command is None
    words = Page(pick_page(facts, "now")).words
    assert "No particle signal of this diameter found" in words
    assert "localpicker.png in Picker fit shows why" in words


def test_micrographs_come_in_the_order_given_with_picks_as_stored(fake):
    fake.write()
    facts = gather(fake.root)
    assert_as_given(facts)


def test_what_was_set_aside_is_told_as_in_the_table(fake):
    fake.write()
    with (fake.root / "rejected.csv").open(newline="") as file:
        rows = [(row["micrograph"], row["reason"]) for row in csv.DictReader(file)]
    assert [(f"{m.key}.mrc", m.rejected) for m in gather(fake.root).rejected] == rows != []


def test_a_file_of_the_same_name_elsewhere_is_not_the_one_that_was_set_aside(fake):
    fake.write()
    known = {key: KnownInput(path="/", name=f"{key}.mrc") for key in ("bad", "other/bad")}
    assert rejected_reasons(fake.root / "rejected.csv", known) == {"bad": "empty: the file has 0 bytes"}


def test_a_rejected_micrograph_is_told_as_such_though_a_file_of_picks_is_there(fake):
    folder = fake.write()
    shutil.copyfile(folder.picks_path("a"), folder.picks_path("bad"))
    assert [m.key for m in gather(fake.root).rejected] == ["bad"]
    assert "bad" not in gather(fake.root).picks


def test_picks_that_a_killed_job_left_count_though_no_list_names_them(fake):
    folder = fake.write()
    folder.ledger_path.unlink()
    folder.rejected_path.unlink()
    folder.picks_path("a").unlink()
    facts = gather(fake.root)
    assert facts.status == "running"
    assert facts.counts == {"z": 12, "c": 0}
    assert facts.waiting == 2
    assert "2 micrographs not picked yet" in Page(pick_page(facts, "now")).words


def test_all_rejected_and_one_empty_micrograph_have_a_page(tmp_path):
    for name, picks in (("bad.mrc", None), ("empty.mrc", Picks.empty())):
        root = tmp_path / name
        FakePick(root / "out", {name: picks}).write()
        page = Page(write_report(root / "out").page.read_text(encoding="utf-8"))
        assert page.wrong == page.open == []
        assert ("No micrograph could be used" in page.words) == (picks is None)
        assert ("No picks in 1 micrograph: empty" in page.words) == (picks is not None)


def test_a_micrograph_that_is_gone_is_shown_as_its_picks(fake):
    fake.write()
    (fake.root.parent / "images/a.tif").unlink()
    facts = gather(fake.root)
    view = next(view for view in facts.views if view.key == "a")
    assert view.grey is None
    assert "missing" in view.problem
    assert view.diameter_px == DIAMETER / PIXEL
    x, y = facts.picks["a"].xy.max(axis=0)
    assert view.width_px > x
    assert view.height_px > y
    assert view.problem in Page(pick_page(facts, "now")).data["viewer-data"]["views"][1]["problem"]


def test_the_pixel_size_is_told_read_or_not_known(tmp_path):
    fakes = [
        FakePick(tmp_path / n / "out", {"m.mrc": GIVEN["z.mrc"]}, settings={"pixel_size_angstrom": size})
        for n, size in (("told", 3.0), ("read", None))
    ]
    for each in fakes:
        each.write()
    told, read = fakes
    assert gather(told.root).pixel_size_angstrom == 3.0
    assert gather(read.root).pixel_size_angstrom == pytest.approx(PIXEL, rel=1e-5)
    assert gather(read.root).views[0].diameter_px == pytest.approx(DIAMETER / PIXEL, rel=1e-5)
    (read.root.parent / "images/m.mrc").unlink()
    assert gather(read.root).pixel_size_angstrom is None


def test_of_many_micrographs_some_are_shown_and_all_are_counted(tmp_path):
    small = {f"m{i:03d}.png": random_picks(i, i % 9, (40, 50)) for i in range(MAX_VIEWS + 6)}
    fake = FakePick(tmp_path / "out", small, images={name: noise(1, (40, 50)) for name in small})
    fake.write()
    facts = gather(fake.root)
    assert (len(facts.counts), len(facts.views)) == (MAX_VIEWS + 6, MAX_VIEWS)
    assert "m000" in facts.counts


def test_pictures_show_particles_where_the_picks_are(tmp_path):
    picks = Picks([130.3], [90.6], [0.9])
    FakePick(tmp_path / "out", {"m.tif": picks}, images={"m.tif": with_discs(picks)}).write()
    facts = gather(tmp_path / "out")
    rows, columns = np.nonzero(facts.views[0].grey <= np.percentile(facts.views[0].grey, 0.5))
    centre = np.array([columns.mean(), rows.mean()])
    assert np.allclose((centre + 0.5) / facts.views[0].scale - 0.5, facts.picks["m"].xy[0], atol=0.6)


def test_defocus_is_that_of_the_table(tmp_path):
    fake = FakePick(tmp_path / "out", {"z.mrc": GIVEN["z.mrc"]}, defocus={"z.mrc": 8000.0})
    fake.write()
    assert gather(fake.root).defocus == pytest.approx({"z": 8000.0})


def test_latent_pictures_come_in_order_with_the_verdict(tmp_path):
    fake = FakePick(tmp_path / "out", {"m.mrc": GIVEN["z.mrc"]}, settings={"method": "emmae", "preset": "paper"})
    root = fake.write().root
    assert gather(root).fit_summary == ""
    learned = PaperEmmaeFit(diameter_angstrom=DIAMETER, particle=1, share=(0.1, 0.8))
    write_fitted_emmae(root / "emmae.safetensors", FittedPaperEmmae(learned, torch.zeros(2, 3)))
    names = ["emmae.png", CLUSTERS, "mae/curves.png", "mae/reconstructions.png"]
    (root / "mae").mkdir()
    for seed, name in enumerate(names):
        (root / name).write_bytes(png(seed))
    facts = gather(root)
    assert [(p.name, p.data) for p in facts.pictures] == [(name, png(seed)) for seed, name in enumerate(names)]
    assert facts.fit_summary == learned.summary()
    assert facts.method == "Cryo-EMMAE"


def command_of(root, **changes):
    fake = FakePick(root / "out", {"m.mrc": GIVEN["z.mrc"]}, **changes)
    fake.write()
    told = gather(fake.root).pick_command
    return None if told is None else shlex.split(told)


def test_the_command_repeats_what_was_asked_into_another_folder(tmp_path):
    words = command_of(tmp_path, settings={"min_distance_angstrom": 70.0})
    assert words[:3] == ["cryoglean", "pick", str(tmp_path / "images")]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    wanted = {"--method": "localpicker", "--diameter": f"{DIAMETER:g}", "--pixel-size": str(PIXEL)}
    out = f"{tmp_path / 'out'}-{THRESHOLD_MARK}"
    assert options == wanted | {"--min-distance": "70.0", "--out": out, "--threshold": THRESHOLD_MARK}


def test_the_command_names_the_network(tmp_path):
    pretrained = {"method": "emmae", "weights_sha256": file_digest(PRETRAINED)}
    other = {"method": "kpicker", "weights_sha256": "of another file"}
    path = str(tmp_path / "weights <x>")
    for n, (settings, provenance, model) in enumerate(
        ((pretrained, None, "pretrained"), (other, {"weights": path}, path), (other, None, None))
    ):
        words = command_of(tmp_path / str(n), settings=settings, provenance=provenance)
        assert model == (None if words is None else words[words.index("--model") + 1])


def test_the_command_picks_by_the_fit_that_was_given(tmp_path):
    words = command_of(tmp_path, settings={"fit": "given"}, provenance={"fit": "/fits/FIT of x"})
    assert words[3:5] == ["--fit", "/fits/FIT of x"]
    assert not {"--method", "--diameter", "--model"} & set(words)
    assert command_of(tmp_path / "lost", settings={"fit": "given"}) is None


def test_there_is_no_command_where_no_threshold_is_a_score(tmp_path):
    root = FakePick(tmp_path / "out", {"m.mrc": GIVEN["z.mrc"]}).write().settings_path
    said = json.loads(root.read_text())
    said["settings"]["preset"] = "paper"
    root.write_text(json.dumps(said))
    assert gather(tmp_path / "out").pick_command is None


@pytest.mark.slow
def test_the_report_leaves_the_folder_as_it_was_and_goes_with_force(real, tmp_path):
    out, _ = real
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    page = write_report(out).page
    after = {p: p.read_bytes() for p in out.rglob("*") if p.is_file() and p != page}
    assert after == {p: data for p, data in before.items() if p != page}
    assert page.stat().st_size < 8e6
    assert not list(out.rglob("*.tmp"))
    fresh = tmp_path / "out"
    picked(tmp_path / "images", {"m.mrc": noise(1, (300, 300))}, fresh)
    (fresh / REPORT).write_text("old")
    picked(tmp_path / "images", {}, fresh, force=True)
    assert not (fresh / REPORT).exists()


def test_other_folders_are_refused_by_what_is_missing(tmp_path, fake):
    with pytest.raises(SettingsError, match=r"no run\.json and no settings\.json of cryoglean pick: give the folder"):
        write_report(tmp_path)
    path = fake.write().settings_path
    said = json.loads(path.read_text())
    for change, complaint in (
        ({"job": "extract"}, "results of cryoglean extract"),
        ({"settings": {}}, "does not tell method, preset, diameter_angstrom"),
    ):
        path.write_text(json.dumps(said | change))
        with pytest.raises(SettingsError, match=complaint):
            write_report(fake.root)
    assert not (fake.root / REPORT).exists()


def test_broken_tables_are_named_and_at_the_end_of_a_job_told_in_words(fake):
    folder = fake.write()
    folder.rejected_path.write_text("no,table\n1,2\n")
    with pytest.raises(TableError, match=r"rejected\.csv"):
        gather(fake.root)
    assert "could not be written" in report_or_reason(fake.root)
