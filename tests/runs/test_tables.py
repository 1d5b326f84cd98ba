"""Declared tables: what is written fits its declaration, and what is read that does not fit is named."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
import pytest

from core.errors import RunError
from core.registry import EXPERIMENTS
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.runs.tables import LABEL, SHARE, Column, Table, number, whole, words
from tests.tools import fresh

TABLE = Table(
    "measures",
    {
        "epoch": whole(0, 30),
        "split": words("train", "test", every=True),
        "loss": number(0),
        "error": number(missing=True),
        "ink": SHARE,
    },
    optional=("ink",),
)
GOOD = pd.DataFrame({"epoch": [1, 1], "split": ["train", "test"], "loss": [0.5, 1.0], "error": [math.nan, 0.1]})


def test_a_table_that_fits_comes_back_in_its_types():
    read = pd.DataFrame({"epoch": [1.0, 1.0], "split": ["train", "test"], "loss": [1, 2], "error": [math.nan, 0]})
    found = TABLE.checked(read)
    assert [str(found[name].dtype) for name in ("epoch", "loss", "error")] == ["int64", "float64", "float64"]
    assert read["epoch"].dtype == float  # what was given is left alone


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda f: f.drop(columns="loss"), r"it lacks the columns \['loss'\]"),
        (lambda f: f.head(0), "it has no rows"),
        (lambda f: f.assign(loss=["a", "b"]), "its column 'loss' holds something else than numbers"),
        (lambda f: f.assign(loss=[True, False]), "its column 'loss' holds something else than numbers"),
        (lambda f: f.assign(loss=[1.0, math.nan]), "its column 'loss' has empty cells"),
        (lambda f: f.assign(loss=[1.0, math.inf]), "its column 'loss' holds numbers outside 0 to inf, or infinite"),
        (lambda f: f.assign(loss=[1.0, -1.0]), "its column 'loss' holds numbers outside"),
        (lambda f: f.assign(epoch=[1.5, 2]), "its column 'epoch' holds numbers that are not whole"),
        (lambda f: f.assign(epoch=[1, 31]), "its column 'epoch' holds numbers outside 0 to 30"),
        (lambda f: f.assign(split=[1, 2]), "its column 'split' holds something else than words"),
        (lambda f: f.assign(split=["train", None]), "its column 'split' holds something else than words"),
        (lambda f: f.assign(split=["train", "tset"]), "its column 'split' holds 'tset', which is none of train, test"),
        (lambda f: f.assign(split="train"), "its column 'split' has no row 'test'"),
        (lambda f: f.assign(ink=[0.5, 1.5]), "its column 'ink' holds numbers outside 0 to 1"),
    ],
)
def test_what_does_not_fit_is_named(spoil: Callable[[pd.DataFrame], pd.DataFrame], what: str):
    with pytest.raises(ValueError, match=what):
        TABLE.checked(spoil(GOOD))


def test_an_empty_table_may_be_a_result():
    table = Table("mistakes", {"label": LABEL}, may_be_empty=True)
    assert table.checked(pd.DataFrame({"label": []})).empty
    assert table.checked(pd.read_csv(pd.io.common.StringIO("label\n"))).empty


@pytest.mark.parametrize(
    ("frame", "name", "what"),
    [
        (pd.DataFrame({"point": [1]}), "errors", "it lacks the columns"),
        (pd.DataFrame({"point": [1], "error": [0.1], "more": [1]}), "errors", r"not declared: \['more'\]"),
        (pd.DataFrame({"point": [1], "error": [0.1]}), "others", "the table 'others' is not declared"),
    ],
)
def test_a_table_is_checked_where_it_is_written(store: RunStore, frame: pd.DataFrame, name: str, what: str):
    run = fresh(store)
    with pytest.raises(ValueError, match=what):
        Recorder(run).table(name, frame)
    assert not (run.path / "tables").exists()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("point\n1\n", r"it lacks the columns \['error'\]"),
        ("point,error\n", "it has no rows"),
        ("point,error\n1,low\n", "its column 'error' holds something else than numbers"),
        ("point,error\n-1,0.5\n", "its column 'point' holds numbers outside"),
    ],
)
def test_a_table_is_checked_where_it_is_read(store: RunStore, text: str, what: str):
    run = fresh(store)
    Recorder(run).table("errors", pd.DataFrame({"point": [1], "error": [0.5]}))
    (run.path / "tables" / "errors.csv").write_text(text)
    with pytest.raises(RunError, match=rf"tables/errors\.csv: {what}"):
        run.table("errors")


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_every_chapter_declares_the_tables_of_its_shipped_runs(name: str):
    runs: list[Run] = [run for run in RunStore().list(name) if run.shipped]
    assert runs
    for run in runs:
        assert set(run.tables()) <= EXPERIMENTS[name].tables.keys()
        assert run.tables()
        for table in run.tables():
            assert not EXPERIMENTS[name].tables[table].undeclared(run.table(table))


def test_every_column_says_what_it_holds():
    for about in EXPERIMENTS.values():
        for name, table in about.tables.items():
            assert table.name == name
            assert all(isinstance(column, Column) for column in table.columns.values())
            assert set(table.optional) <= table.columns.keys()
