"""Runs that did not finish, in every chapter: each opens at its last whole epoch and is a result, not a fault."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from core.charts.palette import VERMILION
from core.registry import EXPERIMENTS
from core.runs.files import write_csv
from core.runs.locks import Lock
from core.runs.recorder import Recorder
from core.runs.store import LOCK, Run, RunStore
from core.training.session import mark
from pages._ui.shell import navigation as atlas
from tests.conftest import fake_grid, fake_history, make_run
from tests.pages import screen
from tests.pages.screen import film, rest, scrubber, texts
from tests.planted_gan import plant

WHOLE = 3
CHAPTERS = [name for name in EXPERIMENTS if (atlas.PAGES / f"{name}.py").is_file()]
COLUMNS = {
    "classifier": ("loss", "accuracy"),
    "vae": ("loss", "reconstruction", "kl"),
    "latent_vae": ("loss",),
    "log_probability": ("loss", "bound"),
}
KINDS = ("samples", "samples-amortised")

pytestmark = pytest.mark.usefixtures("alone", "idle_queue")


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """A trained 2-D GAN, to be copied and cut."""
    folder = tmp_path_factory.mktemp("filmed")
    return plant(RunStore(folder / "shipped", folder / "own"), "tiny", trials=1)


def unfinished(experiment, filmed, status, whole=WHOLE):
    """A run with some whole epochs whose next one broke, was stopped, or is under way and already logged."""
    store = RunStore()
    if experiment == "gan_2d":
        folder = store.roots["own"] / "gan_2d" / "tiny"
        shutil.copytree(filmed.path, folder)
        shutil.rmtree(folder / "tables", ignore_errors=True)
        run = Run.read(folder)
        history = run.history().head(whole + 1)
    else:
        run = make_run(store, experiment, epochs=max(whole, 1), grids=KINDS if whole else ())
        history = fake_history(whole, COLUMNS[experiment])
        history = history.assign(kept_loss=history["train_loss"], kept_amortised_loss=history["train_loss"])
    last = {name: np.nan for name in history.columns if name.startswith(("train", "validation"))}
    row = pd.DataFrame([{**last, "epoch": whole + 1, "step": 10_000, "elapsed_s": 99.0}])
    write_csv(run.path / "history.csv", pd.concat([history, row], ignore_index=True) if len(history) else row)
    where: dict = {"diverged_at": {"epoch": whole + 1, "step": 10_000}} if status == "diverged" else {}
    where["files"] = {}  # digests are written when a training ends
    where["config"] = {**run.config.to_dict(), "epochs": max(run.config.epochs, 10)}
    return mark(run, status=status, epochs_done=whole, metrics={}, reason="it was so" * (status == "failed"), **where)


def open_page(run, **query):
    return screen.open_page(run.experiment, run, **query)


def marked(app):
    """Whether each chart over epochs or steps has a mark in the colour of divergence."""
    specs = [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]
    along = [one for one in specs if '"field": "epoch"' in json.dumps(one) or '"field": "step"' in json.dumps(one)]
    return [any(layer["mark"].get("color") == VERMILION for layer in one["layer"]) for one in along]


@pytest.mark.parametrize("status", ["diverged", "failed", "stopped", "running"])
@pytest.mark.parametrize("experiment", CHAPTERS)
def test_opens_at_the_last_whole_epoch_and_blames_no_file(experiment, status, filmed):
    run = unfinished(experiment, filmed, status)
    with Lock.take(run.path / LOCK):
        app = open_page(run)
    said = texts(app)
    for words in ("missing", "Delete this run", "traceback"):
        assert words not in said
    if status != "running":
        assert "when training has ended" not in said
        assert "Its panels grow" not in said
    if experiment != "gan_2d":
        assert scrubber(app) == (WHOLE, [1, 2, 3])
    assert marked(app)
    assert set(marked(app)) == {status == "diverged"}


@pytest.mark.parametrize("status", ["diverged", "failed", "stopped"])
@pytest.mark.parametrize("experiment", [name for name in CHAPTERS if name != "gan_2d"])
def test_without_a_whole_epoch_the_page_says_why(experiment, status, filmed):
    run = unfinished(experiment, filmed, status, whole=0)
    app = open_page(run)
    said = texts(app)
    if status != "stopped":  # a stopped run without an epoch is no result: the picker leaves it out
        assert "epoch" in said
        assert "has not ended" not in said


@pytest.mark.parametrize("experiment", CHAPTERS)
def test_a_diverged_run_says_what_to_learn_and_fills_the_form_with_what_to_change(experiment, filmed):
    run = unfinished(experiment, filmed, "diverged")
    app = open_page(run)
    said = "\n".join(box.value for box in app.warning)
    assert "In step 10,000, in epoch 4, the loss was no longer a finite number" in said
    assert "To try: " in said
    app.button(key="_note_gentler").click().run()
    assert not app.exception
    rates = [one for one in EXPERIMENTS[experiment].config.options() if one.name.endswith("_rate")]
    shown = [one for one in rates if type(run.config).matters(one.name, run.config.to_dict())]
    for rate in shown:
        had = getattr(run.config, rate.name)
        assert app.number_input(key=f"{experiment}:{experiment}.{rate.name}").value == pytest.approx(had / 3, rel=0.05)


def grow(run, by=1):
    """One more whole epoch, as the training of a VAE records it."""
    epochs = Run.read(run.path).epochs_done + by
    write_csv(run.path / "history.csv", fake_history(epochs, COLUMNS["vae"]))
    recorder = Recorder(Run.read(run.path))
    for epoch in range(1, epochs + 1):
        recorder.grid(epoch, fake_grid(epoch))
    return mark(run, epochs_done=epochs)


def test_a_running_run_is_followed_until_the_reader_moves_the_scrubber(filmed):
    run = unfinished("vae", filmed, "running")
    with Lock.take(run.path / LOCK):
        app = open_page(run)
        assert "Running" in texts(app)
        assert scrubber(app)[0] == 3
        first = {metric.label: metric.value for metric in app.metric}["Validation loss"]
        grow(run)
        app.run()
        assert scrubber(app)[0] == 4
        assert 4 in film(app, "Ten decoded draws")[0]
        assert {metric.label: metric.value for metric in app.metric}["Validation loss"] != first
        rest(app, 2)
        grow(run)
        app.run()
        assert scrubber(app) == (2, [1, 2, 3, 4, 5])
        rest(app, 5)
        grow(run)
        app.run()
        assert scrubber(app)[0] == 6


def test_the_figures_of_a_run_under_way_are_of_its_last_whole_epoch(filmed):
    run = unfinished("vae", filmed, "running")
    history = fake_history(3, COLUMNS["vae"]).assign(validation_loss=[3.0, 1.0, np.inf])
    write_csv(run.path / "history.csv", history)
    with Lock.take(run.path / LOCK):
        app = open_page(run)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Validation loss"] == "1.00 nats"  # of the last epoch that has one
    assert "so far, after epoch 2 of 10" in texts(app)


def test_the_picker_says_how_a_run_stands_now(filmed):
    run = unfinished("vae", filmed, "running")
    app = open_page(run)  # nobody trains it
    assert "Interrupted" in "".join(box.proto.title for box in app.warning)
    assert any(one.endswith("interrupted") for one in app.selectbox(key="vae:run").options)
