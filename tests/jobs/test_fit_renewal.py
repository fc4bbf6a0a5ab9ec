"""What is learned depends on the set, not on the order of its files, and not for ever on what came first."""

import csv
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import mrcfile
import numpy as np
import pytest
from tests.fields import noise_field
from tests.jobs.test_pick import DIAMETER, contents, run, write

from cryoglean.errors import SettingsError
from cryoglean.findings import Level
from cryoglean.io.coordinates import read_picks
from cryoglean.jobs import pick as pick_job
from cryoglean.jobs.fit_findings import findings_on_fits
from cryoglean.jobs.fit_renewal import is_outdated
from cryoglean.jobs.pick import PickSummary
from cryoglean.jobs.pick_report import gather
from cryoglean.pickers.auto.picker import AutoSettings
from cryoglean.pickers.localpicker.picker import LocalpickerSettings
from cryoglean.pickers.protocol import FIT_MICROGRAPHS
from cryoglean.report.pick_page import pick_page
from examples import with_slow
from shells import ShellField

MANY = FIT_MICROGRAPHS + 3

FIRST = ("m0", "m1")

SMALL = {"height_px": 100, "width_px": 120, "particles": 8, "pixel_size_angstrom": 8}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """More micrographs than a fit takes."""
    folder = tmp_path_factory.mktemp("many")
    for seed in range(MANY):
        write(folder / f"m{seed}.mrc", ShellField(**SMALL, seed=seed))
    return sorted(folder.glob("*.mrc"))


@pytest.fixture(scope="module")
def at_once(many, tmp_path_factory):
    """All of them picked in one call."""
    out = tmp_path_factory.mktemp("at_once") / "out"
    run(many, out)
    return out


def learned(out):
    return json.loads((out / "localpicker.json").read_text())


def assert_same_picks(out, other):
    """Compare all but the last bits, in which sums may depend on where in memory an image lies."""
    assert contents(out).keys() == contents(other).keys()
    for path in contents(out):
        one, two = read_picks(out / path), read_picks(other / path)
        np.testing.assert_allclose(one.xy, two.xy, atol=1e-3)
        np.testing.assert_allclose(one.score, two.score, atol=1e-3)


def ledger(out):
    with (out / "micrographs.csv").open(newline="") as file:
        return {row["key"]: row["fit"] for row in csv.DictReader(file)}


def fits_in_tables(out):
    return {path.name.partition("_")[0]: read_picks(path).fit for path in (out / "picks").glob("m*.star")}


def empty(path, seed=0):
    with mrcfile.new(path, noise_field((300, 360), seed), overwrite=True) as file:
        file.voxel_size = 4


@pytest.mark.slow
def test_the_order_of_files_changes_nothing(many, at_once, tmp_path):
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(many))
        run([many[i] for i in order], tmp_path / str(seed))
        assert learned(tmp_path / str(seed))["micrographs"] == learned(at_once)["micrographs"]
        assert_same_picks(tmp_path / str(seed), at_once)


@pytest.mark.slow
def test_the_sample_is_spread_over_the_set(many, at_once):
    names = [path.name for path in many]
    taken = [names.index(name.rpartition("/")[2]) for name in learned(at_once)["micrographs"]]
    assert len(taken) == FIT_MICROGRAPHS
    assert max(taken) >= len(many) - 2


@pytest.mark.slow
def test_an_empty_first_micrograph_does_not_empty_those_that_come_later(many, tmp_path):
    empty(tmp_path / "empty.mrc")
    summary, _ = run([tmp_path / "empty.mrc"], tmp_path / "out")
    assert (summary.fit.found_particles, summary.exit_status) == (False, 6)
    summary, listener = run([tmp_path / "empty.mrc", *many[:3]], tmp_path / "out")
    assert any("no particles were found before" in line for line in listener.lines)
    run([tmp_path / "empty.mrc", *many[:3]], tmp_path / "at_once")
    assert_same_picks(tmp_path / "out", tmp_path / "at_once")
    assert summary.total > 15


class Renewed(NamedTuple):
    """A folder with two micrographs of a first fit, the others of the next one; what both calls said and left."""

    out: Path
    first: PickSummary
    then: PickSummary
    lines: list
    contents: dict


@pytest.fixture(scope="module")
def renewed_once(many, tmp_path_factory):
    out = tmp_path_factory.mktemp("renewed") / "out"
    first, _ = run([path for path in many if path.stem in FIRST], out, plots=True, csv=True)
    kept = contents(out)
    then, listener = run(many, out, plots=True, csv=True)
    return Renewed(out, first, then, listener.lines, kept)


@pytest.fixture
def renewed(renewed_once, tmp_path):
    return renewed_once._replace(out=Path(shutil.copytree(renewed_once.out, tmp_path / "out")))


def test_a_fit_from_few_micrographs_is_made_anew_as_more_arrive_and_what_was_picked_stays(many, renewed_once):
    out = renewed_once.out
    assert any("only 2 had been seen; 2 picked" in line for line in renewed_once.lines)
    assert len(learned(out)["micrographs"]) == FIT_MICROGRAPHS
    now = contents(out)
    assert {path: now[path] for path in renewed_once.contents} == renewed_once.contents
    _, listener = run(many, out, plots=True, csv=True)
    assert (listener.keys, contents(out)) == ([], now)


def test_tables_and_lists_tell_which_fit_made_which_picks(renewed_once):
    out, first, then, *_ = renewed_once
    assert first.fit_digest != then.fit_digest
    expected = {key: (first if key in FIRST else then).fit_digest for key in (f"m{i}" for i in range(MANY))}
    assert ledger(out) == fits_in_tables(out) == then.fits == expected
    assert {row.file.key: row.fit for row in then.results} == expected


