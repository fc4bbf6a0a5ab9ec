"""A coordinate format that nobody knows yet, defined here and put into the registry, is read and written everywhere."""

import json

import mrcfile
import numpy as np
import pytest
import typer
from tests.fields import disc, particle_field
from typer.testing import CliRunner

from cryoglean.cli.evaluate import evaluate
from cryoglean.cli.extract import extract
from cryoglean.errors import TableError
from cryoglean.io.coordinates import YConvention, read_picks, registry, write_picks
from cryoglean.io.coordinates.columns import SCORE_WITHOUT_COLUMN
from cryoglean.io.coordinates.format import CoordinateFormat, StoredPicks
from cryoglean.io.pick_folders import read_picks_folder
from cryoglean.picks import Picks

SHAPE, DIAMETER, SIDE = (240, 270), 30.0, 30


# ---- all that a new format needs: a module with these two functions and this entry, and its name in the registry


def read_boxes(path):
    rows = [line.split() for line in path.read_text().splitlines()]
    x, y = ([float(row[i]) + float(row[2 + i]) / 2 for row in rows] for i in (0, 1))
    return {None: StoredPicks(path, Picks(x, y, np.full(len(x), SCORE_WITHOUT_COLUMN), "foreign"))}


def write_boxes(path, picks, micrograph_name, height_px):
    path.parent.mkdir(parents=True, exist_ok=True)
    y = YConvention.LAST_ROW.convert(picks.y, height_px)
    rows = (f"{a - SIDE / 2} {b - SIDE / 2} {SIDE} {SIDE}\n" for a, b in zip(picks.x, y, strict=True))
    path.write_text("".join(rows))


BOXES = CoordinateFormat(
    "boxes", "lower left corners", (".spots",), YConvention.LAST_ROW, read_boxes, write=write_boxes
)

# ----


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Micrographs, their particles as boxes with y from the last row, and no other coordinates."""
    monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, BOXES))
    (tmp_path / "images").mkdir()
    for seed in range(2):
        field = particle_field(SHAPE, DIAMETER, disc, n=12, noise=0.5, seed=seed)
        with mrcfile.new(tmp_path / f"images/m{seed}.mrc", field.image) as file:
            file.voxel_size = 1.0
        picks = Picks(field.xy[:, 0], field.xy[:, 1], np.ones(12))
        write_picks(tmp_path / f"boxes/m{seed}.spots", picks, f"m{seed}.mrc", height_px=SHAPE[0])
        write_picks(tmp_path / f"plain/m{seed}.csv", picks)
    return tmp_path


def command(function, *arguments):
    app = typer.Typer()
    app.command()(function)
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exception is None, result.exception
    return result.stdout


def test_a_new_format_is_read_alone_and_in_folders(folder):
    found, expected = read_picks_folder(folder / "boxes", height_px=SHAPE[0]), read_picks_folder(folder / "plain")
    assert list(found) == ["m0", "m1"]
    for stem, picks in found.items():
        np.testing.assert_allclose(picks.xy, expected[stem].xy, atol=1e-6)
    with pytest.raises(TableError, match="y counts from the last row"):
        read_picks(folder / "boxes/m0.spots")


def test_a_new_format_is_evaluated(folder):
    size = f"{SHAPE[0]}x{SHAPE[1]}"
    said = command(evaluate, folder / "boxes", folder / "plain", "--diameter-px", DIAMETER, "--size", size, "--json")
    assert json.loads(said)["overall"]["f1"] == 1


def test_a_new_format_is_extracted_from(folder):
    options = (
        "--micrographs",
        folder / "images",
        "--diameter",
        DIAMETER,
        "--pixel-size",
        1,
        "--pad",
        "--cpus",
        1,
        "--json",
    )
    counts = [
        json.loads(command(extract, folder / name, "--out", folder / f"out_{name}", *options))
        for name in ("boxes", "plain")
    ]
    assert counts[0]["particles"] == counts[1]["particles"] > 0
    stacks = [(folder / f"out_{name}/particles/m0.mrcs").read_bytes() for name in ("boxes", "plain")]
    assert stacks[0] == stacks[1]
