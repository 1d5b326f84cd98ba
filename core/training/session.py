"""A training session: make a run, train it in this process, evaluate it, and never leave it half said.

``train(config, recorder)`` of an experiment's module is the one way to train; the command line, the jobs
and the tests all come here. Imports no torch until it trains.
"""

from __future__ import annotations

import _thread
import importlib.metadata
import math
import platform
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import pandas as pd

from core.data import DATASETS, load
from core.errors import AtlasError, RunError
from core.options import Config
from core.registry import experiment
from core.runs.contents import digests
from core.runs.files import clear_temporary, write_json
from core.runs.locks import Lock
from core.runs.recorder import OnProgress, Recorder
from core.runs.store import LOCK, OWN, Run, RunStore
from core.words import count

PULSE_S = 0.25  # how often the pulse looks for a stop
HEARTBEAT_S = 2.0  # a heartbeat older than this is renewed by the pulse
GRACE_S = 0.5  # how long a stop may go unheard by the loop before the main thread is interrupted
SOFTWARE = ("torch", "torchvision", "numpy", "scikit-learn", "streamlit")


@dataclass
class Evaluation:
    """What evaluating a run gives: plain numbers by name, and tables by name."""

    metrics: dict[str, float]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape results."""
    found = {"python": platform.python_version()}
    for name in SOFTWARE:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # streamlit may be left out where nobody looks at pages
            continue
    return found


def describe_data(name: str) -> dict[str, Any]:
    """Return the record of a data set in ``run.json``: name, source, and size and digest of each split."""
    if name not in DATASETS:
        return {"name": name, "source": "computed", "splits": {}}
    info = DATASETS[name]
    splits = {split: load(name, split) for split in info.sizes}
    return {
        "name": name,
        "source": info.source,
        "splits": {split: {"size": len(part.labels), "digest": part.digest} for split, part in splits.items()},
    }


def fresh_name(config: Config) -> str:
    """Return a name for a reader's run: data, time and a few random letters."""
    return f"{config.data}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def new_run(store: RunStore, experiment_name: str, config: Config, name: str | None = None) -> Run:
    """Make the folder of a run that is still to be trained (status ``queued``)."""
    meta = {
        "experiment": experiment_name,
        "name": "",
        "config": config.to_dict(),
        "seed": config.seed,
        "data": {"name": config.data},
        "software": versions(),
        "device": "",
        "status": "queued",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "elapsed_s": 0.0,
        "epochs_done": 0,
        "metrics": {},
    }
    return store.create(meta, name or fresh_name(config))


def resolve_device(wanted: str = "auto", threads: int | None = None) -> str:
    """Return ``cuda``, ``mps`` or ``cpu``: the wanted one, or the best there is for ``auto``.

    Imports torch, and gives it that many threads unless None; RunError if the device is not there.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, ready in there.items() if ready)
    if not there.get(wanted, False):
        ready = ", ".join(name for name, is_there in there.items() if is_there)
        raise RunError(f"the device {wanted[:20]!r} is not on this machine", f"Use auto or one of: {ready}")
    return wanted


def describe_device(device: str) -> str:
    """Return the device in words, for the provenance line."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{device}, {count(torch.get_num_threads(), 'thread')}" if device == "cpu" else device


def mark(run: Run, **values: Any) -> Run:
    """Change fields of an own run's ``run.json`` as it is on disk now; return the run as it then reads."""
    changed = Run.read(run.path, run.origin).changed(**values)
    write_json(run.path / "run.json", changed.record.raw)
    return changed


