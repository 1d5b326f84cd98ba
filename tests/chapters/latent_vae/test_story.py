"""The story of per-image latents: what it says is what the run's tables and history hold."""

import numpy as np
import pytest

from core.chapters.latent_vae import story
from core.runs.store import RunStore
from core.story import Figure
from core.telling import Tables
from core.words import number
from tests.conftest import make_run
from tests.tiny_probability import trained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(RunStore(own=tmp_path_factory.mktemp("runs")), experiment="latent_vae")


@pytest.fixture(scope="module")
def told(run):
    return story.tell(run)


def test_figures_are_the_metrics_of_the_run(run, told):
    shown = {figure.label: figure.value for figure in told.figures}
    assert shown["Training log p(x)"] == run.metrics["train_log_prob_nats"]
    assert shown["Encoder less latents"] == run.metrics["log_prob_gap_nats"]
    assert shown["KL(q‖p(z|x)), latents"] == run.metrics["train_slack_nats"]
    assert shown["Amortisation gap"] == run.metrics["amortisation_gap_nats"]
    assert "40 training images, not held out" in told.figures[0].small_print


def test_the_verdict_answers_first_and_keeps_the_slack_for_who_asks(run, told):
    assert len(told.verdict.answer) == 2
    assert told.verdict.answer[0].startswith("KL(q‖p(z|x)) on the same training images")
    rows = run.table("comparison").set_index("model")
    assert (
        f"per-image latents reach log p(x) = {number(rows.loc['latent', 'log_prob'], '{:.2f}')}"
        in (told.verdict.answer[1])
    )
    (slack,) = told.verdict.more
    assert slack.startswith("On held-out images the encoder's bound leaves")


@pytest.mark.parametrize("epoch", [1, 2])
def test_the_epoch_drives_pictures_and_table(run, epoch):
    told = story.tell(run, epoch)
    table = told.panel("at-epoch").body.frame.set_index("model")
    row = run.history().set_index("epoch").loc[epoch]
    assert table.loc["latents", "loss"] == pytest.approx(row["kept_loss"])
    assert table.loc["encoder", "loss"] == pytest.approx(row["kept_amortised_loss"])
    assert table.loc["encoder", "training"] == pytest.approx(row["train_amortised_loss"])
    for key in ("samples", "reconstructions"):
        film = told.panel(key).body
        assert film.epoch == epoch
        assert all(epoch in run.sample_epochs(kind) for kind in film.strips)
    assert told.panel("reconstructions").body.still.shape == (10, 28, 28)


def test_curves_hold_both_models_of_every_run(run):
    for panel in story.course([run], 1).panels:
        assert set(panel.body.frame["series"]) == {"latents", "encoder"}
    keys = {panel.body.key for epoch in (1, 2) for panel in story.course([run], epoch).panels}
    assert len(keys) == 2 * len(story.TERMS)


def test_the_table_at_the_end_and_the_gaps_are_those_of_the_run(run, told):
    shown = told.panel("comparison").body.texts().set_index("Model")
    stored = run.table("comparison").set_index("model")
    assert shown.loc["latents", "ELBO"] == number(stored.loc["latent", "elbo"], "{:,.2f}")
    gaps = told.panel("gaps").body
    assert len(gaps.frame) == 3
    assert gaps.alt == told.verdict.more[0]


def test_pictures_that_were_not_recorded_have_no_panel(tmp_path):
    bare = make_run(RunStore(own=tmp_path), "latent_vae", "bare", status="stopped", metrics={}, grids=())
    assert story.draws(bare, 1) is None
    assert story.reconstructions(bare, 1) is None


def test_without_its_images_the_reconstructions_say_how_to_get_them(run, monkeypatch):
    monkeypatch.setattr(story, "originals", lambda run: None)
    panel = story.reconstructions(run, 1)
    assert panel.body.still is None
    assert story.NOT_HERE in panel.help


def test_another_exercise_stands_beside_no_report(run, told):
    assert told.references == []
    assert "another report" not in told.text


def test_the_reports_stand_beside_the_shipped_run():
    shipped = RunStore().get("shipped/latent_vae/mnist")
    train, held_out, share = story.references(shipped)
    assert train.this_run == number(shipped.metrics["train_log_prob_nats"], "{:,.2f}")
    assert (train.published, held_out.published) == ("−384.4", "−414.6")
    gaps = shipped.metrics["amortisation_gap_nats"], shipped.metrics["approximation_gap_nats"]
    assert share.this_run == f"{gaps[0] / sum(gaps):.0%}"
    assert "another report −384.40" in story.figures(shipped)[0].small_print


def test_a_run_under_way_tells_how_far_it_is(tmp_path):
    half = make_run(RunStore(own=tmp_path), "latent_vae", "half", status="stopped", metrics={})
    assert not story.evaluated(half)
    assert all("so far, after epoch 3" in figure.note for figure in story.figures(half))


def test_what_refining_gains():
    gained, bounds = story.refined(-60.0, -58.75, -57.5, 0.125)
    assert gained == Figure("Gained by refining q", 1.25, "{:+.2f} nats")
    assert bounds == ("ELBO −60.00 with the encoder's q, −58.75 with the refined one; log p(x) −57.50 ± 0.12 nats.")
    chart = story.bound_course([-60.0, -59.0], -57.5)
    np.testing.assert_array_equal(chart.frame["samples"], [1, 2])
    assert chart.draw().to_dict()["layer"]


def test_every_chart_draws(told):
    bodies = [panel.body for section in told.sections for panel in section.panels]
    charts = [body for body in bodies if hasattr(body, "draw")]
    assert len(charts) == 4
    assert all(chart.draw().to_dict() for chart in charts)


def test_tables_are_read_when_they_are_asked_for(run):
    read = []
    tables = Tables(run, lambda one, name: read.append(name) or one.table(name))
    assert "comparison" in tables
    assert "nothing" not in tables
    assert read == []
    story.verdict(tables)
    assert set(read) == {"comparison", "slack_summary"}
    with pytest.raises(KeyError):
        tables["nothing"]
    assert set(tables) == set(run.tables())
    assert len(tables) == len(run.tables())
