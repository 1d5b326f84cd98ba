"""Runs and their store: what is written reads back, what is damaged says so, no id leads out of the store."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import RunError
from core.runs.recorder import Recorder
from core.runs.store import OWN, SHIPPED, TICKET, Run, RunStore
from core.training.session import Evaluation, mark, store_evaluation
from tests.tools import change, config, fresh


@pytest.fixture
def run(store: RunStore) -> Run:
    """A run with one of everything that can be stored, status stopped."""
    run = fresh(store, seed=3)
    recorder = Recorder(run)
    recorder.log(1, 4, train_loss=0.1 + 0.2, validation_loss=1 / 3)
    recorder.log(2, 8, train_loss=float("nan"), validation_loss=float("inf"))
    recorder.grid(1, np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5))
    recorder.grid(10, np.zeros((1, 1, 4, 5, 3), np.uint8), "colours")
    store_evaluation(
        recorder, Evaluation({"accuracy": 0.5}, {"errors": pd.DataFrame({"point": [0, 1], "error": [0.5, -0.5]})})
    )
    (run.path / "snapshots").mkdir()
    for epoch in (10, 2):
        (run.path / f"snapshots/{epoch}.safetensors").write_bytes(b"")
    return mark(run, status="stopped", epochs_done=2)


def test_round_trip(store: RunStore, run: Run):
    read = store.get(run.id)
    assert (read.id, read.experiment, read.name, read.status) == ("own/stub/one", "stub", "one", "stopped")
    assert read.config == config(seed=3)
    assert read.metrics == {"accuracy": 0.5}
    history = read.history()
    assert list(history.columns) == ["epoch", "step", "train_loss", "validation_loss", "elapsed_s"]
    assert history["train_loss"][0] == 0.1 + 0.2  # every bit
    assert np.isnan(history["train_loss"][1])
    assert history["validation_loss"].tolist() == [1 / 3, float("inf")]
    assert read.tables() == ["errors"]
    assert read.table("errors")["point"].tolist() == [0, 1]
    assert read.snapshots() == [2, 10]
    assert read.sample_epochs() == [1]
    assert read.sample_epochs("colours") == [10]
    assert not read.has_weights()
    sheet = np.asarray(read.sample(1))
    assert sheet.shape == (2 * 4 + 2, 3 * 5 + 4)
    assert np.array_equal(sheet[:4, :5], np.arange(20, dtype=np.uint8).reshape(4, 5))
    assert read.sample(10, "colours").mode == "RGB"


def test_a_new_run_has_an_empty_history_with_its_columns(store: RunStore):
    history = fresh(store).history()
    assert history.empty
    assert {"epoch", "step", "elapsed_s"} <= set(history.columns)


def test_the_digest_changes_when_the_run_does(store: RunStore, run: Run):
    before = store.get(run.id).digest
    assert store.get(run.id).digest == before
    mark(run, metrics={"accuracy": 0.75})
    assert store.get(run.id).digest != before


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("schema", 2, "its schema is 2"),
        ("schema", None, "its schema is None"),
        ("experiment", "nope", "there is no experiment 'nope'"),
        ("experiment", ["stub"], "'experiment' is missing or of the wrong kind"),
        ("config", [], "'config' is missing or of the wrong kind"),
        ("config", {"epochs": 0}, "its config does not fit: epochs = 0 is not allowed"),
        ("config", {"epochs": 10**400}, "its config does not fit"),
        ("config", {"colour": 1}, "its config does not fit: there is no option 'colour'"),
        ("status", "lost", "'lost' is no status"),
        ("epochs_done", True, "'epochs_done' is missing or of the wrong kind"),
        ("epochs_done", -1, "'epochs_done' is out of range"),
        ("epochs_done", 1.5, "'epochs_done' is missing or of the wrong kind"),
        ("elapsed_s", -0.1, "'elapsed_s' is out of range"),
        ("elapsed_s", float("nan"), "NaN is no finite number"),
        ("metrics", {"accuracy": float("inf")}, "Infinity is no finite number"),
        ("metrics", {"accuracy": 10**400}, "the metric 'accuracy' is not a finite number"),
        ("metrics", {"accuracy": "0.9"}, "the metric 'accuracy' is not a finite number"),
        ("metrics", {"accuracy": True}, "the metric 'accuracy' is not a finite number"),
        ("created", "yesterday", "'created' is no date and time"),
        ("data", {}, "it does not name its data"),
        ("seed", "0", "'seed' is missing or of the wrong kind"),
        ("seed", 10**400, "'seed' is out of range"),
        ("epochs_done", 5, "'epochs_done' is out of range"),  # of 4
        ("created", "0001-01-01T00:00:00+00:00", "'created' is in the year 1, not from 2000 to 2100"),
        ("created", "9999-12-31T23:59:59-12:00", "'created' is in the year 9999"),
        ("elapsed_s", 10**400, "'elapsed_s' is out of range"),
        ("training_s", "275", "'training_s' is missing or of the wrong kind"),
        ("evaluation_s", [], "'evaluation_s' is missing or of the wrong kind"),
        ("diverged_at", [3], "'diverged_at' is of the wrong kind"),
        ("diverged_at", {"epoch": "3", "step": 1}, "'epoch' is missing or of the wrong kind"),
        ("reason", {"why": 1}, "'reason' is missing or of the wrong kind"),
        ("software", ["torch"], "'software' is missing or of the wrong kind"),
        ("software", {"torch": 2.15}, "'software' holds something else than texts"),
        ("device", None, "'device' is missing or of the wrong kind"),
        ("files", {"history.csv": 3}, "'files' holds something else than texts"),
        *(
            ("data", {"name": "mnist-5k", "splits": splits}, what)
            for splits, what in (
                ([], "the splits of its data are no object"),
                (None, "the splits of its data are no object"),
                ("train", "the splits of its data are no object"),
                ({"train": 3}, "the split 'train' of its data does not read: it is no object"),
                ({"train": {"size": "4,000"}}, "the split 'train' of its data does not read: 'size' is missing"),
                ({"train": {"size": -1}}, "the split 'train' of its data does not read: 'size' is out of range"),
                ({"test": {"size": 1, "digest": None}}, "the split 'test' of its data does not read: 'digest'"),
            )
        ),
        ("data", {"name": "mnist-5k", "source": 3}, "'source' is missing or of the wrong kind"),
    ],
)
def test_odd_values_in_run_json(store: RunStore, run: Run, key: str, value: Any, what: str):
    change(run, **{key: value})
    with pytest.raises(RunError) as caught:
        store.get(run.id)
    assert str(run.path / "run.json") in caught.value.problem
    assert what in caught.value.problem
    assert caught.value.remedy == "Delete this run and train it again"


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"schema": 1}', "null", "[" * 10_000, "\xff"])
def test_run_json_that_is_no_run(store: RunStore, run: Run, text: str):
    (run.path / "run.json").write_bytes(text.encode("latin-1"))
    runs, broken = store.scan()
    assert runs == []
    assert [one.id for one in broken] == [run.id]
    assert str(run.path / "run.json") in broken[0].error.problem


def test_missing_run_json(store: RunStore, run: Run):
    (run.path / "run.json").unlink()
    with pytest.raises(RunError, match=r"run\.json is missing\. Delete this run"):
        store.get(run.id)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no readable CSV"),
        ("epoch,step\n1,4\n", r"lacks the columns \['elapsed_s'\]"),
        ("epoch,step,elapsed_s,loss\n1,4,0.1,high\n", r"the columns \['loss'\] hold text"),
        ("epoch,step,elapsed_s\n2,4,0.1\n1,8,0.2\n", "its epochs do not rise"),
        ("epoch,step,elapsed_s\n1.5,4,0.1\n", "no whole numbers"),
        ("epoch,step,elapsed_s\n,4,0.1\n", "no whole numbers"),
        ('epoch,step,elapsed_s\n1,4,"0.1', "no readable CSV"),
        ("epoch,step,elapsed_s\n1,4,0.1\n1,2,3,4,5,6\n", "no readable CSV"),
    ],
)
def test_damaged_history(store: RunStore, run: Run, text: str, what: str):
    (run.path / "history.csv").write_text(text)
    with pytest.raises(RunError, match=rf"history\.csv: .*{what}.*Delete this run"):
        store.get(run.id).history()


def test_a_row_that_an_earlier_version_repeated_is_read_once(store: RunStore, run: Run):
    rows = ["0,0,0.5,0.1", "0,0,0.5,0.2", "0,0,0.5,0.3", "1,4,0.25,0.4", "1,6,0.2,0.5"]
    (run.path / "history.csv").write_text("\n".join(["epoch,step,js,elapsed_s", *rows]) + "\n")
    history = store.get(run.id).history()
    assert history[["epoch", "step"]].to_numpy().tolist() == [[0, 0], [1, 4], [1, 6]]
    assert history.index.tolist() == [0, 1, 2]


def test_a_finished_run_must_have_its_history(store: RunStore, run: Run):
    mark(run, status="finished")
    (run.path / "history.csv").unlink()
    with pytest.raises(RunError, match=r"history\.csv: it is missing"):
        store.get(run.id).history()


def test_damaged_table(store: RunStore, run: Run):
    (run.path / "tables" / "errors.csv").write_bytes(b"\xff\xfe\x00\x00")
    with pytest.raises(RunError, match=r"tables/errors\.csv: it is no readable CSV"):
        run.table("errors")
    with pytest.raises(RunError, match=r"tables/confusion\.csv: it is missing"):
        run.table("confusion")


def png(width: int, height: int) -> bytes:
    """A PNG whose header announces that size, with next to no data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_picture_that_would_fill_the_memory_is_not_opened(run: Run):
    (run.path / "samples" / "1.png").write_bytes(png(60_000, 60_000))
    with pytest.raises(RunError, match="60000 x 60000 is more than 16,777,216 pixels"):
        run.sample(1)


