"""Training, evaluating and probing the VAE, on the bundled digits."""

import numpy as np
import pandas as pd
import pytest
import torch

from core.chapters.vae import evaluate as evaluate_module
from core.chapters.vae.evaluate import evaluate, verify
from core.data import load
from core.data.images import as_tensor
from core.data.subsets import one_of_each
from core.errors import RunError
from core.families.vaes import tables as vae_tables
from core.families.vaes.config import VAEConfig
from core.families.vaes.likelihood import kl_standard_normal, log_likelihood
from core.families.vaes.model import reparameterise
from core.families.vaes.task import VAETask, build, demo_latents, inputs, load_vae, terms_of
from core.runs.store import Run, RunStore
from core.training.loop import seeded
from core.training.session import new_run, work

TINY = VAEConfig(
    data="mnist-5k", epochs=2, width=24, depth=1, latent_dim=4, batch_size=50, learning_rate=0.003, ema=0.9
)


@pytest.fixture(scope="module", autouse=True)
def a_small_map():
    """A latent map of few images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae_tables, "MAP_IMAGES", 150)
        patch.setattr(vae_tables, "MAP_STEPS", 250)
        yield


def make(folder, config=TINY, name="tiny"):
    return new_run(RunStore(folder / "shipped", folder / "own"), "vae", config, name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny VAE, trained for two epochs on 4,000 digits."""
    run = make(tmp_path_factory.mktemp("trained"))
    assert work(run, device="cpu") == "finished"
    return Run.read(run.path)


@pytest.fixture(scope="module")
def evaluation(trained):
    return evaluate(trained)


def task_of(config=TINY):
    return VAETask(config, load(config.data, "train"), load(config.data, "validation"))


def flat(module):
    return torch.cat([value.flatten() for value in module.state_dict().values()]).clone()


def pictures(n=40):
    return load("mnist-5k", "validation").images[:n]


class TestInputs:
    def test_grey_values_are_scaled_and_flat(self):
        x = inputs(as_tensor(pictures(3)), TINY, seeded(0, "training"))
        assert x.shape == (3, 784)
        np.testing.assert_allclose(x.numpy(), pictures(3).reshape(3, 784) / 255, atol=1e-7)

    def test_binarised_ones_are_black_or_white_and_new_at_each_call(self):
        config, generator = TINY.changed(binarise=True), seeded(0, "training")
        first, second = (inputs(as_tensor(pictures(20)), config, generator) for _ in range(2))
        assert set(first.unique().tolist()) == {0.0, 1.0}
        assert not torch.equal(first, second)
        grey = pictures(20).reshape(20, 784) / 255
        # the mean ink agrees: 15,680 independent pixels, standard error below 0.003
        assert float(first.mean()) == pytest.approx(grey.mean(), abs=0.012)


