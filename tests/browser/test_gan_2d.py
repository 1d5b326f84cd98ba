"""The 2-D GAN in Chromium: scrub, play, pause, step, draw, branch, and the link of all that."""

import signal

import pytest

from tests.browser.driving import expect, keyed, open_page, wait_idle
from tests.planted_gan import plant

LAYERS = ("Decision field", "Real points", "Generated points", "Gradient arrows", "Noise manifold")

# Moves the player's slider one frame a picture and tells, for each, which frame is shown and what the picture is.
SCRUB = """
async player => {
  const time = player.querySelector('.time')
  const canvas = player.querySelector('.picture canvas')
  const drawn = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
  const seen = []
  for (let frame = 0; frame <= Number(time.max); frame++) {
    time.value = String(frame)
    time.dispatchEvent(new Event('input', { bubbles: true }))
    await drawn()
    seen.push([Number(player.dataset.frame), canvas.toDataURL()])
  }
  return seen
}
"""


@pytest.fixture(scope="module")
def run(app):
    return plant(app.store, data="moons")


def chapter(app, run, **query):
    query = {"run": run.id, **{name.replace("__", "."): value for name, value in query.items()}}
    return f"{app.url}/gan_2d?" + "&".join(f"{name}={value}" for name, value in query.items())


def recorded(page):
    return keyed(page, "player").locator(".player")


def live(page):
    return keyed(page, "lab-player").locator(".player")


def numbers(player):
    """Return the player's frame, number of frames and step."""
    return tuple(int(player.get_attribute(f"data-{name}")) for name in ("frame", "frames", "step"))


def until(page, player, condition):
    """Wait until ``condition`` (JavaScript over the player's ``d``, its dataset) holds."""
    handle = player.element_handle()
    page.wait_for_function(f"player => (d => {condition})(player.dataset)", arg=handle)


def press(page, key):
    keyed(page, key).get_by_role("button").click()
    wait_idle(page)


def test_scrubbing_draws_every_frame_without_the_server(app, page, run):
    open_page(page, chapter(app, run))
    player = recorded(page)
    expect(player).to_have_attribute("data-frames", "9")
    app.process.send_signal(signal.SIGSTOP)
    try:
        seen = player.evaluate(SCRUB)
    finally:
        app.process.send_signal(signal.SIGCONT)
    assert [frame for frame, _ in seen] == list(range(9))
    assert len({picture for _, picture in seen}) == 9


def test_where_it_rests_is_in_the_link_and_drives_the_page(app, page, run):
    open_page(page, chapter(app, run))
    player = recorded(page)
    player.get_by_role("slider", name="Frame").fill("3")
    expect(keyed(page, "verdict")).to_contain_text("Step 15.")
    wait_idle(page)
    assert "epoch=3" in page.url
    page.reload()
    wait_idle(page)
    expect(recorded(page)).to_have_attribute("data-frame", "3")
    expect(keyed(page, "verdict")).to_contain_text("Step 15.")


def test_plays_pauses_and_steps_through_frames(app, page, run):
    open_page(page, chapter(app, run, epoch=0, speed=5))
    player = recorded(page)
    expect(player).to_have_attribute("data-frame", "0")
    player.get_by_role("button", name="Play").click()
    until(page, player, "Number(d.frame) >= 2")
    player.get_by_role("button", name="Pause").click()
    at = numbers(player)[0]
    assert 2 <= at < 8
    player.get_by_role("button", name="Next frame").click()
    expect(player).to_have_attribute("data-frame", str(at + 1))
    player.get_by_role("button", name="First frame").click()
    expect(player).to_have_attribute("data-frame", "0")
    player.get_by_role("button", name="Play").click()
    expect(player).to_have_attribute("data-frame", "8")
    expect(player.get_by_role("button", name="Play")).to_be_visible()


def test_each_layer_is_switched_off_and_stays_off_with_the_link(app, page, run):
    open_page(page, chapter(app, run))
    player = recorded(page)
    expect(player).to_have_attribute("data-frames", "9")
    picture = player.locator(".picture canvas")
    seen = [picture.evaluate("canvas => canvas.toDataURL()")]
    for name in LAYERS:
        player.get_by_role("checkbox", name=name).uncheck()
        seen.append(picture.evaluate("canvas => canvas.toDataURL()"))
    assert len(set(seen)) == len(LAYERS) + 1
    page.wait_for_url("**layers=none**")
    wait_idle(page)
    page.reload()
    wait_idle(page)
    for name in LAYERS:
        expect(recorded(page).get_by_role("checkbox", name=name)).not_to_be_checked()


def test_trains_pauses_and_steps_either_network(app, page, run):
    open_page(page, chapter(app, run, lab="true", lab__g_neurons=6, lab__d_neurons=6, lab__steps_per_frame=1))
    player = live(page)
    expect(player).to_have_attribute("data-frames", "1")
    press(page, "_lab_play")
    until(page, player, "Number(d.step) >= 5")
    keyed(page, "_lab_play").get_by_role("button", name="Pause").click()
    expect(keyed(page, "_lab_play").get_by_role("button", name="Train")).to_be_visible()
    wait_idle(page)
    _, frames, step = numbers(player)
    assert frames == step + 1
    for key, frames_more, steps_more in (
        ("_lab_step_discriminator", 1, 0),
        ("_lab_step_generator", 2, 0),
        ("_lab_step_both", 3, 1),
    ):
        press(page, key)
        expect(player).to_have_attribute("data-frames", str(frames + frames_more))
        expect(player).to_have_attribute("data-step", str(step + steps_more))
    player.get_by_role("slider", name="Frame").fill("2")
    expect(player).to_have_attribute("data-step", "2")
    expect(player).to_have_attribute("data-told", "2")  # it tells where it rests a moment after it came to rest
    wait_idle(page)
    press(page, "_lab_back")
    expect(player).to_have_attribute("data-frames", "3")
    press(page, "_lab_restart")
    expect(player).to_have_attribute("data-frames", "1")


