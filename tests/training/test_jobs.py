"""Jobs: queued, watched, stopped, resumed, killed, outlived by their trainings, limited; real processes throughout.

The processes run ``python -m core work`` with the tiny experiment (``stub.py``), held up where a test wants to look.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from core import data
from core.configs import EXPERIMENTS
from core.errors import ConfigError, JobError, RunError
from core.settings import ROOT
from core.training import jobs, locks
from core.training.executor import DaemonExecutor
from core.training.jobs import JobQueue, JobState, run_job, state
from core.training.locks import Lock
from core.training.runs import LOCK, SHIPPED, TICKET, Run, RunStore
from core.training.session import mark, new_run, work
from tests.training import stub
from tests.training.tools import change, config, fresh, until

COMMAND = (sys.executable, str(Path(stub.__file__)), "work")


class Held(Executor):
    """An executor that runs nothing until it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.calls.append((future, lambda: fn(*args, **kwargs)))
        return future


@pytest.fixture
def queue(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobQueue]:
    """A queue of one worker whose trainings are real processes; none of them outlives the test."""
    monkeypatch.setenv("EPOCH_ATLAS_THREADS", str(torch.get_num_threads()))  # equal to the last bit needs equal threads
    executor = DaemonExecutor(1)
    made = JobQueue(executor, COMMAND)
    yield made
    for run in made.active():
        made.stop(run.id)
    executor.shutdown(wait=True, cancel_futures=True)


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that holds trainings up before the epoch that it names."""
    file = tmp_path / "hold"
    file.write_text("3")
    monkeypatch.setenv("STUB_HOLD", str(file))
    yield file
    file.unlink(missing_ok=True)


def status(run: Run) -> str:
    return state(run).status


def held_up(run: Run, epochs: int = 2) -> Callable[[], bool]:
    """Whether the run is held up after that many epochs."""
    return lambda: status(run) == "running" and state(run).done >= epochs


def process_of(run: Run) -> int:
    return int(json.loads((run.path / "heartbeat.json").read_text())["pid"])


def whole(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> tuple[pd.DataFrame, bytes]:
    """History without times, and final weights, of the same training here and uninterrupted."""
    monkeypatch.setitem(sys.modules, f"core.experiments.{stub.NAME}", stub.module())
    run = fresh(store, "whole")
    assert work(run) == "finished"
    return outcome(run)


def outcome(run: Run) -> tuple[pd.DataFrame, bytes]:
    run = Run.read(run.path)
    return run.history().drop(columns="elapsed_s"), (run.path / "weights.safetensors").read_bytes()


# --- real processes ---------------------------------------------------------------------------------------------------


def test_submit_watch_stop_and_resume(store: RunStore, queue: JobQueue, hold: Path, monkeypatch: pytest.MonkeyPatch):
    """Two readers queue; one waits; both are stopped, one running, one waiting; both are resumed and finish."""
    first, second = queue.submit("vae", config(), "first"), queue.submit("vae", config(seed=1))
    assert status(second) == "queued"
    until(held_up(first))
    now = state(first)
    assert (now.status, now.total, now.reason) == ("running", 4, None)
    assert 2 <= now.done < 4
    assert now.left_s is not None
    assert now.left_s > 0
    assert len(Run.read(first.path).history()) == 2  # what a page draws while it runs
    assert process_of(first) != os.getpid()
    assert status(second) == "queued"
    assert [run.id for run in queue.active()] == [first.id, second.id]
    with pytest.raises(JobError, match="is running. Only a stopped"):
        queue.resume(first.id)
    with pytest.raises(RunError, match="is queued or in training"):
        store.delete(second.id)

    queue.stop(second.id)
    assert status(second) == "stopped"
    assert not (second.path / "job.log").exists()  # it never started
    began = time.monotonic()
    queue.stop(first.id)
    until(lambda: status(first) == "stopped")
    assert time.monotonic() - began < 10
    assert Run.read(first.path).meta["epochs_done"] == 2
    assert queue.active() == []
    with pytest.raises(JobError, match="is stopped. Only a queued or running"):
        queue.stop(first.id)

    hold.unlink()  # and at once, though its process may still be ending:
    for run in (first, second):
        assert queue.resume(run.id).status == "queued"
    until(lambda: status(first) == status(second) == "finished")
    assert state(first) == JobState("finished", 4.0, 4)
    assert "epoch 4/4" in (first.path / "job.log").read_text()
    expected = whole(store, monkeypatch)
    pd.testing.assert_frame_equal(outcome(first)[0], expected[0], check_exact=True)
    assert outcome(first)[1] == expected[1]


def test_a_killed_process_shows_as_interrupted_and_resumes(
    store: RunStore, queue: JobQueue, hold: Path, monkeypatch: pytest.MonkeyPatch
):
    run = queue.submit("vae", config())
    until(held_up(run))
    os.kill(process_of(run), signal.SIGKILL)
    until(lambda: status(run) == "interrupted")
    assert Run.read(run.path).status == "running"  # nobody was left to write it down
    now = state(run)
    assert (now.resumable, now.active, now.left_s) == (True, False, None)
    assert now.reason == "its process ended; resuming goes on after epoch 2"
    assert queue.active() == []
    hold.unlink()
    queue.resume(run.id)
    until(lambda: status(run) == "finished")
    expected = whole(store, monkeypatch)
    pd.testing.assert_frame_equal(outcome(run)[0], expected[0], check_exact=True)
    assert outcome(run)[1] == expected[1]


APP = """
import sys
from core.configs import EXPERIMENTS
from core.training.executor import DaemonExecutor
from core.training.jobs import JobQueue

