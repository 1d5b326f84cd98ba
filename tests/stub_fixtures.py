"""What the tests of training share: an empty store and a tiny experiment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core import settings
from core.runs.store import RunStore
from tests import stub


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An empty store, the one that RunStore() finds; no setting of the machine reaches the test."""
    for name in ("READONLY", "MAX_EPOCHS", "MAX_QUEUE", "WORKERS", "THREADS", "DASK"):
        monkeypatch.delenv(f"EPOCH_ATLAS_{name}", raising=False)
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(settings, "shipped_root", lambda: tmp_path / "checkpoints")
    return RunStore()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an experiment that trains in milliseconds."""
    monkeypatch.setitem(sys.modules, f"core.experiments.{stub.NAME}", stub.module())
    return stub.NAME
