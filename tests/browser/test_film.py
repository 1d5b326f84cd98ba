"""The film and its epoch bar in Chromium: frames without the server, one message at rest, keys, fingers, a phone."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.runs.store import Run
from core.training.session import mark
from tests.browser.driving import expect, keyed, open_page, wait_idle
from tests.planted_vae import plant

EPOCHS = 3

# The pixels that a film's canvas holds, one value for each pixel of the picture: the canvas enlarges it.
PIXELS = """
canvas => {
  const scale = Number(canvas.getRootNode().querySelector('.film').dataset.scale)
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  const [rows, columns] = [canvas.height / scale, canvas.width / scale]
  const seen = []
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const at = (y, x) => data[4 * ((row * scale + y) * canvas.width + column * scale + x)]
      if (at(0, 0) !== at(scale - 1, scale - 1)) throw new Error(`blurred at ${row}, ${column}`)
      seen.push(at(0, 0))
    }
  return { rows, columns, seen }
}
"""

# Moves the slider one epoch a picture; returns what the film showed for each.
SCRUB = """
async bar => {
  const time = bar.querySelector('.time')
  const drawn = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
  const seen = []
  let [pauses, before] = [0, performance.now()]
  for (let place = 0; place <= Number(time.max); place++) {
    time.value = String(place)
    time.dispatchEvent(new Event('input', { bubbles: true }))
    await drawn()
    seen.push(Number(bar.dataset.epoch))
    pauses += performance.now() - before > 250
    before = performance.now()
  }
  return { seen, pauses }
}
"""


@pytest.fixture(scope="module")
def run(app):
    return plant(app.store)


def chapter(app, run: Run, **query):
    return f"{app.url}/vae?" + "&".join(f"{k}={v}" for k, v in {"run": run.id, **query}.items())


def bar(page):
    return keyed(page, "epoch-bar").locator(".bar")


def draws(page, epoch):
    return page.get_by_role("img", name=f"Ten decoded draws after epoch {epoch}").first


def pixels(canvas):
    """Return what a canvas of a film shows, in the picture's own pixels; fails if any is blurred."""
    said = canvas.evaluate(PIXELS)
    return np.array(said["seen"], np.uint8).reshape(said["rows"], said["columns"])


def opened(page, url, epoch):
    """Open a page and wait until its films are decoded and stand at an epoch."""
    open_page(page, url)
    film = keyed(page, "film-samples").locator(".film")
    expect(film).to_have_attribute("data-ready", "true")
    expect(film).to_have_attribute("data-epoch", str(epoch))
    return page


def messages(page):
    """Return a list that grows with every message the page sends to the server."""
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda payload: sent.append(payload)))
    return sent


def test_every_epoch_is_shown_pixel_for_pixel(app, page, run):
    opened(page, chapter(app, run), EPOCHS)
    page.get_by_role("slider", name="Epoch").press("Home")
    for epoch in (1, 2, 3):
        expect(draws(page, epoch)).to_be_visible()
        np.testing.assert_array_equal(pixels(draws(page, epoch)), np.asarray(run.sample(epoch)))
        page.get_by_role("slider", name="Epoch").press("ArrowRight")


def test_scrubbing_asks_the_server_nothing_and_resting_tells_it_once(app, page, run):
    sent = messages(page)
    opened(page, chapter(app, run), EPOCHS)
    before = len(sent)
    scrubbed = bar(page).evaluate(SCRUB)
    assert scrubbed["seen"] == [1, 2, 3]
    assert len(sent) - before <= scrubbed["pauses"]
    wait_idle(page)
    before = len(sent)
    page.get_by_role("slider", name="Epoch").fill("0")
    expect(bar(page)).to_have_attribute("data-told", "1")
    expect(page.get_by_text("Latent map after epoch 1")).to_be_visible()
    wait_idle(page)
    assert len(sent) == before + 1
    assert "epoch=1" in page.url


def test_all_films_of_the_page_move_together(app, page, run):
    opened(page, chapter(app, run), EPOCHS)
    page.get_by_role("slider", name="Epoch").fill("1")
    for words in ("Ten decoded draws", "One validation image of each class and its reconstruction"):
        expect(page.get_by_role("img", name=f"{words} after epoch 2")).to_be_visible()
    below = page.get_by_role("img", name="One training image of each class and its reconstruction after epoch 2")
    expect(below).to_be_visible()
    np.testing.assert_array_equal(pixels(below)[30:], np.asarray(run.sample(2, "reconstructions-train")))


def test_keys_on_the_picture_and_on_the_slider(app, page, run):
    opened(page, chapter(app, run), EPOCHS)
    draws(page, 3).press("ArrowLeft")
    expect(draws(page, 2)).to_be_visible()
    draws(page, 2).press("Home")
    expect(draws(page, 1)).to_be_visible()
    page.get_by_role("slider", name="Epoch").press("ArrowRight")
    expect(draws(page, 2)).to_be_visible()
    page.get_by_role("slider", name="Epoch").press("End")
    expect(draws(page, 3)).to_be_visible()


