"""Fixtures of the pages' tests: no shipped runs, the navigation taken as given, a queue that starts nothing."""

import pytest

from core import settings
from core.jobs import queue as jobs
from pages._ui.shell import navigation as atlas
from tests.pages.screen import Idle


@pytest.fixture
def alone(tmp_path, monkeypatch, runs_root):
    """Only the runs that the test makes; no setting of this machine reaches it."""
    for name in ("READONLY", "MAX_EPOCHS", "MAX_QUEUE", "WORKERS", "THREADS", "DASK"):
        monkeypatch.delenv(f"EPOCH_ATLAS_{name}", raising=False)
    monkeypatch.setattr(settings, "shipped_root", lambda: tmp_path / "checkpoints")
    monkeypatch.setattr(atlas, "_navigated", True)
    return runs_root


@pytest.fixture
def idle_queue(monkeypatch):
    """The process's job queue, with an executor that never starts a job."""
    executor = Idle()
    monkeypatch.setattr(jobs, "_QUEUE", jobs.JobQueue(executor))
    return executor
