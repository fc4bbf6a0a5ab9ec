"""`cryoglean run`, as a user meets it."""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from typer.testing import CliRunner

import cryoglean.io.atomic as atomic
from cryoglean.calibration.comparison import Lead
from cryoglean.cli.main import app
from cryoglean.evaluate import Protocol, evaluate_picks
from cryoglean.expected import Interval
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.loop import class_evaluation, rounds
from cryoglean.loop.acceptance import AcceptanceRule, RoundComparison
from cryoglean.loop.decisions import Alarm, AlarmDecision
from cryoglean.loop.run_report import gather
from cryoglean.loop.settings import LoopSettings
from cryoglean.pickers.kpicker.training import MIN_POSITIVES, KpickerTraining
from examples import with_slow
from tiny_loop import DIAMETER, final, grow, run, shrink, state

KILLS, SLOW_KILLS = ("picks",), (4, 11, 23, 37, 48, 55, 61)
STAGES = {"classes": (0, "classes"), "picks": (1, "picks")}
REPLACE = os.replace


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return grow(tmp_path_factory.mktemp("loop"))


@pytest.fixture(autouse=True)
def _tiny_network(monkeypatch):
    shrink(monkeypatch.setattr)
    yield
    monkeypatch.undo()
    KpickerTraining.model_rebuild(force=True)


class Moments:
    """Takes the place of `os.replace`, and copies the run as a kill leaves it: before some writes, and after stages."""

    def __init__(self, out, folder):
        self._out, self._folder, self._writes = out, folder, 0

    def __call__(self, source, target):
        if self._writes in KILLS + SLOW_KILLS:
            self._keep(self._writes)
        self._writes += 1
        REPLACE(source, target)
        if Path(target) == self._out / "run.json":
            done = [(s["round"], s["stage"]) for s in state(self._out)["stages"]]
            for name in (name for name, stage in STAGES.items() if done[-1:] == [stage]):
                self._keep(name)

    def _keep(self, name):
        if not (self._folder / str(name)).exists():
            shutil.copytree(self._out, self._folder / str(name), ignore=shutil.ignore_patterns(".*.tmp"))


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory):
    """One run that was not disturbed, copied on its way."""
    shrink()
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic.os, "replace", Moments(root / "run", root / "moments"))
        return root / "run", run(images, root / "run")


@pytest.fixture
def killed_at(finished):
    """What makes the run what a kill at a moment leaves of it, in the same place; it is whole again afterwards."""
    out, _ = finished
    aside = out.with_name("aside")
    out.rename(aside)

    def put_back(moment):
        shutil.copytree(out.with_name("moments") / str(moment), out)
        assert state(out)["status"] == "running"
        return out

    yield put_back
    shutil.rmtree(out)
    aside.rename(out)


@pytest.mark.numerical
def test_a_run_finds_the_particles(finished, images):
    out, result = finished
    assert result.exit_code == 0, result.output
    truth = read_picks_folder(images.parent / "truth")
    score = evaluate_picks(truth, read_picks_folder(out), Protocol(diameter_px=15)).overall
    assert score.f1 > 0.8
    assert (out / "autopick.star").exists()


def test_it_tells_each_stage_and_each_decision(finished):
    out, result = finished
    stages = ("candidates:", "classes:", "selected:", "model:", "picks:")
    for said in (*stages, "round 1 not accepted", "the rounds work on"):
        assert said in result.stderr
    said = state(out)
    assert said["status"] == "done"
    assert {(s["round"], s["stage"]) for s in said["stages"]} >= {(0, "classes"), (1, "model"), (1, "selected")}
    kinds = [decision["kind"] for decision in said["decisions"]]
    assert kinds == ["subset", "spacing", "class_evaluation", "class_evaluation", "acceptance"]
    assert all({"round", "message"} <= set(decision) for decision in said["decisions"])