def test_a_pointer_drawn_across_the_picture_scrubs(app, page, run):
    opened(page, chapter(app, run), EPOCHS)
    box = draws(page, 3).bounding_box()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 10, steps=4)
    expect(draws(page, 2)).to_be_visible()
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 10, steps=4)
    page.mouse.up()
    expect(draws(page, 1)).to_be_visible()
    expect(page.get_by_text("Latent map after epoch 1")).to_be_visible()


def test_it_plays_to_the_end_and_pauses(app, page, run):
    opened(page, chapter(app, run, epoch=1), 1)
    page.get_by_label("Epochs per second").select_option("2")
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.get_by_role("button", name="Play").click()
    expect(draws(page, 3)).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(bar(page)).to_have_attribute("data-told", "3")
    page.get_by_label("Epochs per second").select_option("60")
    page.get_by_role("button", name="Play").click()  # at the end, it begins again
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(draws(page, 3)).to_be_visible()


def test_a_link_opens_its_epoch_and_try_this_moves_the_bar(app, page, run):
    opened(page, chapter(app, run, epoch=2), 2)
    page.get_by_role("button", name="See the ten draws after one epoch").click()
    expect(draws(page, 1)).to_be_visible()
    expect(page.get_by_text("Latent map after epoch 1")).to_be_visible()


def test_reduced_motion_steps_in_place_of_playing(app, page, run):
    page.emulate_media(reduced_motion="reduce")
    opened(page, chapter(app, run, epoch=1), 1)
    step = page.get_by_role("button", name="Step", exact=True)
    for epoch in (2, 3, 1):
        step.click()
        expect(draws(page, epoch)).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)


def test_a_training_that_goes_on_is_followed_until_the_reader_moves(app, page, run):
    growing = plant(app.store, name="growing", epochs=6)
    opened(page, chapter(app, growing), EPOCHS)
    grow(growing, 4)
    page.get_by_role("slider", name="Smoothing of curves").press("ArrowRight")
    expect(draws(page, 4)).to_be_visible()
    page.get_by_role("button", name="Previous epoch").click()
    page.get_by_role("button", name="Previous epoch").click()
    expect(draws(page, 2)).to_be_visible()
    expect(bar(page)).to_have_attribute("data-told", "2")
    wait_idle(page)
    grow(growing, 5)
    page.get_by_role("slider", name="Smoothing of curves").press("ArrowRight")
    expect(bar(page).locator(".clock")).to_have_text("epoch 2 of 5")
    expect(draws(page, 2)).to_be_visible()


def grow(run, epoch):
    """Let a run have one epoch more: history and pictures."""
    history = run.history()
    row = history.iloc[[-1]].assign(epoch=epoch, step=epoch * 20)
    for kind in ("samples", "reconstructions-validation", "reconstructions-train"):
        run.sample(1, kind).save(run.path / kind / f"{epoch}.png")
    pd.concat([history, row]).to_csv(run.path / "history.csv", index=False)
    mark(run, epochs_done=epoch)


def test_the_picture_and_its_bar_lie_in_the_first_screen(app, page, run):
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(page, chapter(app, run), EPOCHS)
    for one in (draws(page, 3), bar(page)):
        box = one.bounding_box()
        assert box["y"] + box["height"] <= 900
    assert draws(page, 3).evaluate("canvas => canvas.width") >= 3 * 298  # as large as fits, and ten in one row


def test_the_bar_stays_in_sight_and_a_film_below_follows_it(app, page, run):
    opened(page, chapter(app, run), EPOCHS)
    keyed(page, "references").scroll_into_view_if_needed()
    expect(bar(page)).to_be_in_viewport()


def test_on_a_phone_ten_images_stand_five_and_five(app, phone, run):
    opened(phone, chapter(app, run), EPOCHS)
    halves = phone.get_by_role("img", name="Ten decoded draws after epoch 3")
    expect(halves).to_have_count(2)
    first, second = (pixels(halves.nth(index)) for index in range(2))
    whole = np.asarray(run.sample(3))
    np.testing.assert_array_equal(np.hstack([first, whole[:, 148:150], second]), whole)
    assert halves.nth(1).bounding_box()["y"] > halves.nth(0).bounding_box()["y"]
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_downloads_hold_the_true_pixels(app, page, run):
    opened(page, chapter(app, run, epoch=2), 2)
    with page.expect_download() as got:
        keyed(page, "_png_samples").get_by_role("button").click()
    with Image.open(got.value.path()) as image:
        small = image.resize((image.width // 3, image.height // 3), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(np.asarray(small)[:28], np.asarray(run.sample(2)))
    with page.expect_download() as got:
        keyed(page, "_gif_samples").get_by_role("button").click()
    with open(got.value.path(), "rb") as file, Image.open(io.BytesIO(file.read())) as moving:
        assert moving.n_frames == EPOCHS
