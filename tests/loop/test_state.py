"""`run.json` is resumed, or refused in one line with the reason and nothing lost."""

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryoglean.cli.loop_progress import LoopProgress
from cryoglean.errors import SettingsError
from cryoglean.loop.decisions import Alarm, AlarmDecision, ClassEvaluationDecision, SpacingDecision, SubsetDecision
from cryoglean.loop.outcomes import Outcome
from cryoglean.loop.rounds import run_loop
from cryoglean.loop.settings import LoopJob, LoopSettings
from cryoglean.loop.spacing import SpacingFinding
from cryoglean.loop.stage_results import CANDIDATES, MICROGRAPHS, MicrographsFound, PicksFound
from cryoglean.loop.state import RunStatus, open_run, read_run
from cryoglean.loop.subset import SubsetChoice
from cryoglean.micrograph import MicrographFile

SETTINGS = LoopSettings(diameter_angstrom=120)
SUBSET = SubsetDecision(round=0, choice=SubsetChoice.every, chosen=2, given=2)


def files(folder, *names):
    return [MicrographFile(folder / f"{name}.mrc", f"{name}.mrc", name) for name in names]


@pytest.fixture
def run(tmp_path):
    run, _ = open_run(tmp_path / "run", SETTINGS, files(tmp_path, "a", "b"))
    run.add(0, MICROGRAPHS, MicrographsFound(usable=1, sizes={"a": (1.5, 40, 50)}, rejected={"b": "empty"}), 0.5)
    run.add(0, CANDIDATES, PicksFound(picks=7, counts={"a": 7}), 1.5)
    run.decide(SUBSET)
    run.decide(SpacingDecision(round=0, finding=SpacingFinding.unknown, diameters=0.5, sure_share=None, all_share=None))
    return run


def test_what_is_recorded_is_there_again(run, tmp_path):
    again, _ = open_run(run.root, SETTINGS, files(tmp_path, "a", "b"))
    assert again.found(0, CANDIDATES, PicksFound).counts == {"a": 7}
    assert again.found(0, MICROGRAPHS, MicrographsFound).sizes == {"a": (1.5, 40, 50)}
    assert again.found(1, CANDIDATES, PicksFound) is None
    assert again.state == run.state == read_run(run.root).state


def test_a_decision_is_new_once_after_a_kill_as_well(run):
    for known in (run, read_run(run.root)):
        assert not known.decide(SUBSET)
    assert run.decide(AlarmDecision(round=1, alarm=Alarm.flood, accepted=0, now=9.0, before=1.0))


def test_a_decision_is_stored_with_kind_values_and_message(run):
    run.decide(
        ClassEvaluationDecision(
            round=1, classified=80, kept=60, only_reference=30, only_reference_kept=10, only_new=40, only_new_kept=35
        )
    )
    stored = json.loads(run.path.read_text())["decisions"]
    assert [each["kind"] for each in stored] == ["subset", "spacing", "class_evaluation"]
    assert stored[-1]["message"].startswith("60 of 80 classified picks are in kept classes")


def test_an_end_is_stored_as_a_value_with_its_message(run):
    run.set(status=RunStatus.stopped, outcome=Outcome.astray, message="stopped: Å")
    stored = json.loads(run.path.read_text(encoding="utf-8"))
    assert (stored["status"], stored["outcome"], stored["message"]) == ("stopped", "astray", "stopped: Å")


def test_a_run_may_grow_and_keeps_its_keys(run, tmp_path):
    renamed = [MicrographFile(tmp_path / "a.mrc", "a.mrc", "x/a"), *files(tmp_path, "b", "c")]
    again, keyed = open_run(run.root, SETTINGS, renamed)
    assert [file.key for file in keyed] == ["a", "b", "c"]
    assert sorted(again.state.micrographs) == ["a", "b", "c"]


