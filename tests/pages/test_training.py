"""The Retrain panel and the job bar: the form, what Train does, and every state of a job."""

import dataclasses
import threading

import pytest

from core.data import DATASETS, fetching
from core.data.files import Availability
from core.errors import DataError, JobError
from core.families.vaes.config import VAEConfig
from core.jobs import queue as jobs
from core.jobs import waiting
from core.options import Config
from core.registry import EXPERIMENTS
from core.runs.locks import Lock
from core.runs.store import LOCK, RunStore
from pages._ui.controls import forms
from pages._ui.shell import training_panel
from pages._ui.shell.estimates import estimate
from tests.conftest import make_run
from tests.pages.screen import script_of, texts

WAIT_S = 30


def chapter():
    import streamlit as st

    from pages._ui import chapter as ui

    ch = ui.open_chapter("vae")
    st.text(f"run={ch.run.name}")


@pytest.fixture
def opened(alone, idle_queue, tiny_run):
    tiny_run(name="before", epochs=4)
    return script_of(chapter, vae__data="mnist-5k")


def own(name="before"):
    return RunStore().get(f"own/vae/{name}")


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_the_form_has_every_option_once(name):
    kind = EXPERIMENTS[name].config
    first, more = forms.in_order(kind)
    assert sorted(one.name for one in (*first, *more)) == sorted(one.name for one in kind.options())
    assert not [one.name for one in first if one.advanced]
    for option in kind.options():
        if option.kind in (int, float):
            assert forms.step_of(option) > 0


def test_the_form_starts_at_the_defaults(opened):
    at = opened.run()
    assert not at.exception
    config = VAEConfig()
    assert at.number_input(key="vae:vae.epochs").value == config.epochs
    assert at.number_input(key="vae:vae.sigma").value == pytest.approx(config.sigma)
    assert at.selectbox(key="vae:vae.data").value == "mnist-5k"
    assert at.number_input(key="vae:vae.seed").value == config.seed
    assert at.toggle(key="vae:vae.binarise").value is config.binarise


def test_the_time_is_judged_by_an_earlier_run_on_the_same_data(opened):
    at = opened.run()
    assert "About 1 min, judged by before: the same settings." in texts(at)  # 30 epochs of 2 s
    at.number_input(key="vae:vae.epochs").set_value(100).run()
    assert "About 3 min 20 s" in texts(at)
    at.number_input(key="vae:vae.latent_dim").set_value(7).run()
    assert "the same data, other settings" in texts(at)


def test_an_estimate_prefers_the_same_settings_and_one_s_own_machine(store):
    runs = [
        make_run(store, "vae", "same", epochs=2),
        make_run(store, "vae", "shipped", epochs=2),
        make_run(store, "vae", "none", epochs=2),
    ]
    same, shipped = runs[0], dataclasses.replace(runs[1].changed(elapsed_s=100.0), origin="shipped")
    never = runs[2].changed(elapsed_s=0.0)
    config = same.config.changed(epochs=10)
    assert estimate(config, [shipped, same, never]).seconds == pytest.approx(20.0)
    assert estimate(config, [shipped, never]).seconds == pytest.approx(500.0)
    assert "machine it was trained on" in estimate(config, [shipped]).basis
    assert estimate(config.changed(data="mnist"), runs) is None


def test_train_queues_the_config_of_the_form_and_follows_the_job(opened, idle_queue):
    at = opened.run()
    at.number_input(key="vae:vae.epochs").set_value(3).run()
    at.number_input(key="vae:vae.learning_rate").set_value(0.01).run()
    at.button(key="_train").click().run()
    assert not at.exception
    (run,) = [one for one in RunStore().list("vae") if one.name != "before"]
    assert run.config == VAEConfig(data="mnist-5k", epochs=3, learning_rate=0.01)
    assert at.query_params["job"] == run.id
    assert len(idle_queue.taken) == 1
    assert "queued" in texts(at)


class Held:
    """A download that ends when it is told to."""

    def __init__(self, name):
        self.name, self.done, self.total, self.error = name, 3 << 20, 11 << 20, None
        self._end = threading.Event()

    @property
    def running(self):
        return not self._end.is_set()

    def stop(self):
        self.end(DataError("the download was stopped", "Start it again"))

    def end(self, error=None):
        self.error = error
        self._end.set()

    def wait(self, timeout=None):
        self._end.wait(timeout)


@pytest.fixture
def nothing_here(monkeypatch, tmp_path):
    """A machine that has the bundled images alone; downloads are held. Return the folder of the data sets."""
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr(fetching, "Fetch", Held)
    monkeypatch.setattr(fetching, "_fetches", {})
    monkeypatch.setattr(waiting, "_waiting", [])
    return tmp_path / "nothing"


