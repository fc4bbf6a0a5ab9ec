"""The command `doctor`: what it shows, and the status it ends with."""

import json

import pytest
from typer.testing import CliRunner

from cryoglean.cli.main import app
from cryoglean.scale import environment


def doctor(*options):
    return CliRunner().invoke(app, ["doctor", *options])


def test_tables_name_versions_devices_and_engines():
    result = doctor()
    assert result.exit_code == 0, result.output
    for piece in ("cryoglean", "numpy", "cpu", "relion_preprocess", "processors", "everything required is here"):
        assert piece in result.stdout
    assert "\x1b" not in result.stdout


def test_json_holds_the_same():
    said = json.loads(doctor("--json").stdout)
    assert said["problems"] == []
    assert "torch" in [p["name"] for p in said["required"]]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_is_missing_ends_with_status_1_and_the_way_to_get_it(monkeypatch, options):
    monkeypatch.setattr(environment, "REQUIRED_PACKAGES", {"package-of-[ours]": "nothing"})
    result = doctor(*options)
    assert result.exit_code == 1
    assert "pip install package-of-[ours]" in result.stdout