def test_it_ends_with_a_report_of_what_it_found(finished):
    out, result = finished
    assert f"report, to be opened with a browser: {out / 'report.html'}" in result.stdout
    said, facts = state(out), gather(out)
    assert sum(facts.counts.values()) == said["production"]["picks"]
    assert list(facts.counts) == list(said["micrographs"])
    assert (facts.status, facts.best, facts.reason) == (said["status"], said["best"], said["message"])
    assert [gallery.name for gallery in facts.galleries] == ["00", "01"]
    for number in (0, 1):
        found = {s["stage"]: s["found"] for s in said["stages"] if s["round"] == number}
        gallery, news = facts.galleries[number], facts.rounds[number]
        assert list(gallery.selection.reasons) == found["selected"]["reasons"]
        assert gallery.classes.counts.sum() == found["classes"]["particles"] == news.classified
        assert (news.kept, news.extracted) == (found["selected"]["kept"], found["particles"]["particles"])
    assert facts.rounds[1].evaluation is not None
    assert facts.rounds[1].checks
    assert {p.name for p in (out / "figures").iterdir()} >= {"classes_01.png", "training.png"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("comparison", "lead", "best"),
    [
        (RoundComparison(200, 60, 200, 150), None, 1),
        (RoundComparison(200, 60, 200, 150), Lead(Interval(-0.4, -0.3, -0.2), -9.0), 0),
        (RoundComparison(200, 100, 200, 104), None, 0),
    ],
)
def test_a_clear_gain_accepts_the_later_round_and_doubt_the_earlier(
    images, killed_at, monkeypatch, comparison, lead, best
):
    out = killed_at("picks")
    monkeypatch.setattr(class_evaluation, "compare_rounds", lambda *_: (comparison, 400, 390))
    monkeypatch.setattr(rounds, "lead_over", lambda *_: lead)
    result = run(images, out, "--json")
    assert result.exit_code == 0, result.output
    said, rule = json.loads(result.stdout), AcceptanceRule.earlier_in_doubt
    assert (said["best_round"], said["acceptance_rule"]) == (best, rule.value)
    assert said["message"].endswith(f"the picks of round {best} are accepted: {rule.message}")
    assert state(out)["production"]["round"] == best
    facts = gather(out)
    assert [gallery.name for gallery in facts.galleries] == ["00", "01", *["final"] * best]
    assert rule.message in (out / "report.html").read_text()
    found = "picks" if best else "candidates"
    counts = next(s for s in state(out)["stages"] if (s["round"], s["stage"]) == (best, found))["found"]["counts"]
    assert facts.counts == counts


@pytest.mark.slow
def test_a_report_that_cannot_be_written_does_not_lose_the_run(finished, images, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished[0], out)
    (out / "report.html").unlink()
    (out / "report.html").mkdir()
    result = run(images, out)
    assert result.exit_code == 0
    assert "the report could not be written" in result.stderr
    assert final(out) == final(finished[0])


@pytest.mark.slow
def test_the_same_command_again_does_nothing_over(finished, images):
    out, _ = finished
    before, stages = final(out), state(out)["stages"]
    assert run(images, out).exit_code == 0
    assert final(out) == before
    assert state(out)["stages"] == stages


def test_other_settings_are_refused_and_nothing_is_lost(finished, images):
    out, _ = finished
    before = state(out)
    result = run(images, out, "--seed", "7")
    assert result.exit_code == 2
    assert "seed 0, now 7" in result.stderr
    assert state(out) == before


@pytest.mark.slow
@pytest.mark.parametrize("moment", with_slow(*KILLS, slow=SLOW_KILLS))
def test_a_run_that_was_killed_ends_like_one_that_was_not(images, killed_at, moment):
    out = killed_at(moment)
    assert run(images, out).exit_code == 0
    assert final(out) == final(out.with_name("aside"))


@pytest.mark.parametrize("option", ["--max-particles", "--most-particles"])
def test_the_limit_of_particles_has_its_earlier_name_too(images, tmp_path, option):
    result = run(images, tmp_path / "run", option, "3")
    assert result.exit_code == 2
    assert "--max-particles 3: must be 4 or more" in result.stderr


@pytest.mark.slow
def test_workers_do_not_change_the_picks(finished, images, tmp_path):
    assert run(images, tmp_path / "run", "--cpus", "2").exit_code == 0
    assert final(tmp_path / "run") == final(finished[0])


def without_the_smaller(table):
    """Turn down the smaller of two classes, whichever comes first; return how many particles the other has."""
    head, *lines = table.read_text().splitlines(keepends=True)
    small, large = sorted((int(row["particles"]), row["class"]) for row in csv.DictReader(lines))
    start = f"{small[1]},yes,"
    table.write_text(head + "".join(re.sub(f"^{start}", start.replace("yes", "no"), line) for line in lines))
    return large[0]