def arrived(monkeypatch):
    """The data set is here now."""
    here = Availability("mnist", True, 0, "here")
    for module in (jobs, training_panel):
        monkeypatch.setattr(module, "availability", lambda name: here)


IMAGES = [name for name, one in EXPERIMENTS.items() if one.config().data in DATASETS]


@pytest.mark.parametrize("name", IMAGES)
def test_the_first_click_on_train_trains(alone, idle_queue, nothing_here, name):
    def fresh():
        import streamlit as st

        from pages._ui import chapter as ui

        ui.open_chapter(st.query_params["chapter"])

    at = script_of(fresh, chapter=name).run()
    assert f"{name}.data" not in at.query_params  # nothing was chosen yet
    assert "is not on this machine: the form opened on data that are here" in texts(at)
    at.button(key="_train").click().run()
    assert not at.exception
    (run,) = RunStore().list(name)
    assert run.config.data == "mnist-5k"
    assert len(idle_queue.taken) == 1


def test_data_that_are_here_are_what_the_form_opens_on(alone, idle_queue, nothing_here, monkeypatch):
    arrived(monkeypatch)
    at = script_of(chapter).run()
    assert at.selectbox(key="vae:vae.data").value == "mnist"
    assert "not on this machine" not in texts(at)


@pytest.mark.parametrize("chosen", [None, "mnist", "fashion-mnist"])
def test_one_button_downloads_and_then_trains(alone, idle_queue, nothing_here, monkeypatch, chosen):
    at = script_of(chapter).run()
    if chosen:
        at.selectbox(key="vae:vae.data").select(chosen).run()
        assert "_train" not in [one.key for one in at.button]
    at.number_input(key="vae:vae.epochs").set_value(7).run()
    at.button(key="_get_and_train").click().run()
    assert not at.exception
    (wait,) = waiting._waiting
    assert wait.config == VAEConfig(data=chosen or "mnist", epochs=7)
    assert [one.text for one in at.get("progress")] == ["3 MB of 11 MB"]
    again = script_of(chapter, **at.query_params).run()  # a refresh
    assert again.number_input(key="vae:vae.epochs").value == 7
    assert again.button(key="_stop_waiting")
    arrived(monkeypatch)
    wait.fetch.end()
    wait.wait(WAIT_S)
    for one in (at, again):
        one.run()
        assert not one.exception
        assert one.query_params["job"] == wait.run.id
    assert wait.run.config == wait.config
    assert len(idle_queue.taken) == 1


def test_a_download_that_is_stopped_trains_nothing_and_can_be_started_again(alone, idle_queue, nothing_here):
    at = script_of(chapter).run()
    at.button(key="_get_and_train").click().run()
    (wait,) = waiting._waiting
    at.button(key="_stop_waiting").click().run()
    wait.wait(WAIT_S)
    at.run()
    assert "the download was stopped" in texts(at)
    assert not idle_queue.taken
    at.button(key="_get_and_train").click().run()
    assert waiting._waiting[-1] is not wait
    assert waiting._waiting[-1].active


def test_asking_twice_waits_once_and_a_full_queue_is_said_before_the_download(
    alone, idle_queue, nothing_here, monkeypatch
):
    config = VAEConfig(data="mnist")
    first = waiting.train_after_download("vae", config)
    assert waiting.train_after_download("vae", config) is first
    other = waiting.train_after_download("vae", config.changed(seed=1))
    assert other is not first
    assert other.fetch is first.fetch
    monkeypatch.setenv("EPOCH_ATLAS_MAX_EPOCHS", "5")
    with pytest.raises(JobError, match="more than this deployment trains"):
        waiting.train_after_download("vae", config)
    first.stop()
    for one in (first, other):
        one.wait(WAIT_S)
        assert one.run is None
        assert "stopped" in str(one.error)


def test_a_refusal_is_shown_with_its_remedy(opened, monkeypatch):
    monkeypatch.setenv("EPOCH_ATLAS_MAX_QUEUE", "1")
    at = opened.run()
    at.button(key="_train").click().run()
    at.button(key="_train").click().run()
    assert not at.exception
    assert "1 trainings are queued or running already" in texts(at)


def test_no_more_epochs_than_the_deployment_allows(opened, monkeypatch):
    monkeypatch.setenv("EPOCH_ATLAS_MAX_EPOCHS", "5")
    at = opened.run()
    assert at.number_input(key="vae:vae.epochs").value == 5
    assert at.number_input(key="vae:vae.epochs").max == 5


