"""The facts of a report are those of the run folder, whatever state it is in."""

import json

import numpy as np
import pytest

from cryoglean.errors import SettingsError
from cryoglean.loop.decisions import Alarm, AlarmDecision
from cryoglean.loop.folder_report import FIGURES, REPORT, report_or_reason, write_report
from cryoglean.loop.run_report import gather
from cryoglean.loop.state import RunStatus
from cryoglean.picks import Picks
from cryoglean.report.page_facts import THRESHOLD_MARK
from cryoglean.report.run_facts import ClassEvaluation, KeptPicks
from cryoglean.report.run_page import run_page
from cryoglean.report.viewer_data import LONGEST_SIDE_PX, MAX_VIEWS
from fake_run import DIAMETER, GIVEN, PIXEL, FakeRun, assert_as_given, noise, random_picks, with_discs


@pytest.fixture
def fake(tmp_path):
    return FakeRun(tmp_path / "run", dict(GIVEN))


def test_micrographs_come_in_the_order_given_with_picks_as_stored(fake):
    fake.write()
    facts = gather(fake.root)
    assert (facts.status, facts.outcome) == ("done", "converged")
    assert_as_given(facts)
    assert {facts.picks[key].score_kind for key in "za"} == {"probability"}


def test_what_was_set_aside_is_told_with_the_reason(fake):
    fake.write()
    assert [(m.key, m.rejected) for m in gather(fake.root).rejected] == [("bad", "empty: the file has 0 bytes")]


def test_rounds_and_stages_are_those_of_the_state(fake):
    run, facts = fake.write(), gather(fake.root)
    assert [r.number for r in facts.rounds] == [0, 1]
    first, second = facts.rounds
    assert second.is_accepted
    assert not first.is_accepted
    assert (second.picks, second.median_picks) == (42, 12)
    assert second.kept_share == pytest.approx(0.75)
    assert second.evaluation == ClassEvaluation(KeptPicks(80, 60), KeptPicks(30, 10), KeptPicks(40, 35))
    assert [check.step for check in second.checks] == [10, 20]
    assert [s.seconds for s in facts.stages] == [each.seconds for each in run.state.stages]
    assert facts.provenance["command"] == "cryoglean run <x>"
    assert {"python", "torch", "numpy", "device", "cryoglean"} <= set(facts.provenance)


def test_defocus_is_that_of_the_table(tmp_path):
    defocus = {"z.mrc": 8000.0, "a.tif": 21000.0}
    fake = FakeRun(tmp_path / "run", {name: GIVEN[name] for name in defocus}, defocus=defocus)
    fake.write()
    assert gather(fake.root).defocus == pytest.approx({"z": 8000.0, "a": 21000.0})


def test_without_a_table_defocus_is_not_known(fake):
    fake.write()
    assert gather(fake.root).defocus == {}


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"status": RunStatus.stopped, "waiting": 1}, "review"),
        ({"status": RunStatus.stopped}, "stopped"),
        ({"status": RunStatus.running}, "running"),
    ],
)
def test_a_run_without_picks_that_count_shows_those_of_its_last_round(fake, values, status):
    fake.write(produced=False, **values)
    facts = gather(fake.root)
    assert facts.status == status
    assert "not final" in facts.picks_are
    assert facts.counts == {"z": 12, "a": 30, "c": 0}
    assert facts.pick_command is None
    assert [m.key for m in facts.rejected] == ["bad"]


def test_alarms_are_told(fake):
    run = fake.write(status=RunStatus.stopped, message="stopped in round 1: picks flood")
    run.decide(AlarmDecision(round=1, alarm=Alarm.flood, accepted=0, now=400.0, before=100.0))
    facts = gather(fake.root)
    assert facts.alarms == ("round 1: picks flood: 400 (before: 100) per micrograph (median)",)
    assert facts.decisions[-1].is_alarm


def test_decisions_are_told_by_their_messages(fake):
    fake.write()
    facts = gather(fake.root)
    assert [each.message for each in facts.decisions] == [
        "round 1 accepted: better than round 0 beyond doubt (by its classes +4.4 standard deviations)"
    ]
    page = run_page(facts, "now")
    assert facts.decisions[0].message in page
    for cell in ("60 of 80", "35 of 40", "10 of 30"):
        assert f"<td>{cell} (" in page


