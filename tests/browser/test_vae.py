"""The VAE in Chromium: one scrubber for everything, pixel-exact grids, downloads, going back, the probe, a phone."""

import base64
import io

import pytest
from PIL import Image

from tests.browser.driving import expect, keyed, open_page, wait_idle
from tests.planted_vae import plant

FIRST_ANSWER_MS = 120_000  # it imports torch, which takes its time on a busy machine


@pytest.fixture(scope="module")
def run(app):
    return plant(app.store)


def chapter(app, run, **query):
    return f"{app.url}/vae?" + "&".join(f"{k}={v}" for k, v in {"run": run.id, **query}.items())


def picture(page, alt):
    """Return the image of a grid as the page has it, before the browser enlarges it."""
    source = page.get_by_role("img", name=alt).get_attribute("src")
    return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))


def test_one_scrubber_drives_grids_curves_tables_and_verdict(app, page, run):
    open_page(page, chapter(app, run, epoch=3))
    third = picture(page, "Ten decoded draws after epoch 3")
    assert third.tobytes() == run.sample(3, "samples").tobytes()
    page.get_by_role("button", name="Previous epoch").click()
    expect(page.get_by_text("Ten draws of z from N(0, I), decoded after epoch 2")).to_be_visible()
    expect(page.get_by_text("Reconstructions of validation images after epoch 2")).to_be_visible()
    expect(page.get_by_text("What each latent dimension carries after epoch 2")).to_be_visible()
    wait_idle(page)
    second = picture(page, "Ten decoded draws after epoch 2")
    assert second.tobytes() == run.sample(2, "samples").tobytes() != third.tobytes()
    assert "epoch=2" in page.url
    page.get_by_role("button", name="Previous epoch").click()
    expect(page.get_by_text("Latent map after epoch 1")).to_be_visible()
    expect(keyed(page, "verdict")).to_contain_text("epoch 1")


def test_pixels_are_whole_and_never_blurred(app, page, run):
    open_page(page, chapter(app, run))
    grid = page.get_by_role("img", name="Ten decoded draws after epoch 3")
    shown = grid.evaluate("i => [i.clientWidth / i.naturalWidth, getComputedStyle(i).imageRendering]")
    assert shown[0] == int(shown[0]) > 1
    assert shown[1] == "pixelated"


def test_the_browser_goes_back_to_where_the_reader_was(app, page, run):
    open_page(page, chapter(app, run, epoch=1))
    expect(page.get_by_text("Ten draws of z from N(0, I), decoded after epoch 1")).to_be_visible()
    page.get_by_role("link", name="Glossary").click()
    expect(page.get_by_role("heading", name="Glossary")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Ten draws of z from N(0, I), decoded after epoch 1")).to_be_visible()


def test_a_panel_hands_out_its_numbers_and_its_picture(app, page, run):
    open_page(page, chapter(app, run))
    with page.expect_download() as numbers:
        keyed(page, "_csv_curve-loss").get_by_role("button").click()
    assert numbers.value.suggested_filename == "curve-loss.csv"
    with open(numbers.value.path(), encoding="utf-8") as file:
        assert len(file.read().splitlines()) == 7  # a heading, and three epochs of training and of validation
    with page.expect_download() as grid:
        keyed(page, "_png_samples").get_by_role("button").click()
    with Image.open(grid.value.path()) as image:
        small = run.sample(3, "samples")
        assert image.size == (3 * small.width, 3 * small.height)


def test_settings_outlive_a_change_of_page(app, page, run):
    open_page(page, chapter(app, run))
    epochs = page.get_by_label("Epochs", exact=True)
    epochs.fill("7")
    epochs.press("Enter")
    page.wait_for_url("**vae.epochs=7**")
    wait_idle(page)
    page.get_by_role("link", name="Digit classifier").click()
    expect(page.get_by_role("heading", name="Digit classifier")).to_be_visible()
    page.get_by_role("link", name="Variational autoencoder").click()
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("7")


def test_the_probe_draws_anew(app, page, run):
    open_page(page, chapter(app, run, probe="true", draw=5))
    expect(page.get_by_role("img", name="40 images drawn with seed 5")).to_be_visible(timeout=FIRST_ANSWER_MS)
    first = picture(page, "40 images drawn with seed 5").tobytes()
    seed = page.get_by_label("Seed of the draws")
    seed.fill("6")
    seed.press("Enter")
    expect(page.get_by_role("img", name="40 images drawn with seed 6")).to_be_visible()
    assert picture(page, "40 images drawn with seed 6").tobytes() != first


def test_a_phone_shows_the_page_without_scrolling_sideways(app, phone, run):
    open_page(phone, chapter(app, run))
    expect(phone.get_by_role("img", name="Ten decoded draws after epoch 3")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
