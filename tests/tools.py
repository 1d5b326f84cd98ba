"""Small tools of the training tests: a config, waiting without sleeping, spoiling a file."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from core.options import Config
from core.registry import EXPERIMENTS
from core.runs.store import Run, RunStore
from core.training.session import new_run
from tests import stub

WAIT_S = 300.0  # for what a process does that must first import torch on a busy machine


def until(condition: Callable[[], object], seconds: float = WAIT_S) -> None:
    """Return once the condition holds; fail after ``seconds``."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        pause.wait(0.01)


def config(**values: object) -> Config:
    """The tiny experiment's config, on data that are on every machine."""
    return EXPERIMENTS[stub.NAME].config.from_dict({"data": "mnist-5k", "epochs": 4, **values})


def fresh(store: RunStore, name: str = "one", **values: object) -> Run:
    """A queued run of the tiny experiment."""
    return new_run(store, stub.NAME, config(**values), name)


def change(run: Run, **values: Any) -> None:
    """Overwrite fields of run.json, allowed or not (NaN included)."""
    file = run.path / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