def test_the_verdict_and_the_report_count_picks_of_an_older_fit_and_name_the_remedy(renewed_once):
    out, _, then, *_ = renewed_once
    (found,) = findings_on_fits(then.fits, then.fit_digest, "cryoglean pick 'my images' --out OUT --force")
    assert found.level is Level.note
    assert f"the picks of 2 micrographs are of an older fit than {then.fit_digest}: m0, m1" in found.text
    assert found.command == "cryoglean pick 'my images' --out OUT --repick"
    facts = gather(out)
    assert found.text in [each.text for each in facts.findings]
    assert facts.fit_digest == then.fit_digest
    page = pick_page(facts, "now")
    assert page.count(f'<td class="text">{then.fit_digest}</td>') == len(then.fits) - 2
    assert findings_on_fits(dict.fromkeys(then.fits, then.fit_digest), then.fit_digest, None) == ()


@pytest.mark.slow
@pytest.mark.parametrize("named", with_slow(slice(5, 7), slow=[slice(None)]), ids=["some", "all"])
def test_repick_makes_those_of_an_older_fit_again_and_no_others(many, at_once, renewed, named):
    out, _, then, *_ = renewed
    before = contents(out)
    summary, listener = run(many[named], out, repick=True)
    assert sorted(listener.keys) == ["m0", "m1"]
    assert set(summary.fits.values()) == {then.fit_digest}
    now = contents(out)
    changed = {path.name.partition("_")[0] for path in now if now[path] != before[path]}
    assert changed == {"m0", "m1"}
    assert not (out / "plots/m0.png").exists(), "it would show other picks"
    assert (out / "plots/m5.png").exists()
    assert_same_picks(out, at_once)
    assert findings_on_fits(summary.fits, summary.fit_digest, None) == ()
    assert run(many, out, repick=True)[1].keys == []


@pytest.mark.slow
def test_a_killed_repick_goes_on_where_it_was(many, renewed, monkeypatch):
    out, first, then, *_ = renewed
    pick_one, seen = pick_job.pick_one, []

    def killed(task, picker, file):
        if seen:
            raise KeyboardInterrupt
        seen.append(file.key)
        return pick_one(task, picker, file)

    with monkeypatch.context() as broken:
        broken.setattr(pick_job, "pick_one", killed)
        broken.setattr(pick_job, "_write_lists", lambda *_: None)  # as if it was killed without a moment's notice
        with pytest.raises(KeyboardInterrupt):
            run(many, out, repick=True)
    assert sorted(fits_in_tables(out).values()).count(first.fit_digest) == 1
    _, listener = run(many, out, repick=True)
    assert listener.keys == sorted({"m0", "m1"} - set(seen))
    assert set(ledger(out).values()) == set(fits_in_tables(out).values()) == {then.fit_digest}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["cryoglean.jobs.pick.tell_contrast", "cryoglean.jobs.fit_renewal._drop_fit"])
def test_a_renewal_that_was_killed_is_made_up_for(many, tmp_path, monkeypatch, place):
    run(many[:1], tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(place, killed)
        with pytest.raises(KeyboardInterrupt):
            run(many, tmp_path)
    run(many, tmp_path)
    assert len(learned(tmp_path)["micrographs"]) == FIT_MICROGRAPHS


@pytest.mark.slow
def test_micrographs_that_come_one_by_one_are_learned_from_together(many, tmp_path):
    for count in range(4):
        run(many[count : count + 1], tmp_path)
        assert len(learned(tmp_path)["micrographs"]) == count + 1


@pytest.mark.slow
def test_micrographs_that_cannot_be_used_do_not_renew_for_ever(many, tmp_path):
    for name in ("bad0", "bad1"):
        (tmp_path / f"{name}.mrc").write_bytes(b"no image")
    inputs = [*many[:3], tmp_path / "bad0.mrc", tmp_path / "bad1.mrc"]
    first, _ = run(inputs, tmp_path / "out")
    then, listener = run(inputs, tmp_path / "out")
    assert (then.fit_digest, listener.keys) == (first.fit_digest, ["bad0", "bad1"])
    assert not any("learning" in line for line in listener.lines)


@pytest.mark.slow
def test_enough_micrographs_settle_what_is_learned(many, tmp_path):
    summary, _ = run(many[:-1], tmp_path)
    assert not is_outdated(summary.fit)
    before = learned(tmp_path)
    run(many, tmp_path)
    assert learned(tmp_path) == before


@pytest.mark.slow
def test_a_fit_that_is_to_be_kept_stays_as_it_is(many, tmp_path):
    run(many[:1], tmp_path)
    before = learned(tmp_path)
    run(many[:3], tmp_path, is_stage=True)
    assert learned(tmp_path) == before


@pytest.mark.parametrize("content", ["{", "null", "[]", '{"a": 1}'])
@pytest.mark.parametrize("settings", [LocalpickerSettings, AutoSettings])
def test_what_was_learned_and_is_broken_is_told_and_passes_for_no_newer_fit(many, tmp_path, settings, content):
    """Also where the picker has gone on from it, and needs it no more."""
    picker, out = settings(diameter_angstrom=DIAMETER), tmp_path / "out"
    run(many[:2], out, picker=picker)
    (out / "localpicker.json").write_text(content)
    before = contents(out), (out / "learned.json").read_bytes()
    with pytest.raises(SettingsError, match=r"localpicker\.json"):
        run(many[:2], out, picker=picker)
    assert (contents(out), (out / "learned.json").read_bytes()) == before
