"""A real browser without a screen, all that it complains of or asks for, and the viewer of a page in it."""

import shutil
from contextlib import contextmanager

import pytest

CANVAS = "#viewer-canvas"
READY = f"{CANVAS}[data-loaded=true]"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def program():
    """Where the browser is; skips the test where there is none."""
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser on PATH ({', '.join(PROGRAMS)}): install the system's chromium")
    return found


class Tab:
    """A page that is open.

    Args:
        browser: Playwright's.
        path: of the page.
        context: Playwright's, as viewport and color_scheme.

    Attributes:
        page: Playwright's.
        complaints: of the console, and errors of scripts.
        requests: for anything that is neither the page itself nor in it.
    """

    def __init__(self, browser, path, **context):
        self.page, self.complaints, self.requests = browser.new_context(**context).new_page(), [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._remember)
        self._own = path.as_uri()
        self.page.goto(self._own)

    def _remember(self, request):
        if request.url != self._own and not request.url.startswith(("data:", "blob:")):
            self.requests.append(request.url)


@contextmanager
def launched():
    """Start the browser, and end it; one at a time."""
    executable = program()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def set_threshold(page, step):
    page.locator("#viewer-threshold").evaluate(
        "(slider, step) => { slider.value = step; slider.dispatchEvent(new Event('input')); }", step
    )


def number(page, name):
    return int(page.locator(f"#viewer-{name}").inner_text().replace(",", ""))
