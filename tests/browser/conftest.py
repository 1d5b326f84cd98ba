"""Fixtures: Chromium, the app with runs of its own, a page that hears console errors."""

import os

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import driving


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


def missing(reason):
    if os.environ.get("EPOCH_ATLAS_BROWSER_TESTS") == "1":
        pytest.fail(f"{reason}, and EPOCH_ATLAS_BROWSER_TESTS=1 makes the browser tests compulsory")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium():
    path = driving.find_chromium()
    if path is None:
        missing("no Chromium is on the PATH, which browser tests need")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(driving.FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(chromium, tmp_path_factory):
    """The app, started once for all the modules of this process."""
    one = driving.App(tmp_path_factory.mktemp("runs"))
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def app(server):
    """The app with no runs but the module's own: ``app.url``, ``app.store``."""
    yield server
    said = server.tracebacks
    server.clear()
    assert not said


def _context(chromium, **options):
    context = chromium.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True, **options)
    context.set_default_timeout(driving.PATIENCE_MS)
    driving.expect.set_options(timeout=driving.PATIENCE_MS)
    return context


@pytest.fixture
def page(chromium):
    """A fresh page; the test fails if its console reports an error or a script of ours throws."""
    context = _context(chromium)
    page = context.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text) if driving.is_real_error(message) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def phone(chromium):
    """A page as wide as a phone, with touch."""
    context = _context(chromium, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    yield page
    context.close()
