"""Fixtures of the data tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.data import splits
from core.data.catalogue import DATASETS
from tests.data.fakes import fake_info


@pytest.fixture
def no_cache() -> Iterator[None]:
    """Forget what was read, before and after, so that a test sees its own files."""
    cached = (splits._load, splits._file_part, splits._bundled_part)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.fixture
def fake_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_cache: None) -> Path:
    """Let mnist be a small made-up data set under a data root of its own, which is empty yet."""
    monkeypatch.setitem(DATASETS, "mnist", fake_info())
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path))
    return tmp_path
