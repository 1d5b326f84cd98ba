"""The page of per-image latents: it tells its story, its scrubber and its probe are at work."""

from functools import partial

import numpy as np
import pytest

from core.chapters.latent_vae import story
from core.runs.store import RunStore
from tests.conftest import make_run
from tests.pages import screen
from tests.pages.screen import film, texts, untold
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


open_page = partial(screen.open_page, "latent_vae")


@pytest.mark.parametrize("epoch", [1, 2])
def test_the_page_tells_the_whole_story_of_the_epoch(run, epoch):
    app = open_page(run, epoch=str(epoch))
    assert untold(app, story.tell(run, epoch)) == []
    table = next(one.value for one in app.dataframe if "Negative ELBO" in one.value).set_index("Model")
    row = run.history().set_index("epoch").loc[epoch]
    assert table.loc["latents", "Negative ELBO"] == pytest.approx(row["kept_loss"], abs=1e-6)


def test_films_have_both_models_at_every_epoch(run):
    app = open_page(run)
    for alt, kind in (("Ten draws", "samples"), ("Training images", "reconstructions-train")):
        *_, latents, encoder = film(app, alt)
        for epoch in run.sample_epochs():
            np.testing.assert_array_equal(latents[epoch], np.asarray(run.sample(epoch, kind)))
            np.testing.assert_array_equal(encoder[epoch], np.asarray(run.sample(epoch, f"{kind}-amortised")))


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
    app = open_page(half)
    assert "The split of the slack and the verdict are made when a training has gone through" in texts(app)
    assert 3 in film(app, "Ten draws decoded by both models")[0]


def test_z_moves_among_the_images_own_latents_without_a_model(run):
    said = texts(open_page(run, space="true"))
    assert f"Weights of epoch {run.epochs_done}. The scrubber changes them; z stays." in said