def test_a_picture_of_another_kind(run: Run):
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "GIF")
    (run.path / "samples" / "1.png").write_bytes(file.getvalue())
    with pytest.raises(RunError, match=r"samples/1\.png: it is no readable PNG \(it does not begin as one\)"):
        run.sample(1)


def test_a_missing_picture(run: Run):
    with pytest.raises(RunError, match=r"samples/7\.png: it is missing"):
        run.sample(7)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_any_file_is_a_run_error(run: Run, data: st.DataObject):
    """Bytes changed, cut off or put in at random: a RunError or a readable file, never another exception."""
    readers = {
        "run.json": lambda: Run.read(run.path).config,
        "history.csv": run.history,
        "tables/errors.csv": lambda: run.table("errors"),
        "samples/1.png": lambda: run.sample(1),
        "colours/10.png": lambda: run.sample(10, "colours"),
    }
    name = data.draw(st.sampled_from(sorted(readers)))
    file = run.path / name
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 8))
    new = data.draw(st.binary(max_size=8))
    said = name
    try:
        file.write_bytes(whole[:place] + new + whole[place + length :])
        readers[name]()
    except RunError as error:
        said = error.problem
    finally:
        file.write_bytes(whole)
    assert name in said  # the error names the file


# --- the store and hostile names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run_id",
    [
        *(
            "",
            "/",
            "own",
            "own/stub",
            "own/stub/",
            "own/stub/..",
            "own/stub/../stub/one",
            "own//stub/one",
            "../own/stub/one",
        ),
        *(
            "own/stub/one/",
            "own/stub/one\x00",
            "OWN/VAE/ONE",
            "own/stub/one/run.json",
            "/etc/passwd",
            "own/stub/" + "a" * 9999,
        ),
    ],
)
def test_hostile_ids_find_nothing(store: RunStore, run: Run, run_id: str):
    for ask in (store.get, store.find, store.delete):
        with pytest.raises(RunError, match="there is no run"):
            ask(run_id)
    assert (run.path / "run.json").exists()