@pytest.mark.slow
@pytest.mark.numerical
def test_review_waits_for_the_table_and_obeys_it(images, killed_at):
    out = killed_at("classes")
    waiting = run(images, out, "--review")
    assert waiting.exit_code == 5
    table = out / "rounds/00/selected/selection.csv"
    assert str(table) in waiting.stderr
    assert gather(out).status == "review"
    assert "waiting for review" in (out / "report.html").read_text()
    assert table.read_text().count(",yes,") == 2
    left = without_the_smaller(table)
    assert left > 2 * MIN_POSITIVES
    assert run(images, out, "--review").exit_code == 5  # of the next round
    kept = next(s for s in state(out)["stages"] if (s["round"], s["stage"]) == (0, "selected"))["found"]
    assert kept["classes_kept"] == 1
    assert kept["kept"] == left < kept["particles"]
    assert run(images, out).exit_code == 0


@pytest.mark.slow
def test_coordinates_of_ones_own_take_the_place_of_candidates(tmp_path):
    """What the tiny network makes of them may raise the alarm of classes that get worse: it picks junk beside them."""
    images, coordinates = grow(tmp_path, count=2), tmp_path / "truth"
    result = run(images, tmp_path / "run", "--start-from", coordinates)
    assert result.exit_code in (0, 5), result.output
    first = next(s for s in state(tmp_path / "run")["stages"] if (s["round"], s["stage"]) == (0, "candidates"))
    assert first["found"]["picks"] == sum(len(picks.x) for picks in read_picks_folder(coordinates).values())
    assert "round 1 accepted: the first network takes the place of the coordinates given" in result.stderr
    assert (result.exit_code == 0) == (state(tmp_path / "run")["best"] == 1)


@pytest.mark.slow
def test_no_candidates_is_said_with_what_to_try(tmp_path):
    for seed in range(2):
        noise = np.random.default_rng(seed).standard_normal((90, 95)).astype(np.float32)
        with mrcfile.new(tmp_path / f"noise{seed}.mrc", noise) as file:
            file.voxel_size = 8.0
    result = run(tmp_path, tmp_path / "out" / "run")
    assert result.exit_code == 6
    assert "is --diameter right" in result.stderr
    assert gather(tmp_path / "out" / "run").counts == {"noise0": 0, "noise1": 0}
    assert (tmp_path / "out/run/report.html").exists()


@pytest.mark.slow
def test_one_micrograph_only(tmp_path):
    images = grow(tmp_path, count=1)
    result = run(images, tmp_path / "run")
    assert result.exit_code in (0, 5), result.output
    assert len(final(tmp_path / "run")) == 1


@pytest.mark.slow
def test_too_few_for_two_classes_keeps_the_candidates(tmp_path):
    images = grow(tmp_path, count=1, particles=2, height_px=75, width_px=75)
    coordinates = tmp_path / "truth"
    result = run(images, tmp_path / "run", "--start-from", coordinates)
    assert result.exit_code == 5
    assert "too few for two classes" in result.stderr
    assert f"the accepted ones are the coordinates of {coordinates}" in result.stdout
    assert "no picks yet" not in result.stdout


@pytest.mark.slow
def test_everything_rejected_by_selection_says_why(images, tmp_path):
    result = run(images / "m0.mrc", tmp_path / "run", "--rule", "literal", "--threshold", "50")
    assert result.exit_code == 5
    assert "no class is kept" in result.stderr
    assert len(final(tmp_path / "run")) == 1, "the candidates' picks stand"


def test_low_defocus_without_a_ctf_is_refused_before_a_folder_is_made(images, tmp_path):
    result = run(images, tmp_path / "run", "--low-defocus")
    assert result.exit_code == 2
    assert "--low-defocus: none of 3 micrographs has a CTF to 4 Å" in result.stderr
    assert not (tmp_path / "run/run.json").exists()


@pytest.mark.slow
def test_a_sample_is_told_with_the_classes_and_the_time_of_all(images, tmp_path):
    out = tmp_path / "run"
    result = run(images, out, "--rounds", "0", "--max-particles", "50")
    assert result.exit_code == 0, result.output
    sample = next(d for d in state(out)["decisions"] if d["kind"] == "sample")
    places = next(s for s in state(out)["stages"] if s["stage"] == "candidates")["found"]["picks"]
    assert (sample["drawn"], sample["places"], sample["published_classes"]) == (50, places, 2)
    assert sample["message"] in result.stderr
    assert sample["message"] in [each.message for each in gather(out).decisions]


