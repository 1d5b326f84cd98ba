"""Jobs as processes: queued, watched, stopped, resumed, killed, and outliving the app that started them.

They run ``python -m core work`` with the tiny experiment (``stub.py``), held up where a test wants to look.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from core.errors import JobError, RunError
from core.jobs.executor import DaemonExecutor
from core.jobs.queue import JobQueue, JobState, state
from core.runs.store import Run, RunStore
from core.settings import ROOT
from core.training.session import work
from tests import stub
from tests.tools import config, fresh, until

pytestmark = pytest.mark.slow
COMMAND = (sys.executable, stub.SCRIPT, "work")


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
    return lambda: status(run) == "running" and Run.read(run.path).epochs_done >= epochs


def process_of(run: Run) -> int:
    return int(json.loads((run.path / "heartbeat.json").read_text())["pid"])


def whole(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> tuple[pd.DataFrame, bytes]:
    """History without times, and final weights, of the same training here and uninterrupted."""
    run = fresh(store, "whole")
    assert work(run) == "finished"
    return outcome(run)


def outcome(run: Run) -> tuple[pd.DataFrame, bytes]:
    run = Run.read(run.path)
    return run.history().drop(columns="elapsed_s"), (run.path / "weights.safetensors").read_bytes()


def test_submit_watch_stop_and_resume(store: RunStore, queue: JobQueue, hold: Path, monkeypatch: pytest.MonkeyPatch):
    """Two readers queue; one waits; both are stopped, one running, one waiting; both are resumed and finish."""
    first, second = queue.submit("stub", config(), "first"), queue.submit("stub", config(seed=1))
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
    assert Run.read(first.path).epochs_done == 2
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
    run = queue.submit("stub", config())
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
from core.registry import register
from tests import stub
from core.jobs.executor import DaemonExecutor
from core.jobs.queue import JobQueue

queue = JobQueue(DaemonExecutor(1), sys.argv[1:])
config = register(stub.ENTRY).config(data="mnist-5k", epochs=4)
for name in ("running", "waiting"):
    queue.submit("stub", config, name)
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
        running, waiting = store.get("own/stub/running"), store.get("own/stub/waiting")
        until(held_up(running))
        assert status(waiting) == "queued"
        assert [run.id for run in queue.active()] == [running.id, waiting.id]  # this app sees the other's jobs
        if how == "killed":
            app.kill()
        app.communicate(timeout=300)  # closing its input ends it; it does not wait for the training
    assert status(running) == "running"
    until(lambda: status(waiting) == "interrupted")
    assert [run.id for run in queue.active()] == [running.id]
    hold.unlink()
    until(lambda: status(running) == "finished")
    assert state(waiting).resumable


def test_stop_is_heard_while_the_process_starts(queue: JobQueue):
    run = queue.submit("stub", config(epochs=400))
    queue.stop(run.id)
    until(lambda: status(run) == "stopped")
    until(lambda: not (run.path / "stop").exists())
    assert len(Run.read(run.path).history()) == 0


def test_another_apps_waiting_job_is_stopped_by_its_file(store: RunStore, queue: JobQueue):
    """This app cannot cancel what another has queued, but leaves a stop file, which its process will find."""
    other = JobQueue(Held(), COMMAND)
    run = other.submit("stub", config())
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
    run = JobQueue(executor, command).submit("stub", config())
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


# --- Dask -------------------------------------------------------------------------------------------------------------


def test_a_dask_scheduler_that_is_not_there(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("distributed", reason="Dask is optional")
    monkeypatch.setattr("core.jobs.executor.CONNECT_S", 0.2)
    monkeypatch.setenv("EPOCH_ATLAS_DASK", "tcp://127.0.0.1:9")
    with pytest.raises(JobError, match="the Dask scheduler 'tcp://127.0.0.1:9' does not answer"):
        JobQueue(command=COMMAND).submit("stub", config())
    assert store.list() == []


def test_jobs_on_dask(store: RunStore, monkeypatch: pytest.MonkeyPatch, hold: Path):
    distributed = pytest.importorskip("distributed", reason="Dask is optional")
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(protocol="tcp", **options) as cluster:
        monkeypatch.setenv("EPOCH_ATLAS_DASK", cluster.scheduler_address)
        queue = JobQueue(command=COMMAND)
        first, second = queue.submit("stub", config(), "first"), queue.submit("stub", config(), "second")
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