@given(run_id=st.text(max_size=40))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_is_an_id_but_the_id(store: RunStore, run_id: str):
    with pytest.raises(RunError, match="there is no run"):
        store.get(run_id)


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-a", "a" * 65, "a b", "ä", "a.json", ".a", "a\n"])
def test_names_that_are_no_names(store: RunStore, name: str):
    with pytest.raises(RunError, match="is no name for a run"):
        store.create({**fresh(store, "good").record.raw}, name)


@pytest.mark.parametrize("kind", ["..", "a/b", "", "A", "a" * 65, "x.y", "a\n"])
def test_kinds_that_are_no_kinds(run: Run, kind: str):
    for ask in (run.sample_epochs, run.table, lambda kind: run.sample(1, kind)):
        with pytest.raises(RunError, match="is no name of a table or grid"):
            ask(kind)


def test_an_experiment_that_is_none_lists_nothing(store: RunStore, run: Run):
    assert store.list("..") == []
    assert [one.id for one in store.list("stub")] == [run.id]


def test_names_are_taken_once(store: RunStore, run: Run):
    with pytest.raises(RunError, match="there is a run stub/one already"):
        fresh(store, "one")
    assert store.get(run.id).metrics == {"accuracy": 0.5}
    assert [path.name for path in run.path.parent.iterdir()] == ["one"]  # no draft is left


