"""`cryoglean report`, as a user meets it."""

import html
import json

import pytest
from typer.testing import CliRunner

from cryoglean.cli.main import app
from fake_pick import FakePick
from fake_run import FakeRun, random_picks


def report(*words):
    return CliRunner().invoke(app, ["report", *(str(word) for word in words)])


@pytest.mark.slow
def test_it_writes_page_and_figures_and_says_where(tmp_path):
    fake = FakeRun(tmp_path / "run", {"a.png": random_picks(1, 9)})
    fake.write()
    result = report(fake.root)
    assert result.exit_code == 0, result.output
    assert str(fake.root / "report.html") in result.stdout
    assert (fake.root / "report.html").read_text().startswith("<!doctype html>")
    assert (fake.root / "figures/counts.png").exists()


def test_a_pick_folder_has_a_page_and_no_figures(tmp_path):
    root = FakePick(tmp_path / "out", {"a.png": random_picks(1, 9)}).write().root
    result = report(root)
    assert result.exit_code == 0, result.output
    first, *verdict = result.stdout.splitlines()
    assert first == f"report, to be opened with a browser: {root / 'report.html'}"
    assert verdict[0] == "verdict:"
    page = (root / "report.html").read_text()
    said = json.loads(report(root, "--json").stdout)["verdict"]
    assert len(said) == len([line for line in verdict[1:] if "next: " not in line]) > 0
    assert all(html.escape(each["text"], quote=False) in page for each in said)
    assert (root / "report.html").read_text().startswith("<!doctype html>")
    assert not (root / "figures").exists()


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        result = report(folder)
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert "no run.json and no settings.json of cryoglean pick: give the folder" in result.stderr


def former(path):
    """Make a record look as an earlier version wrote it."""
    values = json.loads(path.read_text())
    del values["schema_version"]
    path.write_text(json.dumps(values | {"schema": 1}))


@pytest.mark.parametrize("command", ["report", "run", "pick"])
def test_a_folder_of_a_former_version_is_refused_in_one_line_and_left_alone(tmp_path, command):
    fake = (FakePick if command == "pick" else FakeRun)(tmp_path / "out", {"a.png": random_picks(1, 9)})
    fake.write()
    record = fake.root / ("settings.json" if command == "pick" else "run.json")
    former(record)
    before = record.read_bytes()
    images = [] if command == "report" else [fake.root.parent / "images", "--diameter", 100, "--out"]
    result = CliRunner().invoke(app, [str(word) for word in (command, *images, fake.root)])
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") <= 2, "what is used may be shown before"
    assert f"{record} is of another version of cryoglean: " in result.stderr.splitlines()[-1]
    assert record.read_bytes() == before


def test_help_shows_an_example():
    said = report("--help").stdout
    assert "cryoglean report RUN" in said
    assert "cryoglean report OUT" in said
    assert "report.html" in said
