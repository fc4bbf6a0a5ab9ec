"""`cryoglean select` as a user meets it: from a folder of classes to particles, tables to edit, picks, and again."""

import csv
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import typer
from typer.testing import CliRunner

from class_averages import BOX, DIAMETER, PIXEL, blobs, classification_of, half_plane
from cryoglean.classes2d.folder import write_classification
from cryoglean.classes2d.verdicts import ClassVerdict
from cryoglean.cli.main import guarded
from cryoglean.cli.select import select
from cryoglean.io import atomic
from cryoglean.io.coordinates import read_picks
from cryoglean.io.mrc_stack import read_stack, stack_pixel_size
from cryoglean.io.particles import ParticleTable, read_particles, write_particles, write_stack
from examples import with_slow

app = typer.Typer()
app.command()(guarded(select))
OPTICS = {"rlnOpticsGroupName": "a", "rlnOpticsGroup": "1", "rlnMicrographPixelSize": "2.0"}
HEIGHT = 500


def cryoglean(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def table(n, names):
    rows = {
        "rlnCoordinateX": [f"{100 + i}.000000" for i in range(n)],
        "rlnCoordinateY": [f"{200 + i}.000000" for i in range(n)],
        "rlnImageName": [f"{i + 1:06d}@stack.mrcs" for i in range(n)],
        "rlnMicrographName": [names[i % len(names)] for i in range(n)],
        "rlnOpticsGroup": ["1"] * n,
        "rlnSomethingElse": [f"x{i}" for i in range(n)],
    }
    optics = {**OPTICS, "rlnImagePixelSize": f"{PIXEL}", "rlnImageSize": f"{BOX}"}
    return ParticleTable(pd.DataFrame([optics], dtype=object), pd.DataFrame(rows, dtype=object))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Thirty particles in a good class, ten in a carbon edge's and six in none of both, of three micrographs."""
    monkeypatch.chdir(tmp_path)
    found = classification_of([3 * blobs(), 3 * half_plane(), 3 * blobs(x=7)], [30, 10, 6])
    shifts = np.random.default_rng(0).uniform(-5, 5, (46, 2)).round(3)
    quality = np.linspace(0.1, 0.9, 46)
    found = replace(found, particles=replace(found.particles, shift_angstrom=shifts, quality=quality))
    (tmp_path / "mics").mkdir()
    tifffile.imwrite("mics/c.tif", np.zeros((HEIGHT, 40), np.float32))
    rng = np.random.default_rng(1)
    images = found.classes.averages[found.particles.class_index]
    write_stack("stack.mrcs", [images + rng.normal(0, 1, images.shape).astype(np.float32)], PIXEL)
    write_classification(tmp_path / "classes", found, table(46, ["mics/a.mrc", "mics/b.mrc", "mics/c.tif"]))
    settings = {"job": "classify", "settings": {"diameter_angstrom": DIAMETER, "classes": None, "engine": "native"}}
    (tmp_path / "classes" / "settings.json").write_text(json.dumps(settings))
    return tmp_path, found


def kept_rows(path):
    return [row["rlnSomethingElse"] for row in read_particles(path).particles.to_dict("records")]


def test_particles_of_good_classes_are_kept_with_all_that_was_known_of_them(project):
    root, _ = project
    result = cryoglean("classes", "--out", "out")
    assert result.exit_code == 0, result.output
    assert "30 of 46 particles kept" in result.stdout
    assert kept_rows("out/particles.star") == [f"x{i}" for i in range(30)]
    assert kept_rows("out/dropped.star") == [f"x{i}" for i in range(30, 46)]
    before, after = read_particles("classes/particles.star"), read_particles("out/particles.star")
    assert after.particles.equals(before.particles[:30])
    assert after.optics.equals(before.optics)
    assert {"gallery.png", "selection.csv", "settings.json"} <= {p.name for p in (root / "out").iterdir()}


def test_kept_classes_are_left_as_a_stack_to_pick_with(project):
    root, found = project
    cryoglean("classes", "--out", "out")
    np.testing.assert_array_equal(read_stack("out/templates.mrcs"), found.classes.uncorrected[:1])
    assert stack_pixel_size("out/templates.mrcs") == pytest.approx(PIXEL)
    none_kept = (root / "out/selection.csv").read_text().replace(",yes,", ",no,")
    (root / "out/selection.csv").write_text(none_kept)
    result = cryoglean("classes", "--out", "out", "--selection", "out/selection.csv")
    assert result.exit_code == 4, result.output
    assert not (root / "out/templates.mrcs").exists()


def test_picks_lie_at_true_centres_in_every_micrograph_and_tiff_are_read_back_right(project):
    _, found = project
    assert cryoglean("classes", "--out", "out").exit_code == 0
    for number, name in enumerate("abc"):
        rows = np.arange(30)[np.arange(30) % 3 == number]
        picks = read_picks(f"out/picks/{name}_autopick.star")
        true = np.stack([100 + rows, 200 + rows], axis=1) - found.particles.shift_angstrom[rows] / 2.0
        y = HEIGHT - 1 - true[:, 1] if name == "c" else true[:, 1]
        assert picks.x == pytest.approx(true[:, 0], abs=1e-5)
        assert picks.y == pytest.approx(y, abs=1e-5)
        assert picks.score == pytest.approx(found.particles.quality[rows])


def test_a_broken_row_is_named_by_its_line_and_only_its_pick_is_missing(project):
    path = Path("classes/particles.star")
    lines = path.read_text().splitlines()
    rows = [n for n, line in enumerate(lines) if "stack.mrcs" in line]
    for row, cell in ((3, "nan"), (40, "left")):  # the second is dropped with its class, and nobody misses it
        lines[rows[row]] = re.sub(r"\b(100|1\d\d)(\.0+)?\b", cell, lines[rows[row]], count=1)
        assert cell in lines[rows[row]]
    path.write_text("\n".join(lines) + "\n")
    result = cryoglean("classes", "--out", "out")
    assert result.exit_code == 0, result.output
    told = f"classes/particles.star: line {rows[3] + 1}: rlnCoordinateX 'nan' is no number"
    assert told in " ".join(result.stderr.split())
    counts = [len(read_picks(f"out/picks/{name}_autopick.star")) for name in "abc"]
    assert counts == [9, 10, 10]
    assert len(kept_rows("out/particles.star")) == 30


@pytest.mark.parametrize("said", ["optics", "rows", "option", "nowhere"])
def test_pixel_sizes_and_origins_are_those_of_every_other_reader_of_picks(project, said):
    """The pixel size of the micrographs may stand in rows or in optics groups, or be given."""
    _, found = project
    before = read_particles("classes/particles.star")
    optics = before.optics.drop(columns=["rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize"], errors="ignore")
    size = {"rlnMicrographPixelSize": "2.0"}
    optics = optics.assign(**size) if said == "optics" else optics
    rows = before.particles.assign(**size) if said == "rows" else before.particles
    write_particles("classes/particles.star", ParticleTable(optics, rows))
    result = cryoglean("classes", "--out", "out", *(["--pixel-size", 2] if said == "option" else []))
    assert result.exit_code == 0, result.output
    if said == "nowhere":
        assert "pixel size of the micrographs is not known" in result.stderr
        assert not Path("out/picks").exists()
        return
    rows = np.arange(0, 30, 3)
    picks = read_picks("out/picks/a_autopick.star")
    true = np.stack([100 + rows, 200 + rows], axis=1) - found.particles.shift_angstrom[rows] / 2.0
    np.testing.assert_allclose(picks.xy, true, atol=1e-5)


def test_a_micrograph_of_which_nothing_is_kept_has_an_empty_file(project):
    assert cryoglean("classes", "--out", "out", "--rule", "literal", "--threshold", 1000).exit_code == 4
    assert len(read_picks("out/picks/a_autopick.star")) == 0
    assert len(read_particles("out/particles.star").particles) == 0
    assert len(read_particles("out/dropped.star").particles) == 46


def test_what_the_user_edits_is_obeyed_and_never_written_over_unasked(project):
    root, _ = project
    assert cryoglean("classes", "--out", "out").exit_code == 0
    path = root / "out" / "selection.csv"
    lines = [line.replace("3,no", "3,YES") for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines))
    refused = cryoglean("classes", "--out", "out")
    assert refused.exit_code == 2
    assert "was edited" in refused.output
    assert cryoglean("classes", "--out", "out", "--selection", path).exit_code == 0
    assert len(kept_rows("out/particles.star")) == 36
    with path.open() as file:
        rows = {row["class"]: row for row in csv.DictReader(line for line in file if line[0] != "#")}
    assert (rows["3"]["keep"], rows["3"]["reason"], rows["3"]["verdict"]) == ("yes", "by hand", "kept_by_hand")
    assert cryoglean("classes", "--out", "out").exit_code == 2, "a decision by hand is an edit, too"
    assert cryoglean("classes", "--out", "out", "--force").exit_code == 0
    assert len(kept_rows("out/particles.star")) == 30


