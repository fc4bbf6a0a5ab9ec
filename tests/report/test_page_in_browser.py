"""The page of a run in a real browser: what a user does, against the truth of the picks."""

import base64
import io
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from browser import CANVAS, READY, Tab, launched, number, set_threshold
from cryoglean.picks import Picks
from cryoglean.report.page_facts import THRESHOLD_MARK, MicrographFacts
from cryoglean.report.pick_page import pick_page
from cryoglean.report.run_page import run_page
from report_facts import NAMES, facts, listed_with_candidates, nothing, pick_facts, view, views

pytestmark = pytest.mark.slow  # the browser alone takes seconds

THRESHOLDS = (320, 437, 500, 501, 760, 1000)


@pytest.fixture(scope="module")
def known():
    return facts()


@pytest.fixture(scope="module")
def path(known, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(run_page(known, "2026-01-01"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def tab(browser, path):
    return opened(browser, path, 1280)


@pytest.fixture
def page(tab):
    """The page as it is at first."""
    yield as_at_first(*tab)
    assert tab[0].complaints == []
    assert tab[0].requests == []


@pytest.fixture(scope="module")
def pick_known():
    """Facts of a pick folder with candidates; the left half of the micrograph that is shown is left out."""
    left_out = np.zeros((70, 90), np.uint8)
    left_out[:, :45] = 90
    micrographs = (*listed_with_candidates(), MicrographFacts(NAMES[2], NAMES[2], rejected=NAMES[1]))
    shown = (replace(views()[0], left_out=left_out),)
    return pick_facts(micrographs=micrographs, outliers=(NAMES[0],), threshold=0.5, views=shown)


@pytest.fixture(scope="module")
def pick_tab(browser, pick_known, tmp_path_factory):
    path = tmp_path_factory.mktemp("picks") / "report.html"
    path.write_text(pick_page(pick_known, ""), encoding="utf-8")
    return opened(browser, path, 390)


@pytest.fixture
def picks(pick_tab):
    """The page of the pick folder as it is at first, narrow."""
    yield as_at_first(*pick_tab)
    assert pick_tab[0].complaints == []
    assert pick_tab[0].requests == []


def opened(browser, path, width):
    """Open a page; return its tab and the first step of its slider."""
    tab = Tab(browser, path, viewport={"width": width, "height": 900})
    tab.page.wait_for_selector(READY)
    return tab, tab.page.locator("#viewer-threshold").input_value()


def as_at_first(tab, step):
    """Put back what tests change of the viewer, and return the page: loading it again takes a second."""
    page = tab.page
    page.locator("#viewer-choice").evaluate("it => { it.value = 0; it.dispatchEvent(new Event('change')); }")
    page.locator("#viewer-circles, #viewer-shade").evaluate_all("all => all.forEach(it => it.checked || it.click())")
    set_threshold(page, step)
    page.locator("#viewer-fit").click()
    page.wait_for_selector(READY)
    return page


def awaited(look, is_right, seconds=10):
    """What is seen once it is right; polled from here, as the page's policy forbids scripts made of text."""
    until = time.monotonic() + seconds
    while not is_right(seen := look()):
        assert time.monotonic() < until, seen
        time.sleep(0.02)
    return seen


def shown(page):
    """How stored pixels lie on the canvas: pixels of the page per stored pixel, and the corner."""
    data = page.locator(CANVAS).evaluate("canvas => ({...canvas.dataset})")
    return float(data["scale"]), np.array([float(data["left"]), float(data["top"])])


def picture(page):
    """What the canvas shows, (h, w, 3)."""
    uri = page.locator(CANVAS).evaluate("canvas => canvas.toDataURL()")
    encoded = base64.b64decode(uri.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), float)


def test_the_slider_tells_how_many_picks_remain(page, known):
    for step in (310, 400, 613, 805, 1000):
        set_threshold(page, step)
        kept = {key: len(picks.at_least(step / 1000)) for key, picks in known.picks.items()}
        assert number(page, "here") == kept[NAMES[0]]
        assert number(page, "all") == sum(kept.values())
        assert number(page, "here-all") == len(known.picks[NAMES[0]])
        assert page.locator("#viewer-command").inner_text() == known.pick_command.replace(
            THRESHOLD_MARK, f"{step / 1000:g}"
        )
        line = page.evaluate("document.getElementById('chart-scores').layout.shapes[0].x0")
        assert line == pytest.approx(step / 1000)


def test_at_first_nothing_is_cut(page, known):
    assert number(page, "all") == sum(known.counts.values())


def test_the_keyboard_moves_the_slider(page, known):
    page.locator("#viewer-threshold").focus()
    before = number(page, "all")
    page.keyboard.press("End")
    assert number(page, "all") < before
    page.keyboard.press("Home")
    assert number(page, "all") == before


def test_the_next_micrograph_comes_by_key_button_and_list(page, known):
    page.locator(CANVAS).focus()
    for change in (lambda: page.keyboard.press("n"), lambda: page.locator("#viewer-next").click()):
        change()
        assert page.locator("#viewer-choice").input_value() == "1"
        assert number(page, "here") == len(known.picks[NAMES[1]])
        page.locator(CANVAS).focus()
        page.keyboard.press("p")
        assert number(page, "here") == len(known.picks[NAMES[0]])
    page.locator("#viewer-choice").select_option("1")
    assert number(page, "here") == len(known.picks[NAMES[1]])
    assert page.locator("#viewer-next").is_disabled()
    names = page.locator("#viewer-choice option").all_inner_texts()
    assert names == [f"{key} ({count})" for key, count in known.counts.items()]


def test_zoom_keeps_the_place_below_the_pointer_and_comes_back(page):
    box = page.locator(CANVAS).bounding_box()
    pointer = np.array([200.0, 150.0])
    page.mouse.move(box["x"] + pointer[0], box["y"] + pointer[1])
    before, corner = shown(page)
    place = (pointer - corner) / before
    page.mouse.wheel(0, -300)
    after, corner = awaited(lambda: shown(page), lambda seen: seen[0] > before * 1.2)
    assert (pointer - corner) / after == pytest.approx(place, abs=1)
    page.mouse.dblclick(box["x"] + 300, box["y"] + 300)
    assert shown(page)[0] == pytest.approx(before)


def test_dragging_moves_the_micrograph_with_the_pointer(page):
    box = page.locator(CANVAS).bounding_box()
    _, before = shown(page)
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 340, box["y"] + 170, steps=4)
    page.mouse.up()
    assert shown(page)[1] - before == pytest.approx([40, -30], abs=0.1)


@pytest.mark.parametrize("zooms", [0, 4])
def test_circles_are_round_the_particles(page, known, zooms):
    """The middle of a circle is the middle of the dark disc below it, at any zoom."""
    page.locator(CANVAS).focus()
    set_threshold(page, 0)
    for _ in range(zooms):
        page.keyboard.press("+")
    with_circles = picture(page)
    page.keyboard.press("c")
    without = picture(page)
    scale, corner = shown(page)
    height, width = without.shape[:2]
    reach = known.views[0].diameter_px / 2 * scale
    seen = 0
    for xy in known.picks[NAMES[0]].xy:
        x, y = (xy + 0.5) * scale + corner
        margin = 1.4 * reach
        if not (margin < x < width - margin and margin < y < height - 60 - margin):
            continue
        part = np.s_[int(y - margin) : int(y + margin) + 1, int(x - margin) : int(x + margin) + 1]
        at = np.array([int(x - margin), int(y - margin)]) + 0.5
        ring = np.abs(with_circles[part] - without[part]).sum(axis=2) > 60
        grey = without[part].mean(axis=2)
        dark = grey < (grey.min() + grey.max()) / 2
        middles = [np.argwhere(mask)[:, ::-1].mean(axis=0) + at for mask in (ring, dark)]
        assert middles[0] == pytest.approx([x, y], abs=1.2)
        assert middles[1] == pytest.approx([x, y], abs=1 + 0.6 * scale)
        seen += 1
    assert seen >= 3


def test_a_pick_below_the_pointer_is_told(page, known):
    scale, corner = shown(page)
    best = known.picks[NAMES[0]].best_first()
    x, y = (best.xy[0] + 0.5) * scale + corner
    box = page.locator(CANVAS).bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    said = page.locator("#viewer-readout").inner_text()
    assert said == f"pick at x {best.x[0]:.2f}, y {best.y[0]:.2f} px, score {best.score[0]:.3f}"


def test_the_command_is_copied_or_marked(page, known):
    page.locator("#viewer-copy").click()
    expect(page.locator("#viewer-copy")).not_to_have_text("Copy")


def test_no_button_of_a_chart_sends_anything(page):
    """The buttons are those that are known to change the view, or to save a picture on this machine."""
    names = page.evaluate("[...document.querySelectorAll('.modebar-btn')].map((each) => each.dataset.title)")
    assert set(names) <= {"Download plot", "Download plot as a PNG", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"}
    assert "Zoom in" in names
    context = page.evaluate(
        "(({plotlyServerURL, topojsonURL}) => [plotlyServerURL, topojsonURL])"
        "(document.getElementById('chart-scores')._context)"
    )
    assert context == ["", "data:,"]


def test_tables_and_galleries_are_sorted(page, known):
    page.locator("#counts summary").click()
    page.locator("#counts th button", has_text="picks").click()
    column = page.locator("#counts tbody tr td:nth-child(3)").all_inner_texts()
    assert column == [*(str(n) for n in sorted(known.counts.values())), "–"]
    tiles = page.locator("#classes figure b")
    first = tiles.all_inner_texts()
    page.locator("#classes select").select_option("number")
    assert tiles.all_inner_texts() == sorted(first)
    page.locator("#classes select").select_option("particles")
    assert tiles.all_inner_texts() == ["1", "2", "3"]


def test_names_make_no_elements_and_run_no_scripts(page):
    assert page.evaluate("document.querySelectorAll('b b, h1 b, option *, td.name *, .notices *:not(li)').length") == 0
    assert page.locator("h1").inner_text().startswith(f"run {NAMES[0]}")
    assert page.title() == f"run {NAMES[0]} – Cryoglean"


def assert_fits(page, width, scheme):
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colours = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    paper, ink = (sum(int(n) for n in c[c.index("(") + 1 : -1].split(",")[:3]) for c in colours)
    assert (paper < ink) == (scheme == "dark")
    assert page.locator(".js-plotly-plot .main-svg").count() > 0


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_it_is_in_either_scheme_as_soon_as_that_is_asked_for(page, scheme):
    page.emulate_media(color_scheme=scheme)
    assert_fits(page, 1280, scheme)


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "dark"), (390, "light")])
def test_it_fits_narrow_screens_and_both_schemes(browser, path, width, scheme):
    tab = Tab(browser, path, viewport={"width": width, "height": 844}, color_scheme=scheme)
    tab.page.wait_for_selector(READY)
    assert_fits(tab.page, width, scheme)
    assert tab.complaints == []
    assert tab.requests == []


