"""The VAE in Chromium: one scrubber for everything, pixel-exact grids, downloads, going back, the probe, a phone."""

import base64
import io

import pytest
from PIL import Image

from tests.browser.driving import expect, keyed, open_page, wait_idle
from tests.planted_vae import plant


@pytest.fixture(scope="module")
def run(app):
    return plant(app.store)


def chapter(app, run, **query):
    return f"{app.url}/vae?" + "&".join(f"{k}={v}" for k, v in {"run": run.id, **query}.items())


def picture(page, alt):
    """Return the image of a grid as the page has it, before the browser enlarges it."""
    source = page.get_by_role("img", name=alt).get_attribute("src")
    return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))


def test_one_scrubber_drives_films_curves_tables_and_verdict(app, page, run):
    open_page(page, chapter(app, run, epoch=3))
    expect(page.get_by_role("img", name="Ten decoded draws after epoch 3")).to_be_visible()
    page.get_by_role("button", name="Previous epoch").click()
    expect(page.get_by_role("img", name="Ten decoded draws after epoch 2")).to_be_visible()
    expect(page.get_by_text("What each latent dimension carries after epoch 2")).to_be_visible()
    wait_idle(page)
    assert "epoch=2" in page.url
    page.get_by_role("button", name="Previous epoch").click()
    expect(page.get_by_text("Latent map after epoch 1")).to_be_visible()
    expect(keyed(page, "verdict")).to_contain_text("epoch 1")


def test_pixels_are_whole_and_never_blurred(app, page, run):
    open_page(page, chapter(app, run))
    grid = page.get_by_role("img", name="The ten draws decoded after epochs 1 and 3")
    shown = grid.evaluate("i => [i.clientWidth / i.naturalWidth, getComputedStyle(i).imageRendering]")
    assert shown[0] == int(shown[0]) > 1
    assert shown[1] == "pixelated"


def test_the_browser_goes_back_to_where_the_reader_was(app, page, run):
    open_page(page, chapter(app, run, epoch=1))
    expect(page.get_by_role("img", name="Ten decoded draws after epoch 1")).to_be_visible()
    page.get_by_role("link", name="Glossary").click()
    expect(page.get_by_role("heading", name="Glossary")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("img", name="Ten decoded draws after epoch 1")).to_be_visible()


def test_a_panel_hands_out_its_numbers_and_its_picture(app, page, run):
    open_page(page, chapter(app, run))
    with page.expect_download() as numbers:
        keyed(page, "_csv_curve-loss").get_by_role("button").click()
    assert numbers.value.suggested_filename == "curve-loss.csv"
    with open(numbers.value.path(), encoding="utf-8") as file:
        assert len(file.read().splitlines()) == 7  # a heading, and three epochs of training and of validation
    with page.expect_download() as grid:
        keyed(page, "_png_strip").get_by_role("button").click()
    with Image.open(grid.value.path()) as image:
        small = run.sample(3, "samples")
        assert image.size == (3 * small.width, 3 * (2 * small.height + 2))


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


def pixels(page, name):
    """Return what a canvas of the probe shows."""
    return page.locator(f"canvas.{name}").evaluate("c => c.toDataURL()")


def drawn(page, name):
    """Wait until a canvas of the probe is painted, and return what it shows."""
    handle = page.locator(f"canvas.{name}").element_handle()
    page.wait_for_function(
        "c => c.width % 30 === 28 && c.getContext('2d').getImageData(9, 9, 1, 1).data[3]", arg=handle
    )
    return pixels(page, name)


def repainted(page, name, before):
    """Wait until a canvas of the probe shows something else, and return it."""
    handle = page.locator(f"canvas.{name}").element_handle()
    page.wait_for_function("([canvas, before]) => canvas.toDataURL() !== before", arg=[handle, before])
    return pixels(page, name)


def test_the_digit_follows_the_pointer_and_the_server_hears_where_it_rests(app, page, run):
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    open_page(page, chapter(app, run, probe="true"))
    first, plane = drawn(page, "digit"), page.locator("canvas.map")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    wait_idle(page)
    sent.clear()
    for step in range(1, 21):
        page.mouse.move(box["x"] + box["width"] * (0.5 + step / 50), box["y"] + box["height"] * (0.5 - step / 80))
    moved = repainted(page, "digit", first)
    assert sent == []
    page.wait_for_url("**z=**")
    assert len(sent) == 1
    wait_idle(page)
    assert pixels(page, "digit") == moved
    link = page.url
    plane.press("ArrowRight")
    repainted(page, "digit", moved)
    open_page(page, link)  # a link shows what was seen, to a step of z that no eye tells
    expect(page.locator(".said")).to_have_text("z2 = 2.40, z0 = 1.50")


def test_a_held_z_is_decoded_by_the_weights_of_another_epoch(app, page, run):
    open_page(page, chapter(app, run, probe="true"))
    slider = page.get_by_label("Dimension 2 of z")
    slider.fill("1.5")
    before = drawn(page, "digit")
    page.wait_for_url("**z=**")
    page.get_by_role("button", name="Previous epoch").click()
    page.get_by_role("button", name="Previous epoch").click()
    expect(page.get_by_text("Weights of epoch 1. The scrubber changes them; z stays.")).to_be_visible()
    wait_idle(page)
    expect(slider).to_have_value("1.5")
    assert drawn(page, "digit") != before  # half precision is not full


def test_new_draws_follow_their_seed(app, page, run):
    open_page(page, chapter(app, run, probe="true", draw=5))
    fifth = drawn(page, "draws")
    seed = page.locator("input.seed")
    seed.fill("6")
    repainted(page, "draws", fifth)
    page.wait_for_url("**draw=6**")
    seed.fill("5")
    page.wait_for_url("**draw=5**")
    handle = page.locator("canvas.draws").element_handle()
    page.wait_for_function("([canvas, before]) => canvas.toDataURL() === before", arg=[handle, fifth])


def test_torn_weights_are_one_sentence_and_the_page_goes_on(app, page):
    torn = plant(app.store, "torn")
    (torn.path / "weights.safetensors").write_bytes((torn.path / "weights.safetensors").read_bytes()[:5000])
    open_page(page, chapter(app, torn, probe="true"))
    expect(page.locator(".latent").get_by_role("alert")).to_contain_text("did not arrive whole (values cut off)")
    expect(keyed(page, "verdict")).to_be_visible()


def test_a_phone_shows_the_page_without_scrolling_sideways(app, phone, run):
    open_page(phone, chapter(app, run))
    expect(phone.get_by_role("img", name="Ten decoded draws after epoch 3").first).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