def test_classes_that_an_edited_table_leaves_out_are_told(project):
    root, _ = project
    (root / "mine.csv").write_text("class;keep\n2;yes\n")
    result = cryoglean("classes", "--out", "out", "--selection", "mine.csv")
    assert "does not name class 1, 3" in result.stderr
    assert len(kept_rows("out/particles.star")) == 40


def test_a_broken_table_is_refused_before_anything_is_written(project):
    root, _ = project
    (root / "mine.csv").write_text("class,keep\n9,yes\n")
    result = cryoglean("classes", "--out", "out", "--selection", "mine.csv")
    assert result.exit_code == 2
    assert "mine.csv" in result.stderr
    assert not (root / "out").exists()


REPLACE = os.replace


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("words", with_slow([], slow=[["--selection", "mine.csv"]]))
def test_killed_before_any_of_its_writes_it_ends_as_if_left_alone_when_repeated(project, words, monkeypatch):
    root, _ = project
    (root / "mine.csv").write_text("class,keep\n1,no\n2,yes\n3,yes\n")
    command, out, writes = ("classes", "--out", "out", *words), root / "out", list[str]()
    if words:
        assert cryoglean(*command[:3]).exit_code == 0

    def kept_before(source, target):
        as_killed = shutil.ignore_patterns(".*")  # how temporary files and locks of the killed go is tested elsewhere
        shutil.copytree(out, root / f"killed/{len(writes)}", ignore=as_killed)
        writes.append(Path(target).name)
        REPLACE(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "replace", kept_before)
        assert cryoglean(*command).exit_code == 0
    whole = contents(out)
    assert {"settings.json", "selection.csv", "particles.star", "dropped.star", "c_autopick.star"} <= set(writes)
    for killed in (root / "killed").iterdir():
        shutil.rmtree(out)
        killed.rename(out)
        assert cryoglean(*command).exit_code == 0
        assert contents(out) == whole, killed.name


