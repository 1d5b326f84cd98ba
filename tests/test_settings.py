"""Settings: read from the environment each time, with clear errors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core import settings
from core.errors import ConfigError

NUMBERS = {"MAX_EPOCHS": settings.max_epochs, "MAX_QUEUE": settings.max_queue, "WORKERS": settings.workers}


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("EPOCH_ATLAS_") or name == "OMP_NUM_THREADS":
            monkeypatch.delenv(name)


def test_defaults():
    assert settings.runs_root() == settings.ROOT / "runs"
    assert settings.shipped_root() == settings.ROOT / "checkpoints"
    assert (settings.max_epochs(), settings.max_queue(), settings.workers()) == (1000, 8, 1)
    assert settings.read_only() is False
    assert settings.dask_address() is None
    assert 1 <= settings.threads() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["0", "-1", "2.5", "many", "٣", "1_0", "9" * 5000])
def test_numbers_that_are_none(monkeypatch: pytest.MonkeyPatch, name: str, text: str):
    monkeypatch.setenv(f"EPOCH_ATLAS_{name}", text)
    with pytest.raises(ConfigError, match=f"EPOCH_ATLAS_{name} is '.*Set it to a whole number of at least 1"):
        NUMBERS[name]()


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(monkeypatch: pytest.MonkeyPatch, name: str):
    default = NUMBERS[name]()
    monkeypatch.setenv(f"EPOCH_ATLAS_{name}", " 3 ")
    assert NUMBERS[name]() == 3
    monkeypatch.setenv(f"EPOCH_ATLAS_{name}", "")
    assert NUMBERS[name]() == default


def test_threads_are_shared_by_the_workers_and_never_more_than_cores(monkeypatch: pytest.MonkeyPatch):
    cores = settings.threads()
    monkeypatch.setenv("EPOCH_ATLAS_WORKERS", "2")
    assert settings.threads() == max(1, cores // 2)
    monkeypatch.setenv("EPOCH_ATLAS_THREADS", "100000")
    assert settings.threads() == cores


@pytest.mark.parametrize(("text", "on"), [("1", True), ("True", True), ("0", False), ("", False), ("no", False)])
def test_read_only(monkeypatch: pytest.MonkeyPatch, text: str, on: bool):
    monkeypatch.setenv("EPOCH_ATLAS_READONLY", text)
    assert settings.read_only() is on


def test_the_runs_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", "here")
    assert settings.runs_root() == tmp_path / "here"
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", "~/there")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings.runs_root() == tmp_path / "there"
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", "~nobody-of-that-name/there")
    with pytest.raises(ConfigError, match="EPOCH_ATLAS_RUNS is '~nobody-of-that-name/there'"):
        settings.runs_root()


def test_the_table_in_the_module_names_every_variable():
    import inspect
    import re

    table = set(re.findall(r"^(EPOCH_ATLAS_\w+) ", settings.__doc__ or "", re.MULTILINE))
    read = set(re.findall(r"\"(EPOCH_ATLAS_\w+)\"", inspect.getsource(settings)))
    assert read <= table
    assert table - read == {"EPOCH_ATLAS_DATA"}  # which core.data reads


@pytest.mark.parametrize(
    ("outside", "own", "most"), [("1", "", 1), ("1", "8", 1), ("1,2", "", 1), ("0", "1", 1), ("x", "1", 1)]
)
def test_a_limit_set_outside_holds(monkeypatch, outside, own, most):
    monkeypatch.setenv("OMP_NUM_THREADS", outside)
    monkeypatch.setenv("EPOCH_ATLAS_THREADS", own)
    assert settings.threads() == most
