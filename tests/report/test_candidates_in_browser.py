"""Below the threshold in a real browser: candidates are shown and counted, and what is shown is saved as it is."""

from dataclasses import replace

import numpy as np
import pytest

from browser import READY, Tab, launched, number, set_threshold
from cryoglean.io.coordinates.files import read_pick_tables
from cryoglean.io.coordinates.y_convention import YConvention
from cryoglean.io.star import read_star
from cryoglean.picks import Picks
from cryoglean.report.pick_page import pick_page
from report_facts import NAMES, SIZE, listed_with_candidates, pick_facts, views

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page of facts; what it complains of and asks for is nothing."""
    tabs = []

    def open_page(**changes):
        path = tmp_path / "report.html"
        path.write_text(pick_page(pick_facts(**{"threshold": 0.5} | changes), ""), encoding="utf-8")
        tabs.append(Tab(browser, path))
        tabs[-1].page.wait_for_selector(READY)
        return tabs[-1].page

    yield open_page
    for tab in tabs:
        assert tab.complaints == tab.requests == []


def views_of(names):
    """The micrographs under other names."""
    return tuple(replace(view, key=name) for view, name in zip(views(), names, strict=False))


def kept(micrograph, step):
    """What a page shows of a micrograph: all that a table of picks and candidates has at this score."""
    return Picks.joined([micrograph.picks, micrograph.candidates]).at_least(step / 1000)


def test_the_slider_reaches_down_to_the_weakest_candidate(opened):
    known = listed_with_candidates()
    page = opened(micrographs=known, outliers=())
    page.locator("#viewer-threshold").focus()
    page.keyboard.press("Home")
    assert number(page, "all") == sum(len(each.picks) + len(each.candidates) for each in known)


def test_a_threshold_between_two_steps_keeps_just_the_picks(opened):
    picks, below = (Picks([50.0, 90.0], [50.0, 90.0], scores) for scores in ([0.4637, 0.9], [0.4631, 0.4636]))
    known = replace(listed_with_candidates()[0], picks=picks, candidates=below)
    page = opened(micrographs=(known,), outliers=(), views=views()[:1], threshold=None)
    for step, count in ((500, 1), (463, 2), (462, 4)):
        set_threshold(page, step)
        assert number(page, "here") == number(page, "all") == count


@pytest.mark.parametrize("names", [("a b.mrc", "x/c'.mrc"), ("a.tif", "b.tiff"), ("a.mrc", "b.tif")])
def test_what_is_shown_is_saved_and_read_back_the_same(opened, tmp_path, names):
    known = listed_with_candidates(names)
    page = opened(
        micrographs=known,
        outliers=(),
        views=views_of(names),
    )
    for step in (320, 500, 760):
        set_threshold(page, step)
        with page.expect_download() as saved:
            page.locator("#viewer-save").click()
        path = tmp_path / "saved.star"
        saved.value.save_as(path)
        assert saved.value.suggested_filename.endswith(f"_{step / 1000:g}.star")
        read = read_pick_tables(path, height_px=SIZE[0])
        assert set(read) == set(names)
        for micrograph in known:
            found, wanted = read[micrograph.name], kept(micrograph, step).best_first()
            np.testing.assert_allclose(found.xy, wanted.xy, atol=0.00051)
            np.testing.assert_allclose(found.score, wanted.score, atol=2e-5)
            assert found.score_kind == "probability"


def test_rows_of_tiff_files_count_from_the_other_side_and_the_file_says_so(opened, tmp_path):
    names = ("a.tif", "b.tif")
    known = listed_with_candidates(names)
    page = opened(
        micrographs=known,
        outliers=(),
        views=views_of(names),
    )
    with page.expect_download() as saved:
        page.locator("#viewer-save").click()
    saved.value.save_as(tmp_path / "saved.star")
    table = read_star(tmp_path / "saved.star")[""]
    assert list(table) == ["rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit"]
    first = known[0].picks.best_first()
    y = table["rlnCoordinateY"].astype(float).to_numpy()[: len(first)]
    np.testing.assert_allclose(YConvention.LAST_ROW.convert(y, SIZE[0]), first.y, atol=0.00051)
    assert len(read_pick_tables(tmp_path / "saved.star")["a.tif"]) == len(first), "the file itself tells the height"


def test_names_that_star_cannot_hold_are_left_out_and_that_is_said(opened, tmp_path):
    known = listed_with_candidates(("a.mrc", "\" ' .mrc"))
    page = opened(micrographs=known, outliers=(), views=views_of(["a.mrc"]))
    assert "without 1 whose names STAR cannot hold" in page.locator(".side").inner_text()
    with page.expect_download() as saved:
        page.locator("#viewer-save").click()
    saved.value.save_as(tmp_path / "saved.star")
    assert set(read_pick_tables(tmp_path / "saved.star")) == {"a.mrc"}
    assert NAMES[0] not in (tmp_path / "saved.star").read_text()
