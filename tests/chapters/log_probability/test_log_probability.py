"""Log-probability: training on both bounds, measuring every image, verifying a part, asking about one image."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from core.chapters.log_probability.config import LogProbabilityConfig
from core.chapters.log_probability.evaluate import TIGHTENING, evaluate, load_models, parts_of, verify
from core.chapters.log_probability.probe import read
from core.chapters.log_probability.train import LogProbabilityTask
from core.data import load
from core.data.subsets import every, first_of_each
from core.errors import ConfigError, DataError
from core.families.log_probs.findings import reliability_sentence
from core.families.log_probs.latent_model import estimate
from core.families.log_probs.tables import per_digit
from core.families.vaes.task import flat
from core.runs.store import Run, RunStore
from core.training.session import new_run, work
from core.training.weights import flatten

TINY = LogProbabilityConfig(
    data="mnist-5k",
    epochs=2,
    width=16,
    depth=1,
    latent_dim=4,
    ema=0.9,
    samples=20,
    most_samples=160,
    train_images=60,
    validation_images=80,
    ais_images=1,
    ais_temperatures=5,
)
BOTH = TINY.changed(iwae_epochs=1, iwae_samples=3, likelihood="bernoulli", binarise=True)


def trained_run(folder, config):
    run = new_run(RunStore(folder / "shipped", folder / "own"), "log_probability", config, "tiny")
    assert work(run, device="cpu") == "finished"
    return Run.read(run.path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained_run(tmp_path_factory.mktemp("plain"), TINY)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return trained_run(tmp_path_factory.mktemp("both"), BOTH)


def task_of(config):
    return LogProbabilityTask(config, load(config.data, "train"), load(config.data, "validation"))


def test_metrics_follow_from_the_stored_tables(plain):
    metrics, images = plain.metrics, plain.table("images_validation")
    assert len(images) == 80
    assert metrics["validation_log_prob_nats"] == pytest.approx(images["log_prob"].mean(), abs=1e-4)
    ones = images[images["label"] == 1]["log_prob"]
    assert metrics["validation_log_prob_digit_1"] == pytest.approx(ones.mean(), abs=1e-4)
    assert metrics["gap_nats"] == pytest.approx(
        plain.table("images_train")["log_prob"].mean() - metrics["validation_log_prob_nats"], abs=1e-3
    )
    assert metrics["validation_elbo_nats"] < metrics["validation_log_prob_nats"]
    assert not any(name.startswith("test_") for name in metrics), "mnist-5k has no test images"
    assert (images["effective_samples"] >= 1).all()
    assert images[["ink", "intrinsic_dimension"]].notna().all(axis=None)


def test_images_are_measured_until_they_reach_what_is_wanted(plain):
    images = plain.table("images_validation")
    short = images["effective_samples"] < TINY.wanted
    assert plain.metrics["validation_short_share"] == pytest.approx(short.mean())
    assert plain.metrics["validation_heavy_share"] == pytest.approx((images["pareto_k"] > 0.7).mean())
    assert (images["samples"][short] == TINY.most_samples).all()
    assert (images["samples"] > TINY.samples).all(), "20 draws cannot be worth 20"
    assert images["pareto_k"].notna().all(), "40 draws and more have a tail of eight"


def test_a_run_measured_from_the_encoder_is_recomputed_so(tmp_path):
    run = trained_run(tmp_path, TINY.changed(proposal="encoder", ais_images=0))
    images = run.table("images_validation")
    assert (images["samples"] == TINY.samples).all()
    assert not any(name.endswith("_share") for name in run.metrics)
    parts = parts_of(TINY)
    places = parts.places["validation"]
    found = estimate(load_models(run)["vae"], parts.x["validation"][places], n_samples=20, indices=places.tolist())
    assert images["log_prob"].to_numpy() == pytest.approx(found.log_prob.numpy(), abs=1e-3)
    assert verify(run).metrics == pytest.approx(run.metrics, abs=2e-3)


def test_tables_of_older_runs_are_read_without_the_new_columns(plain):
    older = plain.table("images_validation").drop(columns=["pareto_k", "samples"])
    assert len(per_digit(older)) == 10
    assert "was not recorded" in reliability_sentence(older, "validation")


def test_every_table_of_the_page_is_there_and_whole(plain, both):
    kinds = {"images_train", "images_validation", "digits", "histogram", "tightening", "ais"}
    reasons = {"correlations", "explained", "matched", "contributions"}
    assert kinds | reasons | {"baselines"} == set(plain.tables())
    assert kinds | reasons | {f"{kind}_iwae" for kind in kinds} == set(both.tables())
    curve = plain.table("tightening").query("label == -1")
    assert tuple(curve["samples"]) == TIGHTENING
    assert curve["bound"].is_monotonic_increasing
    assert curve["missing"].iloc[-1] == 0
    shares = plain.table("histogram").groupby(["split", "label"])["share"].sum()
    assert shares.to_numpy() == pytest.approx(1, abs=1e-3)
    assert set(plain.table("digits")["split"]) == {"train", "validation"}
    terms = plain.table("contributions")
    added = terms["reconstruction"] + terms["kl"] + terms["slack"]
    assert added.to_numpy() == pytest.approx(terms["log_prob"].to_numpy(), abs=1e-3)
    assert plain.table("ais")["gap"].abs().max() < 30


def test_the_baseline_is_the_exact_density_of_the_images_measured(plain):
    from core.families.log_probs.ppca import fit_ppca

    parts = parts_of(TINY)
    model = fit_ppca(parts.x["train"], TINY.sigma, TINY.latent_dim)
    found = plain.table("baselines").query("model == 'ppca' and split == 'validation' and label == -1")["log_prob"]
    expected = model.log_density(parts.x["validation"][parts.places["validation"]]).mean()
    assert float(found.iloc[0]) == pytest.approx(float(expected), abs=1e-3)
    assert plain.metrics["ppca_validation_log_prob_nats"] == pytest.approx(float(expected), abs=1e-3)


def test_evaluating_again_gives_the_same_and_changes_no_weight(plain):
    before = (plain.path / "weights.safetensors").read_bytes()
    again = evaluate(plain)
    assert again.metrics == pytest.approx(plain.metrics, abs=1e-3)
    assert (plain.path / "weights.safetensors").read_bytes() == before


def test_verify_agrees_and_sees_changed_weights(plain, both):
    from core.training.weights import load_tensors, save_tensors

    for run in (plain, both):
        assert verify(run).metrics == pytest.approx(run.metrics, abs=2e-3)
    path = plain.path / "weights.safetensors"
    whole = path.read_bytes()
    tensors = load_tensors(path)
    last = next(name for name in reversed(tensors) if name.startswith("vae.decoder") and name.endswith("bias"))
    save_tensors(path, {**tensors, last: tensors[last] + 0.05})
    try:
        off = verify(plain).metrics["validation_log_prob_nats"] - plain.metrics["validation_log_prob_nats"]
        assert abs(off) > 0.02, "a small change of one layer moves the mean by the full difference, not by a share"
    finally:
        path.write_bytes(whole)


def test_fine_tuning_starts_at_the_average_and_leaves_the_plain_model(both):
    models = load_models(both)
    assert set(models) == {"vae", "iwae"}
    weights = [torch.cat([p.flatten() for p in models[name].coder.parameters()]) for name in ("vae", "iwae")]
    assert not torch.equal(*weights)
    assert both.metrics["nll_nats_20"] == pytest.approx(-both.metrics["validation_log_prob_nats"])
    assert both.metrics["iwae_nll_nats_20"] == pytest.approx(-both.metrics["iwae_validation_log_prob_nats"])
    history = both.history()
    assert history["train_bound"].iloc[0] == pytest.approx(history["train_loss"].iloc[0])
    assert history["train_bound"].iloc[1] < history["train_loss"].iloc[1], "three samples bound more tightly than one"


def test_without_keeping_the_plain_model_one_model_trains_on(tmp_path):
    run = trained_run(tmp_path, TINY.changed(iwae_epochs=1, iwae_samples=2, keep_plain=False, ais_images=0))
    assert set(load_models(run)) == {"vae"}
    assert "ais_gap_nats" not in run.metrics
    assert "ais" not in run.tables()


def test_fine_tuning_begins_as_a_copy_of_the_average():
    task = task_of(BOTH)
    task.batches(2, torch.Generator())
    average, tuned = ({k: v.clone() for k, v in flatten({"m": m}).items()} for m in (task.average, task.iwae))
    assert all(torch.equal(average[name], tuned[name]) for name in average)
    task.done = 1.5  # past the warm-up, where the rate is 0
    terms, size = task.step(torch.arange(8), torch.Generator().manual_seed(0))
    assert size == 8
    assert {"loss", "bound", "reconstruction", "kl"} <= terms.keys()
    after = flatten({"m": task.average})
    assert all(torch.equal(average[name], after[name]) for name in average), "the plain model stays as it was"
    assert not all(torch.equal(v, flatten({"m": task.iwae})[k]) for k, v in tuned.items())


def test_stopping_and_resuming_in_the_fine_tuning_gives_the_same_history(tmp_path):
    config = TINY.changed(epochs=4, iwae_epochs=2, iwae_samples=2, ais_images=0, validation_images=20, samples=10)
    store = RunStore(tmp_path / "shipped", tmp_path / "own")
    whole = new_run(store, "log_probability", config, "whole")
    work(whole, device="cpu")
    parts = new_run(store, "log_probability", config, "parts")

    def stop_after_two(done, total, row):
        if row is not None and row["epoch"] == 3:
            (parts.path / "stop").touch()

    assert work(parts, "cpu", stop_after_two) == "stopped"
    assert work(Run.read(parts.path), "cpu") == "finished"
    histories = [Run.read(run.path).history().drop(columns="elapsed_s") for run in (whole, parts)]
    assert histories[0].equals(histories[1])


def test_a_reading_is_the_stored_value_of_the_image(plain):
    images = plain.table("images_validation")
    place = int(images["index"].iloc[7])
    picture = load("mnist-5k", "validation").images[place]
    model = load_models(plain)["vae"]
    found = read(model, picture, TINY, n_samples=2000)
    stored = images.set_index("index").loc[place]
    error = np.hypot(found.standard_error, stored["standard_error"])
    assert found.log_prob == pytest.approx(stored["log_prob"], abs=5 * error + 0.05)
    assert found.kl == pytest.approx(stored["kl"], abs=1e-3)
    assert found.running[-1] == (2000, pytest.approx(found.log_prob, abs=1e-4))


@pytest.mark.parametrize("picture", [np.zeros((28, 28)), np.full((28, 28), 255), np.eye(28) * 255, "noise"])
def test_no_image_gives_nan(both, plain, picture):
    if isinstance(picture, str):
        picture = np.random.default_rng(0).integers(0, 256, (28, 28))
    for run in (plain, both):
        for model in load_models(run).values():
            found = read(model, picture.astype(np.uint8), run.config, n_samples=50)
            values = dataclasses.asdict(found)
            assert all(np.isfinite(v) for name, v in values.items() if isinstance(v, float) and name != "pareto_k")


def test_values_out_of_range_are_refused(plain):
    model = load_models(plain)["vae"]
    with pytest.raises(DataError, match="not uint8"):
        read(model, np.full((28, 28), 2.0, np.float32), TINY)
    with pytest.raises(DataError, match=r"pixels from 0 to 1\.5"):
        model.encode(torch.tensor([[0.0] * 783 + [1.5]]))
    with pytest.raises(DataError, match="784"):
        model.encode(torch.zeros(1, 10))


def test_binarised_images_are_the_same_at_every_call():
    split = load("mnist-5k", "validation")
    first, second = flat(split, BOTH), flat(split, BOTH)
    assert torch.equal(first, second)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(first, flat(split, BOTH.changed(seed=1)))


def test_subsets_can_be_named():
    assert every(10, 4).tolist() == [0, 2, 5, 7]
    assert every(3, 9).tolist() == [0, 1, 2]
    assert first_of_each(np.array([1, 0, 1, 1, 0]), 2).tolist() == [0, 1, 2, 4]


def test_the_cap_is_at_least_the_first_samples():
    with pytest.raises(ConfigError, match="most_samples = 15 is less than samples = 20"):
        TINY.changed(most_samples=15)


def test_fine_tuning_must_leave_epochs():
    with pytest.raises(ConfigError, match="iwae_epochs = 2"):
        TINY.changed(iwae_epochs=2)
