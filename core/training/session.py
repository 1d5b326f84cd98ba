"""A training session: make a run, train it in this process, evaluate it, and never leave it half said.

``train(config, recorder)`` of an experiment's module is the one way to train; the command line, the jobs
and the tests all come here.
"""

from __future__ import annotations

import importlib.metadata
import platform
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from core.configs import experiment
from core.data import DATASETS, load
from core.errors import AtlasError, RunError
from core.options import Config
from core.training.runs import Run, RunStore

SOFTWARE = ("torch", "torchvision", "numpy", "scikit-learn", "streamlit")


@dataclass
class Evaluation:
    """What evaluating a run gives: plain numbers by name, and tables by name."""

    metrics: dict[str, float]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape results."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in SOFTWARE}}


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


def resolve_device(wanted: str = "auto") -> str:
    """Return ``cuda``, ``mps`` or ``cpu``: the wanted one, or the best there is for ``auto``."""
    import torch

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
    return f"{device}, {torch.get_num_threads()} threads" if device == "cpu" else device


def work(
    run: Run,
    device: str = "auto",
    on_progress: Callable[[float, int, Mapping[str, float] | None], None] | None = None,
) -> str:
    """Train (or go on training) a run in this process, then evaluate it; return its final status.

    A refusal (data missing, configuration refused) or a crash is written into ``run.json`` as ``failed`` with
    its reason before it is raised again.
    """
    from core.training.recorder import Recorder

    recorder = Recorder(run, resolve_device(device), on_progress)
    (run.path / "stop").unlink(missing_ok=True)
    recorder.update(status="running", device=describe_device(recorder.device), reason=None)
    recorder.progress(recorder.epochs_done, int(run.meta["config"].get("epochs", 1)), force=True)
    try:
        module = experiment(run.experiment).load()
        recorder.update(data=describe_data(run.config.data))
        status = module.train(run.config, recorder)
        recorder.update(status="running", elapsed_s=round(recorder.elapsed_s, 3), training_s=round(recorder.elapsed_s, 3))
        if status == "finished":
            evaluated = time.monotonic()
            store_evaluation(recorder, module.evaluate(Run.read(run.path, run.origin), recorder.device))
            recorder.update(evaluation_s=round(time.monotonic() - evaluated, 3))
    except BaseException as error:
        reason = str(error) if isinstance(error, AtlasError) else f"{type(error).__name__}: {error}"
        status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        recorder.update(status=status, reason=reason[:500], elapsed_s=round(recorder.elapsed_s, 3))
        raise
    finally:
        (run.path / "heartbeat.json").unlink(missing_ok=True)
        (run.path / "stop").unlink(missing_ok=True)
    recorder.update(status=status)
    return str(status)


def store_evaluation(recorder: Any, evaluation: Evaluation) -> None:
    """Write an evaluation's tables and metrics into the recorder's run."""
    for name, frame in evaluation.tables.items():
        recorder.table(name, frame)
    recorder.update(metrics=evaluation.metrics)
