"""Background jobs: training in a process of its own, so that a page only ever looks on.

The seam is ``concurrent.futures.Executor``. What is submitted is :func:`run_job`, which runs
``python -m core work RUN`` as a subprocess and waits for it: the same isolation on a laptop and on a cluster.
A job talks to the app through its run folder alone (status, history, heartbeat, stop file), so it survives a change
of page, a refresh of the browser and the end of the app. Imports no torch.

Who is alive is told by locks, not by process ids: a training process holds the run's ``lock``, an app that has a
run in its queue holds the run's ``ticket``, and the system drops both when their process ends.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import settings
from core.data import DATASETS, availability, data_root
from core.errors import AtlasError, ConfigError, JobError, RunError
from core.jobs.executor import make_executor
from core.options import Config
from core.registry import experiment
from core.runs.files import parse_json, read_inside
from core.runs.locks import Lock, held
from core.runs.store import LOCK, OWN, TICKET, Run, RunStore
from core.training.session import mark, new_run

INTERRUPTED = "interrupted"
STALE_S = 60.0  # only where the file system has no locks: a heartbeat older than this means a dead process
LOG = "job.log"


@dataclass(frozen=True)
class JobState:
    """How a run's training stands now.

    Attributes
    ----------
    status : str
        One of ``runs.STATUSES``, or ``interrupted``: unfinished, and nobody is at it any more.
    done : float
        Epochs done, as a fraction while one is in progress.
    total : int
        Epochs in all.
    left_s : float or None
        Seconds left, where that can be told.
    reason : str or None
        Why it stands so, in words: why it failed, where it diverged, what it waits for.
    """

    status: str
    done: float
    total: int
    left_s: float | None = None
    reason: str | None = None

    @property
    def active(self) -> bool:
        """Whether it is queued or running: it can be stopped."""
        return self.status in ("queued", "running")

    @property
    def resumable(self) -> bool:
        """Whether it can go on where it ended."""
        return self.status in ("stopped", "failed", INTERRUPTED)


def state(run: Run) -> JobState:
    """Return how a run's training stands now, read from its folder; RunError if that no longer reads."""
    if run.shipped:
        return JobState(run.status, run.epochs_done, run.config.epochs)
    run, status = _living_status(run)
    total = run.config.epochs
    beat = _heartbeat(run)
    done = float(run.epochs_done)
    if status == "running":
        done = min(max(done, beat.get("done", 0.0)), float(total))
    left_s = beat.get("left_s") if status == "running" else None
    return JobState(status, done, total, left_s, _reason(run, status, done, total))


def _living_status(run: Run) -> tuple[Run, str]:
    """Return the run as it is now and its status, ``interrupted`` if it is unfinished and its process is gone."""
    for _ in range(2):  # a process may have ended, its result written, after run.json was read
        run = Run.read(run.path, run.origin)
        training, waiting = held(run.path / LOCK), held(run.path / TICKET)
        if run.status == "running":
            fresh = time.time() - _heartbeat(run).get("time", 0.0) < STALE_S
            alive = training or (fresh and (waiting or training is None))
        elif run.status == "queued":
            alive = training or waiting or waiting is None
        else:
            return run, run.status
        if alive:
            return run, run.status
    return run, INTERRUPTED


def _heartbeat(run: Run) -> dict[str, float]:
    """Return the numbers of ``heartbeat.json``; empty if it is missing or odd: it is a courtesy, not a record."""
    try:
        beat = parse_json(read_inside(run.path, "heartbeat.json", 4096))
    except (OSError, ValueError):
        return {}
    if not isinstance(beat, dict):
        return {}
    return {k: float(v) for k, v in beat.items() if isinstance(v, int | float) and 0 <= v < 1e12}


def _reason(run: Run, status: str, done: float, total: int) -> str | None:
    if status in ("queued", "running") and (run.path / "stop").exists():
        return "stopping"
    if status == "running":
        return "evaluating" if done >= total else None
    if status == INTERRUPTED:
        epochs = run.epochs_done
        return f"its process ended; resuming goes on after epoch {epochs}" if epochs else "its process ended"
    if status == "diverged" and run.diverged_at:
        return "the loss was no longer finite in epoch {:,}, step {:,}".format(*run.diverged_at)
    return run.record.reason if status == "failed" else None


