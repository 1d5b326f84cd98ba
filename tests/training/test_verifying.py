"""Verifying: stored and recomputed metrics side by side; reading whole runs; publishing them."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from core.errors import RunError
from core.runs.store import SHIPPED, Run, RunStore
from core.training.publishing import publish
from core.training.session import mark, work
from core.training.verifying import Comparison, compare, missing_data, read_whole
from tests.tools import change, config, fresh


@pytest.fixture
def finished(store: RunStore, tiny: str) -> Run:
    run = fresh(store)
    assert work(run) == "finished"
    return store.get(run.id)


def test_comparisons():
    near, far = Comparison("a", 1.0, 1.005, 0.01), Comparison("a", 1.0, 1.02, 0.01)
    assert (near.agrees, near.verdict) == (True, "agrees")
    assert near.difference == pytest.approx(0.005)
    assert (far.agrees, far.verdict) == (False, "DIFFERS")
    assert Comparison("a", None, 1.0, 1.0).verdict == "not stored"
    assert Comparison("a", 1.0, None, 1.0).verdict == "not recomputed"
    odd = Comparison("a", 1.0, math.nan, 1.0)
    assert (odd.agrees, odd.to_dict()["recomputed"]) == (False, None)


def test_a_run_agrees_with_itself(finished: Run):
    compared = compare(finished)
    assert [one.metric for one in compared] == ["test_elbo_nats"]
    assert compared[0].difference == 0.0
    assert compared[0].agrees
    assert compared[0].tolerance == 1e-6


def test_other_weights_are_found_out(finished: Run):
    shutil.copy(finished.path / "snapshots" / "1.safetensors", finished.path / "weights.safetensors")
    assert not compare(finished)[0].agrees


def test_a_metric_more_or_less_is_found_out(finished: Run):
    change(finished, metrics={**finished.metrics, "invented": 1.0})
    assert [one.verdict for one in compare(Run.read(finished.path))] == ["agrees", "not recomputed"]
    change(finished, metrics={})
    assert [one.verdict for one in compare(Run.read(finished.path))] == ["not stored"]


def test_other_held_out_images_are_found_out(finished: Run):
    splits = {**finished.record.raw["data"]["splits"], "validation": {"size": 1000, "digest": "0" * 64}}
    change(finished, data={**finished.record.raw["data"], "splits": splits})
    with pytest.raises(RunError, match="it was evaluated on other validation images of mnist-5k"):
        compare(Run.read(finished.path))
    # the training images may come from another source: their digest is recorded, not compared
    splits = {**finished.record.raw["data"]["splits"], "train": {"size": 4000, "digest": "0" * 64}}
    change(finished, data={**finished.record.raw["data"], "splits": splits})
    assert compare(Run.read(finished.path))[0].agrees


def test_missing_data_says_what_availability_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path))
    assert missing_data(config()) is None
    assert missing_data(config(data="fashion-mnist")) == "not on this machine: downloads 29 MB"


@pytest.mark.parametrize(
    "name", ["history.csv", "tables/errors.csv", "samples/2.png", "snapshots/3.safetensors", "weights.safetensors"]
)
def test_reading_whole_finds_the_file_that_does_not_read(finished: Run, name: str):
    read_whole(finished)
    (finished.path / name).write_bytes(b"")
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        read_whole(finished)


# --- publishing -------------------------------------------------------------------------------------------------------


def test_a_published_run_is_the_run_without_what_is_private(store: RunStore, finished: Run):
    for name in ("job.log", "ticket", "resume-2.safetensors", "resume.json", ".run.json.1.abc.tmp"):
        (finished.path / name).write_bytes(b"")
    shipped = publish(store, finished)
    assert shipped.id == "shipped/stub/mnist-5k"
    assert {path.name for path in shipped.path.iterdir()} == {
        *("run.json", "history.csv", "weights.safetensors", "snapshots", "samples", "tables")
    }
    assert shipped.record.name == "mnist-5k"
    assert "reason" not in shipped.record.raw
    assert shipped.history().equals(finished.history())
    assert compare(shipped)[0].agrees
    assert [path.name for path in shipped.path.parent.iterdir()] == ["mnist-5k"]
    assert store.get(finished.id).status == "finished"  # one's own run stays


@pytest.mark.parametrize("status", ["queued", "running", "stopped", "failed", "diverged"])
def test_only_finished_runs_are_published(store: RunStore, finished: Run, status: str):
    with pytest.raises(RunError, match=f"is {status}, not finished"):
        publish(store, mark(finished, status=status))
    assert not (store.roots[SHIPPED] / "stub").exists()


def test_a_published_name_is_taken_once(store: RunStore, finished: Run):
    publish(store, finished, "mine")
    with pytest.raises(RunError, match="is there already"):
        publish(store, finished, "mine")
    with pytest.raises(RunError, match="ships already"):
        publish(store, store.get("shipped/stub/mine"), "other")
    for name in ("..", "a/b", ""):
        with pytest.raises(RunError, match="is no name for a run"):
            publish(store, finished, name)


def test_a_file_of_another_kind_or_a_link_does_not_ship(store: RunStore, finished: Run, tmp_path: Path):
    (finished.path / "model.pkl").write_bytes(b"")
    with pytest.raises(RunError, match=r"model\.pkl is no file that ships"):
        publish(store, finished)
    (finished.path / "model.pkl").unlink()
    (finished.path / "tables" / "secret.csv").symlink_to(tmp_path)
    with pytest.raises(RunError, match=r"secret\.csv"):
        publish(store, finished)
    assert not (store.roots[SHIPPED] / "stub").exists()


def test_a_damaged_run_is_not_published(store: RunStore, finished: Run):
    (finished.path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match=r"weights\.safetensors"):
        publish(store, finished)