queue = JobQueue(DaemonExecutor(1), sys.argv[1:])
config = EXPERIMENTS["vae"].config(data="mnist-5k", epochs=4)
for name in ("running", "waiting"):
    queue.submit("vae", config, name)
print("submitted", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_a_training_outlives_the_app_and_a_waiting_job_does_not_get_lost(
    store: RunStore, queue: JobQueue, hold: Path, how: str
):
    command = [sys.executable, "-c", APP, *COMMAND]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as app:
        assert app.stdout is not None
        assert app.stdout.readline() == b"submitted\n"
        running, waiting = store.get("own/vae/running"), store.get("own/vae/waiting")
        until(held_up(running))
        assert status(waiting) == "queued"
        assert [run.id for run in queue.active()] == [running.id, waiting.id]  # this app sees the other's jobs
        if how == "killed":
            app.kill()
        app.communicate(timeout=60)  # closing its input ends it; it does not wait for the training
    assert status(running) == "running"
    until(lambda: status(waiting) == "interrupted")
    assert [run.id for run in queue.active()] == [running.id]
    hold.unlink()
    until(lambda: status(running) == "finished")
    assert state(waiting).resumable


def test_stop_is_heard_while_the_process_starts(queue: JobQueue):
    run = queue.submit("vae", config(epochs=400))
    queue.stop(run.id)
    until(lambda: status(run) == "stopped")
    until(lambda: not (run.path / "stop").exists())
    assert len(Run.read(run.path).history()) == 0


def test_another_apps_waiting_job_is_stopped_by_its_file(store: RunStore, queue: JobQueue):
    """This app cannot cancel what another has queued, but leaves a stop file, which its process will find."""
    other = JobQueue(Held(), COMMAND)
    run = other.submit("vae", config())
    queue.stop(run.id)
    assert state(run) == JobState("queued", 0.0, 4, None, "stopping")
    future, call = other._executor.calls[0]  # type: ignore[union-attr]
    assert future.set_running_or_notify_cancel()
    future.set_result(call())
    assert status(run) == "stopped"
    assert len(Run.read(run.path).history()) == 0


# --- processes that never get as far as training ----------------------------------------------------------------------


def submitted(command: tuple[str, ...]) -> Run:
    executor = DaemonExecutor(1)
    run = JobQueue(executor, command).submit("vae", config())
    executor.shutdown()
    return run


def test_a_process_that_cannot_be_started(store: RunStore):
    run = submitted(("/nowhere/python",))
    now = state(run)
    assert now.status == "failed"
    assert "its process could not be started" in (now.reason or "")
    assert now.resumable


def test_a_process_that_refuses_says_why(store: RunStore):
    code = "import sys; print('training...'); sys.exit('torch is not installed')"
    now = state(submitted((sys.executable, "-c", code)))
    assert (now.status, now.reason) == ("failed", "torch is not installed")


def test_a_process_that_is_killed_at_once(store: RunStore):
    code = "import os; print('hello', flush=True); os.kill(os.getpid(), 9)"
    now = state(submitted((sys.executable, "-c", code)))
    assert (now.status, now.reason) == ("failed", "its process ended with code -9")


def test_a_job_gets_its_settings_and_its_own_session(store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", "relative-runs")
    monkeypatch.setenv("EPOCH_ATLAS_DATA", "relative-data")
    monkeypatch.setenv("EPOCH_ATLAS_THREADS", "1")
    names = ["EPOCH_ATLAS_RUNS", "EPOCH_ATLAS_DATA", "EPOCH_ATLAS_THREADS", "OMP_NUM_THREADS"]
    code = f"import os; print([os.environ[n] for n in {names}] + [os.getcwd(), os.getsid(0) == os.getpid()])"
    run = submitted((sys.executable, "-c", code))
    said = (run.path / "job.log").read_text().strip()
    expected = [str(tmp_path / "relative-runs"), str(tmp_path / "relative-data"), "1", "1", str(ROOT), True]
    assert said == str(expected)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def idle(store: RunStore) -> JobQueue:
    """A queue whose jobs never start."""
    return JobQueue(Held(), COMMAND)


def test_read_only_refuses(store: RunStore, idle: JobQueue, monkeypatch: pytest.MonkeyPatch):
    run = mark(fresh(store), status="stopped")
    monkeypatch.setenv("EPOCH_ATLAS_READONLY", "1")
    for ask in (lambda: idle.submit("vae", config()), lambda: idle.resume(run.id)):
        with pytest.raises(JobError, match="training is switched off here"):
            ask()
    assert [one.id for one in store.list()] == [run.id]


def test_too_many_epochs(store: RunStore, idle: JobQueue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_MAX_EPOCHS", "3")
    with pytest.raises(JobError, match="4 epochs are more than this deployment trains. Ask for at most 3"):
        idle.submit("vae", config())
    idle.submit("vae", config(epochs=3))
    with pytest.raises(JobError, match="4 epochs are more"):
        idle.resume(mark(fresh(store), status="stopped").id)


def test_a_full_queue(store: RunStore, idle: JobQueue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_MAX_QUEUE", "2")
    first = idle.submit("vae", config())
    JobQueue(Held(), COMMAND).submit("vae", config())  # another app's counts too
    with pytest.raises(JobError, match="2 trainings are queued or running already. Wait until one ends"):
        idle.submit("vae", config())
    idle.stop(first.id)
    idle.submit("vae", config())


def test_two_readers_at_once_never_overfill_the_queue(store: RunStore, idle: JobQueue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_MAX_QUEUE", "3")
    start, refused, taken = threading.Barrier(8), [], []

    def reader() -> None:
        start.wait(30)
        try:
            taken.append(idle.submit("vae", config()).id)
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
        idle.submit("vae", config(data="mnist"))
    assert store.list() == []


def test_a_config_of_another_experiment(idle: JobQueue):
    with pytest.raises(ConfigError, match="classifier does not take a VAEConfig"):
        idle.submit("classifier", config())
    with pytest.raises(ConfigError, match="there is no experiment 'nope'"):
        idle.submit("nope", config())


def test_a_name_that_is_taken_or_none(store: RunStore, idle: JobQueue):
    idle.submit("vae", config(), "mine")
    with pytest.raises(RunError, match="there is a run vae/mine already"):
        idle.submit("vae", config(), "mine")
    with pytest.raises(RunError, match="is no name for a run"):
        idle.submit("vae", config(), "../mine")
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
            ask("own/vae/../x")


def test_shipped_runs_are_left_alone(store: RunStore, idle: JobQueue):
    run = mark(fresh(store), status="running")
    target = store.roots[SHIPPED] / "vae" / "one"
    target.parent.mkdir(parents=True)
    run.path.rename(target)
    with pytest.raises(JobError, match="ships with the project"):
        idle.resume("shipped/vae/one")
    with pytest.raises(JobError, match="Only a queued or running training"):
        idle.stop("shipped/vae/one")
    assert idle.active() == []


def test_an_executor_that_takes_nothing_leaves_a_resumable_run(store: RunStore):
    executor = DaemonExecutor(1)
    executor.shutdown()
    queue = JobQueue(executor, COMMAND)
    with pytest.raises(JobError, match="could not be queued"):
        queue.submit("vae", config(), "one")
    assert state(store.get("own/vae/one")).resumable


def test_one_app_queues_a_run_once(store: RunStore, idle: JobQueue):
    run = mark(fresh(store), status="stopped")
    idle.resume(run.id)
    with pytest.raises(JobError, match="is queued"):
        JobQueue(Held(), COMMAND).resume(run.id)


def test_a_run_deleted_while_it_trains_troubles_nobody(store: RunStore, idle: JobQueue):
    import shutil

    run = idle.submit("vae", config())
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


@pytest.mark.parametrize("odd", [[1], {"a": 1}, 3, "x" * 9999])
def test_odd_reasons_are_words_all_the_same(store: RunStore, odd: Any):
    run = mark(fresh(store), status="failed")
    change(run, reason=odd, diverged_at=odd)
    assert state(run).reason == str(odd)
    change(run, status="diverged")
    assert isinstance(state(run).reason, str | None)


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


# --- Dask -------------------------------------------------------------------------------------------------------------


def test_a_dask_scheduler_that_is_not_there(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("distributed", reason="Dask is optional")
    monkeypatch.setattr("core.training.executor.CONNECT_S", 0.2)
    monkeypatch.setenv("EPOCH_ATLAS_DASK", "tcp://127.0.0.1:9")
    with pytest.raises(JobError, match="the Dask scheduler 'tcp://127.0.0.1:9' does not answer"):
        JobQueue(command=COMMAND).submit("vae", config())
    assert store.list() == []


def test_jobs_on_dask(store: RunStore, monkeypatch: pytest.MonkeyPatch, hold: Path):
    distributed = pytest.importorskip("distributed", reason="Dask is optional")
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(protocol="tcp", **options) as cluster:
        monkeypatch.setenv("EPOCH_ATLAS_DASK", cluster.scheduler_address)
        queue = JobQueue(command=COMMAND)
        first, second = queue.submit("vae", config(), "first"), queue.submit("vae", config(), "second")
        until(held_up(first))
        assert status(second) == "queued"
        queue.stop(second.id)
        assert status(second) == "stopped"
        queue.stop(first.id)
        until(lambda: status(first) == "stopped")
        hold.unlink()
        queue.resume(first.id)
        until(lambda: status(first) == "finished")
        queue._executor.shutdown()  # type: ignore[union-attr]
        queue._executor._client.close()  # type: ignore[union-attr]


def test_what_is_submitted_is_a_function_of_the_module():
    """A cluster's workers find it by name."""
    assert run_job.__module__ == "core.training.jobs"
    assert run_job.__qualname__ == "run_job"


def test_every_experiment_can_be_queued(store: RunStore, idle: JobQueue):
    for name, one in EXPERIMENTS.items():
        choices = one.config.option("data").choices
        values = {"data": "mnist-5k"} if "mnist-5k" in choices else {}
        run = new_run(store, name, one.config.from_dict(values), "one")
        assert store.get(run.id).config == one.config.from_dict(values)