def test_a_drawn_distribution_is_learnt_and_comes_back_with_the_link(app, page, run):
    open_page(page, chapter(app, run, lab="true", lab__data="points", lab__g_neurons=6, lab__d_neurons=6))
    expect(page.get_by_text("Draw something to learn")).to_be_visible()
    square = page.get_by_role("application", name="Square to draw a distribution of points into")
    square.scroll_into_view_if_needed()
    box = square.bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.8 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.2 * box["height"], steps=12)
    page.mouse.up()
    expect(live(page)).to_have_attribute("data-frames", "1")
    count = keyed(page, "lab-canvas").locator(".count")
    drawn = count.inner_text()
    assert 20 < int(drawn.split()[0]) < 200
    press(page, "_lab_play")
    until(page, live(page), "Number(d.frames) >= 2")
    press(page, "_lab_play")
    assert "lab.points=" in page.url
    page.reload()
    wait_idle(page)
    expect(keyed(page, "lab-canvas").locator(".count")).to_have_text(drawn)
    expect(live(page)).to_have_attribute("data-frames", "1")
    keyed(page, "lab-canvas").get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Draw something to learn")).to_be_visible()


def test_points_from_a_file_and_from_a_hostile_one(app, page, run):
    open_page(page, chapter(app, run, lab="true", lab__data="points"))
    chooser = keyed(page, "lab-csv").locator("input[type=file]")
    chooser.set_input_files({"name": "bad.csv", "mimeType": "text/csv", "buffer": b"x,y\n0.1,<script>\n"})
    expect(page.get_by_text("is no number")).to_be_visible()
    chooser.set_input_files({"name": "good.csv", "mimeType": "text/csv", "buffer": b"x,y\n1,1\n2,2\n3,1\n"})
    expect(page.get_by_text("3 rows read, x from “x”, y from “y”; moved and scaled into the square")).to_be_visible()
    expect(keyed(page, "lab-canvas").locator(".count")).to_contain_text("3 of 400")
    expect(live(page)).to_have_attribute("data-frames", "1")


def test_a_phone_shows_the_picture_without_scrolling_sideways(app, phone, run):
    open_page(phone, chapter(app, run))
    expect(recorded(phone)).to_have_attribute("data-frames", "9")
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = recorded(phone).locator(".picture canvas").bounding_box()
    assert 250 < box["width"] <= 390


def told(player):
    """Scrub a player and return what it says of each frame: the state in words and the measures."""
    return player.evaluate(
        """
        async player => {
          const time = player.querySelector('.time')
          const said = []
          for (let frame = 0; frame <= Number(time.max); frame++) {
            time.value = String(frame)
            time.dispatchEvent(new Event('input', { bubbles: true }))
            await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
            said.push(player.dataset.step + ': ' + player.querySelector('.side').innerText)
          }
          return said
        }
        """
    )


def test_a_branch_continues_a_recorded_frame_and_the_link_returns_to_it(app, page, run):
    open_page(page, chapter(app, run, epoch=3))
    expect(recorded(page)).to_have_attribute("data-frame", "3")
    press(page, "_branch")
    player = live(page)
    expect(player).to_have_attribute("data-frames", "4")
    expect(player).to_have_attribute("data-step", "15")
    press(page, "_lab_play")
    until(page, player, "Number(d.frames) >= 6")
    keyed(page, "_lab_play").get_by_role("button", name="Pause").click()
    expect(keyed(page, "_lab_play").get_by_role("button", name="Train")).to_be_visible()
    wait_idle(page)
    theirs, ours = told(recorded(page)), told(player)
    assert len(set(theirs)) == 9
    assert ours[:6] == theirs[:6]  # recorded frames, then the branch's own: measure for measure the same
    page.reload()
    wait_idle(page)
    expect(live(page)).to_have_attribute("data-frames", "4")
    expect(live(page)).to_have_attribute("data-step", "15")


def test_two_configurations_under_one_scrubber(app, page, run):
    open_page(page, chapter(app, run, lab="true", two="true", lab__g_neurons=6, lab__d_neurons=6))
    player = live(page)
    expect(player.locator(".picture canvas")).to_have_count(2)
    expect(player.locator(".name")).to_have_count(2)
    press(page, "_lab_step_both")
    expect(player).to_have_attribute("data-frames", "2")
    drawn = "player => [...player.querySelectorAll('.picture canvas')].map(canvas => canvas.toDataURL())"
    before = player.evaluate(drawn)
    player.get_by_role("slider", name="Frame").fill("0")
    expect(player).to_have_attribute("data-frame", "0")
    after = player.evaluate(drawn)
    assert all(one != other for one, other in zip(before, after, strict=True))
