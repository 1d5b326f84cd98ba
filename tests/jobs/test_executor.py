"""The local executor: a bounded pool of threads that never keeps the program alive."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import CancelledError, Executor

import pytest

from core.errors import JobError
from core.jobs.executor import DaemonExecutor, make_executor
from core.settings import ROOT
from tests.tools import until


def test_results_errors_and_order():
    order: list[int] = []
    with DaemonExecutor(1) as executor:
        futures = [executor.submit(lambda n: order.append(n) or n * n, n) for n in range(5)]
        failing = executor.submit(int, "x")
        named = executor.submit(int, "11", base=2)
    assert [future.result() for future in futures] == [0, 1, 4, 9, 16]
    assert order == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="invalid literal"):
        failing.result()
    assert named.result() == 3  # the thread went on after the error


def test_no_more_at_once_than_workers():
    gate, running, most = threading.Event(), [], []
    lock = threading.Lock()

    def call(n: int) -> None:
        with lock:
            running.append(n)
            most.append(len(running))
        gate.wait(30)
        with lock:
            running.remove(n)

    executor = DaemonExecutor(2)
    futures = [executor.submit(call, n) for n in range(5)]
    until(lambda: len(most) == 2)
    assert [future.running() for future in futures] == [True, True, False, False, False]
    assert futures[4].cancel()  # it has not begun
    assert not futures[0].cancel()
    gate.set()
    executor.shutdown()
    assert max(most) == 2
    assert [future.done() for future in futures] == [True] * 5
    with pytest.raises(CancelledError):
        futures[4].result()


def test_shutdown_takes_no_more_and_may_cancel():
    gate = threading.Event()
    executor = DaemonExecutor(1)
    first = executor.submit(gate.wait, 30)
    second = executor.submit(gate.wait, 30)
    until(first.running)
    executor.shutdown(wait=False, cancel_futures=True)
    executor.shutdown(wait=False)
    assert second.cancelled()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(gate.wait)
    gate.set()
    executor.shutdown()
    assert first.result() is True


def test_a_failing_callback_does_not_end_the_thread():
    executor = DaemonExecutor(1)
    gate = threading.Event()
    future = executor.submit(gate.wait, 30)
    future.add_done_callback(lambda _: 1 / 0)
    gate.set()
    assert executor.submit(int, "7").result(timeout=30) == 7
    executor.shutdown()


def test_a_program_ends_while_a_job_runs():
    code = (
        "import threading\n"
        "from core.jobs.executor import DaemonExecutor\n"
        "DaemonExecutor(1).submit(threading.Event().wait)\n"
        "print('end')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=300, check=True)
    assert done.stdout == b"end\n"


def test_the_settings_choose(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("EPOCH_ATLAS_DASK", raising=False)
    monkeypatch.setenv("EPOCH_ATLAS_WORKERS", "3")
    executor = make_executor()
    assert isinstance(executor, DaemonExecutor)
    assert isinstance(executor, Executor)
    assert executor._workers == 3


def test_dask_that_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_DASK", "tcp://127.0.0.1:8786")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(JobError, match="Dask is not installed. Install it with pip install distributed"):
        make_executor()