class JobQueue:
    """Queues trainings and knows their futures. One per process: :func:`queue`.

    Parameters
    ----------
    executor
        Runs the jobs; by default the one that the settings ask for, made at the first submission.
    command
        What runs a job, to which the run's id is added; by default ``python -m core work``.
    """

    def __init__(self, executor: Executor | None = None, command: Sequence[str] = ()) -> None:
        self._executor = executor
        self._command = tuple(command)
        self._jobs: dict[Path, tuple[Lock, Future[int]]] = {}
        self._lock = threading.RLock()

    def submit(self, experiment_name: str, config: Config, name: str | None = None) -> Run:
        """Make a run and queue its training.

        Raises
        ------
        JobError
            If training is switched off, the queue is full, the epochs are over the limit, or the data are missing.
        RunError
            If the name is taken or the run folder cannot be written.
        """
        wanted = experiment(experiment_name).config
        if type(config) is not wanted:
            raise ConfigError(f"{experiment_name} does not take a {type(config).__name__}", f"Give a {wanted.__name__}")
        with self._lock:
            executor = self._ready(config)
            run = new_run(RunStore(), experiment_name, config, name)
            self._enqueue(run, executor)
        return run

    def resume(self, run_id: str) -> Run:
        """Queue a stopped, failed or interrupted run again; it goes on after its last whole epoch.

        Raises
        ------
        JobError
            As :meth:`submit`, and if the run is a shipped one or has nothing to go on with.
        """
        with self._lock:
            run = RunStore().get(run_id)
            if run.origin != OWN:
                raise JobError(f"{run_id} ships with the project", "Train a run of your own instead")
            now = state(run)
            if not now.resumable:
                raise JobError(f"{run_id} is {now.status}", "Only a stopped, failed or interrupted run can be resumed")
            self._enqueue(run, self._ready(run.config))
            return RunStore().get(run_id)

    def stop(self, run_id: str) -> None:
        """Stop a job: one that waits never starts, one that runs ends, resumable, at its last whole epoch.

        Raises
        ------
        JobError
            If it is neither queued nor running.
        """
        with self._lock:
            run = RunStore().get(run_id)
            now = state(run)
            if run.shipped or not now.active:
                raise JobError(f"{run_id} is {now.status}", "Only a queued or running training can be stopped")
            # first, because a future that says it was cancelled may be running all the same, on a cluster
            try:
                (run.path / "stop").touch()
            except OSError as error:
                raise JobError(f"{run.path} cannot be written ({error.strerror})", "Give permission there") from None
            job = self._jobs.get(run.path)
            if job is not None:
                job[1].cancel()

    def state(self, run: Run) -> JobState:
        """Return how a run's training stands now; see :func:`state`."""
        return state(run)

    def active(self) -> list[Run]:
        """Return the reader's own runs that are queued or running now, in this app or another, oldest first."""
        found = []
        for run in RunStore().list():
            if run.origin == OWN and run.status in ("queued", "running"):
                try:
                    if state(run).active:
                        found.append(run)
                except RunError:  # deleted, or damaged, since it was listed
                    continue
        return sorted(found, key=lambda run: run.record.created)

    def check(self, config: Config) -> None:
        """Raise JobError where this deployment does not train that config now, even with its data on the machine."""
        if settings.read_only():
            raise JobError("training is switched off here", "Run the app on your own machine to train")
        if config.epochs > settings.max_epochs():
            allowed = f"Ask for at most {settings.max_epochs():,} (EPOCH_ATLAS_MAX_EPOCHS)"
            raise JobError(f"{config.epochs:,} epochs are more than this deployment trains", allowed)
        if len(self.active()) >= settings.max_queue():
            remedy = "Wait until one ends, or stop one (EPOCH_ATLAS_MAX_QUEUE sets the limit)"
            raise JobError(f"{settings.max_queue()} trainings are queued or running already", remedy)

    def _ready(self, config: Config) -> Executor:
        """Return the executor, or raise JobError where this deployment does not train that config now."""
        self.check(config)
        if config.data in DATASETS:
            there = availability(config.data)
            if not there.ready:
                remedy = f"Run python -m core data {config.data}, or train on mnist-5k, which works offline"
                raise JobError(f"{config.data} is {there.message}", remedy)
        if self._executor is None:
            self._executor = make_executor()
        return self._executor

    def _enqueue(self, run: Run, executor: Executor) -> None:
        before = self._jobs.get(run.path)
        # a process that has said it stopped may take a moment to end: its ticket is still ours
        ticket = before[0] if before else Lock.take(run.path / TICKET)
        if ticket is None:
            raise JobError(f"{run.id} is in another app's queue", "Wait until it ends, or stop it")
        try:
            (run.path / "stop").unlink(missing_ok=True)
            mark(run, status="queued", reason=None)
            future = executor.submit(run_job, str(run.path), run.id, _environment(), self._command)
        except Exception as error:
            if not before:
                ticket.release()
            mark(run, status="failed", reason=f"it could not be queued ({error})"[:500])
            raise JobError(f"{run.id} could not be queued ({error})", "Resume it after a restart of the app") from error
        self._jobs[run.path] = (ticket, future)
        future.add_done_callback(functools.partial(self._ended, run))

    def _ended(self, run: Run, future: Future[int]) -> None:
        """Write down what the job's process could not, and give the ticket back."""
        with self._lock:
            ticket, latest = self._jobs[run.path]
            if future is not latest:  # it has been resumed meanwhile
                return
            try:
                _settle(run, future)
            except AtlasError:  # the folder is gone or cannot be written: there is nobody to tell
                pass
            finally:
                del self._jobs[run.path]
                ticket.release()


