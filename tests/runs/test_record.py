"""The record of a run: typed, checked once, and kept whole when it is written again."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import RunError
from core.jobs import queue
from core.options import Config
from core.runs import record as records
from core.runs.record import DataRecord, SplitRecord, parse
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.training.session import mark
from tests.pages.screen import Idle
from tests.stub.config import StubConfig
from tests.tools import change, config, fresh


def test_every_field_is_typed(store: RunStore):
    run = fresh(store, seed=3)
    splits = {"train": {"size": 4000, "digest": "ab"}, "validation": {"size": 1000}}
    change(run, data={"name": "mnist-5k", "source": "bundled", "splits": splits}, created="2026-11-21T10:52:42")
    record = Run.read(run.path).record
    assert record.config == StubConfig(data="mnist-5k", epochs=4, seed=3)
    expected = {"train": SplitRecord(4000, "ab"), "validation": SplitRecord(1000, "")}
    assert record.data == DataRecord("mnist-5k", "bundled", expected)
    assert record.created == datetime(2026, 11, 21, 10, 52, 42, tzinfo=UTC)
    assert (record.training_s, record.evaluation_s, record.diverged_at, record.reason) == (None,) * 4
    assert record.defaulted == ()


def test_options_that_an_old_run_lacks_have_their_defaults_and_are_named(store: RunStore):
    run = fresh(store)
    change(run, config={"data": "mnist-5k", "epochs": 4})
    record = Run.read(run.path).record
    assert record.config == StubConfig(data="mnist-5k", epochs=4)
    assert record.defaulted == ("seed", "learning_rate")


def test_what_a_later_version_wrote_survives_a_rewrite(store: RunStore):
    run = fresh(store)
    change(run, mood="good", data={"name": "mnist-5k", "weight": {"kg": 3}})
    mark(run, status="stopped")
    Recorder(Run.read(run.path)).update(elapsed_s=1.5)
    written = json.loads((run.path / "run.json").read_text())
    assert (written["mood"], written["data"]["weight"], written["elapsed_s"]) == ("good", {"kg": 3}, 1.5)


def test_what_does_not_fit_is_not_written(store: RunStore):
    run = fresh(store)
    before = (run.path / "run.json").read_bytes()
    with pytest.raises(RunError, match="'lost' is no status"):
        mark(run, status="lost")
    with pytest.raises(ValueError, match="'elapsed_s' is out of range"):
        Recorder(run).update(elapsed_s=-1.0)
    assert (run.path / "run.json").read_bytes() == before


def test_config_as_is_the_config_or_says_whose_run_it_is(store: RunStore):
    run = fresh(store)
    assert run.config_as(StubConfig) is run.config
    assert run.config_as(Config) is run.config

    class Other(Config):
        pass

    with pytest.raises(RunError, match=r"run\.json: it is a run of 'stub', whose config is no Other"):
        run.config_as(Other)


def settle(run: Run) -> None:
    """Make run.json as old as one that no training is writing."""
    os.utime(run.path / "run.json", (1e9, 1e9))


def test_a_settled_record_is_read_once(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    run = fresh(store)
    settle(run)
    store.scan()
    read: list[Path] = []
    monkeypatch.setattr(records, "read_inside", lambda folder, *_: read.append(folder))
    first = store.get(run.id)
    assert store.scan()[0][0].record is first.record
    assert not read


def test_a_record_that_was_written_again_is_read_again(store: RunStore):
    run = fresh(store)
    for status in ("stopped", "failed", "queued"):
        mark(run, status=status)
        assert store.get(run.id).status == status
        settle(run)
        assert store.get(run.id).status == status


def test_a_config_is_checked_once(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    run, seen = fresh(store), []
    plain = StubConfig.__post_init__
    monkeypatch.setattr(StubConfig, "__post_init__", lambda self: seen.append(plain(self)))
    change(run)
    record = parse(json.loads((run.path / "run.json").read_text()))
    assert len(seen) == 1
    record.changed(status="stopped").changed(elapsed_s=3)
    assert len(seen) == 1


def test_a_submit_reads_its_record_twice_and_checks_its_config_once(store: RunStore, monkeypatch: pytest.MonkeyPatch):
    read, checked, wanted = [], [], config()
    plain_read, plain_check = records.read_inside, StubConfig.__post_init__
    monkeypatch.setattr(records, "read_inside", lambda *file: (read.append(file), plain_read(*file))[1])
    monkeypatch.setattr(StubConfig, "__post_init__", lambda self: (checked.append(1), plain_check(self))[1])
    queue.JobQueue(Idle()).submit("stub", wanted)
    assert (len(read), len(checked)) == (2, 1)
