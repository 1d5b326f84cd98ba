"""Verifying: stored and recomputed metrics side by side; reading whole runs; publishing them."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import pytest
import torch

from core.errors import RunError
from core.runs.store import SHIPPED, Run, RunStore
from core.training.publishing import publish
from core.training.session import Evaluation, mark, work
from core.training.verifying import Comparison, Within, compare, missing_data, read_whole, tolerance_of
from core.training.weights import load_tensors
from tests.stub import evaluate as stub_evaluate
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


OTHERS = {  # a file, and one of another run that reads as well
    "history.csv": "history.csv",
    "tables/errors.csv": "tables/errors.csv",
    "samples/2.png": "samples/3.png",
    "snapshots/3.safetensors": "snapshots/3.safetensors",
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_that_no_longer_belongs_to_the_run_is_found_out(store: RunStore, finished: Run, name: str):
    other = fresh(store, "other", seed=1)
    work(other)
    shutil.copy(other.path / OTHERS[name], finished.path / name)
    with pytest.raises(RunError, match=rf"{re.escape(name)} no longer belongs to the run"):
        read_whole(finished)
    (finished.path / name).unlink()
    with pytest.raises(RunError, match=rf"{re.escape(name)} is missing"):
        read_whole(finished)


def test_a_reader_is_not_given_what_no_longer_belongs_to_the_run(store: RunStore, finished: Run):
    other = fresh(store, "other", seed=1)
    work(other)
    for name, source in OTHERS.items():
        shutil.copy(other.path / source, finished.path / name)
    for read in (finished.history, lambda: finished.table("errors"), lambda: finished.sample(2)):
        with pytest.raises(RunError, match="it no longer belongs to the run"):
            read()


def test_a_file_that_the_run_does_not_list_is_found_out(finished: Run):
    (finished.path / "tables" / "more.csv").write_text("a\n1\n")
    with pytest.raises(RunError, match=r"more\.csv does not belong to the run"):
        read_whole(finished)


def test_a_tolerance_may_be_a_share_of_what_is_stored():
    tolerances = {"": Within(1e-3, share=0.01), "n": 0.0}
    assert tolerance_of(tolerances, "js", 0.005) == pytest.approx(5e-5, rel=1e-3)
    assert tolerance_of(tolerances, "js", -5.0) == pytest.approx(1e-3, rel=1e-3)
    assert tolerance_of(tolerances, "n", 10.0) == 0.0
    assert tolerance_of(tolerances, "js", 0.0) < 1e-8


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
    assert set(shipped.record.files) == {
        file.relative_to(shipped.path).as_posix() for file in shipped.path.rglob("*.*") if file.name != "run.json"
    }
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
        publish(store, store.get("shipped/stub/mine"), "other", replace=True)
    for name in ("..", "a/b", ""):
        with pytest.raises(RunError, match="is no name for a run"):
            publish(store, finished, name)


def test_what_ships_is_small_and_its_metrics_are_those_of_what_ships(store: RunStore, finished: Run):
    shipped = publish(store, finished)
    for name in ("weights.safetensors", "snapshots/1.safetensors"):
        tensors = load_tensors(shipped.path / name)
        assert {value.dtype for value in tensors.values() if value.is_floating_point()} == {torch.float16}
    assert compare(shipped)[0].difference == 0.0
    assert 0 < abs(shipped.metrics["test_elbo_nats"] - finished.metrics["test_elbo_nats"]) < 1e-2
    assert not shipped.table("errors")["error"].equals(finished.table("errors")["error"])


def test_a_shipped_run_can_be_stored_anew(store: RunStore, finished: Run):
    shutil.copytree(finished.path, store.roots[SHIPPED] / "stub" / "old")  # as runs were stored before
    old = store.get("shipped/stub/old")
    new = publish(store, old, replace=True)
    assert (new.id, new.record.created) == (old.id, old.record.created)
    assert new.metrics != old.metrics
    assert [path.name for path in new.path.parent.iterdir()] == ["old"]
    read_whole(new)


def test_a_run_is_published_with_its_full_config(store: RunStore, finished: Run):
    change(finished, config={"data": "mnist-5k", "epochs": 4, "seed": 0})
    with pytest.raises(RunError, match="does not say its learning_rate"):
        publish(store, store.get(finished.id))


def test_a_quick_publication_keeps_the_tables(store: RunStore, finished: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stub_evaluate, "verify", lambda run, device: Evaluation({"quick": 1.0}), raising=False)
    shipped = publish(store, finished, quick=True)
    assert shipped.metrics == {"quick": 1.0}
    assert shipped.table("errors").equals(finished.table("errors"))


def test_what_cannot_be_put_in_place_leaves_what_was_there(
    store: RunStore, finished: Run, monkeypatch: pytest.MonkeyPatch
):
    shipped = publish(store, finished, "mine")
    plain = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if target.name == "mine" and (path / "run.json").exists() and Run.read(path).record.files != before:
            raise OSError(28, "No space left on device")
        return plain(path, target)

    before = shipped.record.files
    change(finished, created="2026-01-01T00:00:00+00:00")
    shutil.copy(finished.path / "snapshots/1.safetensors", finished.path / "snapshots/3.safetensors")
    mark(finished, files={})
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(RunError, match="No space left on device"):
        publish(store, store.get(finished.id), "mine", replace=True)
    assert store.get(shipped.id).record == shipped.record
    assert [path.name for path in shipped.path.parent.iterdir()] == ["mine"]


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
