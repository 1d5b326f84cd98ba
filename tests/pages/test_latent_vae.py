"""The page of per-image latents: both models side by side under one scrubber, the slack, the probe."""

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.store import RunStore
from core.settings import ROOT
from tests.conftest import make_run
from tests.pages.screen import texts
from tests.tiny_probability import trained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(folder):
    return trained(RunStore(own=folder), experiment="latent_vae")


@pytest.fixture(autouse=True)
def own_runs(folder, run, monkeypatch):
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", str(folder))


def open_page(run, **query):
    app = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60)
    for key, value in {"run": run.id, **query}.items():
        app.query_params[key] = value
    app.run()
    app.switch_page("pages/latent_vae.py").run()
    assert not app.exception
    return app


def test_headline_and_verdict_are_computed_from_the_run(run):
    app = open_page(run)
    shown = {metric.label: metric.value for metric in app.metric}
    value = run.metrics["train_log_prob_nats"]
    assert shown["Training log p(x)"] == f"{value:,.2f} nats".replace("-", "−")
    assert shown["Amortisation gap"].startswith(f"{run.metrics['amortisation_gap_nats']:,.2f}".replace("-", "−"))
    assert "KL(q‖p(z|x)) on the same training images" in texts(app)
    assert "per-image latents reach log p(x)" in texts(app)


def test_one_scrubber_drives_samples_reconstructions_and_table(run):
    for epoch in (1, 2):
        app = open_page(run, epoch=str(epoch))
        text = texts(app)
        assert f"decoded by both models after epoch {epoch}" in text
        assert f"Reconstructions of training images after epoch {epoch}" in text
        table = next(one.value for one in app.dataframe if "Model" in one.value).set_index("Model")
        row = run.history().set_index("epoch").loc[epoch]
        assert table.loc["latents", "Negative ELBO"] == pytest.approx(row["kept_loss"], abs=1e-6)
        assert table.loc["encoder", "Negative ELBO"] == pytest.approx(row["kept_amortised_loss"], abs=1e-6)


def test_the_probe_refines_one_image(run):
    app = open_page(run)
    app.session_state["latent_vae:probe"] = True
    app.session_state["latent_vae:steps"] = 50
    app.run()
    assert not app.exception
    gained = next(metric.value for metric in app.metric if metric.label == "Gained by refining q")
    assert gained.endswith("nats")
    assert "with the refined one" in texts(app)


def test_a_run_that_is_not_evaluated_yet_shows_what_there_is(folder):
    half = make_run(RunStore(own=folder), "latent_vae", "half", status="stopped", metrics={})
    text = texts(open_page(half))
    assert "The split of the slack and the verdict are made when a training has gone through" in text
    assert "decoded by both models after epoch 3" in text


def test_z_moves_among_the_images_own_latents_without_a_model(run):
    said = texts(open_page(run, space="true"))
    assert f"Weights of epoch {run.epochs_done}. The scrubber changes them; z stays." in said