def test_the_shown_run_s_settings_can_be_taken_over(alone, idle_queue, store):
    run = make_run(store, "vae", "odd", epochs=4)
    at = script_of(chapter).run()
    assert at.number_input(key="vae:vae.epochs").value == 30
    at.button(key="_take").click().run()
    assert at.number_input(key="vae:vae.epochs").value == run.config.epochs == 4
    assert at.selectbox(key="vae:vae.data").value == "mnist-5k"


def test_read_only_hides_training_and_says_why(opened, monkeypatch):
    monkeypatch.setenv("EPOCH_ATLAS_READONLY", "1")
    at = opened.run()
    assert "Training is switched off in this deployment" in texts(at)
    assert not at.number_input
    assert "Train" not in [one.label for one in at.button]


def test_a_running_job_shows_its_progress_on_the_page_and_in_the_bar(opened, tiny_run):
    run = tiny_run(name="now", epochs=4, status="running")
    with Lock.take(run.path / LOCK):
        at = opened
        at.query_params["job"] = run.id
        at.run()
        assert not at.exception
        assert jobs.state(run).status == "running"
        assert [one.label for one in at.button].count("Stop") == 2
        assert any("Variational autoencoder" in one.text for one in at.get("progress"))
        at.button(key="_stop").click().run()
        assert (run.path / "stop").exists()
        assert "stopping" in "".join(one.text for one in at.get("progress"))


def test_a_job_whose_process_is_gone_is_interrupted_and_resumes(opened, idle_queue, tiny_run):
    run = tiny_run(name="gone", epochs=4, status="running")
    at = opened
    at.query_params["job"] = run.id
    at.run()
    assert "Interrupted after epoch 4 of 4" in texts(at)
    at.button(key="_resume").click().run()
    assert not at.exception
    assert len(idle_queue.taken) == 1
    assert jobs.state(own("gone")).status == "queued"
    assert at.query_params["job"] == run.id


def test_after_divergence_a_lower_rate_is_one_click_away(opened, tiny_run):
    run = tiny_run(name="nan", epochs=2, status="diverged", diverged_at={"epoch": 2, "step": 9})
    at = opened
    at.query_params["job"] = run.id
    at.run()
    assert "epoch 2, step 9" in texts(at)
    at.button(key="_slower").click().run()
    assert at.number_input(key="vae:vae.learning_rate").value == pytest.approx(0.0005)
    assert at.number_input(key="vae:vae.epochs").value == 2
    assert "job" not in at.query_params


def test_a_finished_job_can_be_shown_and_closed(opened, tiny_run):
    run = tiny_run(name="done", epochs=2, created="2020-01-01T00:00:00+00:00")
    at = opened
    at.query_params["job"] = run.id
    at.run()
    assert at.text[0].value == "run=before"
    at.button(key="_show").click().run()
    assert at.text[0].value == "run=done"
    at.button(key="_close").click().run()
    assert "job" not in at.query_params
    assert "Your training done" not in texts(at)


def test_the_bar_counts_what_it_does_not_list(alone, idle_queue, monkeypatch):
    monkeypatch.setenv("EPOCH_ATLAS_MAX_QUEUE", "8")

    def bare():
        from pages._ui.shell.begin import begin

        begin()

    for seed in range(5):
        jobs.queue().submit("vae", VAEConfig(data="mnist-5k", seed=seed))
    at = script_of(bare).run()
    assert len(at.get("progress")) == 3
    assert "and 2 more in the queue" in texts(at)


def test_labels_carry_units_and_read_as_words():
    labels = {one.name: forms.label_of(one) for one in EXPERIMENTS["classifier"].config.options()}
    assert labels["learning_rate"] == "Learning rate"
    assert labels["shift"] == "Shift (pixels)"
    assert Config.option("seed").allowed.startswith("a whole number")


def test_options_that_do_nothing_are_not_shown(opened):
    at = opened.run()
    assert at.number_input(key="vae:vae.sigma")
    at.segmented_control(key="vae:vae.likelihood").set_value("bernoulli").run()
    assert not at.exception
    assert "vae:vae.sigma" not in [one.key for one in at.number_input]
    at.segmented_control(key="vae:vae.likelihood").set_value("gaussian").run()
    assert at.number_input(key="vae:vae.sigma").value == pytest.approx(VAEConfig().sigma)


def test_a_link_with_an_options_former_name_sets_it(opened):
    opened.query_params["vae.averaging"] = "0.5"
    at = opened.run()
    assert not at.exception
    assert at.number_input(key="vae:vae.ema").value == 0.5
    assert at.query_params["vae.ema"] == "0.5"
    assert "vae.averaging" not in at.query_params