def test_the_command_picks_all_micrographs_as_the_round_that_stands(fake):
    fake.write()
    command = gather(fake.root).pick_command
    assert command.startswith(f"cryoglean pick {fake.root.parent / 'images'} --method kpicker")
    assert f"--model {fake.root / 'rounds/01/model/weights.safetensors'}" in command
    assert command.endswith(f"--out {fake.root}-{THRESHOLD_MARK} --threshold {THRESHOLD_MARK}")


def test_a_micrograph_that_is_gone_is_shown_as_its_picks(fake):
    fake.write()
    (fake.root.parent / "images/a.tif").unlink()
    facts = gather(fake.root)
    view = next(view for view in facts.views if view.key == "a")
    assert view.grey is None
    assert "missing" in view.problem
    assert (view.height_px, view.width_px) == (600, 500)
    assert view.problem in run_page(facts, "now")


def test_large_micrographs_become_small_pictures(tmp_path):
    fake = FakeRun(tmp_path / "run", {"large.mrc": random_picks(0, 5)}, images={"large.mrc": noise(0, (2100, 2500))})
    fake.write()
    (view,) = gather(fake.root).views
    assert max(view.grey.shape) <= LONGEST_SIDE_PX
    assert (view.height_px, view.width_px) == (2100, 2500)
    assert view.diameter_px == DIAMETER / PIXEL


@pytest.mark.slow
def test_of_many_micrographs_some_are_shown_and_all_are_counted(tmp_path):
    small = {f"m{i:03d}.png": random_picks(i, i % 9, (40, 50)) for i in range(MAX_VIEWS + 6)}
    fake = FakeRun(tmp_path / "run", small, images={name: noise(1, (40, 50)) for name in small})
    fake.write()
    facts = gather(fake.root)
    assert len(facts.counts) == MAX_VIEWS + 6
    assert len(facts.views) == MAX_VIEWS
    assert f"{MAX_VIEWS} of {MAX_VIEWS + 6} micrographs are shown" in run_page(facts, "now")


@pytest.mark.parametrize("name", ["m.mrc", "m.tif", "m.png"])
def test_pictures_show_particles_where_the_picks_are(tmp_path, name):
    """Grey values are dark at the pick of the picture's own scale, and not where its mirror image would be."""
    picks = Picks([130.3], [90.6], [0.9])
    fake = FakeRun(tmp_path / "run", {name: picks}, images={name: with_discs(picks)})
    fake.write()
    facts = gather(fake.root)
    (view,), read = facts.views, facts.picks["m"]
    rows, columns = np.nonzero(view.grey <= np.percentile(view.grey, 0.5))
    centre = np.array([columns.mean(), rows.mean()])
    assert np.allclose((centre + 0.5) / view.scale - 0.5, read.xy[0], atol=0.6)


@pytest.mark.slow
def test_figures_are_drawn_for_what_is_known_and_the_run_stays_as_it_was(fake):
    fake.write()
    before = (fake.root / "run.json").read_bytes()
    assert write_report(fake.root).page.stat().st_size < 20e6
    figures = {p.name: p.read_bytes() for p in (fake.root / FIGURES).iterdir()}
    assert set(figures) == {"counts.png", "scores.png", "convergence.png", "training.png"}
    assert all(data.startswith(b"\x89PNG") for data in figures.values())
    assert (fake.root / "run.json").read_bytes() == before
    assert not list(fake.root.rglob("*.tmp"))


def test_no_run_and_runs_of_other_versions_are_refused(tmp_path, fake):
    with pytest.raises(SettingsError, match=r"holds no run\.json"):
        gather(tmp_path)
    run = fake.write()
    written = json.loads(run.path.read_text())
    for change, said in (
        ({"schema_version": 99}, "another version"),
        ({"settings": {"unknown": 1}}, "write its report with"),
    ):
        run.path.write_text(json.dumps(written | change))
        with pytest.raises(SettingsError, match=said):
            gather(fake.root)


@pytest.mark.slow
def test_what_goes_wrong_is_returned_in_words(fake):
    fake.write()
    (fake.root / REPORT).mkdir()
    said = report_or_reason(fake.root)
    assert isinstance(said, str)
    assert "could not be written" in said
