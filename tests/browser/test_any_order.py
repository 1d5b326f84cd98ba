"""Readers go from page to page in any order and touch what they like: no traceback, no error in the console.

A chapter is in these tests by being registered; the runs are those that ship.
"""

import itertools
import random

import pytest
from playwright.sync_api import TimeoutError as TooLate

from core.registry import EXPERIMENTS
from pages._ui.shell import navigation
from tests.browser.driving import expect, keyed, open_page, wait_idle

CHAPTERS = [one.name for members in navigation.chapters().values() for one in members]
ACTS = 120
SEED = 7
MOMENT_MS = 1_500  # what covers a control, or has gone meanwhile, is left alone
# Buttons that start what outlives the page, or that leave the app.
LEFT_ALONE = ("Train", "Download", "CSV", "PNG", "Delete", "Stop", "Record", "Print", "Resume", "Upload")


def walk(names):
    """Return a round through ``names`` that goes from each to each other exactly once (Hierholzer's algorithm)."""
    ways = {name: [other for other in names if other != name] for name in names}
    path, found = [names[0]], []
    while path:
        if ways[path[-1]]:
            path.append(ways[path[-1]].pop())
        else:
            found.append(path.pop())
    return found[::-1]


def test_the_walk_goes_from_each_to_each():
    names = ["a", "b", "c", "d"]
    way = walk(names)
    pairs = list(itertools.pairwise(way))
    assert sorted(pairs) == sorted((one, other) for one in names for other in names if one != other)


def sound(page):
    """Assert that the page shows no traceback."""
    broken = page.get_by_test_id("stException")
    assert broken.count() == 0, broken.first.inner_text()


def visit(page, name):
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=EXPERIMENTS[name].title, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(EXPERIMENTS[name].title)
    wait_idle(page)
    sound(page)


def play(page, name):
    button = page.get_by_test_id("stMain").get_by_role("button", name="Play").first
    if button.count():
        button.click()
        try:
            page.get_by_role("button", name="Pause").first.click(timeout=MOMENT_MS)
        except TooLate:  # a short film has ended by itself
            expect(button).to_be_visible()


def scrub(page, name):
    frame = page.get_by_role("slider", name="Frame")
    slider = keyed(page, "epoch-bar").get_by_role("slider").or_(frame).first
    expect(slider).to_be_visible()
    if frame.count():
        frame.first.fill("3")
    else:
        slider.press("Home")


def choose(page, name, key, place=-1):
    box = keyed(page, f"{name}-{key}").get_by_role("combobox")
    if not box.count():
        return
    option = page.get_by_role("listbox").get_by_role("option").nth(place)
    for patience in (3_000, 6_000, 20_000):  # a page that is redrawn closes the menu: then it is opened again
        wait_idle(page)
        box.click()
        try:
            option.click(timeout=patience)
            break
        except TooLate:
            page.keyboard.press("Escape")
    else:
        raise AssertionError(f"nothing could be chosen in {name}-{key}")
    page.keyboard.press("Escape")


def choose_a_run(page, name):
    choose(page, name, "run")


def overlay_a_run(page, name):
    choose(page, name, "with")


def open_the_probe(page, name):
    for key in ("probe", "lab"):
        box = keyed(page, f"{name}-{key}").locator("summary").first
        if box.count():
            box.click()


TYPICAL = (play, scrub, choose_a_run, overlay_a_run, open_the_probe)


def test_from_each_chapter_to_each_other_after_its_typical_acts(app, page):
    way = walk(CHAPTERS)
    open_page(page, f"{app.url}/{way[0]}")
    for number, (name, after) in enumerate(itertools.pairwise(way)):
        for act in TYPICAL if number < len(CHAPTERS) else (TYPICAL[number % len(TYPICAL)],):
            act(page, name)
            wait_idle(page)
        sound(page)
        visit(page, after)


@pytest.mark.parametrize("name", CHAPTERS)
def test_one_press_of_back_returns_to_what_was_shown(app, page, name):
    open_page(page, f"{app.url}/glossary")
    visit(page, name)
    stops = page.evaluate("history.length")
    before = page.url
    scrub(page, name)
    page.wait_for_function("before => location.href !== before", arg=before)
    wait_idle(page)
    shown = page.url
    assert "epoch=" in shown
    assert page.evaluate("history.length") == stops
    page.get_by_role("link", name="Home").first.click()
    expect(keyed(page, "chapters")).to_be_visible()
    wait_idle(page)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(EXPERIMENTS[name].title)
    wait_idle(page)
    assert page.url == shown
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Glossary")
    page.go_forward()
    expect(page.get_by_role("heading", level=1)).to_have_text(EXPERIMENTS[name].title)
    wait_idle(page)
    assert page.url == shown
    sound(page)


class Reader:
    """A reader without patience: every act is drawn from a seed and written down."""

    def __init__(self, app, page):
        self.app, self.page = app, page
        self.random = random.Random(SEED)
        self.acts = []

    def name(self):
        return self.page.url.split("?")[0].rsplit("/", 1)[-1]

    def go(self):
        links = self.page.get_by_test_id("stSidebarNav").get_by_role("link")
        self.one_of(links)

    def one_of(self, found):
        """Click one of the visible elements."""
        there = [one for one in found.all() if one.is_visible()]
        if there:
            one = self.random.choice(there)
            self.acts[-1] += f" {(one.get_attribute('aria-label') or one.text_content() or '')[:40]!r}"
            one.click(timeout=MOMENT_MS, no_wait_after=True)

    def click(self):
        buttons = self.page.get_by_test_id("stMain").locator("button, summary, [role=radio]")
        for word in LEFT_ALONE:
            buttons = buttons.filter(has_not_text=word)
        self.one_of(buttons)

    def key(self):
        sliders = self.page.get_by_role("slider").all()
        there = [one for one in sliders if one.is_visible()]
        if there:
            self.random.choice(there).press(
                self.random.choice(["Home", "End", "ArrowLeft", "ArrowRight"]), timeout=MOMENT_MS
            )

    def choice(self):
        self.one_of(self.page.get_by_test_id("stMain").get_by_role("combobox"))
        options = self.page.get_by_role("listbox").get_by_role("option")
        if options.count():
            self.one_of(options)
        self.page.keyboard.press("Escape")

    def back(self):
        self.page.go_back()
        if not self.page.url.startswith(self.app.url):
            open_page(self.page, f"{self.app.url}/{CHAPTERS[0]}")

    def reload(self):
        self.page.reload()
        wait_idle(self.page)

    def act(self):
        ways = {"click": 30, "key": 20, "choice": 20, "go": 20, "back": 8, "reload": 3}
        (way,) = self.random.choices(list(ways), list(ways.values()))
        self.acts.append(f"{self.name()}: {way}")
        getattr(self, way)()


def test_a_restless_reader_meets_no_traceback(app, page):
    open_page(page, app.url)
    reader = Reader(app, page)
    for _ in range(ACTS):
        try:
            reader.act()
        except TooLate:
            reader.acts[-1] += " (gone)"
        broken = page.get_by_test_id("stException")
        assert broken.count() == 0, (reader.acts[-12:], broken.first.inner_text())
    wait_idle(page)
    sound(page)
