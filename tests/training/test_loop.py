"""The epoch loop: what it writes and when, how it ends, and that going on is the same as never having stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RunError
from core.runs.record import Place
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.training import loop
from core.training.loop import STREAMS, IndexBatches, fit, seeded, shown_epochs
from core.training.weights import flatten, load_tensors
from tests.stub.train import BATCH, N, Regression
from tests.tools import fresh

EPOCHS = 5
STEPS = math.ceil(N / BATCH)


class Killed(BaseException):
    """Stands for a killed process: nothing in the loop may catch it."""


def go(run: Run, task: Regression | None = None, **options: Any) -> str:
    """One sitting of the tiny training, as a new process would begin it: everything from the folder."""
    run = Run.read(run.path)
    task = task or Regression(run.config, EPOCHS)
    return fit(task, Recorder(run), epochs=EPOCHS, seed=run.config.seed, snapshot_epochs=[1, 3], **options)


def result(run: Run) -> tuple[pd.DataFrame, dict[str, bytes]]:
    """The history without its times, and the bytes of every file of weights and every grid."""
    files = [*run.path.rglob("*.safetensors"), *run.path.rglob("*.png")]
    return run.history().drop(columns="elapsed_s"), {str(f.relative_to(run.path)): f.read_bytes() for f in files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("whole")
    run = fresh(RunStore(folder / "shipped", folder / "own"), epochs=EPOCHS)
    assert go(run) == "finished"
    return result(run)


def assert_same(run: Run, expected: tuple[pd.DataFrame, dict[str, bytes]]) -> None:
    history, files = result(run)
    pd.testing.assert_frame_equal(history, expected[0], check_exact=True)
    assert files == expected[1]


# --- what is written --------------------------------------------------------------------------------------------------


def test_history_snapshots_grids_and_weights(store: RunStore):
    run = fresh(store, epochs=EPOCHS)
    assert go(run, grid_epochs=[2, 5]) == "finished"
    history = run.history()
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert history["step"].tolist() == [STEPS * epoch for epoch in range(1, 6)]
    assert np.allclose(history["train_double"], 2 * history["train_loss"], rtol=1e-6)  # reduced alike
    assert history["validation_loss"].iloc[-1] < history["validation_loss"].iloc[0]  # it learns
    assert run.snapshots() == [1, 3]
    assert run.sample_epochs() == [2, 5]
    assert np.asarray(run.sample(5))[0, 0] == 5
    assert Run.read(run.path).epochs_done == 5
    assert run.has_weights()


def test_means_are_per_example_whatever_the_batches(store: RunStore):
    """The mean of a term is over examples, not over batches: the last batch is smaller than the others."""

    class Ones(Regression):
        def step(self, batch: torch.Tensor, generator: torch.Generator) -> tuple[dict[str, torch.Tensor], int]:
            return {"loss": torch.tensor(1.0 if len(batch) == BATCH else 5.0)}, len(batch)

    run = fresh(store, epochs=EPOCHS)
    go(run, Ones(run.config, EPOCHS))
    small = N % BATCH
    assert run.history()["train_loss"][0] == pytest.approx(((N - small) * 1 + small * 5) / N)


def test_snapshots_are_half_precision_and_final_weights_full(store: RunStore):
    run = fresh(store, epochs=EPOCHS)
    go(run)
    kinds = {
        name: load_tensors(run.path / name)["head.weight"].dtype
        for name in ("snapshots/1.safetensors", "weights.safetensors")
    }
    assert kinds == {"snapshots/1.safetensors": torch.float16, "weights.safetensors": torch.float32}


def test_the_generator_of_the_caller_is_left_alone(store: RunStore):
    run = fresh(store, epochs=EPOCHS)
    task = Regression(run.config, EPOCHS)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    go(run, task)
    assert torch.equal(torch.get_rng_state(), before)


def test_validation_leaves_weights_and_modes_alone(store: RunStore):
    """Validation runs in eval mode without gradients, and the next epoch trains in train mode."""
    seen: list[tuple[str, bool, bool]] = []

    class Watched(Regression):
        def step(self, batch: torch.Tensor, generator: torch.Generator) -> tuple[dict[str, torch.Tensor], int]:
            seen.append(("step", self.modules["body"].training, torch.is_grad_enabled()))
            return super().step(batch, generator)

        def validate(self, epoch: int) -> dict[str, float]:
            seen.append(("validate", self.modules["body"].training, torch.is_grad_enabled()))
            before = {key: value.clone() for key, value in flatten(self.modules).items()}
            measured = super().validate(epoch)
            assert all(torch.equal(value, before[key]) for key, value in flatten(self.modules).items())
            return measured

    run = fresh(store, epochs=EPOCHS)
    go(run, Watched(run.config, EPOCHS))
    assert set(seen) == {("step", True, True), ("validate", False, False)}


# --- stopping and going on --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, STEPS, STEPS + 1, 3 * STEPS, 5 * STEPS - 1])
def test_stopped_at_any_step_and_resumed_is_as_never_stopped(store: RunStore, uninterrupted, step: int):
    run = fresh(store, epochs=EPOCHS)
    task = Regression(run.config, EPOCHS)
    plain, taken = task.step, [0]

    def stopping(batch: torch.Tensor, generator: torch.Generator) -> tuple[dict[str, torch.Tensor], int]:
        taken[0] += 1
        if taken[0] == step:
            (run.path / "stop").touch()
        return plain(batch, generator)

    task.step = stopping
    assert go(run, task) == "stopped"
    assert taken[0] == step  # heard at that very step
    whole = (step - 1) // STEPS
    assert Run.read(run.path).epochs_done == whole
    assert len(run.history()) == whole
    assert run.has_weights() == (whole > 0)
    (run.path / "stop").unlink()
    assert go(run) == "finished"
    assert_same(run, uninterrupted)


def test_stopped_weights_are_those_of_the_last_whole_epoch(store: RunStore):
    run = fresh(store, epochs=EPOCHS)
    task = Regression(run.config, EPOCHS)
    plain = task.step

    def stopping(batch: torch.Tensor, generator: torch.Generator) -> tuple[dict[str, torch.Tensor], int]:
        if task.done >= 3.2:
            (run.path / "stop").touch()
        return plain(batch, generator)

    task.step = stopping
    assert go(run, task) == "stopped"
    half = load_tensors(run.path / "snapshots" / "3.safetensors")
    final = load_tensors(run.path / "weights.safetensors")
    assert all(torch.equal(value.to(half[key].dtype), half[key]) for key, value in final.items())


def test_ctrl_c_stops_like_a_stop_file(store: RunStore, uninterrupted):
    run = fresh(store, epochs=EPOCHS)
    task = Regression(run.config, EPOCHS)

    def interrupted(epoch: int) -> dict[str, float]:
        if epoch == 3:
            raise KeyboardInterrupt
        return Regression.validate(task, epoch)

    task.validate = interrupted
    assert go(run, task) == "stopped"
    assert Run.read(run.path).epochs_done == 2
    assert len(run.history()) == 2
    assert go(run) == "finished"
    assert_same(run, uninterrupted)


@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("place", ["step", "log", "grid", "save_resume", "half_resume", "after_resume"])
def test_killed_anywhere_and_resumed_is_as_never_killed(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, uninterrupted, place: str, epoch: int
):
    run = fresh(store, epochs=EPOCHS)
    task = Regression(run.config, EPOCHS)

    def kill(*_: object, **__: object) -> None:
        raise Killed

    def killing(function: Any, when: Any, *, before: bool) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if when(*args) and before:
                kill()
            value = function(*args, **kwargs)
            if when(*args):
                kill()
            return value

        return wrapped

    with monkeypatch.context() as patch:
        if place == "step":
            task.step = killing(task.step, lambda *_: task.done > epoch - 0.5, before=True)
        elif place == "log":
            patch.setattr(Recorder, "log", killing(Recorder.log, lambda self, e, **_: e == epoch, before=False))
        elif place == "grid":
            patch.setattr(Recorder, "grid", killing(Recorder.grid, lambda self, e, *_: e == epoch, before=True))
        elif place == "half_resume":  # the new tensors are there, resume.json still names the old ones
            patch.setattr(loop, "write_json", killing(loop.write_json, lambda p, v: v["epoch"] == epoch, before=True))
        else:
            first = place == "save_resume"
            patch.setattr(loop, "save_resume", killing(loop.save_resume, lambda *a: a[2] == epoch, before=first))
        with pytest.raises(Killed):
            go(run, task)
    assert go(run) == "finished"
    assert_same(run, uninterrupted)


def test_only_one_resume_point_is_kept(store: RunStore):
    run = fresh(store, epochs=EPOCHS)
    go(run)
    assert [file.name for file in run.path.glob("resume-*")] == ["resume-5.safetensors"]


def test_rates_that_a_task_changed_once_are_resumed(store: RunStore):
    """A rate set at one epoch, not at every step, must not fall back when going on later."""
    seen: dict[int, list[float]] = {}

    class Stepwise(Regression):
        def step(self, batch: torch.Tensor, generator: torch.Generator) -> tuple[dict[str, torch.Tensor], int]:
            if self.done == 1.0:
                for group in self.optimizers["adam"].param_groups:
                    group["lr"] = 1e-3
            seen.setdefault(int(self.done), []).append(self.optimizers["adam"].param_groups[0]["lr"])
            return super().step(batch, generator)

    run = fresh(store, epochs=EPOCHS)
    task = Stepwise(run.config, EPOCHS)
    task.validate = lambda epoch: {} if epoch != 4 else (_ for _ in ()).throw(KeyboardInterrupt)
    assert go(run, task) == "stopped"
    assert go(run, Stepwise(run.config, EPOCHS)) == "finished"
    assert {epoch: set(rates) for epoch, rates in seen.items()} == {
        0: {1e-2},
        1: {1e-3},
        2: {1e-3},
        3: {1e-3},
        4: {1e-3},
    }


# --- a resume point that is damaged -----------------------------------------------------------------------------------


@pytest.fixture
def stopped(store: RunStore) -> Run:
    run = fresh(store, epochs=EPOCHS)
    task = Regression(run.config, EPOCHS)
    task.validate = lambda epoch: {} if epoch < 3 else (_ for _ in ()).throw(KeyboardInterrupt)
    assert go(run, task) == "stopped"
    return run


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", '{"epoch": NaN}', '{"epoch": 2, "step": 8}', '{"epoch": 2, "step": 8, "rates": []}'),
        *(f'{{"epoch": {odd}, "step": 8, "rates": {{}}}}' for odd in ('"2"', "true", "-1", "2.0", "1e300")),
    ],
)
def test_damaged_resume_json(stopped: Run, text: str):
    (stopped.path / "resume.json").write_text(text)
    with pytest.raises(RunError, match=r"resume\.json is no readable resume point.*Delete this run and train it again"):
        go(stopped)


@pytest.mark.parametrize(
    "rates",
    [
        *({}, {"adam": [], "sgd": []}, {"adam": [{}], "sgd": 3}),
        *({"adam": [{"lr": "fast"}], "sgd": [{}]}, {"adam": [1], "sgd": [1]}),
    ],
)
def test_damaged_rates(stopped: Run, rates: Any):
    file = stopped.path / "resume.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "rates": rates}))
    with pytest.raises(RunError, match=r"the state of optimiser '(adam|sgd)' does not fit"):
        go(stopped)


def test_damaged_or_missing_resume_tensors(stopped: Run):
    file = stopped.path / "resume-2.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=r"resume-2\.safetensors is no readable safetensors file"):
        go(stopped)
    file.unlink()
    with pytest.raises(RunError, match=r"resume-2\.safetensors is missing"):
        go(stopped)


def test_a_history_that_does_not_lead_to_the_resume_point(stopped: Run):
    (stopped.path / "history.csv").unlink()
    with pytest.raises(RunError, match=r"history\.csv does not end at epoch 2, step 8"):
        go(stopped)


# --- diverging --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("step", [2, STEPS + 1, 2 * STEPS])
def test_a_loss_that_is_not_finite_ends_at_that_step(store: RunStore, bad: float, step: int):
    run = fresh(store, epochs=EPOCHS)
    task = Regression(run.config, EPOCHS)
    plain, taken = task.step, [0]

    def diverging(batch: torch.Tensor, generator: torch.Generator) -> tuple[dict[str, torch.Tensor], int]:
        terms, size = plain(batch, generator)
        taken[0] += 1
        if taken[0] == step:
            with torch.no_grad():
                task.modules["head"].weight.fill_(math.nan)
            terms["loss"] = torch.tensor(bad)
        return terms, size

    task.step = diverging
    assert go(run, task) == "diverged"
    assert taken[0] == step
    whole = (step - 1) // STEPS
    record = Run.read(run.path).record
    assert (record.diverged_at, record.epochs_done) == (Place(whole + 1, step), whole)
    last = run.history().iloc[-1]
    assert (last["epoch"], last["step"]) == (whole + 1, step)
    assert not math.isfinite(last["train_loss"])
    if whole:  # what is kept is the last whole epoch, not the wreck
        assert all(torch.isfinite(value).all() for value in load_tensors(run.path / "weights.safetensors").values())
    else:
        assert not run.has_weights()


def test_a_validation_loss_that_is_not_finite_diverges_too(store: RunStore):
    run = fresh(store, epochs=EPOCHS)
    task = Regression(run.config, EPOCHS)
    task.validate = lambda epoch: {"validation_loss": math.nan if epoch == 3 else 1.0}
    assert go(run, task) == "diverged"
    history = run.history()
    assert history["epoch"].tolist() == [1, 2, 3]
    assert math.isfinite(history["train_loss"].iloc[-1])
    assert math.isnan(history["validation_loss"].iloc[-1])
    assert Run.read(run.path).record.diverged_at == Place(3, 3 * STEPS)


# --- small parts ------------------------------------------------------------------------------------------------------


def test_generators_are_reproducible_and_distinct():
    draws = {
        (seed, stream, epoch): torch.rand(4, generator=seeded(seed, stream, epoch)).tolist()
        for seed in (0, 1, 2**31 - 1)
        for stream in STREAMS
        for epoch in (0, 1, 2)
    }
    assert len({tuple(values) for values in draws.values()}) == len(draws)
    assert torch.rand(4, generator=seeded(1, "demo", 2)).tolist() == draws[1, "demo", 2]


@given(n=st.integers(1, 200), batch_size=st.integers(1, 64), drop_last=st.booleans())
def test_batches_are_a_permutation_in_pieces(n: int, batch_size: int, drop_last: bool):
    batches = IndexBatches(n, batch_size, torch.Generator().manual_seed(0), drop_last=drop_last)
    pieces = list(batches)
    assert len(pieces) == len(batches)
    together = torch.cat(pieces).tolist()
    assert len(set(together)) == len(together)
    assert set(together) <= set(range(n))
    if drop_last and n >= batch_size:
        assert {len(piece) for piece in pieces} == {batch_size}
        assert len(together) == n - n % batch_size
    else:
        assert len(together) == n


@given(st.integers(1, 500))
def test_shown_epochs_rise_and_hold_the_last(epochs: int):
    shown = shown_epochs(epochs)
    assert shown == sorted(set(shown))
    assert shown[0] == 1
    assert shown[-1] == epochs


def test_shown_epochs_of_a_usual_training():
    assert shown_epochs(30) == [1, 2, 3, 5, 10, 15, 20, 25, 30]
    assert shown_epochs(55) == [1, 2, 3, 5, 10, 15, 20, 25, 30, 40, 50, 55]


def test_the_resume_point_is_small_plain_files(store: RunStore, tmp_path: Path):
    run = fresh(store, epochs=EPOCHS)
    go(run)
    point = json.loads((run.path / "resume.json").read_text())
    assert (point["epoch"], point["step"]) == (EPOCHS, EPOCHS * STEPS)
    assert set(point["rates"]) == {"adam", "sgd"}
    names = set(load_tensors(run.path / "resume-5.safetensors"))
    assert {"module.body.0.weight", "optimizer.adam.0.exp_avg", "optimizer.sgd.0.momentum_buffer"} <= names
