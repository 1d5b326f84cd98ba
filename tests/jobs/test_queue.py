"""The job queue without processes: what it refuses, and how a training's state is told from its folder."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from core import data
from core.errors import ConfigError, JobError, RunError
from core.jobs import queue as jobs
from core.jobs.executor import DaemonExecutor
from core.jobs.queue import JobQueue, JobState, run_job, state
from core.registry import EXPERIMENTS
from core.runs import locks
from core.runs.locks import Lock
from core.runs.store import LOCK, SHIPPED, TICKET, RunStore
from core.training.session import mark, new_run
from tests.tools import change, config, fresh


class Held(Executor):
    """An executor that runs nothing until it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.calls.append((future, lambda: fn(*args, **kwargs)))
        return future


@pytest.fixture
def idle(store: RunStore) -> JobQueue:
    """A queue whose jobs never start."""
    return JobQueue(Held())


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_read_only_refuses(store: RunStore, idle: JobQueue, monkeypatch: pytest.MonkeyPatch):
    run = mark(fresh(store), status="stopped")
    monkeypatch.setenv("EPOCH_ATLAS_READONLY", "1")
    for ask in (lambda: idle.submit("stub", config()), lambda: idle.resume(run.id)):
        with pytest.raises(JobError, match="training is switched off here"):
            ask()
    assert [one.id for one in store.list()] == [run.id]


def test_too_many_epochs(store: RunStore, idle: JobQueue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_MAX_EPOCHS", "3")
    with pytest.raises(JobError, match="4 epochs are more than this deployment trains. Ask for at most 3"):
        idle.submit("stub", config())
    idle.submit("stub", config(epochs=3))
    with pytest.raises(JobError, match="4 epochs are more"):
        idle.resume(mark(fresh(store), status="stopped").id)


def test_a_full_queue(store: RunStore, idle: JobQueue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_MAX_QUEUE", "2")
    first = idle.submit("stub", config())
    JobQueue(Held()).submit("stub", config())  # another app's counts too
    with pytest.raises(JobError, match="2 trainings are queued or running already. Wait until one ends"):
        idle.submit("stub", config())
    idle.stop(first.id)
    idle.submit("stub", config())


def test_two_readers_at_once_never_overfill_the_queue(store: RunStore, idle: JobQueue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_MAX_QUEUE", "3")
    start, refused, taken = threading.Barrier(8), [], []

    def reader() -> None:
        start.wait(30)
        try:
            taken.append(idle.submit("stub", config()).id)
        except JobError as error:
            refused.append(error)

    readers = [threading.Thread(target=reader) for _ in range(8)]
    for one in readers:
        one.start()
    for one in readers:
        one.join(60)
    assert (len(set(taken)), len(refused)) == (3, 5)


def test_missing_data(store: RunStore, idle: JobQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path / "nothing"))
    assert not data.availability("mnist").ready
    with pytest.raises(JobError, match="mnist is not on this machine: downloads 11 MB. Run python -m core data mnist"):
        idle.submit("stub", config(data="mnist"))
    assert store.list() == []


def test_a_config_of_another_experiment(idle: JobQueue):
    with pytest.raises(ConfigError, match="classifier does not take a StubConfig"):
        idle.submit("classifier", config())
    with pytest.raises(ConfigError, match="there is no experiment 'nope'"):
        idle.submit("nope", config())


def test_a_name_that_is_taken_or_none(store: RunStore, idle: JobQueue):
    idle.submit("stub", config(), "mine")
    with pytest.raises(RunError, match="there is a run stub/mine already"):
        idle.submit("stub", config(), "mine")
    with pytest.raises(RunError, match="is no name for a run"):
        idle.submit("stub", config(), "../mine")
    assert len(idle.active()) == 1


@pytest.mark.parametrize("was", ["finished", "diverged", "queued"])
def test_what_cannot_be_resumed(store: RunStore, idle: JobQueue, was: str):
    run = mark(fresh(store), status=was)
    ticket = Lock.take(run.path / TICKET) if was == "queued" else None
    with pytest.raises(JobError, match=f"is {was}. Only a stopped, failed or interrupted run"):
        idle.resume(run.id)
    if ticket:
        ticket.release()


def test_what_cannot_be_stopped(store: RunStore, idle: JobQueue):
    for was in ("finished", "stopped", "failed", "diverged", "running"):  # running, but nobody holds its lock
        run = mark(fresh(store, was), status=was)
        with pytest.raises(JobError, match=r"Only a queued or running training can be stopped"):
            idle.stop(run.id)
        assert not (run.path / "stop").exists()


def test_ids_that_are_none(idle: JobQueue):
    for ask in (idle.stop, idle.resume):
        with pytest.raises(RunError, match="there is no run"):
            ask("own/stub/../x")


def test_shipped_runs_are_left_alone(store: RunStore, idle: JobQueue):
    run = mark(fresh(store), status="running")
    target = store.roots[SHIPPED] / "stub" / "one"
    target.parent.mkdir(parents=True)
    run.path.rename(target)
    with pytest.raises(JobError, match="ships with the project"):
        idle.resume("shipped/stub/one")
    with pytest.raises(JobError, match="Only a queued or running training"):
        idle.stop("shipped/stub/one")
    assert idle.active() == []


def test_an_executor_that_takes_nothing_leaves_a_resumable_run(store: RunStore):
    executor = DaemonExecutor(1)
    executor.shutdown()
    queue = JobQueue(executor)
    with pytest.raises(JobError, match="could not be queued"):
        queue.submit("stub", config(), "one")
    assert state(store.get("own/stub/one")).resumable


def test_one_app_queues_a_run_once(store: RunStore, idle: JobQueue):
    run = mark(fresh(store), status="stopped")
    idle.resume(run.id)
    with pytest.raises(JobError, match="is queued"):
        JobQueue(Held()).resume(run.id)


def test_a_run_deleted_while_it_trains_troubles_nobody(store: RunStore, idle: JobQueue):
    import shutil

    run = idle.submit("stub", config())
    shutil.rmtree(run.path)
    future, _ = idle._executor.calls[0]  # type: ignore[union-attr]
    future.set_running_or_notify_cancel()
    future.set_result(1)
    assert idle.active() == []
    assert idle._jobs == {}


def test_the_queue_of_a_process_is_one():
    assert jobs.queue() is jobs.queue()


# --- states -----------------------------------------------------------------------------------------------------------


def test_states_told_from_the_folder(store: RunStore):
    run = fresh(store)
    assert state(run) == JobState("interrupted", 0.0, 4, None, "its process ended")
    with Lock.take(run.path / TICKET):
        assert state(run) == JobState("queued", 0.0, 4)
    mark(run, status="running", epochs_done=1)
    with Lock.take(run.path / LOCK):
        beat = {"pid": 1, "time": time.time(), "done": 1.5, "total": 4, "left_s": 10.0}
        (run.path / "heartbeat.json").write_text(json.dumps(beat))
        assert state(run) == JobState("running", 1.5, 4, 10.0)
        (run.path / "stop").touch()
        assert state(run).reason == "stopping"
        (run.path / "stop").unlink()
        (run.path / "heartbeat.json").write_text(json.dumps({**beat, "done": 4, "left_s": 0}))
        assert state(run) == JobState("running", 4.0, 4, 0.0, "evaluating")
    mark(run, status="failed", reason="ZeroDivisionError")
    assert state(run) == JobState("failed", 1.0, 4, None, "ZeroDivisionError")
    mark(run, status="diverged", diverged_at={"epoch": 2, "step": 7})
    assert state(run).reason == "the loss was no longer finite in epoch 2, step 7"
    assert not state(run).resumable


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"done": NaN}', '{"done": "much", "left_s": -3, "time": true}', '{"done": 1e308}', "{}" * 9999],
)
def test_an_odd_heartbeat_is_passed_over(store: RunStore, text: str):
    run = mark(fresh(store), status="running", epochs_done=1)
    with Lock.take(run.path / LOCK):
        (run.path / "heartbeat.json").write_text(text)
        assert state(run) == JobState("running", 1.0, 4)