@pytest.mark.parametrize("which", ["nothing", "gone"])
def test_empty_runs_and_micrographs_that_are_gone_do_no_harm(browser, tmp_path, which, known):
    lost = view(NAMES[0], known.picks[NAMES[0]]).__dict__ | {
        "grey": None,
        "scale": 1.0,
        "problem": f"missing {NAMES[2]}",
    }
    run = nothing() if which == "nothing" else facts(views=(type(known.views[0])(**lost),))
    path = tmp_path / "report.html"
    path.write_text(run_page(run, ""), encoding="utf-8")
    tab = Tab(browser, path)
    if which == "gone":
        tab.page.wait_for_selector(READY)
        assert NAMES[2] in tab.page.locator("#viewer-problem").inner_text()
        assert number(tab.page, "here") == len(known.picks[NAMES[0]])
    assert tab.complaints == []
    assert tab.requests == []


def test_the_page_of_a_pick_folder_shows_picks_and_pictures(picks, pick_known):
    assert number(picks, "all") == sum(pick_known.counts.values())
    sizes = picks.locator("#fit img").evaluate_all("images => images.map(i => [i.naturalWidth, i.naturalHeight])")
    assert sizes == [[40, 30]] * len(pick_known.pictures)
    assert picks.locator("#fit b, #fit script").count() == 0
    assert picks.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_verdict_comes_first_with_its_commands_apart(picks):
    assert picks.locator(".strip .headline").inner_text() == "2 notes to read"
    assert picks.locator("header > *").nth(3).get_attribute("aria-label") == "Verdict"


