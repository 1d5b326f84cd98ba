"""Training, evaluating and asking the classifier, on the bundled digits."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from core.chapters.classifier import evaluate as evaluate_module
from core.chapters.classifier.evaluate import evaluate, verify
from core.data import load
from core.data.images import as_tensor
from core.families.classifiers import task as classifier
from core.families.classifiers.config import ClassifierConfig
from core.families.classifiers.findings import matrix
from core.families.classifiers.probe import answer
from core.families.classifiers.task import ClassifierTask, augment, logits_of
from core.runs.store import Run, RunStore
from core.training.session import new_run, work
from core.training.weights import load_weights

TINY = ClassifierConfig(data="mnist-5k", epochs=2, width=4, batch_size=50, learning_rate=0.01, ema=0.9)


def make(folder, config=TINY, name="tiny"):
    return new_run(RunStore(folder / "shipped", folder / "own"), "classifier", config, name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny classifier, trained for two epochs on 4,000 digits."""
    run = make(tmp_path_factory.mktemp("trained"))
    assert work(run, device="cpu") == "finished"
    return Run.read(run.path)


@pytest.fixture(scope="module")
def evaluation(trained):
    return evaluate(trained)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def pictures(n=64):
    return as_tensor(load("mnist-5k", "train").images[:n])


@pytest.mark.parametrize(("tiles", "products"), [(False, False), (True, False), (False, True), (True, True)])
def test_bfloat16_is_for_processors_with_instructions_for_it(monkeypatch, tiles, products):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: products)
    assert classifier.bfloat16_is_fast("cpu") == (tiles or products)
    assert not classifier.bfloat16_is_fast("mps")


class TestAugmentation:
    def test_without_switches_nothing_changes(self, generator):
        images = pictures()
        assert torch.equal(augment(images, TINY.changed(shift=0), generator), images)

    def test_every_image_is_a_shifted_copy_and_all_shifts_occur(self, generator):
        images, config = pictures(400), TINY.changed(shift=1)
        shifted = augment(images, config, generator)
        padded = F.pad(images, (1, 1, 1, 1))
        found = set()
        for image, frame in zip(shifted, padded, strict=True):
            places = [(y, x) for y in range(3) for x in range(3) if torch.equal(image, frame[y : y + 28, x : x + 28])]
            assert places
            found.update(places[:1])
        assert len(found) == 9

    def test_about_half_of_the_images_are_mirrored(self, generator):
        images = pictures(400)
        mirrored = augment(images, TINY.changed(shift=0, flip=True), generator)
        same = (mirrored == images).flatten(1).all(1)
        other = (mirrored == images.flip(2)).flatten(1).all(1)
        assert bool((same | other).all())
        assert 0.4 < same.float().mean() < 0.6  # standard error 0.025

    def test_a_square_of_the_stated_side_is_blanked(self, generator):
        full = torch.full((300, 28, 28), 255, dtype=torch.uint8)
        blank = (augment(full, TINY.changed(shift=0, erase=8), generator) == 0).flatten(1).sum(1)
        assert blank.max() == 64
        assert blank.min() < 64  # at the edges the square is cut off

    def test_the_input_is_left_untouched(self, generator):
        images = pictures().clone()
        before = images.clone()
        augment(images, TINY.changed(shift=2, flip=True, erase=6), generator)
        assert torch.equal(images, before)


class TestTraining:
    def test_loss_falls_and_most_digits_are_read(self, trained):
        history = trained.history()
        assert history["train_loss"].iloc[1] < history["train_loss"].iloc[0] < np.log(10)
        assert history["validation_accuracy"].iloc[-1] > 0.8
        assert trained.snapshots() == [1, 2]

    def test_a_mini_run_stopped_after_an_epoch_continues_bit_for_bit(self, trained, tmp_path):
        run = make(tmp_path)

        def stop_after_first(done, total, row):
            if row is not None:
                (run.path / "stop").touch()

        assert work(run, device="cpu", on_progress=stop_after_first) == "stopped"
        assert Run.read(run.path).epochs_done == 1
        assert work(Run.read(run.path), device="cpu") == "finished"
        pd.testing.assert_frame_equal(
            Run.read(run.path).history().drop(columns="elapsed_s"), trained.history().drop(columns="elapsed_s")
        )
        ours, theirs = (classifier.build(TINY)["classifier"] for _ in range(2))
        load_weights(Run.read(run.path), {"classifier": ours})
        load_weights(trained, {"classifier": theirs})
        for name, value in ours.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[name]), name

    def test_a_smoothed_objective_is_logged_beside_the_plain_loss(self):
        task = task_of(TINY.changed(label_smoothing=0.2))
        terms, size = task.step(torch.arange(50), torch.Generator().manual_seed(0))
        assert size == 50
        assert set(terms) == {"loss", "accuracy", "objective"}
        assert terms["objective"] != terms["loss"]

    def test_the_logged_loss_is_the_models_cross_entropy_on_the_batch(self):
        task = task_of(TINY.changed(shift=0, precision="float32"))
        batch = torch.arange(50)
        model = copy.deepcopy(task.model)
        terms, _ = task.step(batch, torch.Generator().manual_seed(0))
        logits = model(task.images[batch][:, None].float() / 255)
        torch.testing.assert_close(terms["loss"], F.cross_entropy(logits, task.labels[batch]).detach())

    def test_a_step_changes_weights_and_average_and_validation_neither(self):
        task = task_of(TINY)
        before = flat(task.model), flat(task.average)
        task.done = 0.5
        task.step(torch.arange(50), torch.Generator().manual_seed(0))
        between = flat(task.model), flat(task.average)
        assert not torch.equal(before[0], between[0])
        assert not torch.equal(before[1], between[1])
        task.validate(1)
        assert torch.equal(between[0], flat(task.model))
        assert torch.equal(between[1], flat(task.average))
        assert task.average.training

    def test_training_does_not_touch_torchs_global_generator(self):
        torch.manual_seed(7)
        expected = torch.rand(3)
        torch.manual_seed(7)
        task_of(TINY).step(torch.arange(50), torch.Generator().manual_seed(0))
        assert torch.equal(torch.rand(3), expected)


