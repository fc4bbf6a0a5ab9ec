"""A fit is learned once and applied in many jobs: the same picks whatever the jobs, and no other than is asked for."""

import json
import os
import shutil
from pathlib import Path

import hypothesis
import mrcfile
import numpy as np
import pytest
from hypothesis import strategies as st
from safetensors.numpy import save
from tests.fields import noise_field
from tests.jobs.test_pick import DIAMETER, Listener, write
from tests.pickers.kpicker.test_picker import trained

from class_averages import blobs
from cryoglean.errors import SettingsError
from cryoglean.io.coordinates import read_picks
from cryoglean.io.inputs import find_micrographs
from cryoglean.io.particles import write_stack
from cryoglean.jobs.fit import run_fit_job
from cryoglean.jobs.fit_findings import findings_on_fits
from cryoglean.jobs.fit_record import FIT, FitFile, read_fit_record
from cryoglean.jobs.given_fit import open_fit
from cryoglean.jobs.pick import run_pick_job
from cryoglean.jobs.pick_job import PickJob
from cryoglean.jobs.pick_report import gather
from cryoglean.pickers.kpicker.files import write_kpicker
from cryoglean.pickers.kpicker.picker import KpickerSettings
from cryoglean.pickers.localpicker import preparation as localpicker_stage
from cryoglean.pickers.localpicker.paper import PaperLocalpickerSettings
from cryoglean.pickers.localpicker.picker import LocalpickerSettings
from cryoglean.pickers.matcher import preparation as matcher_stage
from cryoglean.pickers.matcher.picker import MatcherSettings
from cryoglean.pickers.registry import describe
from examples import with_slow
from shells import ShellField

JOBS = 3
FIELD = {"height_px": 100, "width_px": 120, "particles": 8, "pixel_size_angstrom": 8}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for seed in range(JOBS):
        write(folder / f"m{seed}.mrc", ShellField(**FIELD, seed=seed))
    return sorted(folder.glob("*.mrc"))


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    write_stack(folder / "templates.mrcs", [blobs()[None].astype(np.float32)], 4.0)
    write_kpicker(folder / "weights.safetensors", trained(steps=2).model)  # any network will do
    return folder


def settings(kind, diameter=DIAMETER, **changes):
    return kind(diameter_angstrom=diameter, **changes)


def fit(inputs, out, picker=None, **changes):
    job = PickJob(picker=picker or settings(LocalpickerSettings), **changes)
    return run_fit_job(find_micrographs([Path(path) for path in inputs]), job, out, Listener())


def pick(inputs, folder, out, **changes):
    known, listener = open_fit(folder), Listener()
    job = PickJob(**({"picker": known.picker, "fit": folder} | changes))
    return run_pick_job(find_micrographs([Path(path) for path in inputs]), job, out, listener), listener


def picks_in(*folders):
    """Return the picks of all micrographs of some folders: places, scores and fit."""
    tables = {path.name: read_picks(path) for folder in folders for path in (folder / "picks").glob("m*.star")}
    return {name: (each.fit, np.column_stack([each.xy, each.score])) for name, each in tables.items()}


def assert_same_picks(one, other):
    """Compare all but the last bits, in which sums may depend on where in memory an image lies."""
    assert {name: fit for name, (fit, _) in one.items()} == {name: fit for name, (fit, _) in other.items()}
    for name, (_, table) in one.items():
        np.testing.assert_allclose(table, other[name][1], atol=1e-3)