def kept(micrograph, step):
    """What a page shows of a micrograph: all that a table of picks and candidates has at this score."""
    return Picks.joined([micrograph.picks, micrograph.candidates]).at_least(step / 1000)


def test_at_first_the_picks_are_shown_and_below_their_threshold_candidates_too(picks, pick_known):
    known = pick_known.micrographs[:2]
    assert all(len(each.picks) and len(each.candidates) for each in known)
    assert number(picks, "here") == number(picks, "here-all") == len(known[0].picks)
    assert picks.locator("#viewer-threshold-value").inner_text() == "0.500"
    for step in THRESHOLDS:
        set_threshold(picks, step)
        assert number(picks, "here") == len(kept(known[0], step))
        assert number(picks, "all") == sum(len(kept(each, step)) for each in known)
        assert number(picks, "all-all") == sum(len(each.picks) for each in known)


def test_what_is_left_out_is_shaded_until_the_key_takes_the_shade_away(picks):
    picks.locator(CANVAS).focus()
    picks.keyboard.press("c")

    def warmth():
        """How much redder than blue the left half of the micrograph is, and the right one."""
        (scale, (left, _)), seen = shown(picks), picture(picks)
        middle = int(left + 450 * scale)
        redness = seen[..., 0] - seen[..., 2]
        return np.median(redness[:, int(left) + 5 : middle - 5]), np.median(
            redness[:, middle + 5 : int(2 * middle - left) - 5]
        )

    shaded, plain = awaited(warmth, lambda seen: seen[0] > 20)
    assert abs(plain) < 1
    picks.keyboard.press("m")
    assert not picks.locator("#viewer-shade").is_checked()
    assert abs(awaited(warmth, lambda seen: seen[0] < shaded / 2)[0]) < 1
