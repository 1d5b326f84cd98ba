"""Sessions: a run's way from queued to its end, whatever the end is, and never half said."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import pytest

from core.errors import DataError, RunError
from core.runs.files import parse_json, write_json
from core.runs.locks import Lock, held
from core.runs.store import LOCK, SHIPPED, Run, RunStore
from core.training import session
from core.training.session import Evaluation, fresh_name, mark, resolve_device, work
from tests.stub import train
from tests.stub.evaluate import evaluate as whole
from tests.tools import config, fresh, until


def experiment_with(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    """Replace some functions of the tiny chapter: each has the name of its module."""
    for name, function in functions.items():
        monkeypatch.setattr(f"tests.stub.{name}.{name}", function)


def names(run: Run) -> set[str]:
    return {path.name for path in run.path.iterdir()}


def test_a_run_from_queued_to_finished(store: RunStore, tiny: str):
    run = fresh(store)
    assert run.status == "queued"
    seen = []
    assert work(run, on_progress=lambda done, total, row: seen.append((done, total, row))) == "finished"
    run = store.get(run.id)
    assert run.status == "finished"
    assert run.epochs_done == 4
    assert run.metrics["test_elbo_nats"] < 0
    assert run.tables() == ["errors"]
    assert run.record.training_s is not None
    assert run.record.evaluation_s is not None
    assert run.record.device.endswith("threads") or run.record.device
    assert run.record.data.splits["validation"].size == 1000
    assert len(run.record.data.splits["validation"].digest) == 64
    # nothing is left that only a training in progress needs
    assert names(run) == {"run.json", "history.csv", "weights.safetensors", "snapshots", "samples", "tables", LOCK}
    rows = [row for _, _, row in seen if row]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    done = [done for done, _, _ in seen]
    assert done == sorted(done)
    assert {total for _, total, _ in seen} == {4}


def test_the_same_run_is_not_trained_twice_at_once(store: RunStore, tiny: str):
    run = fresh(store)
    with Lock.take(run.path / LOCK), pytest.raises(RunError, match="is being trained by another process"):
        work(run)
    assert store.get(run.id).status == "queued"
    assert work(run) == "finished"


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_an_ended_run_is_not_trained_again(store: RunStore, tiny: str, status: str):
    run = mark(fresh(store), status=status)
    with pytest.raises(RunError, match=f"has {status} already"):
        work(run)


def test_a_shipped_run_is_not_trained(store: RunStore, tiny: str):
    run = fresh(store)
    target = store.roots[SHIPPED] / "stub" / "one"
    target.parent.mkdir(parents=True)
    run.path.rename(target)
    with pytest.raises(RunError, match="ships with the project"):
        work(store.get("shipped/stub/one"))


def test_a_crash_is_written_down_and_raised(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    def crash(*_: object) -> str:
        raise ZeroDivisionError("three by nought")

    experiment_with(monkeypatch, train=crash)
    run = fresh(store)
    with pytest.raises(ZeroDivisionError):
        work(run)
    run = store.get(run.id)
    assert (run.status, run.record.reason) == ("failed", "ZeroDivisionError: three by nought")
    assert held(run.path / LOCK) is False
    assert not (run.path / "heartbeat.json").exists()


def test_a_refusal_is_written_down_with_its_remedy(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> str:
        raise DataError("mnist is not on this machine", "Download it")

    experiment_with(monkeypatch, train=refuse)
    run = fresh(store)
    with pytest.raises(DataError):
        work(run)
    assert store.get(run.id).record.reason == "mnist is not on this machine. Download it."


def test_a_failed_run_resumes(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    def crash(*_: object) -> Evaluation:
        raise ZeroDivisionError

    experiment_with(monkeypatch, evaluate=crash)
    run = fresh(store)
    with pytest.raises(ZeroDivisionError):
        work(run)
    monkeypatch.undo()
    assert work(run) == "finished"
    run = store.get(run.id)
    assert run.record.reason is None
    assert len(run.history()) == 4  # trained once, evaluated twice


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_metric_that_is_not_finite_fails_the_run_and_leaves_it_readable(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, odd: float
):
    experiment_with(monkeypatch, evaluate=lambda run, device: Evaluation({"elbo": odd}))
    run = fresh(store)
    with pytest.raises(RunError, match="the evaluation gave elbo = "):
        work(run)
    run = store.get(run.id)
    assert (run.status, run.metrics) == ("failed", {})


def test_a_diverged_run_ends_without_metrics(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    class Diverging(train.Regression):
        def validate(self, epoch: int) -> dict[str, float]:
            return {"validation_loss": math.nan}

    monkeypatch.setattr(train, "Regression", Diverging)
    run = fresh(store)
    assert work(run) == "diverged"
    run = store.get(run.id)
    assert (run.status, run.metrics, len(run.history())) == ("diverged", {}, 1)
    assert not list(run.path.glob("resume*"))


def test_a_stop_asked_for_before_the_start_is_heard(store: RunStore, tiny: str):
    run = fresh(store)
    (run.path / "stop").touch()
    assert work(run) == "stopped"
    assert store.get(run.id).status == "stopped"
    assert not (run.path / "stop").exists()
    assert work(run) == "finished"


def test_a_stop_during_the_evaluation_is_heard_and_only_that_is_done_again(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
):
    """An evaluation that never looks for a stop is interrupted; going on evaluates again, and trains no more."""
    calls = []

    def endless(run: Run, device: str) -> Evaluation:
        calls.append("evaluate")
        if len(calls) == 1:
            (run.path / "stop").touch()
            until(lambda: False)  # until it is interrupted
        return whole(run, device)

    experiment_with(monkeypatch, evaluate=endless)
    run = fresh(store)
    assert work(run) == "stopped"
    run = store.get(run.id)
    assert (run.status, run.epochs_done, run.metrics) == ("stopped", 4, {})
    before = run.history()
    assert work(run) == "finished"
    assert calls == ["evaluate", "evaluate"]
    assert store.get(run.id).history().equals(before)


def test_a_stop_that_the_loop_hears_interrupts_nothing(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    interrupted = []
    monkeypatch.setattr(session._thread, "interrupt_main", lambda: interrupted.append(True))

    class Stopping(train.Regression):
        def step(self, batch: Any, generator: Any) -> Any:
            if self.done >= 2:
                recorder_path.joinpath("stop").touch()
            return super().step(batch, generator)

    monkeypatch.setattr(train, "Regression", Stopping)
    run = fresh(store)
    recorder_path = run.path
    assert work(run) == "stopped"
    assert interrupted == []
    assert store.get(run.id).epochs_done == 2


def test_ctrl_c_while_the_data_are_read_stops(store: RunStore, tiny: str, monkeypatch: pytest.MonkeyPatch):
    def interrupt(name: str) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "describe_data", interrupt)
    run = fresh(store)
    assert work(run) == "stopped"
    assert store.get(run.id).status == "stopped"


def test_the_heart_beats_while_nothing_is_reported(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "PULSE_S", 0.01)
    monkeypatch.setattr(session, "HEARTBEAT_S", 0.05)
    beats: list[float] = []

    def slow(run: Run, device: str) -> Evaluation:
        file = run.path / "heartbeat.json"

        def third_beat() -> bool:
            beat = parse_json(file.read_bytes())
            assert (beat["done"], beat["total"]) == (4, 4)
            if beat["time"] not in beats:
                beats.append(beat["time"])
            return len(beats) >= 3

        until(third_beat)
        return whole(run, device)

    experiment_with(monkeypatch, evaluate=slow)
    assert work(fresh(store)) == "finished"
    assert beats == sorted(beats)


def test_a_stop_in_another_thread_never_interrupts_the_main_one(store: RunStore, tiny: str):
    run = fresh(store)
    results = []
    (run.path / "stop").touch()
    thread = threading.Thread(target=lambda: results.append(work(run)))
    thread.start()
    thread.join(60)
    assert results == ["stopped"]


def test_what_a_killed_process_left_is_cleared(store: RunStore, tiny: str):
    run = fresh(store)
    (run.path / "samples").mkdir()
    left = [run.path / ".run.json.1.abc.tmp", run.path / "samples" / ".1.png.1.abc.tmp"]
    for file in left:
        file.write_bytes(b"half")
    assert work(run) == "finished"
    assert not any(file.exists() for file in left)


def test_a_full_disk_is_one_clear_error(store: RunStore, tiny: str, monkeypatch: pytest.MonkeyPatch):
    run = fresh(store)
    plain = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if "history.csv" in self.name:
            raise OSError(28, "No space left on device")
        return plain(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunError, match=r"history\.csv cannot be written \(No space left on device\)"):
        work(run)
    assert store.get(run.id).status == "failed"


@pytest.mark.parametrize("device", ["tpu", "", "cuda:7", "CPU"])
def test_a_device_that_is_not_there(store: RunStore, tiny: str, device: str):
    run = fresh(store)
    with pytest.raises(RunError, match="is not on this machine.*Use auto or one of: .*cpu"):
        work(run, device)
    assert store.get(run.id).status == "failed"


def test_auto_finds_a_device():
    assert resolve_device("auto") in ("cuda", "mps", "cpu")
    assert resolve_device("cpu") == "cpu"


def test_marking_keeps_what_others_wrote(store: RunStore):
    run = fresh(store)
    write_json(run.path / "run.json", {**run.record.raw, "metrics": {"accuracy": 0.5}})
    marked = mark(run, status="stopped")
    assert (marked.status, marked.metrics) == ("stopped", {"accuracy": 0.5})


def test_fresh_names_differ_and_are_names():
    made = {fresh_name(config()) for _ in range(20)}
    assert len(made) == 20
    assert all(name.startswith("mnist-5k-") for name in made)