@pytest.fixture(scope="module")
def fitted(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted") / "FIT"
    summary = fit(images, folder)
    assert (summary.exit_status, summary.fit.found_particles) == (0, True)
    return folder


PICKERS = {
    "localpicker": lambda files: (settings(LocalpickerSettings), {}),
    "localpicker, paper": lambda files: (settings(PaperLocalpickerSettings, bin_factor=1), {}),
    "matcher": lambda files: (settings(MatcherSettings), {"templates": files / "templates.mrcs"}),
    "kpicker": lambda files: (settings(KpickerSettings, 42.0), {"weights": files / "weights.safetensors"}),
}


@pytest.mark.parametrize("name", with_slow("localpicker", slow=["localpicker, paper", "matcher", "kpicker"]))
def test_a_micrograph_has_the_same_picks_in_one_job_and_in_many_and_nothing_is_learned_anew(
    images, given, tmp_path, monkeypatch, name
):
    picker, files = PICKERS[name](given)
    files = {file: Path(shutil.copy(path, tmp_path)) for file, path in files.items()}
    record = fit(images, tmp_path / "made", picker, given=files).record
    for path in files.values():
        path.unlink()  # the fit holds all that it needs
    shipped = (tmp_path / "made").rename(tmp_path / "shipped")

    def learn(*_, **__):
        raise AssertionError("learned anew")

    monkeypatch.setattr(localpicker_stage, "fit_localpicker", learn)
    monkeypatch.setattr(matcher_stage, "fit_matcher", learn)
    whole, _ = pick(images, shipped, tmp_path / "whole")
    jobs = [tmp_path / f"job{i}" for i in range(JOBS)]
    for out, image in reversed(list(zip(jobs, images, strict=True))):
        pick([image], shipped, out)
    assert whole.fit_digest == record.digest
    assert set(whole.fits.values()) == {record.digest}
    assert len(picks_in(tmp_path / "whole")) == JOBS
    assert_same_picks(picks_in(*jobs), picks_in(tmp_path / "whole"))


@pytest.mark.slow(perturbed=True)
@pytest.mark.numerical
def test_what_a_fit_picks_is_what_picking_at_once_picks(images, fitted, tmp_path):
    run_pick_job(
        find_micrographs(images), PickJob(picker=settings(LocalpickerSettings)), tmp_path / "plain", Listener()
    )
    summary, _ = pick(images, fitted, tmp_path / "out")
    plain, fits = picks_in(tmp_path / "plain"), picks_in(tmp_path / "out")
    assert summary.total > 15
    assert plain.keys() == fits.keys()
    for name, (_, table) in plain.items():
        np.testing.assert_allclose(table, fits[name][1], atol=1e-2)


@pytest.mark.slow
def test_the_report_of_a_job_shows_the_fit_and_picks_again_by_it(images, fitted, tmp_path):
    pick(images[:2], fitted, tmp_path / "out")
    facts = gather(tmp_path / "out")
    record = open_fit(fitted).record
    assert facts.fit_digest == record.digest
    assert [each.name for each in facts.pictures] == ["localpicker.png"]
    assert f"--fit {fitted}" in facts.pick_command
    assert "--diameter" not in facts.pick_command


OTHERS = [
    ({"diameter_angstrom": 150.0}, "--diameter 150: --fit FIT was made with --diameter 120"),
    ({"method": "kpicker"}, "--method kpicker: --fit FIT was made with --method localpicker"),
    ({"preset": "paper"}, "--preset paper: --fit FIT was made with --preset default"),
    ({"contrast": "bright"}, "--contrast bright: --fit FIT was made with --contrast dark"),
    ({"pixel_size_angstrom": 2.0}, "--pixel-size 2: --fit FIT was made without --pixel-size"),
]


@pytest.mark.parametrize(("asked", "said"), OTHERS)
def test_a_fit_that_is_not_the_one_asked_for_is_refused_by_both_values_and_with_the_remedy(fitted, asked, said):
    with pytest.raises(SettingsError) as refused:
        open_fit(fitted).refuse_others(asked)
    line = str(refused.value).replace(str(fitted), "FIT")
    assert line.startswith(said)
    assert "leave the option out, or make another fit, cryoglean fit" in line
    assert "\n" not in line


def test_what_agrees_is_not_refused_and_what_only_chooses_may_be_another(fitted):
    agreeing = {"diameter_angstrom": 120.5, "method": "localpicker", "preset": "default", "contrast": "dark"}
    open_fit(fitted).refuse_others(agreeing | {"threshold": 0.9, "min_distance_angstrom": 90.0, "pixel_size": None})


def test_a_job_with_other_settings_is_refused_before_any_work(images, fitted, tmp_path):
    with pytest.raises(SettingsError, match="--diameter 150"):
        pick(images, fitted, tmp_path / "out", picker=settings(LocalpickerSettings, 150.0))
    with pytest.raises(SettingsError, match="--contrast bright"):
        pick(images, fitted, tmp_path / "out", contrast="bright")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.slow
def test_other_files_than_those_of_the_fit_are_refused(images, given, tmp_path):
    picker, files = PICKERS["matcher"](given)
    fit(images[:2], tmp_path / "FIT", picker, given=files)
    known = open_fit(tmp_path / "FIT")
    known.refuse_other_files(files)
    write_stack(tmp_path / "other.mrcs", [blobs()[None].astype(np.float32) ** 2], 4.0)
    with pytest.raises(SettingsError, match=r"--templates .*other.mrcs: --fit .* was made with another"):
        known.refuse_other_files({"templates": tmp_path / "other.mrcs"})


def change(name, old, new):
    def damage(folder):
        path = folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return damage


def as_if_made_so(name, content):
    """Put other content into a file, and let the record agree with it."""

    def damage(folder):
        (folder / name).write_bytes(content((folder / name).read_bytes()))
        record = json.loads((folder / FIT).read_text())
        record["files"][name] = FitFile.of(folder / name).model_dump()
        (folder / FIT).write_text(json.dumps(record))
        found = read_fit_record(folder).own_digest(describe("localpicker"))
        (folder / FIT).write_text(json.dumps(record | {"digest": found}))

    return damage


def nested(depth, key="x"):
    return b'{"' + key.encode() + b'":' + b"[" * depth + b"]" * depth + b"}"


DAMAGES = {
    "no record": lambda folder: (folder / FIT).unlink(),
    "an empty record": lambda folder: (folder / FIT).write_bytes(b""),
    "a cut record": lambda folder: (folder / FIT).write_bytes((folder / FIT).read_bytes()[:-40]),
    "a record of bytes": lambda folder: (folder / FIT).write_bytes(bytes(range(256))),
    "a nested record": lambda folder: (folder / FIT).write_bytes(nested(100_000)),
    "nested settings": lambda folder: change(FIT, '"threshold": null', '"threshold": ' + "[" * 5000 + "]" * 5000)(
        folder
    ),
    "a huge record": lambda folder: (folder / FIT).write_bytes(b" " * 2**23),
    "a record that is a folder": lambda folder: ((folder / FIT).unlink(), (folder / FIT).mkdir()),
    "another schema": change(FIT, '"schema_version": 1', '"schema_version": 2'),
    "another diameter": change(FIT, '"diameter_angstrom": 120.0', '"diameter_angstrom": 130.0'),
    "an absurd diameter": change(FIT, '"diameter_angstrom": 120.0', '"diameter_angstrom": -1e300'),
    "another contrast": change(FIT, '"contrast": "dark"', '"contrast": "bright"'),
    "no such contrast": change(FIT, '"contrast": "dark"', '"contrast": "grey"'),
    "no such picker": change(FIT, '"method": "localpicker"', '"method": "topaz"'),
    "another picker": change(FIT, '"method": "localpicker"', '"method": "kpicker"'),
    "an absurd size": change(FIT, '"size": ', '"size": 9'),
    "a negative size": change(FIT, '"size": ', '"size": -'),
    "a file elsewhere": change(FIT, '"localpicker.json"', '"../../localpicker.json"'),
    "a given file that it has not": change(FIT, '"given": {}', '"given": {"weights": "given/weights/w"}'),
    "no learned file": lambda folder: (folder / "localpicker.json").unlink(),
    "a cut learned file": lambda folder: (folder / "localpicker.json").write_text("{"),
    "a learned file with a turned digit": lambda folder: turn_a_digit(folder / "localpicker.json"),
    "a learned file that is a pipe": lambda folder: pipe(folder / "localpicker.json"),
    "what was learned, nested": as_if_made_so("localpicker.json", lambda _: nested(100_000)),
    "what was learned, with a field too much": as_if_made_so("localpicker.json", lambda text: b'{"x": 1,' + text[1:]),
    "what was learned, of an absurd size": as_if_made_so(
        "localpicker.json", lambda text: json.dumps(json.loads(text) | {"disc_diameters": 1e9}).encode()
    ),
    "what was learned, of an absurd length": as_if_made_so(
        "localpicker.json", lambda text: json.dumps(json.loads(text) | {"profile": [0.0] * 100_000}).encode()
    ),
    "what was learned, of no number": as_if_made_so(
        "localpicker.json", lambda text: json.dumps(json.loads(text) | {"threshold": float("nan")}).encode()
    ),
    "what was learned, as weights": as_if_made_so("localpicker.json", lambda _: save({"x": np.zeros(3)})),
}


def turn_a_digit(path):
    text = path.read_text()
    place = text.index('"threshold": ') + len('"threshold": ') + 2
    path.write_text(text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :])


def pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_fit_that_is_broken_is_refused_in_one_line_before_any_work(images, fitted, tmp_path, damage):
    folder, out = Path(shutil.copytree(fitted, tmp_path / "FIT")), tmp_path / "out"
    DAMAGES[damage](folder)
    with pytest.raises(SettingsError) as refused:
        pick(images[:1], folder, out)
    assert "\n" not in str(refused.value)
    assert str(folder) in str(refused.value)
    assert len(str(refused.value)) < 600
    assert not out.exists()


@hypothesis.given(st.data())
def test_no_damage_makes_another_fit_of_one(fitted, tmp_path_factory, data):
    """A byte that is turned, or a file that is cut, is refused, or leaves all that decides the picks as it was."""
    folder = Path(shutil.copytree(fitted, tmp_path_factory.mktemp("damaged") / "FIT"))
    known = open_fit(folder)
    path = folder / data.draw(st.sampled_from([FIT, *known.record.files]))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        now = open_fit(folder)
    except SettingsError:
        return
    assert path.name == FIT
    assert (now.picker, now.given.keys(), now.record.digest) == (known.picker, known.given.keys(), known.record.digest)
    assert (now.record.contrast, now.record.files) == (known.record.contrast, known.record.files)


@pytest.mark.slow
def test_a_fit_that_found_no_particles_says_so_and_is_not_applied(images, tmp_path):
    with mrcfile.new(tmp_path / "empty.mrc", noise_field((300, 360), 0)) as file:
        file.voxel_size = 4
    summary = fit([tmp_path / "empty.mrc"], tmp_path / "FIT")
    assert (summary.exit_status, summary.record.found_particles) == (6, False)
    with pytest.raises(SettingsError, match="no particles were found in the 1 micrograph that it was learned from"):
        pick(images, tmp_path / "FIT", tmp_path / "out")
    summary = fit([tmp_path / "empty.mrc", *images], tmp_path / "FIT")
    assert (summary.exit_status, len(summary.record.micrographs)) == (0, JOBS + 1)