def test_a_review_may_be_asked_for_at_any_call(run, tmp_path):
    open_run(run.root, SETTINGS.model_copy(update={"review": True}), files(tmp_path, "a", "b"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 99}, "another version"),
        ({"schema_version": ..., "schema": 1}, "another version"),
        ({"version": "0.0.1"}, "cryoglean 0.0.1"),
        ({"settings": {"diameter_angstrom": 90.0}}, "diameter_angstrom 90.0, now 120.0"),
        ({"settings": {"unknown": 1}}, "settings.diameter_angstrom: Field required"),
        ({"settings": None}, "settings: "),
        ({"micrographs": {"a": 1}}, "micrographs.a: "),
        ({"stages": ...}, "stages: Field required"),
        ({"stages": [{"round": 0, "stage": "polished", "seconds": 1.0, "found": {}}]}, "stages.0: "),
        ({"stages": [{"round": 0, "stage": "picks", "seconds": 1.0, "found": {"picks": 7}}]}, "counts: Field required"),
        ({"decisions": [{"round": 0, "kind": "alarm", "alarm": "boredom", "accepted": 0}]}, "alarm: "),
        ({"decisions": [{"round": 0, "what": "subset"}]}, "decisions.0: "),
        ({"status": "asleep"}, "status: "),
        ({"subset": "a"}, "subset: "),
        ({"more": 1}, "more: "),
    ],
)
def test_a_run_that_is_not_right_is_refused_in_one_line_and_left_alone(run, tmp_path, change, said):
    values = json.loads(run.path.read_text()) | change
    run.path.write_text(json.dumps({name: value for name, value in values.items() if value is not ...}))
    before = run.path.read_bytes()
    with pytest.raises(SettingsError) as caught:
        open_run(run.root, SETTINGS, files(tmp_path, "a", "b"))
    assert said in str(caught.value)
    assert "name another --out" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert run.path.read_bytes() == before


def test_a_micrograph_that_is_missing_now_is_named(run, tmp_path):
    with pytest.raises(SettingsError, match=r"b\.mrc"):
        open_run(run.root, SETTINGS, files(tmp_path, "a"))


@pytest.mark.parametrize("text", ["{", "[1]", "", "null", "[" * 100_000, '{"settings":' * 9000, "\udcff"])
def test_a_damaged_file_is_refused(run, tmp_path, text):
    run.path.write_text(text, errors="surrogateescape")
    with pytest.raises(SettingsError, match=r"damaged.*name another --out") as caught:
        open_run(run.root, SETTINGS, files(tmp_path, "a", "b"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["settings.json", "picks", "rounds"])
def test_a_folder_of_another_command_is_refused(tmp_path, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    with pytest.raises(SettingsError, match="other results"):
        open_run(tmp_path / "run", SETTINGS, files(Path(tmp_path), "a"))


@pytest.mark.parametrize("candidates", ["topaz", "kpicker"])
def test_candidates_are_of_a_picker_that_needs_no_file(candidates):
    with pytest.raises(SettingsError, match=candidates):
        LoopSettings(diameter_angstrom=120, candidates=candidates)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (SettingsError("no room"), "failed", "no room"),
        (KeyError("a"), "failed", "KeyError: 'a'"),
        (ValueError("two\nlines"), "failed", "ValueError: two lines"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
    ],
)
def test_a_run_that_failed_says_so_and_may_be_resumed(run, tmp_path, error, status, message):
    run.set_failed(error)
    stored = json.loads(run.path.read_text())
    assert (stored["status"], stored["message"]) == (status, message)
    again, _ = open_run(run.root, SETTINGS, files(tmp_path, "a", "b"))
    assert again.found(0, CANDIDATES, PicksFound).counts == {"a": 7}


def test_the_loop_records_what_ends_it(tmp_path):
    for name, pixel_size in (("a", 4.0), ("b", 5.0)):
        image = np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)
        mrcfile.write(tmp_path / f"{name}.mrc", image, voxel_size=pixel_size)
    job = LoopJob(settings=SETTINGS)
    with pytest.raises(SettingsError, match="different pixel sizes"):
        run_loop(files(tmp_path, "a", "b"), job, tmp_path / "run", LoopProgress(verbose=False))
    state = read_run(tmp_path / "run").state
    assert state.status is RunStatus.failed
    assert "different pixel sizes" in state.message
