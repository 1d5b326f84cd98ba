"""A training in Chromium, on the bundled images: start, watch, refresh, change page, stop, resume, finish."""

import json
import os
import re
import signal

from playwright.sync_api import expect

from core.jobs import queue as jobs
from core.runs.store import Run
from tests.browser.driving import keyed, open_page, press, wait_idle

# so many epochs that it never ends by itself, of a network so small that each takes a blink
SMALL = "vae.data=mnist-5k&vae.width=8&vae.depth=1&vae.latent_dim=2"
TRAINING_MS = 120_000


def the_run(app):
    """The run that was made last."""
    return max((Run.read(file.parent) for file in app.runs.glob("vae/*/run.json")), key=lambda one: one.name)


def test_a_training_is_started_watched_stopped_and_resumed(app, page):
    open_page(page, f"{app.url}/vae?{SMALL}&vae.epochs=500")
    press(page, "_train")
    job = keyed(page, "job")
    expect(job).to_contain_text("running", timeout=TRAINING_MS)
    run = the_run(app)
    assert run.config.epochs == 500
    assert re.search(f"job=own%2Fvae%2F{run.name}", page.url)

    # it is watched: the epochs count up and the curve grows, without a hand being moved
    expect(job).to_contain_text(re.compile("epoch [3-9]"), timeout=TRAINING_MS)
    expect(job.get_by_test_id("stVegaLiteChart")).to_be_visible()
    expect(keyed(page, "job-bar")).to_contain_text(run.name)

    # a refresh of the browser finds it again by the URL alone
    page.reload()
    wait_idle(page)
    expect(keyed(page, "job")).to_contain_text("running")

    # another page shows it too
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", name="Epoch Atlas")).to_be_visible()
    expect(keyed(page, "job-bar")).to_contain_text("Variational autoencoder")

    # and it is stopped there, at the end of its last whole epoch
    keyed(page, "job-bar").get_by_role("button", name="Stop").click()
    expect(keyed(page, "job-bar")).to_have_count(0, timeout=TRAINING_MS)
    stopped = the_run(app)
    assert stopped.status == "stopped"
    done = stopped.epochs_done
    assert 3 <= done < 500
    assert len(stopped.history()) == done

    # the chapter offers to go on, and it does go on: no epoch is trained twice
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Variational autoencoder").click()
    expect(keyed(page, "job")).to_contain_text(f"Stopped after epoch {done} of 500", timeout=TRAINING_MS)
    press(page, "_resume")
    expect(keyed(page, "job")).to_contain_text("running", timeout=TRAINING_MS)
    press(page, "_show")
    expect(page.get_by_role("combobox", name="Run", exact=True)).to_have_value(re.compile(run.name))
    press(page, "_stop")
    expect(keyed(page, "job")).to_contain_text("Stopped after epoch", timeout=TRAINING_MS)
    history = the_run(app).history()
    assert history["epoch"].is_unique
    assert jobs.state(the_run(app)).status == "stopped"


def test_a_short_training_ends_finished_and_can_be_shown(app, page):
    open_page(page, f"{app.url}/vae?{SMALL}&vae.epochs=2")
    press(page, "_train")
    expect(keyed(page, "job")).to_contain_text("Finished 2 epochs", timeout=TRAINING_MS)
    run = the_run(app)
    assert run.status == "finished"
    if keyed(page, "_show").count():
        press(page, "_show")
    expect(page.get_by_role("combobox", name="Run", exact=True)).to_have_value(f"Yours: {run.name} · finished")
    press(page, "_close")
    expect(keyed(page, "job")).to_have_count(0)
    assert "job=" not in page.url


def shown_epoch(page):
    """The epoch whose picture the page shows."""
    title = page.get_by_text("decoded after epoch").first
    expect(title).to_be_visible()
    return int(title.inner_text().rsplit(" ", 1)[1])


def test_whoever_shows_a_running_run_watches_it_grow_and_a_kill_is_said(app, page, chromium):
    """Another browser, which has only the link, follows the training until it looks at an epoch of its own."""
    open_page(page, f"{app.url}/vae?{SMALL}&vae.epochs=500")
    press(page, "_train")
    press(page, "_show")  # "Watch it" is offered at once
    expect(keyed(page, "growing")).to_contain_text(re.compile("epoch [3-9]"), timeout=TRAINING_MS)
    run = the_run(app)

    other = chromium.new_context(viewport={"width": 390, "height": 844}).new_page()
    open_page(other, f"{app.url}/vae?run={run.id}")
    seen = shown_epoch(other)
    expect(other.get_by_text(f"decoded after epoch {seen}").first).to_have_count(0, timeout=TRAINING_MS)
    assert shown_epoch(other) > seen
    assert "epoch=" not in other.url  # it follows: no epoch was chosen

    # looking back stops the following, and not the growing
    handle = other.get_by_role("slider", name="Epoch")
    handle.focus()
    handle.press("Home")
    expect(other.get_by_text("decoded after epoch 1", exact=False).first).to_have_text(re.compile("epoch 1$"))
    grown = other.get_by_text("so far, after epoch").first.inner_text()
    expect(other.get_by_text(grown, exact=True)).to_have_count(0, timeout=TRAINING_MS)
    assert shown_epoch(other) == 1

    # the process dies: both readers are told, and what there is stays on the page
    os.kill(int(json.loads((run.path / "heartbeat.json").read_text())["pid"]), signal.SIGKILL)
    for reader in (page, other):
        expect(reader.get_by_text("Interrupted after epoch").last).to_be_visible(timeout=TRAINING_MS)
        assert shown_epoch(reader) >= 1
        reader.reload()
        wait_idle(reader)
        expect(reader.get_by_role("button", name="Resume this run")).to_be_visible()
    other.context.close()
