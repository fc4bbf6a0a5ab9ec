"""`cryoglean report`, as a user meets it."""

from typer.testing import CliRunner

from cryoglean.cli.main import app
from fake_run import FakeRun, random_picks


def report(*words):
    return CliRunner().invoke(app, ["report", *(str(word) for word in words)])


def test_it_writes_page_and_figures_and_says_where(tmp_path):
    fake = FakeRun(tmp_path / "run", {"a.png": random_picks(1, 9)})
    fake.write()
    result = report(fake.root)
    assert result.exit_code == 0, result.output
    assert str(fake.root / "report.html") in result.stdout
    assert (fake.root / "report.html").read_text().startswith("<!doctype html>")
    assert (fake.root / "figures/counts.png").exists()


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        result = report(folder)
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert "give the folder that cryoglean run was told as --out" in result.stderr


def test_help_shows_an_example():
    said = report("--help").stdout
    assert "cryoglean report RUN" in said
    assert "report.html" in said
