"""A page in the dark, on paper and by the keyboard, in a real browser."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from browser import READY, Tab, launched
from cryoglean.pickers.figures import Figure, Image, Line, Panel
from cryoglean.report.figures import draw_figure
from cryoglean.report.pick_facts import Picture
from cryoglean.report.pick_page import pick_page
from report_facts import pick_facts

PAPER_PX = 700
"""Width of A4 without margins, as browsers count."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page with one picture: a line on white, and an image that is dark on its left."""
    folder = tmp_path_factory.mktemp("page")
    pixels = np.repeat([[0.1] * 10 + [0.9] * 10], 20, axis=0)
    panels = [Panel(elements=[Line([0, 1], [0, 1])]), Panel(elements=[Image(pixels, (0, 20, 0, 20), limits=(0, 1))])]
    draw_figure(folder / "picture.png", Figure("", panels, 2, (6, 3), dots_per_inch=100))
    picture = Picture("picture.png", "A picture", "A line and an image.", (folder / "picture.png").read_bytes())
    (folder / "report.html").write_text(pick_page(pick_facts(pictures=(picture,)), ""), encoding="utf-8")
    return folder / "report.html"


@pytest.fixture
def opened(browser, path):
    tabs = []

    def open_page(**context):
        tabs.append(Tab(browser, path, viewport={"width": 1280, "height": 900}, **context))
        tabs[-1].page.wait_for_selector(READY)
        return tabs[-1].page

    yield open_page
    for tab in tabs:
        assert tab.complaints == tab.requests == []


def greys(page):
    """The picture as it is seen: its paper, and the left and right half of its image."""
    seen = np.asarray(Pillow.open(io.BytesIO(page.locator(".paper").screenshot())).convert("L"), float)
    box = page.locator(".photo").bounding_box()
    whole = page.locator(".paper").bounding_box()
    left, top = box["x"] - whole["x"], box["y"] - whole["y"]
    row = int(top + box["height"] / 2)
    at = [int(left + share * box["width"]) for share in (0.25, 0.75)]
    return seen[2, 2], seen[row, at[0]], seen[row, at[1]]


def test_in_the_dark_the_paper_is_dark_and_images_are_what_they_were(opened):
    paper, left, right = greys(opened(color_scheme="light"))
    dark_paper, dark_left, dark_right = greys(opened(color_scheme="dark"))
    assert paper > 240
    assert dark_paper < 60
    for one, other in ((left, dark_left), (right, dark_right)):
        assert abs(one - other) < 40, "an image is not turned into its negative"
    assert right - left > 100 < dark_right - dark_left


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_nothing_is_wider_than_the_paper_and_all_is_on_white(opened, scheme):
    page = opened(color_scheme=scheme)
    page.emulate_media(media="print", color_scheme=scheme)
    page.set_viewport_size({"width": PAPER_PX, "height": 1000})
    page.wait_for_function("[...document.querySelectorAll('.plot .main-svg')].every((svg) => svg.clientWidth < 700)")
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER_PX
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for name in ("#viewer-save", "nav", ".bar", ".keys"):
        assert not page.locator(name).is_visible()
    kept_whole = page.evaluate(
        "[...document.querySelectorAll('.card')].map((each) => getComputedStyle(each).breakInside)"
    )
    assert set(kept_whole) == {"avoid"}


def test_on_paper_micrographs_keep_their_shape(opened):
    page = opened()
    page.emulate_media(media="print")
    assert page.locator("#viewer-canvas").evaluate("canvas => getComputedStyle(canvas).objectFit") == "contain"


def test_a_question_mark_shows_all_keys_and_closes_them(opened):
    page = opened()
    help_of_keys = page.locator("#viewer-keys")
    assert not help_of_keys.is_visible()
    page.keyboard.press("?")
    assert help_of_keys.is_visible()
    told = set(help_of_keys.locator("kbd").all_inner_texts())
    assert {"p", "n", "c", "+", "−", "0", "←", "→", "↑", "↓", "?"} <= told
    page.keyboard.press("?")
    assert not help_of_keys.is_visible()
    page.locator("#viewer-help").click()
    page.keyboard.press("Escape")
    assert not help_of_keys.is_visible()


def test_keys_are_the_viewers_while_the_pointer_is_in_it_and_of_no_one_else(opened):
    page = opened()
    page.mouse.move(5, 5)
    page.keyboard.press("n")
    assert page.locator("#viewer-choice").input_value() == "0"
    page.locator("#viewer-canvas").hover()
    page.keyboard.press("n")
    assert page.locator("#viewer-choice").input_value() == "1"
    page.keyboard.press("?")
    page.keyboard.press("p")
    assert page.locator("#viewer-choice").input_value() == "1"
