"""The home page in Chromium: it opens, leads to a chapter and back, deletes a run after a question."""

import re

import pytest

from tests.browser.driving import expect, keyed, open_page, press, wait_idle
from tests.conftest import break_run, make_run


@pytest.fixture
def runs(app):
    made = [make_run(app.store, "vae", name, epochs=2) for name in ("kept", "doomed")]
    break_run(make_run(app.store, "vae", "cut", epochs=1))
    yield made
    for folder in (app.runs / "vae").iterdir():
        app.store.delete(f"own/vae/{folder.name}")


def test_home_shows_chapters_data_and_runs_and_no_real_error(app, page, runs):
    open_page(page, app.url)
    expect(page.get_by_role("heading", name="Epoch Atlas")).to_be_visible()
    expect(keyed(page, "data-mnist-5k")).to_contain_text("bundled, ready offline")
    expect(keyed(page, "own-vae-kept")).to_contain_text("finished")
    expect(keyed(page, "broken-own-vae-cut")).to_contain_text("run.json")
    expect(keyed(page, "broken-own-vae-cut")).to_contain_text("Delete this run and train it again")


def test_a_card_leads_to_its_chapter(app, page, runs):
    open_page(page, app.url)
    card = keyed(page, "card-vae")
    expect(card.locator("img")).to_have_attribute("alt", re.compile("^Variational autoencoder: images that the run"))
    card.get_by_role("link", name="Variational autoencoder").click()
    expect(page.get_by_role("heading", name="Variational autoencoder", level=1)).to_be_visible()
    wait_idle(page)
    assert page.url.startswith(f"{app.url}/vae")


def test_open_leads_to_that_run_and_not_to_the_default_one(app, page, runs):
    open_page(page, app.url)
    keyed(page, "own-vae-doomed").get_by_role("link", name="Open").click()
    expect(page.get_by_role("heading", name="Variational autoencoder", level=1)).to_be_visible()
    expect(page.get_by_role("combobox", name="Run", exact=True)).to_have_value("Yours: doomed · finished")
    assert "run=own%2Fvae%2Fdoomed" in page.url


def test_delete_asks_first(app, page, runs):
    open_page(page, app.url)
    keyed(page, "own-vae-doomed").get_by_role("button", name="Delete").click()
    press(page, "_delete_no")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert (app.runs / "vae" / "doomed").is_dir()
    keyed(page, "own-vae-doomed").get_by_role("button", name="Delete").click()
    press(page, "_delete_yes")
    expect(keyed(page, "own-vae-doomed")).to_have_count(0)
    expect(keyed(page, "own-vae-kept")).to_be_visible()
    assert not (app.runs / "vae" / "doomed").exists()


def test_a_deep_link_that_is_the_first_thing_asked_of_a_server(chromium, page, tmp_path):
    from tests.browser.driving import App

    app = App(tmp_path)
    app.start()
    try:
        open_page(page, f"{app.url}/glossary?x=1")
        expect(page.get_by_role("heading", name="Glossary")).to_be_visible()
        expect(page.get_by_test_id("stSidebarNav")).to_contain_text("Start")
        expect(page.get_by_test_id("stSidebarNav")).not_to_contain_text("streamlit app")
        assert page.title() == "Glossary · Epoch Atlas"
    finally:
        page.goto("about:blank")  # it would ask the server that is gone, and call that an error
        app.stop()
    assert not app.tracebacks


def test_home_fits_a_phone(app, phone, runs):
    open_page(phone, app.url)
    expect(keyed(phone, "own-vae-kept")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