def test_a_long_reason_is_kept(store: RunStore):
    run = mark(fresh(store), status="failed")
    change(run, reason="x" * 9999)
    assert state(run).reason == "x" * 9999


@pytest.mark.parametrize("odd", [[1], {"a": 1}, 3, {"epoch": -1, "step": 2}])
@pytest.mark.parametrize(("field", "status"), [("reason", "failed"), ("diverged_at", "diverged")])
def test_an_odd_end_is_an_unreadable_run(store: RunStore, field: str, status: str, odd: Any):
    run = mark(fresh(store), status=status)
    change(run, **{field: odd})
    with pytest.raises(RunError, match=r"run\.json: '(reason|diverged_at|epoch)' is"):
        state(run)


def test_without_locks_the_heartbeat_tells(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(locks, "_try", lambda descriptor, *, shared: None)
    run = fresh(store)
    for name in (LOCK, TICKET):
        (run.path / name).touch()
    assert state(run).status == "queued"
    mark(run, status="running")
    (run.path / "heartbeat.json").write_text(json.dumps({"time": time.time() - 5, "done": 1}))
    assert state(run) == JobState("running", 1.0, 4)
    (run.path / "heartbeat.json").write_text(json.dumps({"time": time.time() - 3600, "done": 1}))
    assert state(run).status == "interrupted"


def test_a_training_that_ends_while_one_looks_is_never_called_interrupted(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
):
    """Between reading run.json and asking for the lock, the process may write its end and go."""
    run = mark(fresh(store), status="running")
    lock = Lock.take(run.path / LOCK)
    plain, asked = jobs.held, []

    def ends_now(path: Path) -> bool | None:
        if not asked:
            mark(run, status="finished")
            lock.release()
        asked.append(path)
        return plain(path)

    monkeypatch.setattr(jobs, "held", ends_now)
    assert state(run).status == "finished"


def test_the_state_of_a_deleted_run(store: RunStore):
    run = fresh(store)
    store.delete(run.id)
    with pytest.raises(RunError, match="is missing"):
        state(run)


def test_what_is_submitted_is_a_function_of_the_module():
    """A cluster's workers find it by name."""
    assert run_job.__module__ == "core.jobs.queue"
    assert run_job.__qualname__ == "run_job"


def test_every_experiment_can_be_queued(store: RunStore, idle: JobQueue):
    for name, one in EXPERIMENTS.items():
        choices = one.config.option("data").choices
        values = {"data": "mnist-5k"} if "mnist-5k" in choices else {}
        run = new_run(store, name, one.config.from_dict(values), "one")
        assert store.get(run.id).config == one.config.from_dict(values)