@pytest.mark.slow
def test_as_published_each_round_is_judged_and_purified_by_its_own_picks_alone(images, tmp_path, monkeypatch):
    monkeypatch.setattr(
        LoopSettings, "is_paper", True
    )  # with pickers that find these shells, which the published do not
    out = tmp_path / "run"
    result = run(images, out, "--rule", "automatic", "--max-particles", "0")
    assert result.exit_code == 0, result.output
    found = {(s["round"], s["stage"]): s["found"] for s in state(out)["stages"]}
    decisions = {(d["round"], d["kind"]): d for d in state(out)["decisions"]}
    assert (0, "matched") not in found
    assert found[1, "particles"]["places"] == found[1, "picks"]["picks"], "and none of the round before"
    for number in (0, 1):
        assert found[number, "selected"]["passes"]
        assert found[number, "selected"]["passes"][0]["input"] == found[number, "classes"]["particles"]
        evaluation = decisions[number, "class_evaluation"]
        assert evaluation["kept"] == found[number, "selected"]["kept"]
        assert evaluation["only_new"] == evaluation["only_reference"] == 0
    assert decisions[1, "acceptance"]["acceptance"] == "last_round"
    assert state(out)["best"] == 1


def test_mixed_pixel_sizes_are_refused_with_both_named(tmp_path):
    images = grow(tmp_path, count=2)
    (images / "m1.mrc").rename(images / "z.mrc")
    grow(tmp_path, count=1, pixel_size_angstrom=3)
    result = run(images, tmp_path / "run")
    assert result.exit_code == 2
    assert "m0 has 3 Å, z 8 Å" in result.stderr


@pytest.mark.slow
def test_mixed_sizes_are_ordinary_and_a_bad_micrograph_is_set_aside(tmp_path):
    images = grow(tmp_path, count=2)
    (images / "m1.mrc").rename(images / "z.mrc")
    grow(tmp_path, count=1, height_px=150)
    (images / "broken.mrc").write_bytes(b"no image")
    result = run(images, tmp_path / "run")
    assert result.exit_code == 3, result.output
    assert "broken" in (tmp_path / "run/rejected.csv").read_text()
    assert len(final(tmp_path / "run")) == 2


@pytest.mark.slow
def test_an_alarm_stops_the_loop_and_the_picks_before_stand(images, killed_at, monkeypatch):
    import cryoglean.loop.rounds as module

    flood = AlarmDecision(round=1, alarm=Alarm.flood, accepted=0, now=400.0, before=100.0)
    monkeypatch.setattr(module, "find_alarm", lambda best, now: flood)
    out = killed_at("picks")
    result = run(images, out)
    assert result.exit_code == 5, result.output
    assert "picks flood" in result.stderr
    assert "the picks of round 0 are accepted" in result.stderr
    assert gather(out).alarms == (flood.line,)
    assert len(final(out)) == 3
    assert (state(out)["status"], state(out)["outcome"]) == ("stopped", "astray")
    assert run(images, out).exit_code == 5, "the same command says the same"


@pytest.mark.slow
def test_more_micrographs_are_picked_and_the_rounds_stay(tmp_path):
    images = grow(tmp_path, count=1)
    out = tmp_path / "run"
    assert run(images, out, "--rounds", "0").exit_code == 0
    before, rounds = final(out), state(out)["stages"]
    grow(tmp_path / "more", count=2)
    (tmp_path / "more/images/m1.mrc").rename(images / "m1.mrc")
    assert run(images, out, "--rounds", "0").exit_code == 0
    after = final(out)
    assert len(after) == 2
    assert {name: after[name] for name in before} == before
    assert state(out)["stages"] == rounds


def test_a_run_of_which_no_micrograph_can_be_used_ends_with_a_verdict(tmp_path):
    for name in ("a.mrc", "b.mrc"):
        (tmp_path / name).write_bytes(b"bad")
    words = ("run", tmp_path, "--diameter", DIAMETER, "--pixel-size", "2", "--cpus", "1", "--out")
    shown, asked = (
        CliRunner().invoke(app, [str(word) for word in (*words, tmp_path / name, *more)])
        for name, more in (("shown", ()), ("asked", ("--json",)))
    )
    assert shown.exit_code == asked.exit_code == 4
    (told,) = json.loads(asked.stdout)["verdict"]
    assert (told["level"], told["topic"]) == ("alarm", "rejected")
    assert told["text"] in " ".join(shown.stdout.split())