def _settle(run: Run, future: Future[int]) -> None:
    """Give a final status to a run whose process never got as far as giving it one."""
    if held(run.path / LOCK) or Run.read(run.path, run.origin).status != "queued":
        return
    try:
        code = future.result(timeout=0)
    except CancelledError:
        mark(run, status="stopped")
        return
    except Exception as error:
        mark(run, status="failed", reason=f"its process could not be started ({error})"[:500])
        return
    said = _last_line(run.path / LOG) if code > 0 else ""  # a negative code is a signal: it had no last word
    mark(run, status="failed", reason=(said or f"its process ended with code {code}")[:500])


def _last_line(file: Path) -> str:
    try:
        lines = file.read_bytes()[-4096:].decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _environment() -> dict[str, str]:
    """Return the settings that a job's process needs, with paths made absolute: it starts in another folder."""
    threads = str(settings.threads())
    wanted = {
        "EPOCH_ATLAS_RUNS": str(settings.runs_root()),
        "EPOCH_ATLAS_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "PYTHONUNBUFFERED": "1",
    }
    if os.environ.get("EPOCH_ATLAS_DATA", "").strip():
        wanted["EPOCH_ATLAS_DATA"] = str(data_root())
    return wanted


def run_job(folder: str, run_id: str, environment: Mapping[str, str], command: Sequence[str] = ()) -> int:
    """Run a job's process to its end and return its exit code. This is what an executor is given.

    Parameters
    ----------
    folder
        The run's folder; the process's output goes into ``job.log`` there.
    run_id
        The run's id.
    environment
        Environment variables to set for the process.
    command
        What to run, before the id; by default this interpreter's ``-m core work``.
    """
    # a session of its own: neither Ctrl-C at the app nor its end reaches the training
    own: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        own = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    with open(Path(folder) / LOG, "ab") as log:
        process = subprocess.Popen(
            [*(command or (sys.executable, "-m", "core", "work")), run_id],
            cwd=settings.ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            **own,
        )
    return process.wait()


_QUEUE = JobQueue()


def queue() -> JobQueue:
    """Return the job queue of this process."""
    return _QUEUE
