"""Per-image latents and their amortised twin, on the bundled digits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.chapters.latent_vae.evaluate import evaluate, load_pair, verify
from core.chapters.latent_vae.train import LatentVAETask, build
from core.data import load
from core.families.log_probs.tables import SLACK_SETS
from core.runs.store import Run, RunStore
from core.training.session import new_run, work
from core.training.weights import flatten
from tests import tiny_probability
from tests.tiny_probability import LATENT

TINY = LATENT


def make(folder, config=TINY, name="tiny"):
    return new_run(RunStore(folder / "shipped", folder / "own"), "latent_vae", config, name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return tiny_probability.trained(RunStore(folder / "shipped", folder / "own"), experiment="latent_vae")


def task_of(config=TINY):
    return LatentVAETask(config, load(config.data, "train"), load(config.data, "validation"))


def step(task, places, seed=0):
    task.done = 1.0  # past the warm-up, where the rate is 0
    return task.step(torch.tensor(places), torch.Generator().manual_seed(seed))


def test_a_step_moves_the_latents_of_its_batch_the_decoder_and_the_twin():
    task = task_of(TINY.changed(latent_steps=3))
    before = {name: value.clone() for name, value in flatten(task.modules).items()}
    terms, size = step(task, [5, 17])
    after = flatten(task.modules)
    moved = (after["table.rows"] != before["table.rows"]).any(dim=1).nonzero().flatten()
    assert (moved.tolist(), size) == ([5, 17], 2)
    assert not torch.equal(after["decoder_trained.decoder.2.weight"], before["decoder_trained.decoder.2.weight"])
    assert not torch.equal(after["amortised_trained.encoder.0.weight"], before["amortised_trained.encoder.0.weight"])
    assert float(terms["loss"]) == pytest.approx(float(terms["reconstruction"] + terms["kl"]), rel=1e-6)
    assert task.row_adam.state[task.table.rows]["steps"][5].item() == 3


def test_decoder_and_twin_start_alike_and_the_table_is_held_once():
    task = task_of()
    own, twin = flatten({"d": task.decoder}), flatten({"d": task.twin.vae})
    assert all(torch.equal(value, twin[name]) for name, value in own.items())
    of_all = [name for name, value in flatten(task.modules).items() if value.shape[:1] == (4000,)]
    assert of_all == ["table.rows"]
    assert flatten(task.exported)["latents.rows"].shape == (40, 8)


def test_starts_differ_as_they_say():
    normal, pca, encoder = (task_of(TINY.changed(start=start)) for start in ("normal", "pca", "encoder"))
    drawn = normal.table.rows.detach()[:, :4]
    # 16,000 draws of N(0, 1): the standard errors of mean and deviation are 0.008 and 0.006
    assert abs(float(drawn.mean())) < 0.04
    assert float(drawn.std()) == pytest.approx(1, abs=0.03)
    images = torch.from_numpy(load("mnist-5k", "train").images.copy()).flatten(1) / 255
    first = pca.table.rows.detach()[:, 0]
    assert abs(float(torch.corrcoef(torch.stack([first, (images - images.mean(0)) @ top(images)]))[0, 1])) > 0.999
    assert torch.equal(encoder.table.rows, normal.table.rows), "until the twin has learned something"
    encoder.batches(2, torch.Generator())
    x = torch.from_numpy(load("mnist-5k", "train").images[:5].copy()).flatten(1) / 255
    with torch.no_grad():
        mu, logvar = encoder.twin.vae.encode(x)
    assert torch.allclose(encoder.table.rows[:5].detach(), torch.cat([mu, logvar], dim=1), atol=1e-5)


def top(images):
    """The direction of the largest variance."""
    return torch.linalg.eigh(torch.cov(images.T))[1][:, -1]


def test_latents_learn_what_a_frozen_decoder_can_be_told():
    task = task_of(TINY.changed(latent_steps=30, learning_rate=1e-6, start="pca"))
    losses = [float(step(task, list(range(20)), seed)[0]["loss"]) for seed in range(6)]
    assert losses[-1] < losses[0] - 0.2


def test_metrics_and_tables(trained):
    metrics, both = trained.metrics, trained.table("comparison").set_index("model")
    assert both["images"].tolist() == [40, 40]
    for prefix in ("", "amortised_"):
        slack = metrics[f"{prefix}train_log_prob_nats"] - metrics[f"{prefix}train_elbo_nats"]
        assert metrics[f"{prefix}train_slack_nats"] == pytest.approx(slack, abs=1e-3)
    assert metrics["log_prob_gap_nats"] == pytest.approx(
        metrics["amortised_train_log_prob_nats"] - metrics["train_log_prob_nats"]
    )
    slack = trained.table("slack")
    assert set(slack["set"]) == set(SLACK_SETS)
    whole = slack["approximation"] + slack["amortisation"]
    assert whole.to_numpy() == pytest.approx((slack["log_prob"] - slack["elbo"]).to_numpy(), abs=1e-3)
    assert "validation_log_prob_nats" in metrics
    assert np.isfinite(list(metrics.values())).all()


def test_history_and_grids_hold_both_models_at_every_epoch(trained):
    history = trained.history()
    for name in ("train_loss", "train_amortised_loss", "kept_loss", "kept_amortised_loss", "train_amortised_kl"):
        assert history[name].notna().all()
    for kind in ("samples", "samples-amortised", "reconstructions-train", "reconstructions-train-amortised"):
        assert trained.sample_epochs(kind) == [1, 2]
        assert trained.sample(1, kind).size == (10 * 30 - 2, 28)


def test_the_kept_latents_are_those_of_the_images_they_are_said_to_be(trained):
    pair = load_pair(trained)
    assert pair.places.tolist() == [100 * i for i in range(40)]
    assert pair.q[0].shape == (40, 4)
    stored = trained.table("images").set_index("index").loc[pair.places, "kl"].to_numpy()
    mu, logvar = pair.q
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).detach().numpy()
    assert stored == pytest.approx(kl, abs=1e-3)


def test_evaluate_and_verify_reproduce_the_metrics(trained):
    assert evaluate(trained).metrics == pytest.approx(trained.metrics, abs=1e-3)
    assert verify(trained).metrics == pytest.approx(trained.metrics, abs=1e-3)


def test_stopping_and_resuming_gives_the_same_history(tmp_path):
    config = TINY.changed(epochs=3, start="encoder")
    store = RunStore(tmp_path / "shipped", tmp_path / "own")
    whole, parts = (new_run(store, "latent_vae", config, name) for name in ("whole", "parts"))
    work(whole, device="cpu")

    def stop(done, total, row):
        if row is not None and row["epoch"] == 1:
            (parts.path / "stop").touch()

    assert work(parts, "cpu", stop) == "stopped"
    assert work(Run.read(parts.path), "cpu") == "finished"
    histories = [Run.read(run.path).history().drop(columns="elapsed_s") for run in (whole, parts)]
    assert histories[0].equals(histories[1])


def test_build_fits_the_stored_weights(trained):
    shapes = {name: value.shape for name, value in flatten(build(TINY)).items()}
    assert shapes["latents.rows"] == (40, 8)
    assert shapes["decoder.decoder.0.weight"] == (16, 4)
