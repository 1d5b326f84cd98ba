"""Where jobs wait and run: ``concurrent.futures.Executor``, here or on a cluster."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from core import settings
from core.errors import JobError

P = ParamSpec("P")
T = TypeVar("T")
CONNECT_S = 5


class DaemonExecutor(Executor):
    """A thread pool whose threads never keep the program alive.

    ``concurrent.futures.ThreadPoolExecutor`` joins its threads when the interpreter ends, so closing the app would
    wait for the training that a thread waits for.

    Parameters
    ----------
    workers
        Calls that run at the same time; the others wait in the order of submission.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._futures: list[Future[Any]] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a call and return its future; RuntimeError after :meth:`shutdown`."""
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            if self._closed:
                raise RuntimeError("the executor has been shut down")
            self._futures = [one for one in self._futures if not one.done()] + [future]
            self._calls.put(call)
            if len(self._threads) < self._workers:
                thread = threading.Thread(target=self._work, name=f"job-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; the threads end when the queue is empty."""
        with self._lock:
            first, self._closed = not self._closed, True
            if cancel_futures:
                for future in self._futures:
                    future.cancel()
            if first:
                for _ in self._threads:
                    self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            with suppress(Exception):  # a callback's error: the future has been answered, the thread goes on
                call()


def make_executor() -> Executor:
    """Return the executor that the settings ask for: threads here, or a Dask cluster.

    Raises
    ------
    JobError
        If ``EPOCH_ATLAS_DASK`` is set and Dask is not installed or its scheduler does not answer.
    """
    address = settings.dask_address()
    if address is None:
        return DaemonExecutor(settings.workers())
    remedy = "Start it, correct EPOCH_ATLAS_DASK, or unset that to train on this machine"
    try:
        from distributed import Client
    except ImportError:
        install = "Install it with pip install distributed, or unset EPOCH_ATLAS_DASK to train on this machine"
        raise JobError("EPOCH_ATLAS_DASK is set, and Dask is not installed", install) from None
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # no answer in time is an OSError; the others: no such address
        reason = str(error) or type(error).__name__
        raise JobError(f"the Dask scheduler {address[:100]!r} does not answer ({reason})", remedy) from None
    executor: Executor = client.get_executor(pure=False)  # every submission is a job of its own
    return executor
