"""The command that a report shows is run as it is, and picks what the report has shown."""

import shlex
import subprocess
import sys

import numpy as np
import pytest

from browser import Tab, launched
from cryoglean.io.coordinates.files import read_pick_tables
from cryoglean.io.pick_folders import read_picks_folder
from examples import with_slow
from faint_fields import DIAMETER, PIXEL, write_faint


def call(words, folder):
    """Call the program, whose name comes first, from a folder."""
    assert words[0] == "cryoglean"
    done = subprocess.run(
        [sys.executable, "-m", "cryoglean.cli", *words[1:]], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


def shown_at(browser, report, step, folder):
    """The command that a report shows with the slider at a step, and the STAR file that it saves there."""
    tab = Tab(browser, report)
    tab.page.wait_for_selector("#viewer-canvas[data-loaded=true]")
    tab.page.locator("#viewer-threshold").evaluate(
        "(slider, step) => { slider.value = step; slider.dispatchEvent(new Event('input')); }", step
    )
    with tab.page.expect_download() as saved:
        tab.page.locator("#viewer-save").click()
    saved.value.save_as(folder / "saved.star")
    assert tab.complaints == tab.requests == []
    return shlex.split(tab.page.locator("#viewer-command").inner_text()), folder / "saved.star"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("others", "more"),
    with_slow(([], ["--contrast", "dark"]), slow=[(["other.mrc"], ["--pattern", "faint*", "--min-distance", "70"])]),
)
def test_the_command_picks_what_the_page_shows(browser, tmp_path, others, more):
    images = write_faint(tmp_path / "my images", ["faint.0.tif", "faint.1.tif", *others])
    settings = ["--diameter", str(DIAMETER), "--pixel-size", str(PIXEL), *more]
    call(["cryoglean", "pick", images.name, *settings, "--out", "my out", "--plots", "--cpus", "1"], tmp_path)
    command, saved = shown_at(browser, tmp_path / "my out/report.html", 200, tmp_path)
    for option, value in (
        ("--out", str(tmp_path / "my out-0.2")),
        ("--threshold", "0.2"),
        *zip(more[::2], more[1::2], strict=True),
    ):
        assert option == "--pattern" or command[command.index(option) + 1].removesuffix(".0") == value
    (tmp_path / "elsewhere").mkdir()
    call(command, tmp_path / "elsewhere")
    before, after = (read_picks_folder(tmp_path / name) for name in ("my out", "my out-0.2"))
    on_page = read_pick_tables(saved)
    assert after.keys() == before.keys() == {"faint.0", "faint.1"}
    assert sum(map(len, after.values())) > sum(map(len, before.values()))
    for name, picks in on_page.items():
        again = after[name.split("/")[-1].removesuffix(".tif")]
        np.testing.assert_allclose(picks.xy, again.xy, atol=0.002)