class TestTraining:
    def test_the_loss_falls_and_its_terms_add_up(self, trained):
        history = trained.history()
        assert history["train_loss"].iloc[1] < history["train_loss"].iloc[0]
        for split in ("train", "validation"):
            terms = history[f"{split}_reconstruction"] + history[f"{split}_kl"]
            np.testing.assert_allclose(history[f"{split}_loss"], terms, rtol=1e-6)
        kl = history[[f"kl_{i}" for i in range(4)]].sum(axis=1)
        np.testing.assert_allclose(kl, history["validation_kl"], rtol=1e-6)

    def test_it_keeps_grids_of_every_epoch_and_a_snapshot_of_the_first(self, trained):
        for kind in ("samples", "reconstructions-validation", "reconstructions-train"):
            assert trained.sample_epochs(kind) == [1, 2]
            assert trained.sample(2, kind).size == (10 * 30 - 2, 28)
        assert trained.snapshots() == [1]  # the last epoch's weights are there in full precision

    def test_no_pixel_of_the_data_is_in_the_run(self, trained):
        images = {image.tobytes() for split in ("train", "validation") for image in load("mnist-5k", split).images}
        for folder in trained.path.iterdir():
            for file in folder.glob("*.png"):
                sheet = np.asarray(trained.sample(int(file.stem), folder.name))
                assert not any(sheet[:, 30 * i : 30 * i + 28].tobytes() in images for i in range(10))

    @pytest.mark.parametrize(("likelihood", "binarise"), [("gaussian", False), ("bernoulli", True)])
    def test_the_logged_terms_are_the_bound_of_the_batch(self, likelihood, binarise):
        config = TINY.changed(likelihood=likelihood, binarise=binarise, sigma=0.3)
        task, batch = task_of(config), torch.arange(50)
        before = build(config)["vae"]
        before.load_state_dict(task.vae.state_dict())
        task.done = 0.5
        terms, size = task.step(batch, torch.Generator().manual_seed(3))
        generator = torch.Generator().manual_seed(3)
        x = inputs(task.images[batch], config, generator)
        mu, logvar = before.encode(x)
        logits = before.decode(reparameterise(mu, logvar, generator))
        reconstruction = -log_likelihood(logits, x, likelihood=likelihood, sigma=0.3).mean()
        kl = kl_standard_normal(mu, logvar).sum(1).mean()
        assert size == 50
        torch.testing.assert_close(terms["reconstruction"], reconstruction.detach(), rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(terms["kl"], kl.detach(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(terms["loss"], terms["reconstruction"] + terms["kl"])

    def test_the_weight_of_the_kl_moves_the_step_and_not_what_is_logged(self):
        tasks = [task_of(TINY.changed(kl_weight=weight)) for weight in (1.0, 50.0)]
        logged = []
        for task in tasks:
            task.done = 1.0
            logged.append(task.step(torch.arange(50), torch.Generator().manual_seed(0))[0]["loss"])
        assert torch.equal(*logged)
        assert not torch.equal(flat(tasks[0].vae), flat(tasks[1].vae))

    def test_warm_up_of_the_kl_starts_without_it(self):
        """At the very start the ramp is 0: the step is that of reconstruction alone."""
        tasks = [task_of(TINY.changed(kl_warmup=2.0)), task_of(TINY.changed(kl_weight=0.0))]
        for task in tasks:
            task.done = 0.0
            task.step(torch.arange(50), torch.Generator().manual_seed(0))
        assert torch.equal(flat(tasks[0].vae), flat(tasks[1].vae))

    def test_a_step_changes_weights_and_average_and_validation_neither(self):
        task = task_of()
        before = flat(task.vae), flat(task.average)
        task.done = 0.5
        task.step(torch.arange(50), torch.Generator().manual_seed(0))
        between = flat(task.vae), flat(task.average)
        assert not torch.equal(before[0], between[0])
        assert not torch.equal(before[1], between[1])
        task.validate(1)
        task.grids(1)
        assert torch.equal(between[0], flat(task.vae))
        assert torch.equal(between[1], flat(task.average))
        assert task.average.training

    def test_training_does_not_touch_torchs_global_generator(self):
        torch.manual_seed(7)
        expected = torch.rand(3)
        torch.manual_seed(7)
        task_of().step(torch.arange(50), torch.Generator().manual_seed(0))
        assert torch.equal(torch.rand(3), expected)

    def test_a_run_stopped_after_an_epoch_continues_bit_for_bit(self, trained, tmp_path):
        run = make(tmp_path)

        def stop_after_first(done, total, row):
            if row is not None:
                (run.path / "stop").touch()

        assert work(run, device="cpu", on_progress=stop_after_first) == "stopped"
        assert work(Run.read(run.path), device="cpu") == "finished"
        pd.testing.assert_frame_equal(
            Run.read(run.path).history().drop(columns="elapsed_s"), trained.history().drop(columns="elapsed_s")
        )
        assert torch.equal(flat(load_vae(Run.read(run.path))), flat(load_vae(trained)))

    def test_a_convolutional_one_trains_and_comes_back(self, tmp_path):
        run = make(tmp_path, TINY.changed(network="convolutional", width=128))
        assert work(run, device="cpu") == "finished"
        run = Run.read(run.path)
        images = load("mnist-5k", "validation").images
        x = as_tensor(images).flatten(1) / 255
        logits = torch.logit(x.mean(0).clamp(1e-6, 1 - 1e-6)).expand_as(x)
        mean_image_costs = -log_likelihood(logits, x, likelihood="gaussian", sigma=run.config.sigma).mean()
        assert run.metrics["validation_loss"] < mean_image_costs - 5
        means = terms_of(load_vae(run), images, run.config).means()
        assert means["loss"] == pytest.approx(run.metrics["validation_loss"], abs=0.02)

    def test_a_rate_far_too_high_diverges_and_says_where(self, tmp_path):
        run = make(tmp_path, TINY.changed(learning_rate=1.0, width=256, warmup=0.0, depth=4))
        assert work(run, device="cpu") == "diverged"
        assert Run.read(run.path).record.diverged_at.epoch == 1
        assert not np.isfinite(Run.read(run.path).history()["train_loss"].iloc[-1])


class TestEvaluation:
    def test_metrics_are_those_of_the_history_and_of_the_run(self, trained, evaluation):
        last = trained.history().iloc[-1]
        assert evaluation.metrics == trained.metrics
        for name in ("loss", "reconstruction", "kl"):
            assert evaluation.metrics[f"validation_{name}"] == pytest.approx(last[f"validation_{name}"], abs=1e-4)
        assert "test_elbo_nats" not in evaluation.metrics  # mnist-5k has no test split
        gap = evaluation.metrics["validation_loss"] - evaluation.metrics["train_loss"]
        assert evaluation.metrics["overfit_gap"] == pytest.approx(gap)
        # both splits hold the ten digits in equal shares, so counting them alike changes nothing
        assert evaluation.metrics["overfit_gap_equal_shares"] == pytest.approx(gap, abs=1e-6)

    def test_verify_recomputes_every_metric(self, trained, evaluation):
        assert verify(trained).metrics == evaluation.metrics

    def test_tables_of_both_kept_epochs_agree_with_the_metrics(self, evaluation):
        measures = evaluation.tables["measures"].set_index(["epoch", "split"])
        assert set(measures.index) == {(e, s) for e in (1, 2) for s in ("train", "validation")}
        assert measures.loc[(2, "validation"), "n"] == 1000
        assert measures.loc[(2, "train"), "loss"] == pytest.approx(evaluation.metrics["train_loss"], abs=1e-3)
        classes = evaluation.tables["per_class"].query("epoch == 2 and split == 'validation'")
        assert classes["n"].tolist() == [100] * 10
        assert classes["loss"].mean() == pytest.approx(evaluation.metrics["validation_loss"], abs=1e-3)

    def test_the_latent_map_points_at_the_images_it_names(self, trained, evaluation):
        points = evaluation.tables["latent_map"].query("epoch == 2")
        split = load("mnist-5k", "validation")
        np.testing.assert_array_equal(split.labels[points["index"]], points["label"])
        terms = terms_of(load_vae(trained), split.images, TINY)
        np.testing.assert_allclose(points["loss"], terms.loss[points["index"]], atol=0.051)  # one decimal is stored
        assert np.hypot(points["x"], points["y"]).max() <= 1.001

    def test_the_images_shown_are_the_first_of_each_class(self, evaluation):
        for split in ("train", "validation"):
            labels = load("mnist-5k", split).labels
            places = evaluation.tables["shown"][f"{split}_index"].to_numpy()
            np.testing.assert_array_equal(labels[places], range(10))
            np.testing.assert_array_equal(places, one_of_each(load("mnist-5k", split).labels))

    def test_evaluation_leaves_weights_and_modes_as_they_were(self, trained):
        vae = load_vae(trained)
        vae.train()
        before = flat(vae)
        first = terms_of(vae, pictures(), TINY)
        assert torch.equal(before, flat(vae))
        assert vae.training
        np.testing.assert_array_equal(first.loss, terms_of(vae, pictures(), TINY).loss)  # the same draws again

    def test_terms_are_sums_over_pixels_and_dimensions(self, trained):
        """An oracle in plain numpy, from mu and logvar of the network."""
        vae, images = load_vae(trained), pictures(5)
        terms = terms_of(vae, images, TINY)
        with torch.no_grad():
            x = inputs(as_tensor(images), TINY, seeded(0, "evaluation"))
            mu, logvar = (one.double().numpy() for one in vae.encode(x))
            z = reparameterise(*vae.encode(x), seeded(0, "evaluation"))
            mean = vae.decode(z).sigmoid().double().numpy()
        expected = ((x.double().numpy() - mean) ** 2 / (2 * 0.16) + 0.5 * np.log(2 * np.pi * 0.16)).sum(1)
        np.testing.assert_allclose(terms.reconstruction, expected, rtol=1e-5)
        np.testing.assert_allclose(terms.kl, 0.5 * (mu**2 + np.exp(logvar) - logvar - 1), rtol=1e-4, atol=1e-6)
        assert terms.means()["loss"] == pytest.approx((terms.reconstruction + terms.kl.sum(1)).mean())

    def test_a_run_of_another_experiment_is_refused(self, trained):
        other = trained.changed(experiment="classifier", config={"epochs": 30})
        with pytest.raises(RunError, match="whose config is no VAEConfig"):
            evaluate(other)

    def test_every_metric_has_a_tolerance(self, evaluation):
        assert "" in evaluate_module.TOLERANCES
        assert set(evaluate_module.TOLERANCES) - {""} <= set(evaluation.metrics)


class TestDemoLatents:
    def test_demo_latents_are_fixed_by_the_seed_alone(self):
        assert torch.equal(demo_latents(TINY), demo_latents(TINY.changed(epochs=9, width=8)))
        assert not torch.equal(demo_latents(TINY), demo_latents(TINY.changed(seed=1)))
