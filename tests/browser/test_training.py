"""A training in Chromium, on the bundled images: start, watch, refresh, change page, stop, resume, finish."""

import re

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
    done = stopped.meta["epochs_done"]
    assert 3 <= done < 500
    assert len(stopped.history()) == done

    # the chapter offers to go on, and it does go on: no epoch is trained twice
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Variational autoencoder").click()
    expect(keyed(page, "job")).to_contain_text(f"Stopped after epoch {done} of 500", timeout=TRAINING_MS)
    press(page, "_resume")
    expect(keyed(page, "job")).to_contain_text("running", timeout=TRAINING_MS)
    press(page, "_show")
    expect(keyed(page, "_run").get_by_role("combobox")).to_have_value(re.compile(run.name))
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
    expect(keyed(page, "_run").get_by_role("combobox")).to_have_value(f"Yours: {run.name} · finished")
    press(page, "_close")
    expect(keyed(page, "job")).to_have_count(0)
    assert "job=" not in page.url