def test_json_tells_classes_from_one(project):
    said = json.loads(cryoglean("classes", "--out", "out", "--json").stdout)
    assert (said["particles"], said["dropped"], said["classes_kept"]) == (30, 16, [1])
    assert said["verdicts"]["1"] == "kept"
    assert not ClassVerdict(said["verdicts"]["2"]).is_kept
    assert said["reasons"]["2"].startswith("dropped: ")


def test_other_classes_do_not_go_into_the_same_folder(project):
    root, found = project
    write_classification(root / "others", found, table(46, ["mics/a.mrc"]))
    assert cryoglean("classes", "--out", "out").exit_code == 0
    result = cryoglean("others", "--out", "out", "--diameter", DIAMETER)
    assert result.exit_code == 2
    assert "other settings" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: give the output folder"),
        (["mics"], "neither an output folder"),
        (["classes", "--rule", "automatic", "--threshold", "1"], "no effect"),
        (["classes", "--diameter", "-1"], "--diameter must be"),
        (["classes", "--purify", "--keep-share", "2"], "--keep-share must be"),
        (["classes", "--purify", "--selection", "x.csv"], "--purify"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(project, words, said):
    root, _ = project
    result = cryoglean(*words, "--out", "out")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (root / "out").exists()


def test_without_a_diameter_only_the_automatic_rule_is_at_a_loss(project):
    root, _ = project
    (root / "classes" / "settings.json").unlink()
    assert "--diameter" in cryoglean("classes", "--out", "out").stderr
    assert cryoglean("classes", "--out", "out", "--rule", "normalised", "--threshold", 0.01).exit_code == 0
    assert cryoglean("classes", "--out", "two", "--diameter", DIAMETER).exit_code == 0


def test_what_relion_left_is_read_the_latest_iteration_of_a_folder(project, tmp_path):
    from particle_stacks import block
    from relion_runs import made_up, write_run

    run = made_up()
    run["rows"] |= {"rlnCoordinateX": [5.0] * 10, "rlnCoordinateY": [6.0] * 10}
    for iteration in (1, 2):
        write_run(tmp_path / "job1", iteration, run)
        text = block("optimiser_general", ["rlnParticleDiameter"], ["40.0"])
        (tmp_path / "job1" / f"run_it{iteration:03d}_optimiser.star").write_text(text)
    for path in ("job1", "job1/run_it002_model.star", "job1/run_it002_data.star"):
        result = cryoglean(path, "--out", "of_relion", "--rule", "literal", "--force")
        assert result.exit_code in (0, 4), result.output
        kept = len(read_particles("of_relion/particles.star").particles)
        assert kept + len(read_particles("of_relion/dropped.star").particles) == 10


def test_purify_classifies_what_is_kept_again_and_writes_each_pass(project, monkeypatch):
    root, _ = project
    calls = []

    def engine(particles, settings, device, threads):
        calls.append((len(particles), settings.diameter_angstrom))
        again = classification_of([3 * blobs(), 3 * half_plane()], [len(particles), 0])
        moved = replace(again.particles, shift_angstrom=np.tile([1.0, -2.0], (len(particles), 1)))
        return replace(again, particles=moved)

    monkeypatch.setattr("cryoglean.jobs.purify.classify", engine)
    result = cryoglean("classes", "--out", "out", "--purify", "--cpus", 1, "--device", "cpu", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert [(p["input"], p["kept"]) for p in said["passes"]] == [(46, 30), (30, 30)]
    assert calls == [(30, DIAMETER)]
    assert kept_rows("out/particles.star") == [f"x{i}" for i in range(30)]
    assert kept_rows("out/dropped.star") == [f"x{i}" for i in range(30, 46)]
    for number in ("01", "02"):
        assert {"particles.star", "gallery.png", "selection.csv"} <= {
            p.name for p in (root / "out" / "passes" / number).iterdir()
        }


def test_origins_after_purifying_are_those_of_the_images_on_disk(project, monkeypatch):
    """What the images were shifted by is in them, so that extraction finds the particles."""
    _, found = project

    def engine(particles, settings, device, threads):
        return classification_of([3 * blobs()], [len(particles)])

    monkeypatch.setattr("cryoglean.jobs.purify.classify", engine)
    assert cryoglean("classes", "--out", "out", "--purify", "--cpus", 1, "--device", "cpu").exit_code == 0
    rows = read_particles("out/particles.star").particles
    origins = rows[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy(float)
    # the second pass finds nothing to move, and the class of the first lies in the middle but for the heavier blob
    assert np.abs(origins - found.particles.shift_angstrom[:30]).max() < 0.07 * DIAMETER
