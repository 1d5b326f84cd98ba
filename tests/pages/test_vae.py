"""The VAE's page: what it shows is what the run holds, at the scrubber's epoch."""

import base64
import io
import re
from functools import partial

import numpy as np
import pytest
from PIL import Image

from core.data import load
from core.runs.grids import compose
from tests.pages import screen
from tests.pages.screen import film, rest, texts
from tests.planted_vae import plant


@pytest.fixture
def run(store):
    return plant(store)


open_page = partial(screen.open_page, "vae")


def picture(app, alt):
    """Return the pixels of the grid whose alt text begins so."""
    (found,) = [one.value for one in app.html if f'alt="{alt}' in one.value]
    data = re.search(r"base64,([^\"]+)", found).group(1)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_headline_shows_the_final_metrics(run):
    shown = {metric.label: metric.value for metric in open_page(run=run.id, epoch=1).metric}
    assert shown == {
        "Validation ELBO": "−50.25 nats",
        "Validation loss": "50.25 nats",
        "Overfit gap": "+2.25 nats",
        "Dimensions in use": "2 of 3",
    }


def test_the_film_of_draws_has_every_epoch(run):
    (draws,) = film(open_page(run=run.id, epoch=2), "Ten decoded draws")
    assert list(draws) == [1, 2, 3]
    for epoch, shown in draws.items():
        np.testing.assert_array_equal(shown, np.asarray(run.sample(epoch)))


def test_the_strip_shows_the_named_epochs_and_the_last(run):
    strip = picture(open_page(run=run.id), "The ten draws decoded after epochs 1 and 3")
    np.testing.assert_array_equal(strip[:28], np.asarray(run.sample(1)))
    np.testing.assert_array_equal(strip[30:58], np.asarray(run.sample(3)))


@pytest.mark.parametrize(("split", "word"), [("validation", "validation"), ("train", "training")])
def test_reconstructions_stand_below_the_originals(run, split, word):
    """Originals come from the data set: the run holds none."""
    above, below = film(open_page(run=run.id, epoch=2), f"One {word} image of each class")
    source = load("mnist-5k", split)
    first = [int(np.flatnonzero(source.labels == label)[0]) for label in range(10)]
    np.testing.assert_array_equal(above[0], compose(source.images[first][None]))
    np.testing.assert_array_equal(below[2], np.asarray(run.sample(2, f"reconstructions-{split}")))


def test_without_the_data_reconstructions_stand_alone_and_it_says_why(store, monkeypatch, tmp_path):
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path / "nothing"))
    run = plant(store, data="mnist")
    app = open_page(run=run.id)
    assert len(film(app, "One training image")) == 1
    assert len(film(app, "One validation image")) == 2  # bundled, so they are always here
    assert "The training images are not on this machine" in texts(app)


def test_the_scrubber_drives_bars_map_table_and_verdict(run):
    app = open_page(run=run.id)
    said = texts(app)
    assert "**it overfits**" in said
    assert "lowest after epoch 2 and has risen by 1.00 nats in 1 epoch" in said
    assert "a gap of +2.25 ± 0.00 nats (4.7 %)" in said
    assert "2 of 3 latent dimensions are used and carry 22.0 nats" in said
    assert "unused (below 0.01 nats): dimension 1." in said
    rest(app, 1)
    assert not app.exception
    said = texts(app)
    assert "a gap of +0.50 ± 0.00 nats (0.9 %)" in said
    assert "Validation loss is at its lowest so far" in said
    assert "carry 10.0 nats" in said
    assert "Latent map after epoch 1" in said
    assert "for 80.0% of the images" in said
    table = next(one.value for one in app.dataframe if "ELBO (nats)" in one.value)
    assert table["ELBO (nats)"].mean() == pytest.approx(-58.0, abs=0.01)
    assert table["Images"].sum() == 1000


def test_an_epoch_between_two_kept_ones_takes_the_nearest_and_says_so(run):
    app = open_page(run=run.id, epoch=2)
    assert "What each latent dimension carries after epoch 2" in texts(app)
    assert "Latent map after epoch 3" in texts(app)  # 1 and 3 are kept: of two as near, the later


def test_a_link_to_what_does_not_exist_falls_back(run):
    app = open_page(run="own/vae/none", epoch="77", log="maybe", smoothing="9", probe="true")
    assert "What each latent dimension carries after epoch 3" in texts(app)


def test_what_a_link_asks_of_the_probe_in_vain_is_said(run):
    said = texts(open_page(run=run.id, probe="true", z="wrong", draw="-3", to="x", across="7", spread="nan"))
    asked = {"z": "wrong", "seed": "-3", "to": "x", "across": "7", "spread": "nan"}
    assert [name for name, value in asked.items() if f"{name} “{value}” was asked for" not in said] == []
    assert "Weights of epoch 3." in said


@pytest.mark.parametrize(("epoch", "kept"), [(1, 1), (2, 3), (3, 3)])
def test_the_probe_has_the_weights_of_the_kept_epoch(run, epoch, kept):
    said = texts(open_page(run=run.id, probe="true", epoch=epoch))
    near = "" if kept == epoch else ", the kept one nearest to 2"
    assert f"Weights of epoch {kept}{near}. The scrubber changes them; z stays." in said
    assert "Weights of" not in texts(open_page(run=run.id, epoch=epoch))


def test_a_stopped_run_shows_what_it_has(store):
    run = plant(store, evaluated=False)
    app = open_page(run=run.id)
    said = texts(app)
    assert 3 in film(app, "Ten decoded draws")[0]
    assert "Not evaluated" in said
    assert "This one was stopped, and can go on." in said
    assert "What each latent dimension carries after epoch 3" in said
    assert "What the numbers say" not in said


def test_a_run_without_weights_cannot_be_probed_and_says_so(store):
    run = plant(store, evaluated=False, weights=False)
    assert "No weights are kept yet" in texts(open_page(run=run.id, probe="true"))


def test_a_damaged_grid_is_named_and_the_page_goes_on(run):
    (run.path / "samples" / "3.png").write_bytes(b"no picture")
    said = texts(open_page(run=run.id))
    assert "3.png" in said
    assert "Latent map after epoch 3" in said


def test_a_damaged_table_is_named(run):
    (run.path / "tables" / "measures.csv").write_text("")
    app = open_page(run=run.id)
    assert "measures.csv" in texts(app)
    assert 3 in film(app, "Ten decoded draws")[0]


def test_a_table_without_its_columns_is_named(run):
    (run.path / "tables" / "latent_map.csv").write_text("epoch,index\n3,0\n")
    said = texts(open_page(run=run.id))
    assert "latent_map.csv: it lacks the columns" in said.replace("\\", "")  # shown as text: Markdown is escaped
    assert "Beside the references" in said


def test_figures_of_the_report_stand_only_beside_the_same_exercise(store, run):
    assert "−189.04" not in texts(open_page(run=run.id))
    same = plant(store, "same", data="mnist")
    app = open_page(run=same.id)
    assert "−189.04" in texts(app)
    other = plant(store, "other", data="mnist", sigma=0.2)
    assert "−189.04" not in texts(open_page(run=other.id))


def test_further_runs_are_drawn_into_the_curves(store, run):
    plant(store, "second")
    app = open_page(run=run.id, **{"with": "own/second"})
    assert app.multiselect(key="vae:with").value == ["own/second"]