def work(run: Run, device: str = "auto", on_progress: OnProgress | None = None, threads: int | None = None) -> str:
    """Train (or go on training) a run in this process, then evaluate it; return its final status.

    A stop file, KeyboardInterrupt included, ends it as ``stopped`` at its last whole epoch. A refusal (data missing,
    device not there) or a crash is written into ``run.json`` as ``failed`` with its reason before it is raised again.

    Parameters
    ----------
    run
        One of the reader's own runs.
    device
        ``auto``, ``cuda``, ``mps`` or ``cpu``.
    on_progress
        See :class:`core.runs.recorder.Recorder`.
    threads
        Torch threads to train with, from then on in this process; None leaves them as they are.

    Raises
    ------
    RunError
        If the run ships with the project, is being trained by another process, or needs no more training.
    """
    if run.origin != OWN:
        raise RunError(f"{run.id} ships with the project", "Train a run of your own instead")
    try:
        lock = Lock.take(run.path / LOCK)
    except OSError as error:
        raise RunError(f"{run.path} cannot be written ({error.strerror})", "Give permission there") from None
    if lock is None:
        raise RunError(f"{run.id} is being trained by another process", "Wait until it ends, or stop it")
    with lock:
        run = Run.read(run.path, run.origin)
        if run.status in ("finished", "diverged"):
            raise RunError(f"{run.id} has {run.status} already", "Train another run")
        clear_temporary(run.path)
        try:
            if (run.path / "stop").exists():  # asked for while this process was starting
                mark(run, status="stopped")
                return "stopped"
            return _sitting(run, device, on_progress, threads)
        finally:
            for name in ("heartbeat.json", "stop"):
                (run.path / name).unlink(missing_ok=True)


def _sitting(run: Run, device: str, on_progress: OnProgress | None, threads: int | None) -> str:
    """Train and evaluate under the run's lock, and write down how it ended."""
    try:
        run = mark(run, status="running", reason=None)
        recorder = Recorder(run, on_progress=on_progress)
        with Pulse(recorder):
            recorder.device = resolve_device(device, threads)
            recorder.update(device=describe_device(recorder.device), data=describe_data(run.config.data))
            status = _train_and_evaluate(run, recorder)
    except KeyboardInterrupt:
        status = "stopped"
    except BaseException as error:
        reason = str(error) if isinstance(error, AtlasError) else f"{type(error).__name__}: {error}"
        mark(run, status="failed", reason=reason[:500])
        raise
    done = status in ("finished", "diverged")
    mark(run, status=status, files=digests(run.path) if done else {})
    if done:
        for file in (run.path / "resume.json", *run.path.glob("resume-*.safetensors")):
            file.unlink(missing_ok=True)
    return status


def _train_and_evaluate(run: Run, recorder: Recorder) -> str:
    about = experiment(run.experiment)
    status = str(about.part("train").train(run.config, recorder))
    recorder.update(elapsed_s=round(recorder.elapsed_s, 3), training_s=round(recorder.elapsed_s, 3))
    if status == "finished":
        begun = time.monotonic()
        store_evaluation(recorder, about.part("evaluate").evaluate(Run.read(run.path, run.origin), recorder.device))
        recorder.update(evaluation_s=round(time.monotonic() - begun, 3))
    return status


def store_evaluation(recorder: Recorder, evaluation: Evaluation) -> None:
    """Write an evaluation's tables and metrics into the recorder's run; RunError if a metric is not finite."""
    metrics = {name: float(value) for name, value in evaluation.metrics.items()}
    odd = [f"{name} = {value}" for name, value in metrics.items() if not math.isfinite(value)]
    if odd:
        raise RunError(f"the evaluation gave {', '.join(odd)}", "Train it again with a lower rate or another seed")
    for name, frame in evaluation.tables.items():
        recorder.table(name, frame)
    recorder.update(metrics=metrics)


class Pulse(threading.Thread):
    """Keeps the heartbeat fresh and passes on a stop that the epoch loop does not hear, as during an evaluation.

    Such a stop interrupts the main thread, once, as Ctrl-C would; the loop answers both in the same way.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(name="pulse", daemon=True)
        self._recorder = recorder
        self._end = threading.Event()
        self._may_interrupt = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        self._recorder.beat()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()

    def run(self) -> None:
        """Watch until the context ends."""
        asked: float | None = None
        while not self._end.wait(PULSE_S):
            with suppress(AtlasError):  # a full disk: the training itself will say so
                self._recorder.beat_if_older(HEARTBEAT_S)
            if not self._may_interrupt or self._recorder.stopping or not self._recorder.stop_requested():
                continue
            now = time.monotonic()
            asked = now if asked is None else asked
            if now - asked >= GRACE_S:
                self._may_interrupt = False
                _thread.interrupt_main()