def test_micrographs_that_cannot_be_used_are_named_and_of_them_alone_nothing_is_learned(images, tmp_path):
    (tmp_path / "bad.mrc").write_bytes(b"no image")
    summary = fit([*images[:2], tmp_path / "bad.mrc"], tmp_path / "FIT")
    assert (summary.exit_status, len(summary.record.micrographs)) == (3, 2)
    assert "bad.mrc" in (tmp_path / "FIT/rejected.csv").read_text()
    summary = fit([tmp_path / "bad.mrc"], tmp_path / "none")
    assert (summary.exit_status, summary.record, len(summary.rejected)) == (4, None, 1)
    assert "bad.mrc" in (tmp_path / "none/rejected.csv").read_text()
    assert not (tmp_path / "none" / FIT).exists()


@pytest.mark.slow
def test_done_is_done_and_a_fit_from_few_micrographs_is_renewed_with_those_of_earlier_calls(images, tmp_path):
    first = fit(images[:2], tmp_path).record
    before = (tmp_path / FIT).stat().st_mtime_ns
    assert fit(images[:2], tmp_path).record == first
    assert (tmp_path / FIT).stat().st_mtime_ns == before
    renewed = fit(images[2:], tmp_path).record
    assert renewed.digest != first.digest
    assert len(renewed.micrographs) == JOBS
    assert open_fit(tmp_path).record == renewed


def test_a_fit_that_was_killed_is_refused_until_it_is_made(images, fitted, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("cryoglean.jobs.fit._write_record", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(images[:1], tmp_path)
    with pytest.raises(SettingsError, match="cryoglean fit MICROGRAPHS"):
        open_fit(tmp_path)
    assert fit(images[:1], tmp_path).record.digest == open_fit(tmp_path).record.digest


@pytest.mark.slow
def test_a_renewed_fit_picks_new_micrographs_and_those_of_the_older_one_are_told_and_picked_again(images, tmp_path):
    first = fit(images[:2], tmp_path / "FIT").record
    pick(images[:2], tmp_path / "FIT", tmp_path / "out")
    renewed = fit(images, tmp_path / "FIT").record
    summary, _ = pick(images, tmp_path / "FIT", tmp_path / "out")
    assert {key: fit == first.digest for key, fit in summary.fits.items()} == {f"m{i}": i < 2 for i in range(JOBS)}
    (found,) = findings_on_fits(summary.fits, summary.fit_digest, None)
    assert f"the picks of 2 micrographs are of an older fit than {renewed.digest}" in found.text
    summary, listener = pick(images[2:], tmp_path / "FIT", tmp_path / "out", repick=True)
    assert listener.keys == ["m0", "m1"]
    assert set(summary.fits.values()) == {renewed.digest}


def test_a_folder_goes_on_as_it_began_with_a_fit_or_without(images, fitted, tmp_path):
    pick(images[:1], fitted, tmp_path)
    with pytest.raises(SettingsError, match="fit 'given', now None"):
        run_pick_job(
            find_micrographs(images),
            PickJob(picker=settings(LocalpickerSettings), contrast="dark"),
            tmp_path,
            Listener(),
        )