class TestEvaluation:
    def test_held_out_measures_are_named_after_their_split(self, trained, evaluation):
        assert set(evaluation.metrics) == {
            "train_accuracy",
            "train_loss",
            "validation_accuracy",
            "validation_loss",
            "validation_ece",
            "validation_accuracy_epoch_1",
            "parameters",
        }
        assert evaluation.metrics == trained.metrics
        assert all(
            name in evaluate_module.TOLERANCES or "" in evaluate_module.TOLERANCES for name in evaluation.metrics
        )

    def test_metrics_equal_what_the_history_recorded(self, trained, evaluation):
        last = trained.history().iloc[-1]
        assert evaluation.metrics["validation_accuracy"] == pytest.approx(last["validation_accuracy"], abs=1e-9)
        assert evaluation.metrics["validation_loss"] == pytest.approx(last["validation_loss"], abs=1e-6)

    def test_tables_agree_with_each_other(self, evaluation):
        tables = evaluation.tables
        assert set(tables) == {"measures", "confusion", "per_class", "calibration", "mistakes", "doubtful"}
        for epoch in (1, 2):
            rows = {
                name: frame[(frame.epoch == epoch) & (frame.split == "validation")] for name, frame in tables.items()
            }
            confusion = matrix(rows["confusion"], 10)
            assert confusion.sum() == 1000
            assert len(rows["mistakes"]) == 1000 - np.trace(confusion)
            assert rows["calibration"]["count"].sum() == 1000
            assert np.trace(confusion) / 1000 == pytest.approx(rows["measures"]["accuracy"].item())
            assert (rows["mistakes"]["label"] != rows["mistakes"]["predicted"]).all()
            assert (rows["doubtful"]["label"] == rows["doubtful"]["predicted"]).all()

    def test_mistakes_point_at_the_images_they_name(self, trained, evaluation):
        rows = evaluation.tables["mistakes"]
        rows = rows[(rows.epoch == 2) & (rows.split == "validation")]
        split = load("mnist-5k", "validation")
        np.testing.assert_array_equal(split.labels[rows["index"]], rows["label"])
        model = classifier.build(TINY)
        load_weights(trained, model)
        again = logits_of(model["classifier"], split.images[rows["index"]]).argmax(1)
        np.testing.assert_array_equal(again, rows["predicted"])
        assert rows["confidence"].is_monotonic_decreasing

    def test_evaluation_leaves_weights_and_modes_as_they_were(self, trained):
        model = classifier.build(TINY)["classifier"]
        load_weights(trained, {"classifier": model})
        model.train()
        before = flat(model)
        logits_of(model, load("mnist-5k", "validation").images[:50])
        assert torch.equal(before, flat(model))
        assert model.training

    def test_a_run_of_another_experiment_is_refused(self, trained):
        from core.errors import RunError

        other = trained.changed(experiment="vae", config={"data": "mnist"})
        with pytest.raises(RunError, match="whose config is no ClassifierConfig"):
            evaluate(other)

    def test_verify_recomputes_every_metric(self, trained, evaluation):
        assert verify(trained).metrics == evaluation.metrics


class TestAnswer:
    def test_probabilities_of_each_epoch_sum_to_1_and_agree_with_the_tables(self, trained, evaluation):
        rows = evaluation.tables["mistakes"]
        row = rows[(rows.epoch == 2) & (rows.split == "validation")].iloc[0]
        image = load("mnist-5k", "validation").images[row["index"]]
        said = answer(trained, image, [1, 2])
        np.testing.assert_allclose(said.groupby("epoch")["probability"].sum(), 1, rtol=1e-9)
        last = said[said["epoch"] == 2].set_index("label")["probability"]
        assert last.idxmax() == row["predicted"]
        assert last.max() == pytest.approx(row["confidence"], abs=1e-4)


def task_of(config):
    return ClassifierTask(config, load(config.data, "train"), load(config.data, "validation"), "cpu")


def flat(module):
    return torch.cat([value.flatten().double() for value in module.state_dict().values()])
