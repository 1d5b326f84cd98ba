"""What the tests of training share: an empty store and a tiny experiment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import registry, settings
from core.runs.store import RunStore
from tests import stub


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[str]:
    """The name of a chapter that trains in milliseconds, registered as any chapter is."""
    registry.register(stub.ENTRY)
    yield stub.NAME
    del registry.EXPERIMENTS[stub.NAME]


@pytest.fixture
def store(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """An empty store, the one that RunStore() finds; no setting of the machine reaches the test."""
    for name in ("READONLY", "MAX_EPOCHS", "MAX_QUEUE", "WORKERS", "THREADS", "DASK"):
        monkeypatch.delenv(f"EPOCH_ATLAS_{name}", raising=False)
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(settings, "shipped_root", lambda: tmp_path / "checkpoints")
    return RunStore()
