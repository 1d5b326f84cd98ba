"""Log-probability and per-image latents in Chromium: clicking a digit, scrubbing, drawing, the probe, a phone."""

import re

import pytest

from tests.browser.driving import expect, keyed, open_page
from tests.tiny_probability import trained


@pytest.fixture(scope="module")
def run(app):
    return trained(app.store)


@pytest.fixture(scope="module")
def latents(app):
    return trained(app.store, experiment="latent_vae")


def chapter(app, run, **query):
    return f"{app.url}/{run.experiment}?" + "&".join(f"{k}={v}" for k, v in {"run": run.id, **query}.items())


def test_a_chosen_digit_shows_its_images_and_is_in_the_link(app, page, run):
    open_page(page, chapter(app, run))
    expect(keyed(page, "verdict")).to_contain_text("is the most probable")
    keyed(page, "log_probability-digit").get_by_role("radio", name="7").click()
    expect(page.get_by_text("Most probable 7s of the validation images")).to_be_visible()
    expect(page.get_by_text("Least probable 7s of the validation images")).to_be_visible()
    expect(page).to_have_url(re.compile("digit=7"))
    open_page(page, page.url)
    expect(page.get_by_text("Most probable 7s of the validation images")).to_be_visible()


def test_scrubbing_moves_samples_and_quick_look(app, page, run):
    open_page(page, chapter(app, run))
    page.get_by_role("button", name="Previous epoch").click()
    expect(page.get_by_role("img", name="Ten decoded draws after epoch 1")).to_be_visible()
    expect(page).to_have_url(re.compile("epoch=1"))  # once the bar has come to rest


def test_a_drawn_digit_gets_its_value_with_an_error_bar(app, page, run):
    open_page(page, chapter(app, run, probe="true", **{"from": "Draw"}))
    expect(page.get_by_text("Nothing is drawn yet")).to_be_visible()
    canvas = page.get_by_role("application", name="Draw a digit")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] - 40, steps=8)
    page.mouse.up()
    value = page.get_by_test_id("stMetric").filter(has_text="log p(x) of this image")
    expect(value).to_contain_text("±")
    expect(page.get_by_text(re.compile("^More probable than"))).to_be_visible()


def test_both_models_of_the_latents_chapter_move_with_the_scrubber(app, page, latents):
    open_page(page, chapter(app, latents, epoch=1))
    expect(page.get_by_role("img", name="Ten draws decoded by both models after epoch 1")).to_be_visible()
    page.get_by_role("button", name="Next epoch").click()
    expect(page.get_by_role("img", name="Ten draws decoded by both models after epoch 2")).to_be_visible()
    alt = "Training images and their reconstructions by both models after epoch 2"
    expect(page.get_by_role("img", name=alt)).to_be_visible()
    expect(page.get_by_text("Both models after epoch 2")).to_be_visible()
    expect(keyed(page, "verdict")).to_contain_text("KL(q‖p(z|x))")


def test_refining_one_image_in_the_probe(app, page, latents):
    open_page(page, chapter(app, latents, probe="true", steps=50))
    expect(page.get_by_test_id("stMetric").filter(has_text="Gained by refining q")).to_contain_text("nats")


@pytest.mark.parametrize("name", ["run", "latents"])
def test_on_a_phone_nothing_is_wider_than_the_screen(app, phone, request, name):
    open_page(phone, chapter(app, request.getfixturevalue(name)))
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