def test_links_are_refused(store: RunStore, run: Run, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(run.path, elsewhere)
    (run.path.parent / "linked").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(RunError, match=r"linked is a link"):
        store.get("own/stub/linked")
    store.delete("own/stub/linked")  # the link goes, what it points at stays
    assert (elsewhere / "run.json").exists()

    for name in ("run.json", "history.csv", "samples"):
        (run.path / name).rename(elsewhere / f"my-{name}")
        (run.path / name).symlink_to(elsewhere / f"my-{name}")
    with pytest.raises(RunError, match="reached through a link"):
        store.get(run.id)
    with pytest.raises(RunError, match="reached through a link"):
        run.history()
    with pytest.raises(RunError, match="reached through a link"):
        run.sample(1)


def test_a_pipe_does_not_hang_a_reader(store: RunStore, run: Run):
    (run.path / "history.csv").unlink()
    os.mkfifo(run.path / "history.csv")
    with pytest.raises(RunError, match="no plain file"):
        store.get(run.id).history()


def test_odd_files_beside_the_runs_are_passed_over(store: RunStore, run: Run):
    root = store.roots[OWN]
    (root / "stub" / "notes.txt").write_text("")
    (root / "stub" / ".hidden").mkdir()
    (root / "stub" / "Über").mkdir()
    (root / "nonsense").mkdir()
    (root / "classifier").write_text("a file where a folder should be")
    for name in ("01.png", "x.png", "٣.png", "-1.png", "99999999.png"):
        (run.path / "samples" / name).write_bytes(b"")
    runs, broken = store.scan()
    assert ([one.id for one in runs], broken) == ([run.id], [])
    assert run.sample_epochs() == [1]


def test_a_run_in_the_wrong_folder(store: RunStore, run: Run):
    shutil.copytree(run.path, store.roots[OWN] / "classifier" / "one")
    with pytest.raises(RunError, match="it is of experiment 'stub', not 'classifier'"):
        store.get("own/classifier/one")


def test_order_shipped_first_then_own_newest_first(store: RunStore):
    for name, created in (("old", "2024-01-01T00:00:00+00:00"), ("new", "2025-01-01T00:00:00+00:00")):
        change(fresh(store, name), created=created)
    shipped = store.roots[SHIPPED] / "stub" / "mnist"
    shutil.copytree(store.get("own/stub/old").path, shipped)
    assert [one.id for one in store.list()] == ["shipped/stub/mnist", "own/stub/new", "own/stub/old"]
    assert store.find("stub/mnist").shipped
    shutil.copytree(shipped, store.roots[OWN] / "stub" / "mnist")
    assert not store.find("stub/mnist").shipped  # one's own wins
    assert store.find("shipped/stub/mnist").shipped


def test_one_damaged_run_does_not_hide_the_others(store: RunStore):
    good, bad = fresh(store, "good"), fresh(store, "bad")
    (bad.path / "run.json").write_text("{")
    runs, broken = store.scan()
    assert ([one.id for one in runs], [one.id for one in broken]) == ([good.id], [bad.id])
    store.delete(bad.id)  # the remedy works
    assert store.scan()[1] == []


def test_deleting(store: RunStore, run: Run):
    shipped = store.roots[SHIPPED] / "stub" / "mnist"
    shutil.copytree(run.path, shipped)
    with pytest.raises(RunError, match="ships with the project"):
        store.delete("shipped/stub/mnist")
    store.delete(run.id)
    assert not run.path.exists()
    assert list(run.path.parent.iterdir()) == []
    assert shipped.exists()


@pytest.mark.parametrize("name", ["lock", TICKET])
def test_a_run_in_training_is_not_deleted(store: RunStore, run: Run, name: str):
    from core.runs.locks import Lock

    with Lock.take(run.path / name), pytest.raises(RunError, match=r"is queued or in training\. Stop it first"):
        store.delete(run.id)
    assert store.get(run.id).history().shape[0] == 2


def test_a_runs_folder_that_cannot_be(tmp_path: Path):
    (tmp_path / "file").write_text("")
    store = RunStore(tmp_path / "shipped", tmp_path / "file")
    assert store.list() == []
    with pytest.raises(RunError, match=r"cannot be made \(.*\)\. Point EPOCH_ATLAS_RUNS at a folder"):
        fresh(store)


def test_json_holds_what_the_format_says(run: Run):
    meta = json.loads((run.path / "run.json").read_text())
    assert meta["schema"] == 1
    assert meta["config"]["data"] == "mnist-5k"
    assert meta["software"]["torch"]
    assert meta["created"].endswith("+00:00")
